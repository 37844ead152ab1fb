"""One person changed: nothing where nothing changes, the whole effect where a factor does, and the rest of the beat kept."""

import numpy as np
import pandas as pd
import pytest
from known_posteriors import population, quiet

import vaescan_lite as vl
from vaescan_lite.scan import Scan


@pytest.fixture(scope="module")
def fitted():
    vae, beats, factors = population()
    return quiet(Scan(vae, list(factors.columns)), beats, factors), beats, factors


def with_own_detail(beats):
    """Beats that hold something no latent knows of."""
    signals = beats.signals + np.random.default_rng(5).normal(0, 0.1, (1, *beats.signals.shape[1:])).astype(np.float32)
    return vl.BeatSet(signals, beats.fs, ids=beats.ids, rr_s=np.full(len(beats), 0.8))


def test_without_a_change_the_beats_come_back(fitted):
    scan, beats, factors = fitted
    beats = with_own_detail(beats[:20])
    assert scan.change(beats, {}) is beats
    same = scan.change(beats, {"LBBB": 1}, factors=factors.assign(LBBB=1.0))
    np.testing.assert_array_equal(same.signals, beats.signals)


def test_a_change_is_what_the_factor_does_to_the_latents_and_goes_back_again(fitted):
    scan, beats, factors = fitted
    people = factors.index[factors["LBBB"] == 0][:25]
    beats = with_own_detail(beats[people])
    changed = scan.change(beats, {"LBBB": 1}, factors=factors)
    j = list(scan.coding_.names).index("LBBB")
    effect = scan.encoder_.weight.detach().numpy()[:, j] / scan.coding_.sd[j]  # of no to yes, on the latents
    by_hand = np.einsum("l,lct->ct", effect, scan.vae.loading)
    np.testing.assert_allclose(changed.signals - beats.signals, np.broadcast_to(by_hand, beats.signals.shape), atol=1e-4)
    assert changed.ids is not None and (changed.ids == beats.ids).all() and (changed.rr_s == beats.rr_s).all()
    back = scan.change(changed, {"LBBB": 0}, factors=factors.assign(LBBB=1.0))
    np.testing.assert_allclose(back.signals, beats.signals, atol=1e-4)


def test_who_is_not_known_is_read(fitted):
    scan, beats, factors = fitted
    beats = beats[:30]
    read = scan.ecg_to_factors(beats)["LBBB"]
    unknown = scan.change(beats, {"LBBB": 1})
    told = scan.change(beats, {"LBBB": 1}, factors=factors.assign(LBBB=np.nan))
    np.testing.assert_array_equal(unknown.signals, told.signals)
    size = np.abs(unknown.signals - beats.signals).max(axis=(1, 2))
    assert np.corrcoef(size, 1 - read)[0, 1] > 0.999  # the surer the block, the less there is to change


def test_age_changes_by_years(fitted):
    scan, beats, factors = fitted
    beats, ages = beats[:12], factors["age_years"][:12]
    ten, twenty = (
        scan.change(beats, {"age_years": 80.0}, factors=factors.assign(age_years=80.0 - years)).signals - beats.signals
        for years in (10, 20)
    )
    np.testing.assert_allclose(twenty, 2 * ten, atol=1e-5)
    assert len(ages) == 12


def test_unusable_beats_stay_unusable_and_bad_changes_are_named(fitted):
    scan, beats, factors = fitted
    signals = beats.signals[:4].copy()
    signals[1] = np.nan
    changed = scan.change(vl.BeatSet(signals, beats.fs, ids=beats.ids[:4]), {"LVH": 1}, factors=factors)
    assert np.isnan(changed.signals[1]).all() and np.isfinite(changed.signals[[0, 2, 3]]).all()
    with pytest.raises(ValueError, match="unknown factor.*'AF'; known are LBBB"):
        scan.change(beats[:4], {"AF": 1})
    with pytest.raises(ValueError, match="LVH.*0.5|0.5.*LVH"):
        scan.change(beats[:4], {"LVH": 0.5})
    with pytest.raises(ValueError, match="to a value only"):
        scan.change(beats[:4], {"LVH": np.nan})
    with pytest.raises(ValueError, match="no row in factors"):
        scan.change(beats[:4], {"LVH": 1}, factors=pd.DataFrame({"LVH": [1.0]}, index=[99]))
    with pytest.raises(ValueError, match="BeatSet"):
        scan.change(beats.signals[:4], {"LVH": 1})
