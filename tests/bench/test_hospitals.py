"""Frozen models elsewhere: which label is read, who is counted, and how far behind the network a reader stays."""

import numpy as np
import pandas as pd
import pytest

import vaescan_lite as vl
from bench import hospitals
from vaescan_lite.benchmark.representations import Recordings
from vaescan_lite.training import BUDGETS, Budget


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    folder = vl.write_simulated_database(tmp_path_factory.mktemp("home"), 300, seed=2, progress=False)
    return Recordings(vl.open_database(folder))


def invented(hospital, rotations, n=400, seed=0):
    """Readings of three readers: the network's order of people is right, that of VAE-SCAN noisy, that of the rule noise."""
    rng = np.random.default_rng(seed)
    y = (rng.random(n) < 0.3).astype(float)
    parts = []
    for rotation in rotations:
        for reader, noise in zip(hospitals.READERS, (2.0, 0.5, 1000.0)):
            logit = 3 * y - 2 + noise * rng.standard_normal(n)
            given = {"hospital": hospital, "id": np.arange(n), "learnt": "AF", "factor": "AF", "reader": reader}
            parts.append(pd.DataFrame({**given, "y": y, "logit": logit, "rotation": rotation}))
    return pd.concat(parts, ignore_index=True)


def labelled(rows, factors):
    return Recordings(rows.db, rows.ids, beats=rows.beats, factors=factors)


@pytest.fixture(scope="module")
def tables():
    home, away = invented(hospitals.HOME, [1]), invented("away", [1, 2, 3])
    home.loc[home["id"] >= 200, "rotation"] = 2  # the second half was read by another training
    rng = np.random.default_rng(1)
    person = pd.DataFrame({"sex_female": rng.integers(0, 2, 400) * 1.0, "age_years": rng.uniform(30, 90, 400)})
    read = pd.concat([home, away], ignore_index=True)
    return hospitals.scores(read, {hospitals.HOME: person, "away": person}, n_resamples=100)


def test_readers_are_ordered_as_they_were_made_and_differences_are_paired(tables):
    table = tables["hospitals"].set_index(["hospital", "reader"])
    for place in (hospitals.HOME, "away"):
        auroc = table.loc[place, "auroc"]
        assert auroc["beat CNN"] > auroc["VAE-SCAN"] > auroc["rule"] and table.loc[(place, "beat CNN"), "behind"] == 0
        assert (auroc["beat CNN"] - auroc - table.loc[place, "behind"]).abs().max() < 1e-9
    assert table["within"].unstack()[["beat CNN", "rule"]].to_numpy().tolist() == [["yes", "no"]] * 2
    assert (table["n"] == 400).all()


def test_groups_add_up_and_the_rule_which_has_no_probability_is_not_in_them(tables):
    groups = tables["groups"]
    assert set(groups["reader"]) == {"VAE-SCAN", "beat CNN"}
    n = groups.pivot(index=["hospital", "reader"], columns="group", values="n")
    assert (n["women"] + n["men"] == 400).all() and (n.drop(columns=["everybody", "women", "men"]).sum(axis=1) == 400).all()
    assert {"hospital", "factor", "reader", "group", "measure", "verdict"} <= set(tables["group_differences"])


def test_nested_labels_are_learnt_apart_and_each_is_held_against_both(rows, monkeypatch):
    monkeypatch.setattr(hospitals, "FEWEST_TO_LEARN", 3)
    monkeypatch.setitem(BUDGETS["VAE"], "smoke", Budget(epochs=3))
    monkeypatch.setattr("vaescan_lite.scan.scan.N_STEPS", 20)
    incomplete = np.arange(len(rows)) % 9 == 0
    factors = rows.factors.assign(RBBB_any=np.maximum(rows.factors["RBBB"], incomplete))
    rows = labelled(rows, factors)[rows.beats.usable]
    read = hospitals.read_everywhere(rows, {"here": rows[:40]}, 0, "smoke")
    asked = set(read[["learnt", "factor"]].itertuples(index=False, name=None))
    assert {("RBBB", "RBBB"), ("RBBB", "RBBB_any"), ("RBBB_any", "RBBB_any"), ("RBBB_any", "RBBB"), ("AF", "AF")} <= asked
    assert not {("RBBB", "AF"), ("AF", "RBBB")} & asked and np.isfinite(read["logit"]).all()
    wide = read.query("learnt == 'RBBB_any' and factor == 'RBBB_any' and reader == 'VAE-SCAN'")
    assert wide["y"].tolist() == factors["RBBB_any"].loc[wide["id"]].tolist()
    same = hospitals.read_everywhere(labelled(rows, factors.assign(RBBB_any=factors["RBBB"])), {"here": rows[:9]}, 0, "smoke")
    assert "RBBB_any" not in set(same["learnt"])  # nothing to tell apart


def test_two_hospitals_of_one_name_are_refused(rows):
    with pytest.raises(ValueError, match="two hospitals have the name 'simulated'"):
        hospitals.opened([rows.db.folder, rows.db.folder], progress=False)
