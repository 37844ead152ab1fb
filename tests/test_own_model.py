"""A model for one's own targets: what is trained, scored, left out and written, whole or not at all."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import r2_score, roc_auc_score

import vaescan_lite as vl
from vaescan_lite import cli, own_model
from vaescan_lite.training import Budget

N = 120
SHORT = Budget(epochs=2, batch_size=32)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("own")
    vl.write_simulated_database(folder / "ecgs", N, seed=5, progress=False)
    rng = np.random.default_rng(0)
    wide = vl.open_database(folder / "ecgs").factors()["age_years"].fillna(60).to_numpy()
    labels = pd.DataFrame({
        "ecg_id": range(1, N + 1), "old": (wide > 60).astype(int), "score": wide / 10 + rng.normal(0, 0.1, N),
        "rare": (np.arange(N) < 3).astype(int), "never": 0,
    })  # fmt: skip
    labels.to_csv(folder / "labels.csv", index=False)
    parts = ["train"] * 80 + ["validation"] * 10 + ["test"] * 30
    pd.DataFrame({"id": range(1, N + 1), "split": parts}).to_csv(folder / "split.csv", index=False)
    return folder


@pytest.fixture(scope="module")
def database(folder):
    with pytest.warns(UserWarning, match="target without positives.*never: 0 in all 120"):
        return vl.open_database(folder / "ecgs", labels=folder / "labels.csv", split=folder / "split.csv")


@pytest.fixture(scope="module")
def model(folder, database):
    scores = own_model.train_model(database, folder / "model", budget=SHORT, n_trainings=2, progress=False)
    return folder / "model", scores


def test_the_folder_holds_two_trainings_the_scores_and_a_card(model):
    folder, scores = model
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))
    both = ["scan.safetensors", "vae.safetensors"]
    assert names == sorted(["README.md", "scores.csv", "training_1", *both, *(f"training_1/{name}" for name in both)])
    written = pd.read_csv(folder / "scores.csv", dtype={"note": str}).fillna({"note": ""})
    pd.testing.assert_frame_equal(written, scores, check_dtype=False)
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert card.startswith("# Model of old, score\n") and "{" not in card and "nan" not in card
    for words in (
        "## Data\n", "## Limits\n", "Not a medical device", "labels.csv, split.csv", "to train, 10 to choose the epoch",
        "- target rare: 3 with it and 77 without among the training ECGs; 10 and two values are wanted", "target never: 0 with",
    ):  # fmt: skip
        assert words in card, words


def test_scores_are_those_of_the_loaded_model_on_the_test_part(model, database):
    folder, scores = model
    vae, scan = vl.load_pretrained(folder)
    assert scan.vae is vae and {"old", "score"} <= set(scan.factors) and not {"rare", "never"} & set(scan.factors)
    assert scan.coding_.continuous.tolist() == [name in ("age_years", "score") for name in scan.factors]
    beats = vl.median_beats(database, database.fold.index[database.fold == 10], fs=100)
    beats = beats[beats.usable]
    read, truth = scan.ecg_to_factors(beats), database.factors().loc[beats.ids]
    value = scores.set_index(["factor", "score"])["value"]
    assert value["old", "AUROC"] == pytest.approx(roc_auc_score(truth["old"], read["old"]))
    assert value["score", "R2"] == pytest.approx(r2_score(truth["score"], read["score"]))
    assert value["score", "mean absolute error"] == pytest.approx((truth["score"] - read["score"]).abs().mean())
    assert (scores["low"] <= scores["value"]).all() and (scores["value"] <= scores["high"]).all()


def test_too_few_to_score_is_said(model, database):
    scan, ids = vl.load_pretrained(model[0])[1], database.ids[:12]
    factors = database.factors().assign(old=[1] * 4 + [0] * (N - 4))
    scores = own_model.reading_scores(scan, vl.median_beats(database, ids, fs=100), factors).set_index("factor")
    assert scores.loc["old", "note"] == "too few to score: 4, and 5 are wanted" and np.isnan(scores.loc["old", "value"])
    none = own_model.reading_scores(scan, vl.median_beats(database, ids, fs=100)[[]], factors)
    assert none["note"].str.startswith("too few").all()
    assert "too few to score" in own_model.score_rows(none, factors)


def test_a_folder_with_other_files_is_refused_and_an_interruption_leaves_nothing(tmp_path, database, monkeypatch):
    for name in ("training_data", "README.md"):
        (tmp_path / name).write_text("years of work")
        with pytest.raises(ValueError, match=rf"is no folder with a model \(.*{name}"):
            own_model.train_model(database, tmp_path, progress=False)

    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(own_model.Scan, "fit", interrupted)
    with pytest.raises(KeyboardInterrupt):
        own_model.train_model(database, tmp_path / "model", budget=SHORT, progress=False)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["README.md", "training_data"]


def test_no_targets_or_none_that_can_be_learnt_is_an_error(folder, tmp_path):
    with pytest.raises(ValueError, match="no targets; give labels"):
        own_model.train_model(vl.open_database(folder / "ecgs"), tmp_path / "model", progress=False)
    pd.read_csv(folder / "labels.csv")[["ecg_id", "rare"]].to_csv(tmp_path / "labels.csv", index=False)
    database = vl.open_database(folder / "ecgs", labels=tmp_path / "labels.csv")
    with pytest.raises(ValueError, match="no target can be learnt from .* training ECGs: .*rare"):
        own_model.train_model(database, tmp_path / "model", progress=False)


def test_the_command_goes_from_files_to_a_model(folder, tmp_path, capsys):
    tables = ["--labels", str(folder / "labels.csv"), "--split", str(folder / "split.csv")]
    settings = ["-o", str(tmp_path / "model"), "--profile", "smoke", "--seed", "3"]
    assert cli.main(["train", str(folder / "ecgs"), *tables, *settings]) == 0
    said = capsys.readouterr().out
    assert "AUROC" in said and "R2" in said and f"--model {tmp_path / 'model'}" in said
    assert vl.load_pretrained(tmp_path / "model")[0].seed == 3
    assert cli.main(["train", str(folder / "ecgs"), "--labels", str(tmp_path / "none.csv"), *settings]) == 1
    assert "none.csv" in capsys.readouterr().err


def test_a_workspace_takes_such_a_database_with_the_names_that_chapters_use(database, tmp_path, monkeypatch):
    monkeypatch.setenv("VAESCAN_CACHE", str(tmp_path))
    workspace = vl.Workspace("smoke", database)
    factors = workspace.factors()
    assert {"LBBB", "NORM", "old", "score", "age_years"} <= set(factors) and factors["score"].notna().all()
    assert workspace.scan_factors() == ["sex_female", "age_years", "old", "score"]
    assert workspace.people().keys() <= {"LBBB", "AVB1"}
