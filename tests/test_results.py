"""The results page: its tables hold what was run, and are written whole."""

import pandas as pd
import pytest

import vaescan_lite as vl
from vaescan_lite import benchmark, results, studies

PAIRS = (
    ("ten seconds", "CNN"),
    ("median beat", "CNN"),
    ("VAE latents", "boosting"),
    ("VAE latents", "logistic"),
    ("measurements", "logistic"),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Results of a small grid on 200 simulated ECGs."""
    where = tmp_path_factory.mktemp("results")
    vl.write_simulated_database(where / "database", 200, seed=1, progress=False)
    grid = benchmark.grid

    def small_grid(budget, **_):
        return grid("smoke") | {"pairs": PAIRS}

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(benchmark, "grid", small_grid)
        patch.setattr(results, "MATCHED_TASK", "CD")
        patch.setattr(results, "MATCHED_PAIRS", PAIRS[-1:])
        patch.setattr(studies, "CURVE", PAIRS[-1:])
        patch.setattr(results, "BeatVAE", lambda seed, progress: vl.BeatVAE(4, seed=seed, budget="smoke", progress=progress))
        written = results.make_results(
            where / "database",
            where / "out",
            seeds=(0,),
            sizes=(60, 120),
            rotations=1,
            n_resamples=50,
            n_jobs=1,
            progress=False,
        )
    assert sorted(written) == sorted((where / "out").iterdir())
    return where / "out"


def test_every_table_and_figure_is_written(folder):
    names = {path.name for path in folder.iterdir()}
    tables = {"about", "macro", "scores", "cost", "left_out", "learning_curve", "matched", "reconstruction"}
    assert names == {f"{name}.csv" for name in tables} | {"macro.png", "cost.png", "learning_curve.png"}


def test_it_says_what_was_run(folder):
    about = pd.read_csv(folder / "about.csv").set_index("what")["value"]
    assert "200 simulated ECGs" in about["database"] and about["test folds"] == "9+10" and about["training seeds"] == "0"
    assert pd.Timestamp(about["date"]) and about["torch"][0].isdigit()


def test_costs_are_differences_of_the_scores_beside_them(folder):
    cost = pd.read_csv(folder / "cost.csv")
    assert len(cost) and ((cost["auroc_before"] - cost["auroc_after"] - cost["cost"]).abs() <= 0.0021).all()
    assert ((cost["low"] <= cost["cost"] + 0.001) & (cost["cost"] <= cost["high"] + 0.001)).all()


def test_the_learning_curve_has_every_size(folder):
    assert set(pd.read_csv(folder / "learning_curve.csv")["n_training"]) == {60, 120}


def test_ids_of_people_stay_out(folder):
    left_out = pd.read_csv(folder / "left_out.csv", keep_default_na=False)
    assert (left_out.loc[left_out["kind"] == "ECG", "names"] == "").all()


def test_reconstruction_is_of_unseen_beats_by_segment(folder):
    table = pd.read_csv(folder / "reconstruction.csv")
    assert set(table["segment"]) >= {"P", "QRS", "ST-T", "all"} and set(table["rotation"]) == {5}
    assert (table["ratio"] - table["vae_uV"] / table["pca_uV"]).abs().max() < 0.002
