"""Weights that come with the package: that they are there, small, refuse other beats, and read real ECGs."""

import re

import numpy as np
import pandas as pd
import pytest
from safetensors import safe_open
from sklearn.metrics import roc_auc_score

import vaescan_lite as vl
from bench import pretraining
from vaescan_lite import own_model
from vaescan_lite.factors import DIAGNOSES
from vaescan_lite.scan.pretrained import WEIGHTS
from vaescan_lite.training import Budget


@pytest.fixture(scope="module")
def pretrained():
    return vl.load_pretrained()


def test_the_files_are_small_hold_float16_and_come_with_a_card():
    for name in ("vae", "scan"):
        path = WEIGHTS / f"{name}.safetensors"
        assert 10_000 < path.stat().st_size < 1_000_000, name
    with safe_open(WEIGHTS / "vae.safetensors", framework="np") as file:
        assert {str(file.get_tensor(name).dtype) for name in file.keys()} == {"float16"}  # noqa: SIM118
    card = (WEIGHTS / "README.md").read_text(encoding="utf-8")
    for word in ("CC BY 4.0", "10.1038/s41597-020-0495-6", "fold 10", "Not a medical device", "95 %", "AUROC"):
        assert word in card, word
    assert "{" not in card and "nan" not in card


def test_a_vae_and_a_scan_of_it_are_loaded(pretrained):
    vae, scan = pretrained
    assert scan.vae is vae and vae.fs_ == 100 and vae.n_times_ == 96
    assert {"sex_female", "age_years", "LBBB", "AF", "AVB1", "LVH"} <= set(scan.factors)
    assert len({"RBBB", "RBBB_any"} & set(scan.factors)) == 1 and len(vae.active_latents_) >= 12


def test_right_bundle_branch_block_is_learnt_as_other_hospitals_call_it():
    labels = pd.DataFrame(1.0, index=range(12), columns=[*DIAGNOSES, "RBBB_any"])
    assert "RBBB" in pretraining.learnt_diagnoses(labels)  # the same people: the narrower name says more
    names = pretraining.learnt_diagnoses(labels.assign(RBBB=0.0, AMI=0.0))
    assert "RBBB_any" in names and not {"RBBB", "AMI"} & set(names)


def test_simulated_people_with_and_without_a_block_are_told_apart(pretrained):
    _, scan = pretrained
    people = pd.DataFrame({"LBBB": [0, 1] * 15})
    read = scan.ecg_to_factors(vl.median_beats(vl.simulate(people, seed=2)))
    assert roc_auc_score(people["LBBB"], read["LBBB"]) > 0.95


def test_beats_of_another_rate_are_refused_in_plain_words(pretrained):
    vae, scan = pretrained
    beats = vl.median_beats(vl.simulate(pd.DataFrame({"AF": [0, 1]}), fs=500))
    for use in (vae.transform, scan.ecg_to_factors):
        with pytest.raises(ValueError, match=r"must have shape \(n_beats, 8 leads, 96 samples\)|fs 500, .* had 100"):
            use(beats)
    scan.ecg_to_factors(vl.median_beats(vl.simulate(pd.DataFrame({"AF": [0, 1]}), fs=500), fs=100))


def test_the_pretrained_explorer_fits_into_a_page(pretrained):
    state = vl.Explorer(*pretrained)._network
    assert len(state["half_floats"]) <= 400 * 1024
    assert len(state["active"]) == len(pretrained[0].active_latents_)


def test_weights_can_be_made_again_and_give_the_same(tmp_path, monkeypatch):
    monkeypatch.setattr("vaescan_lite.scan.scan.N_STEPS", 20)
    vl.write_simulated_database(tmp_path / "db", 200, seed=1, progress=False)
    cards = [
        pretraining.pretrain(tmp_path / "db", tmp_path / name, budget=Budget(epochs=3), n_trainings=2, progress=False)
        for name in ("one", "two")
    ]
    assert cards[0] == cards[1]
    for name in ("vae.safetensors", "scan.safetensors", "README.md"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes(), name
    vae, scan = vl.load_pretrained(tmp_path / "one")
    assert scan.ecg_to_factors(vl.median_beats(vl.simulate(pd.DataFrame({"AF": [0, 1]})))).notna().all().all()


def test_rounding_to_float16_hardly_changes_a_beat(tmp_path):
    beats = vl.median_beats(vl.simulate(pd.DataFrame({"LBBB": [0, 1] * 30}), seed=3))
    vae = vl.BeatVAE(n_latents=6, budget=Budget(epochs=5), progress=False).fit(beats)
    exact = vae.reconstruct(beats)
    own_model._save_as_float16(vae, tmp_path / "vae")
    rounded = vl.BeatVAE.load(tmp_path / "vae").reconstruct(beats)
    assert 0 < 1000 * np.abs(rounded - exact).max() < 10
    with pytest.raises(ValueError, match="mean_beat do not fit into float16"):
        vae.network_.float().mean_beat.fill_(1e6)
        own_model._save_as_float16(vae, tmp_path / "large")
    assert not (tmp_path / "large").exists()


def test_simulated_ecgs_cannot_replace_the_weights_of_the_package(tmp_path):
    vl.write_simulated_database(tmp_path / "db", 20, progress=False)
    with pytest.raises(ValueError, match="pretrained weights come from PTB-XL; .* is simulated"):
        pretraining.pretrain(tmp_path / "db")


@pytest.mark.real
def test_fold_10_is_read_and_rebuilt_as_the_card_says(pretrained, real_data):
    vae, scan = pretrained
    db = vl.open_database(real_data / "ptbxl")
    beats = vl.median_beats(db, db.fold.index[db.fold == 10], fs=100)
    beats = beats[beats.usable]
    errors = vl.vae.segment_errors(beats, vae.reconstruct(beats))["mean"]
    read, truth = scan.ecg_to_factors(beats), db.factors().loc[beats.ids]
    assert roc_auc_score(truth["LBBB"], read["LBBB"]) > 0.9 and roc_auc_score(truth["AF"], read["AF"]) > 0.85
    known = truth["age_years"].notna()
    assert (truth["age_years"] - read["age_years"])[known].abs().mean() < 14
    card = (WEIGHTS / "README.md").read_text(encoding="utf-8")
    printed = float(re.search(r"\| all \| ([\d.]+) \|", card)[1])
    assert errors["all"] == pytest.approx(printed, abs=0.5), "beats are made otherwise than when the weights were trained"
