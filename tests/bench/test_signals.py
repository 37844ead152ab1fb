"""What `make bench-signals` counts; the benchmark itself is not run here."""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

FOLDER = Path(__file__).parents[2] / "bench"


@pytest.fixture
def cardiologists(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    import cardiologists

    yield cardiologists
    sys.modules.pop("cardiologists")


@pytest.mark.parametrize(("found_s", "errors"), [
    ([1.0, 2.0, 3.0], (0, 0)),
    ([0.2, 1.09, 2.0, 2.95, 4.0], (0, 0)),  # what lies outside the marks does not count
    ([1.0, 3.0], (1, 0)),
    ([1.0, 1.5, 2.0, 3.0], (0, 1)),
    ([1.0, 1.98, 2.02, 3.0], (0, 1)),  # one beat is not found twice
    ([1.0, 2.11, 3.0], (1, 1)),
    ([], (3, 0)),
])  # fmt: skip
def test_missed_and_false_beats_are_counted_between_the_marks(cardiologists, found_s, errors):
    assert cardiologists.count_errors(np.array(found_s), np.array([1.0, 2.0, 3.0])) == errors


def test_intervals_of_marks_are_the_medians_over_leads_done_by_hand(cardiologists):
    rows = []
    for k, lead in enumerate(cardiologists.MARKED_LEADS[:7]):  # onsets 0, 1 ... 6 ms early, and one lead far off
        early = 40.0 if k == 6 else k
        for beat_ms in (1000.0, 2000.0):
            rows.append((lead, "p", beat_ms - 200 - early, beat_ms - 150, beat_ms - 100))
            rows.append((lead, "N", beat_ms - 40 - early, beat_ms, beat_ms + 50))
            rows.append((lead, "t", beat_ms + 200, beat_ms + 280, beat_ms + 350 + k))
    marked = pd.DataFrame(rows, columns=["lead", "wave", "onset", "peak", "end"])
    np.testing.assert_allclose(cardiologists.marked_intervals(marked), [50 + 43, 160, 353 + 43])
    without_p = marked[(marked.wave != "p") | (marked.lead == "i")]
    assert np.isnan(cardiologists.marked_intervals(without_p)[1])


def test_the_error_of_an_interval_is_over_those_that_both_know(cardiologists):
    marked = pd.Series([100.0, 110.0, 120.0, np.nan, 90.0])
    row = cardiologists.interval_error(pd.Series([104.0, 108.0, 126.0, 95.0, np.nan]), marked, n_resamples=200)
    assert (row["error_ms"], row["bias_ms"]) == (pytest.approx(4), pytest.approx(8 / 3))
    assert row["constant_ms"] == pytest.approx((5 + 5 + 15) / 3)  # the median of all that are marked is 105
    assert (row["n"], row["marked_not_found"], row["found_not_marked"]) == (3, 1, 1)
    assert 2 <= row["low"] <= 4 <= row["high"] <= 6
    assert row["correlation"] == pytest.approx(np.corrcoef([104, 108, 126], [100, 110, 120])[0, 1])


@pytest.mark.real
def test_detector_and_calipers_stay_as_near_to_cardiologists_as_they_were(cardiologists, real_data):
    intervals, beats = cardiologists.errors_of_the_package(real_data / "ludb-dev", n_resamples=50)
    assert (beats["missed"] + beats["false"] <= 2).all() and (beats["beats"] > 800).all()
    errors = intervals.set_index(["interval", "fs_hz"])["error_ms"].unstack()
    assert (errors.loc["qrs_ms"] < 8.5).all() and (errors.loc["pr_ms"] < 6).all() and (errors.loc["qt_ms"] < 10.5).all()
    assert (intervals["error_ms"] < 0.6 * intervals["constant_ms"]).all()


def test_without_neurokit_the_benchmark_says_what_to_install(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    import signals

    monkeypatch.setattr(signals.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(SystemExit, match="pip install neurokit2"):
        signals.main()
    sys.modules.pop("signals")
