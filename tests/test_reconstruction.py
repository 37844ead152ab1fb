"""PCA of beats against scikit-learn, and errors by segment against a case done by hand."""

import numpy as np
import pytest
from sklearn.decomposition import PCA

from vaescan_lite.ecg import BeatSet
from vaescan_lite.reconstruction import SEGMENTS_MS, BeatPCA, segment_errors


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
    wrong[:, 2, 10] += 0.3  # V1, 300 ms before R: in P, which has 24 samples: 300 / 24 = 12.5 uV in that lead
    wrong[:, 0, 60] += 1.5  # I, 200 ms after R: in T, which has 40 samples: 1500 / 40 = 37.5 uV
    table = segment_errors(beats, wrong)
    assert list(table.index) == list(SEGMENTS_MS)
    assert table.loc["P", "V1"] == pytest.approx(12.5, rel=1e-4)
    assert table.loc["P", "mean"] == pytest.approx(12.5 / 8, rel=1e-4)
    assert table.loc["T", "I"] == pytest.approx(37.5, rel=1e-4)
    assert table.loc["ST-T", "I"] == pytest.approx(1500 / 48, rel=1e-4)
    assert table.loc["all", "I"] == pytest.approx(1500 / 96, rel=1e-4)
    assert table.loc["QRS"].abs().max() == 0
    assert table.loc["ST"].abs().max() == 0


def test_errors_leave_out_rows_of_nan(beats):
    rebuilt = beats.signals + np.float32(0.01)
    rebuilt[0] = np.nan
    assert segment_errors(beats, rebuilt).loc["all", "mean"] == pytest.approx(10, rel=1e-3)


def test_errors_follow_the_sampling_rate():
    beats = BeatSet(np.zeros((1, 8, 480)), fs=500)
    wrong = beats.signals.copy()
    wrong[0, 0, 200 - 35] = 0.075  # 70 ms before R, the first of the 75 samples of the QRS
    assert segment_errors(beats, wrong).loc["QRS", "I"] == pytest.approx(1.0)


def test_errors_of_other_shapes_are_refused(beats):
    with pytest.raises(ValueError, match=r"shape of the beats, \(40, 8, 96\); got \(39, 8, 96\)"):
        segment_errors(beats, beats.signals[1:])
