"""Captions: cells of a chapter as it is stored, in the metadata of their figures and tables on the page."""

import json
import sys

import nbformat
import numpy as np
import pandas as pd
import pytest
from chapter_cells import ROOT
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

import vaescan_lite as vl

sys.path.insert(0, str(ROOT / "book/_ext"))
import captions

CHAPTERS = sorted((ROOT / "notebooks").glob("*.ipynb"))
NAMED = {"mystnb": {"image": {"alt": "A wave."}, "figure": {"name": "fig-01-wave"}}}


def caption(text):
    return new_markdown_cell(text, metadata={"tags": ["caption"]})


def chapter(*cells):
    return new_notebook(cells=[new_markdown_cell("# 1. Waves\n\nA question."), *cells])


# ---- from cells to metadata


def test_the_page_has_captions_in_metadata_and_every_other_cell_as_it_was():
    drawn, shown, both = new_code_cell("plot()", metadata=NAMED), new_code_cell("table"), new_code_cell("x", metadata=NAMED)
    words = new_markdown_cell("**Figure.** and **Table.** are words.")
    wave, rows = "**Figure.** A *wave* of $x$.", "**Table.** All."
    notebook = chapter(drawn, caption(wave), words, shown, caption(rows), both, caption(rows), caption(wave))
    as_stored = json.dumps(notebook)
    figure = NAMED["mystnb"] | {"figure": {"name": "fig-01-wave", "caption": "A *wave* of $x$."}}
    placed = captions.placed(notebook)
    assert placed.cells == [
        notebook.cells[0],
        drawn | {"metadata": {"mystnb": figure}},
        words,
        shown | {"metadata": {"table": {"caption": "All."}}},
        both | {"metadata": {"mystnb": figure, "table": {"caption": "All."}}},
    ]
    assert json.dumps(notebook) == as_stored and captions.placed(placed) == placed
    assert json.loads(captions.with_captions(as_stored)) == json.loads(json.dumps(placed))


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ((new_markdown_cell("Words."), caption("**Table.** All.")), "cell 2, .*directly after the code"),
        ((new_code_cell("table"), caption("**Figure.** A wave.")), "cell 2, .*gives no figure"),
        ((new_code_cell("table"), caption("**Table:** All.")), r"cell 2, .*begins with '\*\*Figure\.\*\* ' or"),
        ((new_code_cell("table"), caption("**Table.** All.\nOf them.")), "cell 2, .*one line"),
        ((new_code_cell("table"), caption("**Table.** All."), caption("**Table.** Both.")), r"cell 3, .*Both.*already"),
    ],
)
def test_a_caption_in_another_place_or_form_is_refused_and_chapter_and_cell_are_named(cells, message):
    notebook = chapter(*cells)
    for i, cell in enumerate(notebook.cells):
        cell.id = str(i)
    with pytest.raises(ValueError, match=r"^1\. Waves, " + message):
        captions.placed(notebook)


# ---- chapters as they are stored


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_no_caption_stands_in_metadata_and_every_figure_has_its_cell(path):
    stored = nbformat.read(path, as_version=4)
    assert '"caption": ' not in json.dumps([cell.metadata for cell in stored.cells])
    placed = captions.placed(stored)
    figures = [cell.metadata["mystnb"]["figure"] for cell in placed.cells if "mystnb" in cell.metadata]
    assert figures and all("caption" in figure for figure in figures)
    n_tables = sum("table" in cell.metadata for cell in placed.cells)
    assert len(stored.cells) - len(placed.cells) == len(figures) + n_tables
    assert not [cell.source for cell in placed.cells if captions.SAID.match(cell.source)], "the tag is missing"


# ---- into tables


def test_a_table_gets_the_caption_of_its_cell_and_a_name_for_screen_readers():
    html = captions.captioned(vl.plots.table_html(pd.DataFrame({"pr_ms": [160.0]})), 'Said & "done".')
    assert '<table><caption>Said &amp; "done".</caption><thead>' in html.replace("&quot;", '"')
    assert 'aria-label="Said &amp; &quot;done&quot;."' in html and html.count("<caption>") == 1


def test_what_a_long_table_says_of_its_rows_stays_behind_the_caption():
    html = captions.captioned(vl.plots.table_html(pd.DataFrame({"a": np.arange(50)})), "Many.")
    assert "<caption>Many. The first and the last of 50 rows.</caption>" in html


def test_only_tables_of_cells_that_say_so_change():
    html = vl.plots.table_html(pd.DataFrame({"a": [1]}))
    table, plain = (new_output("display_data", data={"text/html": text}) for text in (html, "<b>no table</b>"))
    silent = [
        new_code_cell("x", outputs=[table]),
        new_code_cell("x", metadata={"table": {"caption": "None."}}, outputs=[new_output("stream", text="x")]),
        new_markdown_cell("words"),
    ]
    notebook = chapter(new_code_cell("x", outputs=[plain, table]), caption("**Table.** One."), *silent)
    _, said, *after = json.loads(captions.with_captions(json.dumps(notebook)))["cells"]
    assert "<caption>One.</caption>" in said["outputs"][1]["data"]["text/html"]
    assert said["outputs"][0] == plain and after == silent
