"""Captions of tables, from the metadata of cells."""

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd

import vaescan_lite as vl

sys.path.insert(0, str(Path(__file__).parents[2] / "book/_ext"))

import table_captions


def test_a_table_gets_the_caption_of_its_cell_and_a_name_for_screen_readers():
    html = table_captions.captioned(vl.plots.table_html(pd.DataFrame({"pr_ms": [160.0]})), 'Said & "done".')
    assert '<table><caption>Said &amp; "done".</caption><thead>' in html.replace("&quot;", '"')
    assert 'aria-label="Said &amp; &quot;done&quot;."' in html and html.count("<caption>") == 1


def test_what_a_long_table_says_of_its_rows_stays_behind_the_caption():
    html = table_captions.captioned(vl.plots.table_html(pd.DataFrame({"a": np.arange(50)})), "Many.")
    assert "<caption>Many. The first and the last of 50 rows.</caption>" in html


def test_only_tables_of_cells_that_say_so_change():
    table, plain = vl.plots.table_html(pd.DataFrame({"a": [1]})), "<b>no table</b>"
    cells = [
        {
            "metadata": {"table": {"caption": "One."}},
            "outputs": [{"data": {"text/html": [plain]}}, {"data": {"text/html": table}}],
        },
        {"metadata": {}, "outputs": [{"data": {"text/html": table}}]},
        {"metadata": {"table": {"caption": "None."}}, "outputs": [{"name": "stdout", "text": "x"}]},
        {"metadata": {}, "source": "words"},
    ]
    after = json.loads(table_captions.with_captions(json.dumps({"cells": cells})))["cells"]
    assert "<caption>One.</caption>" in after[0]["outputs"][1]["data"]["text/html"]
    assert after[0]["outputs"][0] == cells[0]["outputs"][0] and after[1:] == cells[1:]
