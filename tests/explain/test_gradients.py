"""Explanations by waves: against a linear model done by hand, against the answers they must add up to, against controls."""

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

import vaescan_lite as vl
from vaescan_lite.explain import GROUPS, group_masks, wave_contributions
from vaescan_lite.models import EcgCNN
from vaescan_lite.statistics import row_correlation
from vaescan_lite.training import Budget

SHORT = Budget(epochs=25, batch_size=64, learning_rate=5e-3)


class Linear(nn.Module):
    """A logit that is a weighted sum of the samples."""

    def __init__(self, weight):
        super().__init__()
        self.weight = nn.Parameter(torch.from_numpy(weight))

    def forward(self, x):
        return torch.stack([(x * self.weight).sum(dim=(1, 2)), x.mean(dim=(1, 2))], dim=1)


@pytest.fixture(scope="module")
def people():
    rows = np.arange(240)
    factors = pd.DataFrame({"LBBB": (rows % 4 == 0) * 1.0, "AVB1": (rows % 5 == 1) * 1.0, "age_years": 40.0 + rows % 40})
    return vl.median_beats(vl.simulate(factors, seed=3)), factors


@pytest.fixture(scope="module")
def vae(people):
    return vl.BeatVAE(8, budget=SHORT, progress=False).fit(people[0])


@pytest.fixture(scope="module", params=["affine", "mlp"])
def scan(request, vae, people):
    beats, factors = people
    return vl.Scan(vae, list(factors), decoder=request.param, budget=SHORT).fit(beats, factors, progress=False)


def test_of_a_linear_model_each_wave_adds_its_weights_times_the_difference(people):
    beats = people[0][:7]
    weight = np.random.default_rng(0).normal(size=beats.signals.shape[1:]).astype(np.float32)
    reference = beats.signals.mean(axis=0)
    parts = wave_contributions(Linear(weight), beats, 0, reference=reference)
    by_hand = np.einsum("nlt,glt->ng", weight * (beats.signals - reference), group_masks(beats))
    assert parts.columns.equals(GROUPS) and list(parts.index) == list(beats.ids)
    np.testing.assert_allclose(parts, by_hand, atol=1e-4)


def test_rows_add_up_to_the_answer_minus_that_of_the_mean_training_beat(scan, people):
    beats = people[0]
    mean_beat = vl.BeatSet(scan.vae.network_.mean_beat.numpy().reshape(1, 8, -1), beats.fs, r_index=beats.r_index)
    for factor, within in (("LBBB", 1e-2), ("AVB1", 1e-2), ("age_years", 0.1)):
        wanted = scan.logits(beats)[factor] - scan.logits(mean_beat)[factor].item()
        assert np.abs(wave_contributions(scan, beats, factor).sum(axis=1) - wanted).max() < within


def test_each_beat_can_start_from_a_reference_of_its_own(scan, people):
    beats = people[0][:6]
    others = people[0][6:12]
    parts = wave_contributions(scan, beats, "LBBB", reference=others.signals)
    difference = scan.logits(beats)["LBBB"].to_numpy() - scan.logits(others)["LBBB"].to_numpy()
    np.testing.assert_allclose(parts.sum(axis=1), difference, atol=1e-2)
    assert np.abs(wave_contributions(scan, beats, "LBBB", reference=beats.signals)).max(axis=None) == 0


def test_it_foretells_what_replacing_waves_does_and_the_explanation_of_another_person_does_not(scan, people):
    beats = people[0][:40]
    reference = scan.vae.network_.mean_beat.numpy().reshape(8, -1)
    subsets = np.random.default_rng(0).random((64, len(GROUPS))) < 0.5
    inside = np.einsum("sg,glt->slt", subsets, group_masks(beats)) > 0
    whole = scan.logits(beats)["LBBB"].to_numpy()
    rest = [scan.logits(vl.BeatSet(np.where(i, reference, beats.signals), beats.fs, r_index=beats.r_index)) for i in inside]
    lost = whole[:, None] - np.stack([logits["LBBB"] for logits in rest], axis=1)
    parts = wave_contributions(scan, beats, "LBBB").to_numpy()
    own = row_correlation(parts @ subsets.T, lost).mean()
    assert own > 0.95
    assert row_correlation(np.roll(parts, 1, axis=0) @ subsets.T, lost).mean() < own - 0.3


def test_a_cnn_is_explained_from_its_own_mean_beat(people):
    beats, factors = people
    cnn = EcgCNN(budget="smoke").fit(beats, factors[["LBBB", "AVB1"]].to_numpy())
    start = cnn.decision_function(beats.signals.mean(axis=0)[None])[0, 1]
    difference = cnn.decision_function(beats)[:, 1] - start
    assert np.abs(wave_contributions(cnn, beats, 1).sum(axis=1) - difference).max() < 0.05 * np.ptp(difference)


def test_unusable_beats_are_nan_and_the_batch_does_not_matter(scan, people):
    beats = people[0][:150]
    signals = beats.signals.copy()
    signals[3, 2, 5] = np.nan
    parts = wave_contributions(scan, vl.BeatSet(signals, beats.fs, ids=beats.ids), "LBBB")
    assert parts.iloc[3].isna().all() and parts.drop(index=beats.ids[3]).notna().all(axis=None)
    np.testing.assert_allclose(parts.iloc[[100]], wave_contributions(scan, beats[[100]], "LBBB"), atol=1e-5)


def test_what_cannot_be_explained_is_named(scan, people):
    beats = people[0][:3]
    with pytest.raises(ValueError, match="unknown factor 'LVH'; known are LBBB"):
        wave_contributions(scan, beats, "LVH")
    with pytest.raises(ValueError, match="no names of factors"):
        wave_contributions(Linear(beats.signals[0]), beats, "LBBB")
    with pytest.raises(ValueError, match="give reference"):
        wave_contributions(Linear(beats.signals[0]), beats, 0)
    with pytest.raises(ValueError, match=r"reference must be .*\(8, 96\).*got \(12, 96\)"):
        wave_contributions(scan, beats, "LBBB", reference=np.zeros((12, 96)))
    with pytest.raises(ValueError, match="BeatSet"):
        wave_contributions(scan, beats.signals, "LBBB")


@pytest.mark.real
def test_on_real_ecgs_the_explanation_is_complete_and_faithful(real_data):
    db = vl.open_database(real_data / "ptbxl")
    beats = vl.median_beats(db, db.ids[db.fold >= 9][:120], fs=100)
    beats = beats[beats.usable]
    _, scan = vl.load_pretrained()
    mean_beat = scan.vae.network_.mean_beat.numpy().reshape(1, 8, -1)
    start = scan.logits(vl.BeatSet(mean_beat, 100, r_index=beats.r_index)).iloc[0]
    for factor in scan.factors:
        error = wave_contributions(scan, beats, factor).sum(axis=1) - (scan.logits(beats)[factor] - start[factor])
        assert np.abs(error).max() < (1e-2 if factor != "age_years" else 5e-2), factor
