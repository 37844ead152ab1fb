"""Chapters run on real ECGs; a file of its own, so that another process runs it beside the other tests of chapters."""

import json
import re
from contextlib import suppress
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from vaescan_lite.book import chapters as book

ROOT = Path(__file__).resolve().parents[2]
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


@pytest.fixture(scope="module")
def executed(real_data, tmp_path_factory):
    """Code cells by chapter, run one after the other in a kernel that forgets its names in between: a kernel takes seconds."""
    notebooks = tmp_path_factory.mktemp("real") / "notebooks"
    notebooks.mkdir()
    (notebooks.parent / "book").symlink_to(ROOT / "book")
    settings = {"profile": "smoke", "database": book.resolve_database(real_data / "ptbxl"), "seed": 0}
    cells = [new_code_cell("%config InlineBackend.figure_formats = ['png']")]  # a quarter of the pixels: nobody looks at them
    for chapter in ON_REAL_ECGS:
        notebook = book._prepared(ROOT / "notebooks" / f"{chapter}.ipynb", settings)
        code = [cell for cell in notebook.cells if cell.cell_type == "code"]
        for cell in code:
            cell.id, cell.metadata["chapter"] = f"{chapter[:2]}-{cell.id}", chapter
        code[0].metadata["tags"] = ["parameters"] if chapter == ON_REAL_ECGS[0] else []
        cells += [*code, new_code_cell("%reset -f")]
    nbformat.write(new_notebook(cells=cells, metadata=notebook.metadata), notebooks / "01_all.ipynb")
    with suppress(book.ChaptersFailed):
        book.run_chapters(notebooks, notebooks.parent, progress=False, **settings)
    cells = nbformat.read(notebooks.parent / "01_all.ipynb", as_version=4).cells
    return {chapter: [cell for cell in cells if cell.metadata.get("chapter") == chapter] for chapter in ON_REAL_ECGS}


@pytest.mark.chapter
@pytest.mark.real
@pytest.mark.parametrize("chapter", ON_REAL_ECGS)
def test_it_runs_on_real_ecgs(chapter, executed):
    errors = [output for cell in executed[chapter] for output in cell.outputs if output.output_type == "error"]
    assert not errors, "\n".join(errors[0].traceback)
    assert executed[chapter][-1].execution_count, "a chapter before it stopped; see there"
    (cell,) = (cell for cell in executed[chapter] if "database" in cell.metadata.get("tags", []))
    text = json.dumps([output.get("data", output.get("text")) for output in cell.outputs])
    assert "simulated" not in text and re.search(r"recorded|real", text)
