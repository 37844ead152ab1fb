"""The faults that `make faults` plants: their list fits the package, and nearly all of them were caught."""

import ast
from pathlib import Path

import pytest
from plant_faults import planted, read_faults, read_result

import vaescan_lite

PACKAGE = Path(vaescan_lite.__file__).parent
ROOMS = {path.stem for path in PACKAGE.iterdir() if path.is_dir()}


@pytest.mark.parametrize("fault", read_faults(), ids=lambda fault: fault["what"])
def test_a_fault_stands_once_in_its_file_and_leaves_it_readable(fault):
    source = (PACKAGE / fault["file"]).read_text(encoding="utf-8")
    faulty = planted(source, fault)
    read = ast.parse if fault["file"].endswith(".py") else ast.Constant
    assert ast.dump(read(faulty)) != ast.dump(read(source))


def test_a_fault_whose_place_is_gone_is_refused():
    with pytest.raises(ValueError, match="'x = 1' stands there 0 times, not once"):
        planted("y = 2", {"file": "a.py", "old": "x = 1", "new": "x = 2"})


def test_at_least_95_in_100_of_60_faults_and_more_are_caught_by_tests_of_their_own_room():
    faults, result = read_faults(), read_result()
    assert len({fault["key"] for fault in faults}) == len(faults) >= 60
    caught = [result[fault["key"]]["caught"] == "yes" for fault in faults]
    assert sum(caught) >= 0.95 * len(caught)
    for fault in faults:
        room = Path(fault["file"]).parts[0]
        if room in ROOMS:
            assert all(part.startswith(f"tests/{room}/") for part in fault["tests"].split() if part.startswith("tests/"))
