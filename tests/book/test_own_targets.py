"""Chapters 4 to 12 on targets that the book never used: what is scored, and what is said where CD or sex is not known."""

from types import SimpleNamespace

import nbformat
import numpy as np
import pandas as pd
import pytest
from chapter_cells import ROOT, run
from IPython.display import Markdown

import vaescan_lite as vl
from vaescan_lite.benchmark import Recordings
from vaescan_lite.factors import SUPERCLASSES

N = 40


def cell(chapter, words):
    """The one code cell of a chapter that holds these words."""
    notebook = nbformat.read(ROOT / "notebooks" / f"{chapter}.ipynb", as_version=4)
    (source,) = [cell.source for cell in notebook.cells if cell.cell_type == "code" and words in cell.source]
    return source


def said(source, names):
    """What the last expression of a cell shows, a sentence."""
    body, _, last = source.rpartition("\nMarkdown(")
    run([f"{body}\nsaid = Markdown({last}"], names)
    return names["said"].data


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    folder = tmp_path_factory.mktemp("own")
    vl.write_simulated_database(folder / "ecgs", N, seed=5, progress=False)
    labels = pd.DataFrame({
        "ecg_id": range(1, N + 1), "stroke": np.arange(N) % 2, "potassium": np.linspace(3, 5, N), "CD": np.arange(N) % 3 == 0,
        "RBBB": np.arange(N) % 5 == 0, "RBBB_any": np.arange(N) % 5 < 2,
    })  # fmt: skip
    labels.astype(float).to_csv(folder / "labels.csv", index=False)
    return vl.open_database(folder / "ecgs", labels=folder / "labels.csv")


def test_what_an_own_table_does_not_name_is_known_to_the_benchmark_all_the_same(database):
    factors = Recordings(database).factors
    assert {"stroke", "potassium", "AF", *SUPERCLASSES} <= set(factors)
    assert factors["CD"].tolist() == (np.arange(N) % 3 == 0).tolist()


def test_targets_of_yes_or_no_are_tasks_beside_the_superclasses_and_nested_ones_only_once(database, monkeypatch):
    asked = {}
    monkeypatch.setattr("vaescan_lite.benchmark.run", lambda rows, **settings: asked.update(settings, rows=rows))
    vl.Workspace("smoke", database)._scored({})
    assert asked["tasks"] == [*SUPERCLASSES, "AF", "stroke", "RBBB"]
    assert set(asked["tasks"]) <= set(asked["rows"].factors)


@pytest.mark.parametrize(("people", "words"), [({"LBBB": 3}, "LBBB: 2 of 3 models act"), ({}, "neither of the two was scored")])
def test_the_two_people_of_chapter_12_are_asked_for_a_task_that_was_scored(people, words):
    models = ("CNN", "affine", "affine + capped CNN")
    rows = [("MI", "median beat", model, id_, id_ % 2, 0.1 * id_ + 0.3 * (model != "CNN"))
            for model in models for id_ in range(6)]  # fmt: skip
    predictions = pd.DataFrame(rows, columns=["task", "representation", "model", "id", "y", "score"])
    names = {
        "pd": pd, "Markdown": Markdown, "models": models, "task": "MI", "workspace": SimpleNamespace(people=lambda: people),
        "result": SimpleNamespace(tasks=("MI", "STTC"), predictions=predictions),
    }  # fmt: skip
    run([cell("12_hybrids_and_decisions", "of_two =")], names)
    sentence = said(cell("12_hybrids_and_decisions", "Acting on"), names)
    assert words in sentence and "Acting on MI from the share of cases (0.50)" in sentence and "nan" not in sentence


@pytest.mark.parametrize(("tasks", "asked"), [(("NORM", "STTC"), "STTC"), (("MI", "stroke"), "MI")])
def test_the_own_row_of_chapter_10_asks_for_a_task_that_can_be_scored(tasks, asked):
    class Ran(Exception):
        pass

    def benchmark(rows, *, tasks, **settings):
        raise Ran(tasks)

    part = SimpleNamespace(Recordings=lambda *args, **settings: None, run=benchmark)
    names = dict.fromkeys(("db", "of_gain")) | {"beats": SimpleNamespace(ids=[]), "FunctionTransformer": lambda f: f}
    names |= {"vl": SimpleNamespace(benchmark=part), "result": SimpleNamespace(tasks=tasks)}
    with pytest.raises(Ran) as ran:
        run([cell("10_trade_off", "heart_rate = FunctionTransformer")], names)
    assert ran.value.args[0] == ["sex_female", asked]


def test_one_target_alone_without_age_and_sex_is_the_example_of_chapter_9(monkeypatch):
    space = vl.Workspace("smoke", "simulated")
    monkeypatch.setattr(space, "scan_factors", lambda: ["stroke"])
    source = cell("09_black_boxes", 'example("AVB1"')
    names = {"workspace": space, "db": SimpleNamespace(continuous=())}
    run([source[source.index("tasks =") : source.index("\ntask =")]], names)
    assert names["factor"] == "stroke"


def test_the_exercise_on_age_of_chapter_8_takes_the_scan_of_the_package_where_no_age_was_learnt():
    names = run([cell("08_reading_explanations", "age_at =")], {"vl": vl, "np": np, "scan": SimpleNamespace(factors=["LBBB"])})
    assert names["scan"].factors[names["age_at"]] == "age_years" and 10 < names["age_sd"] < 25


def test_another_statement_of_ptbxl_becomes_a_target_as_the_page_on_files_says(database, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    page = (ROOT / "book" / "your_data.md").read_text(encoding="utf-8")
    (source,) = [block for block in page.split("```")[1::2] if "scp_codes" in block]
    source = source.removeprefix("python\n").replace('"ptbxl"', f"{str(database.folder)!r}").replace("IRBBB", "NDT")
    space = run([source], {"vl": vl, "profile": "smoke", "seed": 0})["workspace"]
    labels, known = space.database().labels["scp_codes"].astype(str), space.factors()
    assert known["NDT"].tolist() == ["NDT" in codes for codes in labels] and 0 < known["NDT"].sum() < N
    assert space.database().targets == ("LBBB", "LVH", "AVB1", "NDT") and known["NORM"].sum() > 0


def test_chapters_4_to_7_on_ecgs_of_which_neither_age_nor_sex_is_known():
    values = pd.DataFrame({("NORM", "PCA"): [0.8, 0.7, 0.9], ("NORM", "vl.BeatVAE"): [0.7, 0.6, 0.8]}, ["AUROC", "low", "high"])
    sentence = said(cell("04_vae", "of_vae, of_pca"), {"areas": values, "asked": ["NORM"], "Markdown": Markdown})
    assert "read NORM with 0.70, PCA with 0.80" in sentence
    latents = np.array([[[0.0, 0.0]], [[1.0, 2.0]]])
    scan = SimpleNamespace(factors=["LBBB"], contrast_latents=lambda kind: latents)
    table = pd.DataFrame({"LBBB": [0.0, 1, 0, 1]})
    names = {"scan": scan, "crowd_sd": 1.0, "table": table, "factors": table.assign(age_years=np.nan), "binary": ["LBBB"]}
    assert run([cell("06_scan", "ages = factors.loc")], names | {"np": np, "pd": pd})["older"].keys() == {"LBBB"}
    space = SimpleNamespace(measurements=lambda: None, scan=lambda: scan)
    with pytest.raises(AssertionError, match=r"sex, age wanted; got \['LBBB'\]"):
        run([cell("07_associations", "measured, scan =")], {"workspace": space})
