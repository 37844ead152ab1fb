"""PCA of beats against scikit-learn, and errors by segment against a case done by hand."""

import numpy as np
import pytest
from sklearn.decomposition import PCA

from vaescan_lite.ecg import BeatSet
from vaescan_lite.explain.waves import GROUPS, group_masks
from vaescan_lite.vae.reconstruction import ERROR_ROWS, BeatPCA, p_wave_fidelity, segment_errors


@pytest.fixture
def beats():
    return BeatSet(np.random.default_rng(0).normal(size=(40, 8, 96)), fs=100)


def test_pca_is_that_of_scikit_learn(beats):
    flat = beats.signals.reshape(40, -1)
    oracle = PCA(5, random_state=0).fit(flat)
    mine = BeatPCA(5).fit(beats)
    np.testing.assert_allclose(mine.transform(beats), oracle.transform(flat), atol=1e-4)
    rebuilt = oracle.inverse_transform(oracle.transform(flat)).reshape(40, 8, 96)
    np.testing.assert_allclose(mine.reconstruct(beats), rebuilt, atol=1e-4)


def test_unusable_beats_are_rows_of_nan(beats):
    signals = beats.signals.copy()
    signals[2] = np.nan
    pca = BeatPCA(3).fit(BeatSet(signals, 100))
    scores = pca.transform(signals)
    assert np.isnan(scores[2]).all()
    assert np.isfinite(np.delete(scores, 2, axis=0)).all()
    rebuilt = pca.reconstruct(signals)
    assert np.isnan(rebuilt[2]).all()
    assert np.isfinite(np.delete(rebuilt, 2, axis=0)).all()


def test_more_components_than_beats_are_refused(beats):
    with pytest.raises(ValueError, match="24 components need as many usable beats; got 10"):
        BeatPCA(24).fit(beats[:10])


def test_errors_by_segment_of_a_case_done_by_hand(beats):
    wrong = beats.signals.copy()
    wrong[:, 2, 10] += 0.3  # V1, 300 ms before R: in P, which has 28 samples: 300 / 28 uV in that lead
    wrong[:, 0, 60] += 1.5  # I, 200 ms after R: in T, which has 40 samples: 1500 / 40 = 37.5 uV
    table = segment_errors(beats, wrong)
    assert list(table.index) == list(ERROR_ROWS)
    assert table.loc["P", "V1"] == pytest.approx(300 / 28, rel=1e-4)
    assert table.loc["P", "mean"] == pytest.approx(300 / 28 / 8, rel=1e-4)
    assert table.loc["T", "I"] == pytest.approx(37.5, rel=1e-4)
    assert table.loc["ST-T", "I"] == pytest.approx(1500 / 49, rel=1e-4)
    assert table.loc["all", "I"] == pytest.approx(1500 / 96, rel=1e-4)
    assert table.loc["QRS"].abs().max() == 0
    assert table.loc["ST"].abs().max() == 0


def test_a_wave_is_the_same_stretch_of_time_in_errors_and_in_explanations(beats):
    """One sample at a time is made wrong: the segment whose error rises is the segment of the group that holds the sample."""
    masks = group_masks(beats)
    for sample in range(beats.signals.shape[2]):
        wrong = beats.signals.copy()
        wrong[:, 0, sample] += 1
        table = segment_errors(beats, wrong)["I"]
        named = {GROUPS[i][0] for i in np.flatnonzero(masks[:, 0, sample])}
        assert set(table.index[table > 0]) - {"ST-T", "all"} == named and len(named) == 1


def test_errors_leave_out_rows_of_nan(beats):
    rebuilt = beats.signals + np.float32(0.01)
    rebuilt[0] = np.nan
    assert segment_errors(beats, rebuilt).loc["all", "mean"] == pytest.approx(10, rel=1e-3)


def test_errors_follow_the_sampling_rate():
    beats = BeatSet(np.zeros((1, 8, 480)), fs=500)
    wrong = beats.signals.copy()
    wrong[0, 0, 200 - 25] = 0.060  # 50 ms before R, the first of the 60 samples of the QRS
    assert segment_errors(beats, wrong).loc["QRS", "I"] == pytest.approx(1.0)


def test_errors_of_other_shapes_are_refused(beats):
    with pytest.raises(ValueError, match=r"shape of the beats, \(40, 8, 96\); got \(39, 8, 96\)"):
        segment_errors(beats, beats.signals[1:])


def p_beats(shift_ms=0.0, noise_mV=0.0, fs=100, n=30):
    """Beats of a P wave at -210 ms (the first) to -150 ms (the last) and a QRS complex; only P is moved by a shift."""
    time_ms = (np.arange(round(0.96 * fs)) - round(0.4 * fs)) * 1000 / fs
    peak_ms = np.linspace(-210, -150, n)[:, None, None] + shift_ms
    leads = np.linspace(-0.05, 0.15, 8)[None, :, None]
    signals = leads * np.exp(-0.5 * ((time_ms - peak_ms) / 25) ** 2) + 8 * leads * np.exp(-0.5 * (time_ms / 12) ** 2)
    signals = signals + noise_mV * np.random.default_rng(1).normal(size=signals.shape)
    return BeatSet(signals.astype(np.float32), fs=fs, r_index=round(0.4 * fs))


@pytest.mark.parametrize("fs", [100, 500])
def test_a_perfect_p_wave_has_correlation_one_and_is_on_time(fs):
    beats = p_beats(fs=fs)
    found = p_wave_fidelity(beats, beats.signals)
    assert found["n"] == 30 and found["correlation"] == pytest.approx(1) and found["peak_within"] == 100


@pytest.mark.parametrize(("shift_ms", "share"), [(30, 0), (-30, 0), (15, 100), (-15, 100), (25, 0)])
def test_a_p_wave_at_another_time_is_off_when_it_is_further_than_allowed(shift_ms, share):
    found = p_wave_fidelity(p_beats(), p_beats(shift_ms).signals)
    assert found["peak_within"] == share
    assert found["correlation"] < 0.97


def test_correlation_of_a_shifted_wave_is_that_of_two_gaussians():
    """Areas by hand: of a Gaussian s sqrt(2 pi), of a product of two s sqrt(pi) exp(-d^2 / (4 s^2)); the window is 350 ms."""
    correlation = p_wave_fidelity(p_beats(fs=500), p_beats(20, fs=500).signals)["correlation"]
    mean, product = (25 * np.sqrt(2 * np.pi)) ** 2 / 350, 25 * np.sqrt(np.pi)
    assert correlation == pytest.approx((product * np.exp(-(20**2) / (4 * 25**2)) - mean) / (product - mean), abs=0.01)


def test_size_and_level_of_each_lead_do_not_count_but_its_sign_does():
    beats = p_beats()
    level = np.random.default_rng(0).normal(size=(30, 8, 1))
    found = p_wave_fidelity(beats, 0.4 * beats.signals + level)
    assert found["correlation"] == pytest.approx(1, abs=1e-4) and found["peak_within"] == 100
    assert p_wave_fidelity(beats, -beats.signals)["correlation"] == pytest.approx(-1)


def test_noise_lowers_both_figures_and_a_flat_reconstruction_has_neither():
    beats = p_beats()
    noisy = p_wave_fidelity(beats, p_beats(noise_mV=0.04).signals)
    assert 0.3 < noisy["correlation"] < 0.95 and 20 < noisy["peak_within"] < 100
    flat = p_wave_fidelity(beats, np.zeros_like(beats.signals))
    assert flat["correlation"] == 0 and flat["peak_within"] == 0


def test_the_qrs_complex_has_no_say_in_the_p_wave():
    beats = p_beats()
    other = beats.signals.copy()
    other[:, :, 36:] = 5
    assert p_wave_fidelity(beats, other)["correlation"] == pytest.approx(1)


def test_rows_of_nan_are_not_counted_and_wrong_shapes_and_short_windows_are_refused():
    beats = p_beats()
    other = beats.signals.copy()
    other[3] = np.nan
    assert p_wave_fidelity(beats, other)["n"] == 29
    with pytest.raises(ValueError, match="shape of the beats"):
        p_wave_fidelity(beats, other[1:])
    short = BeatSet(beats.signals[:, :, 20:], fs=100, r_index=20)
    with pytest.raises(ValueError, match="400 ms before R"):
        p_wave_fidelity(short, short.signals)
