"""The command line: what it runs, and that its errors are messages."""

import logging
import os
import subprocess
import sys

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

import vaescan_lite as vl
from vaescan_lite import cli


@pytest.fixture
def source(tmp_path):
    """A folder with one chapter, which fails."""
    cells = [
        new_code_cell('profile = "workshop"\ndatabase = "auto"\nseed = 0', metadata={"tags": ["parameters"]}),
        new_code_cell("1 / 0"),
    ]
    (tmp_path / "notebooks").mkdir()
    nbformat.write(new_notebook(cells=cells), tmp_path / "notebooks/01_fails.ipynb")
    return tmp_path


@pytest.fixture(autouse=True)
def quiet_log():
    """The command line sets the level of the package's log; put it back."""
    logger = logging.getLogger("vaescan_lite")
    before = logger.level
    yield
    logger.setLevel(before)


def test_simulate_writes_a_database_that_opens(tmp_path, capsys):
    assert cli.main(["simulate", str(tmp_path / "ecgs"), "-n", "5", "--seed", "3"]) == 0
    assert "5 simulated ECGs at 100 Hz" in capsys.readouterr().out
    assert len(vl.open_database(tmp_path / "ecgs").ids) == 5


def test_the_chapters_command_fails_with_the_report_and_no_traceback(source, capsys):
    assert cli.main(["chapters", "--source", str(source), "--profile", "smoke", "--database", "simulated"]) == 1
    captured = capsys.readouterr()
    assert "01_fails" in captured.out and "failed" in captured.out
    assert "01_fails: cell 2 (1 / 0): ZeroDivisionError" in captured.err and "Traceback" not in captured.err
    assert (source / "_build/executed/report.csv").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["book", "--source", "{source}"], "is not the folder of the book"),
        (["chapters", "--source", "{source}", "--database", "{source}/none"], "no folder"),
        (["chapters", "--source", "{source}", "99"], "no chapter begins with '99'"),
        (["simulate", "{source}/notebooks/01_fails.ipynb/ecgs", "-n", "2"], "01_fails.ipynb"),
    ],
)
def test_errors_of_the_command_line_are_one_clear_message(source, capsys, arguments, message):
    arguments = [argument.format(source=source) for argument in arguments]
    assert cli.main(arguments) == 1
    captured = capsys.readouterr()
    assert captured.err.startswith("vaescan-lite: ") and message in captured.err and "Traceback" not in captured.err


def test_python_dash_m_is_the_same_command(tmp_path):
    run = subprocess.run(
        [sys.executable, "-m", "vaescan_lite", "simulate", str(tmp_path / "x"), "-n", "0"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "COLUMNS": "200"},
    )
    assert run.returncode == 2 and "must be at least 1, got 0" in run.stderr
