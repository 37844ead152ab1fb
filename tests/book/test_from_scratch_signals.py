"""What chapters 1 to 3 write out themselves agrees with the package and the truth; their exercises refuse near misses."""

import numpy as np
import pandas as pd
import pytest
from chapter_cells import cells, hint, run

import vaescan_lite as vl
from vaescan_lite.book import Check

# ---- chapter 1: leads


@pytest.fixture(scope="module")
def lead_chapter():
    """Names of chapter 1 after its own lead algebra, and those its exercises use."""
    names = run(cells("01_reading_ecgs", "from-scratch"), {"np": np, "pd": pd, "Check": Check, "seed": 0})
    nine = np.random.default_rng(1).normal(size=(9, 30))
    leads = dict(zip(vl.ecg.LEADS_12, names["leads_of"](nine)[:, np.newaxis]))
    ages = pd.Series([20.0, 65, np.nan, 70, 65, 90, 20, np.nan, 30, 75, 80, 66], name="age_years")
    names |= {"lead": leads, "factors": pd.DataFrame(ages)}
    return run(cells("01_reading_ecgs", "exercise-check"), names)


def test_the_leads_of_chapter_1_are_those_of_the_package_and_hold_eight_signals(lead_chapter):
    nine = np.random.default_rng(2).normal(size=(4, 9, 50)).astype(np.float32)
    twelve = np.stack([lead_chapter["leads_of"](person) for person in nine])
    eight = vl.to_eight_leads(vl.EcgSet(twelve, fs=100))
    assert lead_chapter["rank"] == 8 and lead_chapter["everywhere"] < 1e-12
    np.testing.assert_allclose(lead_chapter["to_twelve"](eight.signals), twelve, atol=1e-6)
    np.testing.assert_allclose(lead_chapter["to_twelve"](eight.signals), vl.to_twelve_leads(eight).signals, atol=1e-6)


@pytest.mark.parametrize("angle", [0, 90, -60, 179, -120])
def test_the_axis_of_chapter_1_is_that_of_a_known_arrow(lead_chapter, angle):
    left, down = np.cos(np.deg2rad(angle)), np.sin(np.deg2rad(angle)) * np.sqrt(3) / 2
    assert lead_chapter["axis_deg"](left, down) == pytest.approx(angle)


def test_the_exercises_of_chapter_1_refuse_near_misses_and_say_why(lead_chapter):
    lead, check = lead_chapter["lead"], lead_chapter["check_avf"]
    assert "One value per sample" in hint(check, np.repeat(lead["aVF"], 2, axis=0))
    assert "That is aVL" in hint(check, lead["I"][0] - lead["II"][0] / 2)
    assert "Upside down" in hint(check, lead["I"][0] / 2 - lead["II"][0])
    assert "That is III" in hint(check, lead["II"][0] - lead["I"][0])
    assert "mean of both arms" in hint(check, lead["II"][0] + lead["I"][0] / 2)
    assert hint(check, lead["II"][0] - lead["I"][0] / 2) == "Right."

    check, ages = lead_chapter["check_age"], lead_chapter["ages"]
    assert "between 0 and 1" in hint(check, 67.0)
    assert "count as young" in hint(check, (ages >= 65).mean())
    assert "as neither" in hint(check, (ages.fillna(300) >= 65).mean())
    assert "65 is 65" in hint(check, (ages.dropna() > 65).mean())
    assert "younger" in hint(check, (ages.dropna() < 65).mean())
    assert hint(check, (ages.dropna() >= 65).mean()) == "Right."

    def moved(order, sign=-1):
        def f(twelve):
            out = twelve[[*order, *range(len(order), 12)]]
            out[0] *= sign
            return out

        return f

    check = lead_chapter["check_swap"]
    assert "nothing back" in hint(check, lambda twelve: None)
    assert "twelve come out" in hint(check, lambda twelve: twelve[:8])
    assert "its sign turns" in hint(check, moved([0, 2, 1, 4, 3], sign=1))
    assert "start at the arms" in hint(check, moved([0, 1, 2, 4, 3]))
    assert "stand on the arms" in hint(check, moved([0, 2, 1, 3, 4]))
    assert "leave it" in hint(check, moved([0, 2, 1, 4, 3, 3]))
    assert "leave them" in hint(check, moved([0, 2, 1, 4, 3, 5, 7, 6]))
    assert hint(check, moved([0, 2, 1, 4, 3])) == "Right."


# ---- chapter 2: median beats


@pytest.fixture(scope="module")
def beat_chapter():
    """Names of chapter 2 after its own detector, alignment and median, and thirty noisy ECGs with and without blocks."""
    imports = cells("02_median_beats", "from-scratch")
    names = run(["from scipy.interpolate import CubicSpline", "from scipy.signal import butter, sosfiltfilt"], {"np": np})
    names = run(["from scipy.ndimage import gaussian_filter1d, maximum_filter1d", *imports], names)
    people = pd.DataFrame({"age_years": np.linspace(20, 85, 30), "sex_female": np.arange(30) % 2})
    people["LBBB"], people["AF"], people["PVC"] = ((np.arange(30) % 5 == k).astype(int) for k in range(3))
    names["ecgs"] = vl.to_eight_leads(vl.simulate(people, fs=100, seed=7))
    names["own"] = names["own_r_peaks"](names["ecgs"].signals[0], 100)
    names |= {"single": names["own_beats"](names["ecgs"].signals[0])[0], "Check": Check, "fs": 100}
    return run(cells("02_median_beats", "exercise-check"), names)


def test_the_detector_of_chapter_2_finds_the_beats_of_the_package(beat_chapter):
    ecgs = beat_chapter["ecgs"]
    for signal, package in zip(ecgs.signals, vl.r_peaks(ecgs), strict=True):
        own = beat_chapter["own_r_peaks"](signal, 100)
        apart = np.abs(own[:, np.newaxis] - package)
        assert abs(len(own) - len(package)) <= 1 and np.mean(apart.min(axis=1) <= 5) > 0.9


@pytest.mark.parametrize("spoil", ["flat", "jumping", "gap"])
def test_one_bad_lead_neither_hides_nor_makes_a_beat_in_chapter_2(beat_chapter, spoil):
    signal = beat_chapter["ecgs"].signals[3].copy()
    before = beat_chapter["own_r_peaks"](signal, 100)
    if spoil == "gap":
        signal[4, 500] = np.nan
    else:
        signal[4] = 0 if spoil == "flat" else 20 * (np.arange(1000) % 130 < 65)
    after = beat_chapter["own_r_peaks"](signal, 100)
    assert len(after) == len(before) and np.abs(after - before).max() <= 5


def test_the_alignment_of_chapter_2_finds_a_known_shift(beat_chapter):
    time, positions = np.arange(1000), np.array([100.3, 310.8, 520.0, 745.45])
    bumps = np.exp(-((time - positions[:, np.newaxis]) ** 2) / 18).sum(axis=0)
    signal = np.stack([bumps, -2 * bumps])
    found = beat_chapter["centred"](signal, beat_chapter["align"](signal, np.rint(positions)))
    np.testing.assert_allclose(np.diff(found), np.diff(positions), atol=0.02)
    np.testing.assert_allclose(found, positions, atol=0.1)


def test_the_median_beats_of_chapter_2_are_those_of_the_package(beat_chapter):
    ecgs = beat_chapter["ecgs"]
    own = np.stack([beat_chapter["own_beats"](signal)[1] for signal in ecgs.signals])
    apart_uv = 1000 * np.sqrt(np.mean((own - vl.median_beats(ecgs).signals) ** 2, axis=(1, 2)))
    assert np.median(apart_uv) < 8 and np.quantile(apart_uv, 0.9) < 25


def test_the_exercises_of_chapter_2_refuse_near_misses_and_say_why(beat_chapter):
    names = beat_chapter
    check, samples = names["check_rate"], np.median(np.diff(names["own"]))
    assert "One number" in hint(check, np.diff(names["own"]))
    assert "per second" in hint(check, 100 / samples)
    assert "RR interval" in hint(check, samples / 100)
    assert "take the median" in hint(check, 6000 / np.diff(names["own"]).mean())
    assert "seconds per beat" in hint(check, samples)
    assert hint(check, 6000 / samples) == "Right."

    check, scatter, n = names["check_noise"], names["single"][:, 6].std(axis=0), len(names["single"])
    assert "average over time" in hint(check, 1000 * scatter / np.sqrt(n))
    assert "millivolts" in hint(check, scatter.mean() / np.sqrt(n))
    assert "single beat" in hint(check, 1000 * scatter.mean())
    assert "square root" in hint(check, 1000 * scatter.mean() / n)
    assert "along axis 0" in hint(check, 1000 * names["single"][:, 6].std(axis=1).mean() / np.sqrt(n))
    assert "along axis 0" in hint(check, 1000 * np.median(scatter) / np.sqrt(n)), "the mean over time, not the median"
    assert hint(check, 1000 * scatter.mean() / np.sqrt(n)) == "Right."
    assert hint(check, 1000 * scatter.mean() / np.sqrt(n - 1)) == "Right.", "an SD with n - 1"

    def look_again(usual=np.median, least=32, longer=1.5, order=np.sort):
        def f(peaks, faint):
            after = np.searchsorted(peaks, faint)
            faint, after = (part[(after > 0) & (after < len(peaks))] for part in (faint, after))
            left, right = peaks[after - 1], peaks[after]
            is_beat = (right - left > longer * usual(np.diff(peaks))) & (np.minimum(faint - left, right - faint) >= least)
            return order(np.append(peaks, faint[is_beat]))

        return f

    def one_by_one(peaks, faint):
        for hump in faint:
            peaks = look_again()(peaks, np.array([hump]))
        return peaks

    check = names["check_pause"]
    assert "nothing back" in hint(check, lambda peaks, faint: None)
    assert "1.6 s: a beat" in hint(check, lambda peaks, faint: peaks)
    assert "ascending" in hint(check, look_again(order=lambda peaks: peaks))
    assert "not longer" in hint(check, look_again(longer=0.9))
    assert "each alone" in hint(check, lambda p, f: look_again()(p, f[:1]))
    assert "T wave" in hint(check, look_again(least=0))
    assert "on one side" in hint(check, lambda p, f: look_again()(p, f) if f[0] > 100 else np.sort(np.append(p, f)))
    assert "moves the mean" in hint(check, look_again(usual=np.mean))
    assert "1.6 usual" in hint(check, look_again(longer=1.9)) and "1.4 usual" in hint(check, look_again(longer=1.1))
    assert "1.5 exactly" in hint(check, look_again(longer=1.5 - 1e-9))
    assert "neither the shortest" in hint(check, look_again(usual=np.min))
    assert "0.31 s" in hint(check, look_again(least=26))
    assert "far enough" in hint(check, look_again(least=32.5)) and "far enough" in hint(check, look_again(least=60))
    assert "beats in `peaks`" in hint(check, one_by_one)
    assert "as they are" in hint(check, lambda p, f: look_again()(p, f) if len(f) else f)
    assert hint(check, look_again()) == "Right."


# ---- chapter 3: a caliper


@pytest.fixture(scope="module")
def caliper_chapter():
    """Names of chapter 3 after its own caliper, simulated people with and without blocks, their truth and measurements."""
    names = {"np": np, "pd": pd, "Check": Check}
    imports = ["from scipy.interpolate import CubicSpline", "from scipy.ndimage import gaussian_filter1d"]
    run([*imports, *cells("03_measurements", "from-scratch")], names)
    people = pd.DataFrame({"age_years": np.linspace(20, 85, 60), "sex_female": np.arange(60) % 2})
    for k, name in enumerate(("LBBB", "RBBB", "AVB1", "LAFB")):
        people[name] = (np.arange(60) % 8 == k).astype(int)
    ecgs, names["true"] = vl.simulator.simulate_with_truth(people, fs=100, seed=21)
    beats = vl.median_beats(ecgs)
    edges = [names["own_caliper"](beat, 1000 * beats.time_s, rr_s) for beat, rr_s in zip(beats.signals, beats.rr_s)]
    names |= {"edges": edges, "beats": beats, "table": vl.measure(beats), "row": 0}
    names["own"] = pd.DataFrame([names["intervals"](part) for part in edges])
    return run(cells("03_measurements", "exercise-check"), names)


@pytest.mark.parametrize(("interval", "from_truth", "from_package"), [("pr_ms", 10, 12), ("qrs_ms", 12, 16), ("qt_ms", 10, 15)])
def test_the_caliper_of_chapter_3_measures_what_the_package_and_the_truth_say(
    caliper_chapter, interval, from_truth, from_package
):
    own = caliper_chapter["own"][interval]
    for other, most in ((caliper_chapter["true"], from_truth), (caliper_chapter["table"], from_package)):
        known = (other[interval].notna() & own.notna().to_numpy()).to_numpy()
        assert known.sum() >= 0.95 * other[interval].notna().sum()
        other = other[interval].to_numpy()[known]
        assert np.abs(own[known] - other).mean() < most and np.corrcoef(own[known], other)[0, 1] > 0.75


def test_the_edges_of_chapter_3_stand_in_their_order_and_a_beat_without_rr_has_no_end_of_t(caliper_chapter):
    for edges in caliper_chapter["edges"]:
        found = np.array([edges[name] for name in caliper_chapter["EDGES"]])
        assert (np.diff(found[np.isfinite(found)]) >= 0).all() and np.isfinite(found).sum() >= 4
    beats = caliper_chapter["beats"]
    assert np.isnan(caliper_chapter["own_caliper"](beats.signals[0], 1000 * beats.time_s, np.nan)["T ends"])


def test_the_edge_of_chapter_3_is_where_a_share_of_the_speed_is_left(caliper_chapter):
    time, edge = np.arange(0, 200, 2.0), caliper_chapter["edge"]
    ramp = np.clip(1 - np.abs(time - 100) / 50, 0, None)  # a triangle: 0.1 is left 45 ms from its top
    assert edge(time, ramp, time > 0, 0.5, 0.11, -1) == pytest.approx(55, abs=2)
    assert edge(time, ramp, time > 0, 0.5, 0.11, 1) == pytest.approx(145, abs=2)
    assert np.isnan(edge(time, ramp, time > 500, 0.5, 0.1, 1))
    assert np.isnan(edge(time, np.ones_like(ramp), time > 0, 0.5, 0.1, 1))  # never slower than a share: no edge
    assert np.isnan(edge(time, np.ones_like(ramp), time > 0, 0.5, 0.1, -1))


def test_the_exercises_of_chapter_3_refuse_near_misses_and_say_why(caliper_chapter):
    table = caliper_chapter["table"].copy()
    table.loc[table.index[::5], "pr_ms"] = np.nan
    names = run(cells("03_measurements", "exercise-check"), dict(caliper_chapter, table=table))
    check = names["check_qtc"]
    qt, rr = names["qt_ms"], names["rr_s"]
    assert "In milliseconds" in hint(check, qt / 1000)
    assert "Bazett" in hint(check, qt / rr**0.5)
    assert "Divide" in hint(check, qt * np.cbrt(rr))
    assert "RR in seconds" in hint(check, qt / np.cbrt(1000 * rr))
    assert "brackets" in hint(check, qt / rr**1 / 3) and "brackets" in hint(check, qt / (rr**1 / 3))
    assert "cube root" in hint(check, qt / rr)
    assert hint(check, qt / np.cbrt(rr)) == "Right."

    check, pr = names["check_constant"], names["table"]["pr_ms"]
    assert "One number" in hint(check, (pr - pr.median()).abs())
    assert "dropna" in hint(check, np.nan)
    assert "cancel" in hint(check, (pr - pr.mean()).mean())
    assert "cancel" in hint(check, (pr - pr.median()).mean())
    assert "without error" in hint(check, (pr.fillna(pr.median()) - pr.median()).abs().mean())
    assert "SD" in hint(check, pr.std())
    assert "mean of" in hint(check, (pr - pr.median()).abs().median())
    assert hint(check, (pr - pr.median()).abs().mean()) == "Right."

    def r_time(*, cut=(True, True), zero=False, size=np.asarray, least=0.03, step=None, wide=None):
        def f(signal, time_ms, start, end):
            begins, ends = start if cut[0] else -1000, (start + wide if wide else end) if cut[1] else 1000
            if step:
                fine = np.arange(start, end + 1e-9, step)
                time_ms, signal = fine, names["CubicSpline"](time_ms, signal)(fine)
            inside = (time_ms >= begins) & (time_ms <= ends)
            at = size(signal[inside]).argmax()
            return time_ms[inside][at] - (0 if zero else start) if signal[inside].max() >= least else np.nan

        return f

    check = names["check_r_time"]
    assert "nothing back" in hint(check, lambda *given: None)
    assert "One number" in hint(check, lambda signal, *rest: signal)
    assert "That is T" in hint(check, r_time(cut=(True, False)))
    assert "That is P" in hint(check, r_time(cut=(False, True)))
    assert "it may end sooner" in hint(check, r_time(wide=100))
    assert "not from 0" in hint(check, r_time(zero=True))
    assert "That is S" in hint(check, r_time(size=np.abs))
    assert "no R" in hint(check, r_time(least=-9)) and "0.02 mV" in hint(check, r_time(least=0))
    assert "0.05 mV" in hint(check, r_time(least=0.3)) and "that is R" in hint(check, lambda *given: np.nan)
    of_samples = lambda signal, t, start, end: 10.0 * signal[(t >= start) & (t <= end)].argmax()  # noqa: E731
    assert "between two samples" in hint(check, lambda *given: of_samples(*given) if np.isfinite(r_time()(*given)) else np.nan)
    assert "In ms" in hint(check, lambda *given: r_time()(*given) / 10)
    assert hint(check, r_time()) == "Right."
    assert {hint(check, r_time(step=step)) for step in (2, 0.5, 0.1, 0.01)} == {"Right."}, "read between samples"
