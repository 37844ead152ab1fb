"""Faults planted in good ECGs are reported by name and lead; good ECGs get none."""

import numpy as np
import pandas as pd
import pytest
from trains_of_beats import ecg, regular, train

from vaescan_lite import EcgSet, r_peaks
from vaescan_lite.beats.medians import quality
from vaescan_lite.ecg import LEADS_8, LEADS_12, to_twelve_leads
from vaescan_lite.simulator import simulate

FS = 500


def good(seed=0, fs=FS):
    return train(regular(), fs, noise_mv=0.01, seed=seed)


def planted(change, signal=None, fs=FS):
    """Row of the quality table after a change of the leads of one ECG, (12, n_samples), in place."""
    signal = (good(fs=fs) if signal is None else signal).copy()
    change(signal)
    return quality(ecg(signal, fs=fs)).iloc[0]


def swap_electrodes(signal, a, b):
    """Exchange two of RA, LA and LL in place: potentials against their mean give the limb leads."""
    at = {"RA": -(signal[0] + signal[1]) / 3, "LA": (2 * signal[0] - signal[1]) / 3, "LL": (2 * signal[1] - signal[0]) / 3}
    at[a], at[b] = at[b], at[a]
    lead_i, lead_ii = at["LA"] - at["RA"], at["LL"] - at["RA"]
    signal[:6] = lead_i, lead_ii, lead_ii - lead_i, -(lead_i + lead_ii) / 2, lead_i - lead_ii / 2, lead_ii - lead_i / 2


def test_good_ecgs_have_no_fault():
    for fs in (100, 500):
        table = quality(ecg(*[good(seed, fs) for seed in range(20)], fs=fs))
        assert (table.faults == "").all()
        assert table.usable.all()
        assert (table.limb_error_uV < 1).all()
        assert table.rr_sd_s.max() < 0.005


@pytest.mark.parametrize("fs", [100, 500])
@pytest.mark.parametrize("lead", range(12))
def test_a_flat_lead_is_named(lead, fs):
    row = planted(lambda x: x.__setitem__(lead, 0.1), fs=fs)
    assert row.flat_leads == LEADS_12[lead]
    assert f"lead {LEADS_12[lead]} is flat" in row.faults


def test_a_lead_that_drops_out_for_a_while_is_named_with_the_time():
    def drop_out(x):
        x[7, 2000:3500] = -0.2

    row = planted(drop_out)
    assert row.flat_leads == "V2"
    assert "lead V2 is flat for 3 s" in row.faults


def test_a_lead_with_nothing_but_a_little_noise_is_flat():
    row = planted(lambda x: x.__setitem__(10, 0.003 * np.random.default_rng(0).standard_normal(x.shape[1])))
    assert row.flat_leads == "V5"


@pytest.mark.parametrize("lead", [0, 2, 8, 11])
def test_a_missing_lead_is_named(lead):
    row = planted(lambda x: x.__setitem__(lead, np.nan))
    assert row.missing_leads == LEADS_12[lead]
    assert f"lead {LEADS_12[lead]} is missing" in row.faults
    assert row.usable == (LEADS_12[lead] == "III")  # III follows from I and II


@pytest.mark.parametrize("fs", [100, 500])
@pytest.mark.parametrize("lead", [1, 6, 9])
def test_a_lead_that_is_cut_off_is_named(lead, fs):
    limit = 0.6 * np.abs(good(fs=fs)[lead]).max()
    row = planted(lambda x: np.clip(x[lead], -limit, limit, out=x[lead]), fs=fs)
    assert row.saturated_leads == LEADS_12[lead]
    assert f"lead {LEADS_12[lead]} is saturated" in row.faults


@pytest.mark.parametrize("fs", [100, 500])
@pytest.mark.parametrize("share", [0.5, 0.65, 0.8])
@pytest.mark.parametrize("side", [-1, 1, 0])
def test_a_lead_that_is_cut_off_at_any_height_on_one_or_both_sides_is_named(side, share, fs):
    def cut(x, lead):
        low, high = np.median(x[lead]) + share * (np.array([x[lead].min(), x[lead].max()]) - np.median(x[lead]))
        np.clip(x[lead], low if side <= 0 else None, high if side >= 0 else None, out=x[lead])

    for lead in (3, 6, 7, 8) if side < 0 else (1, 5, 9, 11):  # on the side where the QRS is large
        assert planted(lambda x, lead=lead: cut(x, lead), fs=fs).saturated_leads == LEADS_12[lead]


def test_ecgs_stored_in_steps_of_5_uv_are_hardly_ever_called_saturated():
    for fs in (100, 500):
        ecgs = simulate(pd.DataFrame(index=range(60)), fs=fs, seed=2)
        counts = EcgSet(np.round(ecgs.signals / 0.005) * 0.005, fs, ids=ecgs.ids)
        assert (quality(counts).saturated_leads != "").mean() <= (0.02 if fs == 100 else 0)


def test_a_last_value_that_a_file_holds_is_not_saturation_and_a_long_stay_at_the_limit_is():
    def end(x, seconds):
        x[8] += np.linspace(0, 3, x.shape[1])  # the extreme value is at the end
        x[8, -round(seconds * FS) :] = x[8].max() + 0.1

    assert planted(lambda x: end(x, 0.11)).saturated_leads == ""
    assert planted(lambda x: end(x, 0.4)).saturated_leads == "V3"


@pytest.mark.parametrize("fs", [100, 500])
@pytest.mark.parametrize("lead", [1, 2, 4, 6, 11])
def test_a_noisy_lead_is_named_with_its_noise(lead, fs):
    rng = np.random.default_rng(0)
    row = planted(lambda x: x.__setitem__(lead, x[lead] + 0.3 * rng.standard_normal(x.shape[1])), fs=fs)
    assert row.noisy_leads == LEADS_12[lead]
    assert f"lead {LEADS_12[lead]} is noisy" in row.faults


def test_mains_hum_above_the_filter_is_noise_too():
    row = planted(lambda x: x.__setitem__(9, x[9] + 0.6 * np.sin(2 * np.pi * 60 * np.arange(x.shape[1]) / FS)))
    assert row.noisy_leads == "V4"


@pytest.mark.parametrize("mains_hz", [50, 60])
def test_mains_that_hide_the_ecg_are_noise_at_every_rate(mains_hz):
    for fs in (250, 500, 1000):
        row = planted(
            lambda x, fs=fs: x.__setitem__(9, x[9] + 0.3 * np.sin(2 * np.pi * mains_hz * np.arange(x.shape[1]) / fs)), fs=fs
        )
        assert row.noisy_leads == "V4", fs


@pytest.mark.parametrize("fs", [100, 500])
def test_noise_in_a_part_of_the_recording_is_named_with_its_seconds(fs):
    def burst(x):
        x[11, 3 * fs : 6 * fs] += 0.5 * np.random.default_rng(0).standard_normal(3 * fs)

    row = planted(burst, fs=fs)
    assert row.noisy_leads == "V6"
    assert any(f"lead V6 is noisy for {n} s" in row.faults for n in (2, 3))


@pytest.mark.parametrize("fs", [100, 500])
def test_a_fast_irregular_or_wide_rhythm_is_not_noise(fs):
    rng = np.random.default_rng(3)
    fast_s = np.cumsum(np.r_[0.3, rng.uniform(0.30, 0.50, 22)])
    wide_s = np.arange(0.3, 9.8, 0.33)
    fast = 2 * train(fast_s[fast_s < 9.7], fs, noise_mv=0.01)
    wide = train(wide_s, fs, ectopic=range(len(wide_s)), noise_mv=0.01)
    flutter = 2.5 * np.sin(2 * np.pi * 3.2 * np.arange(10 * fs) / fs + rng.uniform(0, 1, (8, 1)))  # steep most of the time
    assert (quality(ecg(fast, wide, to_twelve_leads(flutter), fs=fs)).noisy_leads == "").all()


def test_four_percent_of_a_large_beat_are_clean_and_the_same_in_a_small_one_are_noise():
    def vary(x, size):
        x[7] *= size / np.ptp(x[7])
        x[7] += 0.27 * np.sin(2 * np.pi * 1.7 * np.arange(x.shape[1]) / 100)  # slow: beats that vary, not muscle noise

    assert planted(lambda x: vary(x, 5.0), fs=100).noisy_leads == ""
    assert planted(lambda x: vary(x, 2.0), fs=100).noisy_leads == "V2"


@pytest.mark.parametrize(("a", "b", "lead"), [("RA", "LA", "lead I "), ("RA", "LL", "lead II ")])
def test_swapped_limb_electrodes_are_named(a, b, lead):
    row = planted(lambda x: swap_electrodes(x, a, b))
    assert row.swapped == f"{a}/{b}"
    assert f"electrodes {a} and {b} look swapped: {lead}" in row.faults
    assert row.limb_error_uV < 1  # a swap leaves Einthoven's law intact


@pytest.mark.parametrize(
    ("lead", "law"),
    [(0, "II - I - III"), (2, "II - I - III"), (3, "aVR + (I + II)/2"), (4, "aVL - I + II/2"), (5, "aVF - II + I/2")],
)
def test_a_wrong_gain_of_a_limb_lead_breaks_the_law_that_holds_it(lead, law):
    row = planted(lambda x: x.__setitem__(lead, 1.5 * x[lead]))
    assert law in row.faults
    assert "gain of at least one limb lead is wrong" in row.faults
    assert row.limb_error_uV > 30


def test_an_offset_or_rounding_to_5_uv_breaks_no_law():
    def round_and_lift(x):
        x[:] = np.round(x / 0.005) * 0.005
        x[2] += 0.8

    assert planted(round_and_lift).faults == ""


def test_limb_error_of_a_case_done_by_hand():
    signal = good()
    signal[2, 2000] += 1.0  # III alone: II - I - III goes from 0 to -1 mV, the other laws hold
    assert quality(ecg(signal, fs=FS)).limb_error_uV.iloc[0] == pytest.approx(1000, abs=1)


def test_too_few_beats_are_counted():
    row = quality(ecg(train([1.0, 2.5], 500, duration_s=4, noise_mv=0.005), fs=500)).iloc[0]
    assert row.n_used == 2
    assert "too few beats: 2" in row.faults
    assert row.usable


def test_several_faults_are_all_named_and_do_not_touch_the_neighbours():
    def spoil(x):
        x[6] = 0
        x[11] += 0.4 * np.random.default_rng(0).standard_normal(x.shape[1])
        x[5] *= 1.5

    bad = good()
    spoil(bad)
    table = quality(ecg(good(1), bad, good(2), fs=FS, ids=["before", "bad", "after"]))
    assert table.loc[["before", "after"], "faults"].tolist() == ["", ""]
    for words in ("lead V1 is flat", "lead V6 is noisy", "aVF - II + I/2"):
        assert words in table.loc["bad", "faults"]


@pytest.mark.parametrize("fs", [100, 500])
@pytest.mark.parametrize(
    ("factor", "words"),
    [(1000, "microvolts"), (1e6, "microvolts"), (4000, "microvolts"), (200, "counts"), (40, "counts"), (20, "counts"),
     (1e-3, "volts")],
)  # fmt: skip
def test_amplitudes_that_cannot_be_millivolts_are_named_with_the_likely_unit(factor, words, fs):
    row = quality(ecg(factor * good(fs=fs), fs=fs)).iloc[0]
    assert "cannot be millivolts" in row.faults
    assert words in row.faults


@pytest.mark.parametrize("factor", [1 / 6, 0.4, 1, 2, 3.4])
def test_low_and_tall_but_possible_voltages_are_left_alone(factor):
    assert "millivolts" not in quality(ecg(factor * good(), fs=FS)).faults.iloc[0]


def test_one_lead_in_another_unit_is_named_and_eight_leads_are_judged_like_twelve():
    assert "another unit in one lead" in planted(lambda x: x.__setitem__(8, 1000 * x[8])).faults
    eight = EcgSet(good()[None, [0, 1, 6, 7, 8, 9, 10, 11]] * 1000, FS, LEADS_8)
    assert "microvolts" in quality(eight).faults.iloc[0]


@pytest.mark.parametrize("fs", [100, 500])
def test_an_ecg_turned_over_in_all_leads_is_named_and_comes_as_it_was(fs):
    table = quality(ecg(good(fs=fs), -good(fs=fs), -2 * good(1, fs), fs=fs))
    assert ["upside down" in words for words in table.faults] == [False, True, True]
    assert not table.swapped.any()
    assert (r_peaks(ecg(-good(fs=fs), fs=fs))[0] == r_peaks(ecg(good(fs=fs), fs=fs))[0]).all()


def test_simulated_people_of_every_diagnosis_are_not_upside_down_but_turned_over_most_are():
    factors = ("AF", "AVB1", "LBBB", "RBBB", "LAFB", "LVH", "IMI", "AMI", "PVC", "STTC")
    people = pd.DataFrame([{name: 1.0} for name in factors] * 4).fillna(0.0)
    ecgs = simulate(people, fs=100, seed=4)
    assert not quality(ecgs).faults.str.contains("upside").any()
    assert quality(EcgSet(-ecgs.signals, 100)).faults.str.contains("all leads look upside down").mean() > 0.6


# Real ECGs


def _ptbxl(real_data, every=4):
    wfdb = pytest.importorskip("wfdb")
    labels = pd.read_csv(real_data / "ptbxl" / "ptbxl_database.csv", index_col="ecg_id")
    files = [real_data / "ptbxl" / name for name in labels.filename_lr]
    files = [path for path in files if path.with_suffix(".dat").exists()][::every]
    return np.array([wfdb.rdrecord(str(path)).p_signal.T for path in files])


@pytest.mark.real
def test_at_least_95_of_100_real_ecgs_have_no_fault(real_data):
    table = quality(EcgSet(_ptbxl(real_data), 100))
    assert len(table) > 400
    assert (table.faults == "").mean() >= 0.95


@pytest.mark.real
def test_faults_planted_in_real_ecgs_are_found(real_data):
    signals = _ptbxl(real_data, every=20)
    signals = signals[(quality(EcgSet(signals, 100)).faults == "").to_numpy()]
    rng = np.random.default_rng(0)
    swapped, clipped, noisy, gain = (signals.copy() for _ in range(4))
    for x in swapped:
        swap_electrodes(x, "RA", "LA")
    for x in clipped:
        limit = 0.5 * np.abs(x[8] - np.median(x[8])).max()
        np.clip(x[8], np.median(x[8]) - limit, np.median(x[8]) + limit, out=x[8])
    noisy[:, 7] += 0.3 * rng.standard_normal(noisy[:, 7].shape)
    gain[:, 1] *= 1.25
    assert (quality(EcgSet(swapped, 100)).swapped == "RA/LA").mean() >= 0.9
    assert (quality(EcgSet(clipped, 100)).saturated_leads == "V3").mean() >= 0.9
    assert (quality(EcgSet(noisy, 100)).noisy_leads == "V2").mean() >= 0.98
    assert quality(EcgSet(gain, 100)).faults.str.contains("Einthoven").mean() >= 0.98


@pytest.mark.real
def test_gains_of_ludb_contradict_each_other_in_every_record(real_data):
    wfdb = pytest.importorskip("wfdb")
    records = sorted(path.with_suffix("") for path in (real_data / "ludb-dev" / "data").glob("*.hea"))
    signals = np.array([wfdb.rdrecord(str(record)).p_signal.T for record in records])
    counts = np.array([wfdb.rdrecord(str(record), physical=False).d_signal.T for record in records]) / 1000
    assert quality(EcgSet(signals, 500)).faults.str.contains("limb leads contradict each other").all()
    assert not quality(EcgSet(counts, 500)).faults.str.contains("contradict").any()


@pytest.mark.real
def test_flat_chest_leads_of_chapman_ningbo_are_named(real_data):
    wfdb = pytest.importorskip("wfdb")
    records = sorted(path.with_suffix("") for path in (real_data / "chapman-ningbo").glob("*.hea"))
    signals = np.array([wfdb.rdrecord(str(record)).p_signal.T for record in records])
    table = quality(EcgSet(signals, 500))
    is_flat = np.ptp(signals, axis=-1) == 0
    for flat, named in zip(is_flat, table.flat_leads):
        assert set(np.array(LEADS_12)[flat]) <= set(named.split(", "))
    assert (table.flat_leads != "").sum() == is_flat.any(axis=1).sum() == 6
