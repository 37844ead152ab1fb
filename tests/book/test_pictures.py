"""Pictures of pages: a palette, the colours that were drawn, and the size that the run gave them."""

import base64
import io
import re
from copy import deepcopy
from pathlib import Path

import nbformat
import numpy as np
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output
from PIL import Image

import vaescan_lite as vl
from vaescan_lite.book.pictures import lighter
from vaescan_lite.plots.ecgs import in_style

ROOT = Path(__file__).resolve().parents[2]
CHAPTERS = sorted((ROOT / "notebooks").glob("*.ipynb"))
RESULTS = sorted((ROOT / "book/results").glob("*.png"))
WIDEST_ON_PAPER_INCH = 178 / 25.4  # of the text of the PDF


def png(figure):
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=200)
    return base64.b64encode(stream.getvalue()).decode()


@pytest.fixture(scope="module")
def heat_map():
    """A figure whose colours mean something, 256 of them in its colour bar."""
    import pandas as pd

    values = np.linspace(-1, 1, 30).reshape(5, 6)
    with in_style():
        return png(vl.plots.plot_associations(pd.DataFrame(values), limit=1).figure)


def lightened(png):
    outputs = [new_output("display_data", data={"image/png": png})]
    return lighter(new_notebook(cells=[new_code_cell("", outputs=outputs)])).cells[0].outputs[0].data["image/png"]


def test_a_picture_gets_a_third_of_its_size_and_keeps_its_colours(heat_map):
    small = lightened(heat_map)
    before, after = (
        np.asarray(Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB"), int) for data in (heat_map, small)
    )
    apart = np.abs(before - after).max(axis=2)
    assert len(small) < 0.6 * len(heat_map) and before.shape == after.shape
    assert (apart > 16).mean() < 0.001 and apart.max() < 70  # at the edges of letters
    assert (after[0, 0] == 255).all()


def test_pictures_behind_html_stay_and_a_picture_keeps_its_width(heat_map):
    size = {"image/png": {"width": 300, "height": 200}}
    outputs = [
        new_output("display_data", data={"image/png": heat_map, **html}, metadata=deepcopy(size))
        for html in ({}, {"text/html": "<p>"})
    ]
    shown, behind = lighter(new_notebook(cells=[new_code_cell("", outputs=outputs)])).cells[0].outputs
    assert len(shown.data["image/png"]) < len(heat_map) and behind.data["image/png"] == heat_map
    assert shown.metadata == {"image/png": {"width": 300}} and behind.metadata == size  # less high where less wide


@pytest.mark.parametrize("path", RESULTS, ids=[path.stem for path in RESULTS])
def test_figures_of_the_results_are_sharp_on_paper(path):
    with Image.open(path) as picture:
        shown_inch = min(picture.width / 2 / 96, WIDEST_ON_PAPER_INCH)  # a page shows a pixel where the file has two
        assert picture.mode == "P" and picture.width / shown_inch >= 150


@pytest.mark.parametrize("path", CHAPTERS, ids=[path.stem for path in CHAPTERS])
def test_letters_that_a_chapter_sets_have_6_points_on_paper(path):
    for cell in nbformat.read(path, as_version=4).cells:
        sizes = [float(size) for size in re.findall(r"fontsize=([\d.]+)", cell.source)]
        for width in re.findall(r"figsize=\(([\d.]+)", cell.source):
            shown = min(100 / 96, WIDEST_ON_PAPER_INCH / float(width))  # an inch of a figure is 100 px of a page
            assert shown * min([9, *sizes]) >= 6, cell.source
