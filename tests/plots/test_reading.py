"""Tables for readers: the digits a column needs, intervals in one column, heads in words, and HTML that is reachable by key."""

import re
import sys
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from vaescan_lite.book.workspace import show_tables
from vaescan_lite.plots import as_text, name_of, table_html


@pytest.mark.parametrize(
    ("values", "texts"),
    [
        (np.float32([63.599998, 7.25]), ["63.6", "7.2"]),  # no noise of float32
        ([0.12345, -0.5], ["0.123", "−0.500"]),  # equally many decimals, a true minus
        ([120.0, np.nan], ["120", "–"]),
        ([1e-5, 0.25], ["0.00001", "0.25"]),  # nothing small becomes zero
        ([1234.5, 2.0], ["1234", "2"]),
        ([3, 12345], ["3", "12345"]),  # counts are whole
        ([True, False], ["yes", "no"]),
        (["a", 0.3333333, None, -2], ["a", "0.333", "–", "−2"]),
        ([np.inf, 1.5], ["inf", "1.5"]),
        (["+0.8 (-0.2 to +1.1)", "2020-01-02"], ["+0.8 (−0.2 to +1.1)", "2020-01-02"]),
        (["a", -0.0], ["a", "0"]),  # no minus before nothing
        ([57.2, -0.16], ["57.2", "−0.16"]),  # of other units, digits of their own
        (["st_V2_mV", "sex_female", "records100"], ["ST V2, mV", "sex female", "records100"]),
    ],
)
def test_cells_have_the_digits_that_their_column_needs(values, texts):
    assert as_text(pd.DataFrame({"x": values}))["x"].tolist() == texts


def test_an_interval_stands_behind_its_value():
    row = {"auroc": 0.79, "low": 0.77, "high": 1.0, "gain": -0.02, "gain_low": -0.05, "gain_high": 0.01}
    table = pd.DataFrame([row])
    assert as_text(table).iloc[0].to_dict() == {"AUROC [95 %]": ".79 [.77, 1.00]", "gain [95 %]": "−.02 [−.05, .01]"}
    mixed = pd.DataFrame({"effect": [66.8, 0.388], "low": [63.1, 0.333], "high": [70.5, 0.442]})
    assert as_text(mixed).iloc[:, 0].tolist() == ["66.8 [63.1, 70.5]", ".388 [.333, .442]"]
    missing = as_text(table.assign(auroc=np.nan, low=np.nan, high=np.nan))
    assert missing.iloc[0, 0] == "–"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("r_peak_time_V5_ms", "R peak time V5, ms"),
        ("auroc", "AUROC"),
        ("q_aVF_mV", "Q aVF, mV"),
        ("sokolow_lyon_mV", "Sokolow Lyon, mV"),
        ("n_with", "number of people with it"),
        ("n_beats", "number of beats"),
        ("noise_uV", "noise, µV"),
        ("p", "p"),
        (("qrs_ms", "mean"), "QRS, ms · mean"),
        (7, "7"),
    ],
)
def test_names_are_spelled_out_with_their_unit(name, words):
    assert name_of(name) == words


def test_the_html_is_safe_has_one_head_row_and_takes_the_keyboard():
    table = pd.DataFrame({"a<b": ["<script>", "x & y"], "n": [1, 2]}, index=pd.Index(["u", "v"], name="group"))
    page = table_html(table, "A caption")
    assert "<script>" not in page and page.count("<thead><tr>") == page.count("</tr></thead>") == 1
    assert 'tabindex="0"' in page and "<caption>A caption</caption>" in page and ">group</th>" in page
    assert re.findall(r'text-align: (\w+)">(?:1|n)<', page) == ["right", "right"]


def test_a_long_table_shows_its_first_and_last_rows_and_says_how_many_there_are():
    page = table_html(pd.DataFrame({"x": np.arange(1000)}))
    assert page.count("<tr>") == 17 and ">999<" in page and ">500<" not in page and "1000 rows" in page


def test_a_table_without_rows_shows_its_heads():
    assert ">a<" in table_html(pd.DataFrame({"a": [], "n": []}))


def test_in_a_notebook_every_table_is_shown_so(monkeypatch):
    formatters = pytest.importorskip("IPython.core.formatters")
    session = SimpleNamespace(display_formatter=formatters.DisplayFormatter())
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: session))
    show_tables()
    table = pd.DataFrame({"qrs_ms": np.float32([63.599998])})
    assert session.display_formatter.format(table)[0]["text/html"] == table_html(table)


def test_in_a_notebook_sentences_have_minus_signs_and_names_keep_their_hyphens(monkeypatch):
    formatters = pytest.importorskip("IPython.core.formatters")
    display = pytest.importorskip("IPython.display")
    session = SimpleNamespace(display_formatter=formatters.DisplayFormatter())
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: session))
    show_tables()
    said = display.Markdown("- **-0.02** (-.1 to +0.3; -inf), 60-100, 1-2, V1-V6, [chapter](a-1.html)")
    shown = session.display_formatter.format(said)[0]["text/markdown"]
    assert shown == "- **−0.02** (−.1 to +0.3; −inf), 60-100, 1-2, V1-V6, [chapter](a-1.html)"
