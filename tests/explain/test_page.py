"""The page on one ECG: its numbers are the package's, and it holds for odd ECGs and odd names."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import vaescan_lite as vl
from vaescan_lite.cli import main
from vaescan_lite.explain import report
from vaescan_lite.explain.page import _measurements
from vaescan_lite.factors import FACTOR_LABELS


@pytest.fixture(scope="module")
def ecg():
    return vl.simulate(pd.DataFrame({"LBBB": [1]}, index=["one"]), seed=3)


@pytest.fixture(scope="module")
def page(ecg):
    return report(ecg)


def test_the_page_says_what_the_package_says(ecg, page):
    _, scan = vl.load_pretrained()
    beats = vl.median_beats(ecg, fs=100)
    read = scan.ecg_to_factors(beats).iloc[0]
    pd.testing.assert_series_equal(page.factors["value"].sort_index(), read.sort_index(), check_names=False)
    assert (page.factors["low"] <= page.factors["value"]).all() and (page.factors["value"] <= page.factors["high"]).all()
    measured = vl.measure(vl.median_beats(ecg)).iloc[0]
    np.testing.assert_allclose(page.measurements["value"], measured[page.measurements.index])
    first = page.factors["unexpected"].idxmax()
    assert first == page.factors.index[0] not in ("sex_female", "age_years")
    parts = vl.explain.wave_contributions(scan, beats, first).iloc[0]
    assert f"the waves add {parts.sum():+.1f} to the log odds" in page.html
    assert f"<td>QRS duration</td><td>{measured['qrs_ms']:.0f} ms</td>" in page.html
    likely = (page.factors["value"][page.factors["unexpected"].nlargest(2).index] >= 0.5).sum()
    assert page.html.count("<figcaption>The same person without") == likely and f"{likely} of them reach 50 %" in page.html
    assert not page.faults and "Not a medical device" in page.html


def test_the_page_asks_nobody_for_anything(page, tmp_path):
    path = page.save(tmp_path / "page.html")
    text = path.read_text(encoding="utf-8")
    assert text == page.html and len(text) < 1.5e6
    assert not re.findall(r"""(?:src|href)=["'](?!data:|#)""", text)
    assert text.count("<h1") == 1 and all(alt for alt in re.findall(r'<img alt="([^"]*)"', text))


def test_what_is_wide_is_marked(page):
    assert page.measurements.loc["qrs_ms", "value"] > page.measurements.loc["qrs_ms", "high"]
    assert "<tr class=outside><td>QRS duration</td>" in page.html


def test_an_ecg_without_beats_gets_a_page_that_says_why(ecg):
    flat = replace(ecg, signals=np.zeros_like(ecg.signals))
    page = report(flat)
    assert len(page.factors) == 0 and page.measurements["value"].isna().all()
    assert page.faults and "No beat of it can be used" in page.html and "What the model reads" not in page.html


@pytest.mark.parametrize(("duration_s", "is_read"), [(7, True), (2, False)])
def test_a_short_ecg_gets_its_page_and_its_name_is_text_and_no_markup(ecg, duration_s, is_read):
    name = np.array(["<b>x</b>"])
    page = report(replace(ecg, signals=ecg.signals[..., : round(duration_s * ecg.fs)], ids=name))
    assert "<b>x</b>" not in page.html and "&lt;b&gt;x" in page.html
    assert (len(page.factors) > 0) == is_read == ("What the model reads" in page.html)
    assert is_read or "3 s or longer" in page.faults[-1]


def test_what_comes_first_is_what_lies_outside_and_what_is_likely(page):
    first = page.html[page.html.index("In short") : page.html.index("The recording<")]
    qrs = page.measurements.loc["qrs_ms", "value"]
    assert f"QRS duration {qrs:.0f} ms" in first
    likely = page.factors[page.factors["value"] >= 0.5].drop(index=["sex_female", "age_years"], errors="ignore").index
    assert len(likely) and all(FACTOR_LABELS.get(name, name) in first for name in likely)
    assert page.html.index("In short") < page.html.index("The recording<") and "PR interval" not in first


def test_what_was_not_found_is_not_outside(ecg, page):
    table = page.measurements.assign(value=np.nan)
    assert "<tr><td>PR interval</td><td>not found</td>" in _measurements(vl.median_beats(ecg), table)


def test_a_doubtful_rate_is_a_fault_of_the_page(ecg):
    (fault,) = report(replace(ecg, fs=25.0)).faults[:-1]
    assert "Is fs right?" in fault and "at 100 Hz it would last ten" in fault


def test_microvolts_are_named(ecg):
    page = report(replace(ecg, signals=1000 * ecg.signals))
    assert any("microvolt" in fault for fault in page.faults) and "The recording has faults" in page.html
    assert len(page.factors) == 0 and "too large for it" in page.html and "What the model reads" not in page.html


def test_paper_has_an_end(ecg):
    with pytest.raises(ValueError, match="ECG one: its rows span .* mV, more than paper of 120 mV holds"):
        vl.plots.plot_ecg(replace(ecg, signals=1000 * ecg.signals))


@pytest.mark.parametrize("given", ["two", "array", "half a model"])
def test_what_is_no_single_ecg_is_refused(ecg, given):
    with pytest.raises(ValueError, match="one ECG|a VAE and a Scan"):
        if given == "half a model":
            report(ecg, vae=vl.load_pretrained()[0])
        else:
            report(vl.simulate(pd.DataFrame(index=range(2))) if given == "two" else ecg.signals)


def test_the_command_writes_the_page_beside_nothing_else(tmp_path, monkeypatch, capsys, ecg):
    monkeypatch.chdir(tmp_path)
    time_s = np.arange(ecg.signals.shape[-1]) / ecg.fs
    pd.DataFrame(ecg.signals[0].T, columns=ecg.leads).assign(time_s=time_s).to_csv("mine.csv", index=False)
    assert main(["explain", "mine.csv"]) == 0
    assert capsys.readouterr().out.strip() == "mine.html"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine.csv", "mine.html"]
    assert main(["explain", "absent.csv"]) == 1
    assert "absent.csv" in capsys.readouterr().err


def test_the_lines_of_the_page_on_an_own_ecg_run(ecg, tmp_path, monkeypatch):
    text = (Path(__file__).parents[2] / "book" / "your_own_ecg.md").read_text(encoding="utf-8")
    (table,), (code,) = (re.findall(rf"```{kind}\n(.*?)```", text, re.DOTALL) for kind in ("text", "python"))
    monkeypatch.chdir(tmp_path)
    Path("mine.csv").write_text(table)
    assert vl.read_record("mine.csv").fs == 500
    pd.DataFrame(np.repeat(ecg.signals[0], 5, axis=1).T, columns=ecg.leads).to_csv("mine.csv", index=False)
    exec(code, {})
    assert "In short" in Path("mine.html").read_text(encoding="utf-8") and len(code.splitlines()) <= 10


def test_a_page_without_an_explorer_is_small_and_its_text_is_short(ecg):
    page = report(ecg, interactive=False)
    assert "<script" not in page.html and len(page.html) < 6e5 and "<html" not in repr(page)
