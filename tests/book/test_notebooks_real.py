"""Chapters run on real ECGs; a file of its own, so that another process runs it beside the other tests of chapters."""

import json
import re
from pathlib import Path

import nbformat
import pytest

from vaescan_lite.book import chapters as book

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"
ON_REAL_ECGS = [
    "02_median_beats",
    "05_latent_space",
    "06_scan",
    "07_associations",
    "08_reading_explanations",
    "10_trade_off",
    "11_external_validation",
    "A1_simulator",
    "A2_scale",
]


@pytest.mark.chapter
@pytest.mark.real
@pytest.mark.parametrize("chapter", ON_REAL_ECGS)
def test_it_runs_on_real_ecgs(chapter, real_data, tmp_path):
    table = book.run_chapters(
        NOTEBOOKS, tmp_path, profile="smoke", database=real_data / "ptbxl", only=[chapter], progress=False
    )
    assert table["error"].isna().all()
    cells = nbformat.read(tmp_path / f"{chapter}.ipynb", as_version=4).cells
    (cell,) = (cell for cell in cells if "database" in cell.metadata.get("tags", []))
    text = json.dumps([output.get("data", output.get("text")) for output in cell.outputs])
    assert "simulated" not in text and re.search(r"recorded|real", text)
