"""The workspace: made once, found again, never served stale, never half written."""

import numpy as np
import pytest

import vaescan_lite as vl
from vaescan_lite import cache
from vaescan_lite.book import workspace


@pytest.fixture
def small(monkeypatch):
    """A workspace of few ECGs, so that making it takes a second."""
    monkeypatch.setitem(workspace.PROFILES, "smoke", workspace.Profile(n_ecgs=60, budget="smoke", rotations=1, n_bootstrap=50))
    return lambda seed=0: vl.Workspace(profile="smoke", database="simulated", seed=seed)


def test_beats_come_back_from_the_cache_bit_for_bit(small, monkeypatch):
    made = small().beats()
    monkeypatch.setattr("vaescan_lite.beats.medians.median_beats", lambda *a, **k: pytest.fail("was made a second time"))
    again = small().beats()
    np.testing.assert_array_equal(made.signals, again.signals)
    assert again.quality.equals(made.quality)


def test_edited_source_is_never_answered_from_an_old_cache(small, monkeypatch):
    before = small()._folder()
    monkeypatch.setattr(workspace, "source_hash", lambda: "another")
    assert small()._folder() != before


def test_another_seed_has_another_place(small):
    assert small(seed=0)._folder() != small(seed=1)._folder()


def test_source_hash_follows_one_changed_byte(tmp_path, monkeypatch):
    (tmp_path / "vae.py").write_text("beta = 1\n")
    monkeypatch.setattr(cache, "PACKAGE", tmp_path)
    before = cache.source_hash()
    (tmp_path / "vae.py").write_text("beta = 2\n")
    assert cache.source_hash() != before


def test_an_interrupted_training_leaves_nothing_and_the_next_start_works(small, monkeypatch):
    def interrupted(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr("vaescan_lite.vae.beat_vae.train", interrupted)
    with pytest.raises(KeyboardInterrupt):
        small(seed=3).vae()
    assert [path.name for path in small(seed=3)._folder().glob("*vae*")] == [".vae_3.safetensors.lock"]
    monkeypatch.undo()
    monkeypatch.setitem(workspace.PROFILES, "smoke", workspace.Profile(n_ecgs=60, budget="smoke", rotations=1, n_bootstrap=50))
    vae = vl.Workspace(profile="smoke", database="simulated", seed=3).vae()
    assert vae.transform(small(seed=3).beats()).shape[0] == 60


def test_folds_split_the_beats_without_overlap(small):
    training, validation, test = small().split()
    assert (training.astype(int) + validation + test == 1).all()


def test_an_unknown_profile_is_named():
    with pytest.raises(ValueError, match="'large'; known are smoke, workshop, full"):
        vl.Workspace(profile="large")


def test_trainings_begin_with_the_scan_of_the_workspace_and_differ_only_by_seed(monkeypatch):
    few = workspace.Profile(n_ecgs=60, budget="smoke", rotations=1, n_bootstrap=50, n_trainings=2)
    monkeypatch.setitem(workspace.PROFILES, "smoke", few)
    one = vl.Workspace(profile="smoke", database="simulated", seed=4)
    scans = one.trainings()
    assert [scan.seed for scan in scans] == [scan.vae.seed for scan in scans] == [4, 5]
    assert scans[0] is one.scan() and scans[0].vae.get_params().keys() == scans[1].vae.get_params().keys()
    beats = one.beats()[:5]
    assert np.abs(scans[0].vae.transform(beats) - scans[1].vae.transform(beats)).max() > 0.01
    again = vl.Workspace(profile="smoke", database="simulated", seed=4).trainings()
    np.testing.assert_allclose(again[1].vae.transform(beats), scans[1].vae.transform(beats), atol=1e-6)
    assert len(list(one._folder().glob("vae_5*"))) == 1


def test_networks_differ_only_by_seed_and_come_back_from_the_cache(monkeypatch):
    few = workspace.Profile(n_ecgs=120, budget="smoke", rotations=1, n_bootstrap=50)
    monkeypatch.setitem(workspace.PROFILES, "smoke", few)
    one = vl.Workspace(profile="smoke", database="simulated", seed=4)
    made, beats = one.cnns(2), one.beats()[:5]
    logits = [cnn.decision_function(beats) for cnn in made]
    assert logits[0].shape == (5, len(one.scan_factors()) - 1)
    assert [cnn.seed for cnn in made] == [4, 5] and np.abs(logits[0] - logits[1]).max() > 0.01
    monkeypatch.setattr("vaescan_lite.models.cnn.EcgCNN.fit", lambda *a, **k: pytest.fail("was trained a second time"))
    again = vl.Workspace(profile="smoke", database="simulated", seed=4).cnns(2)
    np.testing.assert_array_equal(again[1].decision_function(beats), logits[1])


def test_the_people_of_the_book_carry_one_diagnosis_are_usable_and_unseen_where_possible(small, monkeypatch):
    space = small()
    beats, fold = space.beats(), space.database().fold
    factors = space.factors().copy()
    factors[[*workspace.DIAGNOSES]] = 0.0
    seen, unseen = (fold.index[mask & beats.usable] for mask in (fold.to_numpy() < 10, fold.to_numpy() == 10))
    factors.loc[[seen[0], unseen[0], unseen[-1]], "LBBB"] = 1
    factors.loc[unseen[0], "PVC"] = 1
    factors.loc[seen[1:3], "AVB1"] = 1
    monkeypatch.setattr(space, "factors", lambda: factors)
    assert space.people() == {"LBBB": unseen[-1], "AVB1": seen[1]}
    assert space.people(["AF"]) == {}


def test_of_equals_the_book_follows_the_first_whose_measurement_shows_the_block(small, monkeypatch):
    space = small()
    usable = space.beats().ids[space.beats().usable & ~space.split()[2]]
    factors, measured = space.factors().copy(), space.measurements().assign(pr_ms=200.0, qrs_ms=119.0)
    factors[[*workspace.DIAGNOSES]] = 0.0
    factors.loc[usable[:4], ["LBBB", "AVB1"]] = 1
    monkeypatch.setattr(space, "factors", lambda: factors)
    monkeypatch.setattr(space, "measurements", lambda: measured)
    assert space.people() == {"LBBB": usable[0], "AVB1": usable[0]}  # at the limit PR is usual, and nobody shows either
    measured.loc[usable[1:3], "qrs_ms"], measured.loc[usable[0], "pr_ms"] = 120.0, np.nan
    measured.loc[usable[2:4], "pr_ms"] = 200.1
    assert space.people() == {"LBBB": usable[1], "AVB1": usable[2]}
    factors.loc[usable[2], "PVC"] = 1  # who has more diagnoses comes after, whatever is measured
    assert space.people() == {"LBBB": usable[1], "AVB1": usable[3]}


def test_an_example_is_the_first_that_can_be_taught_or_a_sentence_says_what_is_missing(small, monkeypatch):
    monkeypatch.setattr(workspace.Workspace, "scan_factors", lambda self: ["sex_female", "stroke", "LVH"])
    assert small().example("LBBB", "LVH", "stroke") == "LVH"
    with pytest.raises(ValueError, match=r"needs one of LBBB \(\d\), AV \(0\), with.*teach sex_female, stroke, LVH\. A label"):
        small().example("LBBB", "AV", "LBBB")
