"""Waves that are not there are not found: rhythms without P, tachycardias without an end of QRS."""

import re

import numpy as np
import pytest
from trains_of_beats import ecg, regular, train
from unusual_ecgs import NO_P, RETROGRADE_P, fibrillation, flutter, junctional, torsades, wide_tachycardia

import vaescan_lite as vl

RATES = (100, 250, 500)


def measured(*signals, fs):
    return vl.measure(vl.median_beats(ecg(*signals, fs=fs)))


def assert_nothing_is_invented(table):
    """Where QRS is not known neither are its amplitudes; no interval is as long as the RR interval."""
    waves = [name for name in table if re.fullmatch(r"[qrst]_\w+_mV|st_\w+_mV|p_ms|pr_ms|qt_ms|.*_mV", name)]
    assert table.loc[table.qrs_ms.isna(), waves].isna().all(axis=None)
    for name in ("p_ms", "pr_ms", "qrs_ms", "qt_ms"):
        assert not (table[name] >= 1000 * table.rr_s).any(), name
    assert not (table.pr_ms + table.qrs_ms >= 1000 * table.rr_s).any()


@pytest.mark.parametrize("fs", RATES)
@pytest.mark.parametrize("shape", ["sine", "saw", "hump", "train"])
def test_of_a_wide_tachycardia_nothing_is_invented(shape, fs):
    rates = (110, 130, 150, 170, 187, 200, 220, 250, 280, 300)
    table = measured(*(wide_tachycardia(shape, rate, fs, size) for rate in rates for size in (0.4, 2)), fs=fs)
    assert_nothing_is_invented(table)
    if shape == "sine":
        assert table.qrs_ms.isna().all() and table.pr_ms.isna().all()


@pytest.mark.parametrize("fs", RATES)
def test_of_torsades_nothing_is_invented(fs):
    assert_nothing_is_invented(measured(*(torsades(rate, fs, seed) for rate in (160, 220, 280) for seed in range(2)), fs=fs))


@pytest.mark.parametrize("fs", RATES)
def test_a_wide_tachycardia_is_not_called_upside_down_nor_out_of_scale(fs):
    signals = [wide_tachycardia(shape, rate, fs) for shape in ("sine", "hump") for rate in (170, 187, 240)]
    faults = vl.beats.quality(ecg(*signals, fs=fs)).faults
    assert not faults.str.contains("upside|millivolts|spikes").any()


@pytest.mark.parametrize("fs", RATES)
@pytest.mark.parametrize("waves", [NO_P, (*NO_P, RETROGRADE_P)], ids=["no P", "P after QRS"])
def test_a_junctional_rhythm_has_no_pr(waves, fs):
    signals = [junctional(fs, rr_s, seed, waves) for rr_s in (0.75, 0.9, 1.1, 1.4) for seed in range(3)]
    assert measured(*signals, fs=fs).pr_ms.isna().all()


@pytest.mark.parametrize("fs", RATES)
def test_atrial_fibrillation_has_no_pr(fs):
    signals = [fibrillation(fs, rr_s, size_mv, seed) for rr_s in (0.55, 0.8) for size_mv in (0.03, 0.08) for seed in range(5)]
    assert measured(*signals, fs=fs).pr_ms.isna().mean() >= 0.95


@pytest.mark.parametrize("fs", RATES)
def test_flutter_of_four_to_one_seldom_has_a_pr(fs):
    signals = [flutter(fs, 4, per_minute, size_mv) for per_minute in (240, 270, 300) for size_mv in (0.1, 0.2)]
    assert measured(*signals, fs=fs).pr_ms.isna().mean() >= 0.6


@pytest.mark.parametrize("fs", RATES)
def test_sinus_rhythm_has_a_pr_also_with_low_voltage_and_ectopic_beats(fs):
    clean = [train(regular(rr_s), fs, noise_mv=0.01, seed=i) for i, rr_s in enumerate((0.72, 0.8, 1.0, 1.2))]
    ectopy = train(regular(0.9), fs, ectopic=(3, 7), noise_mv=0.01)
    pr_ms = measured(*clean, ectopy, clean[1] / 2, fs=fs).pr_ms
    assert pr_ms.notna().all()
    assert np.ptp(pr_ms) < 25


@pytest.mark.parametrize("fs", RATES)
def test_beats_are_alike_where_p_lies_only_if_p_leads_them(fs):
    quality = vl.beats.quality(ecg(train(regular(), fs, noise_mv=0.01), fibrillation(fs), train([2.0], fs), fs=fs))
    assert quality.p_consistency.iloc[0] > 0.8
    assert quality.p_consistency.iloc[1] < 0.6
    assert np.isnan(quality.p_consistency.iloc[2])
