"""The results page: its tables hold what was run, are written whole, go on after an interruption, and the page shows them."""

import re
import shutil
from dataclasses import replace
from pathlib import Path

import nbformat
import pandas as pd
import pytest
import yaml
from nbformat.v4 import new_markdown_cell, new_notebook

import vaescan_lite as vl
import vaescan_lite.hospitals as core
from bench import age, hospitals, results, studies
from bench.__main__ import main as bench_main
from vaescan_lite import benchmark, cache, training
from vaescan_lite.benchmark import running
from vaescan_lite.benchmark.representations import Recordings
from vaescan_lite.book import pages, workspace

ROOT = Path(__file__).resolve().parents[2]
PAIRS = (
    ("ten seconds", "CNN"),
    ("median beat", "CNN"),
    ("VAE latents", "boosting"),
    ("VAE latents", "logistic"),
    ("measurements", "logistic"),
)
SETTINGS = {
    "seeds": (0,), "sizes": (60, 1600), "rotations": 1, "n_resamples": 50, "budget": "smoke", "n_jobs": 1, "progress": False,
}  # fmt: skip
FILES = {
    "grid": {
        "macro.csv", "scores.csv", "tasks.csv", "cost.csv", "agreement.csv", "glass_box.csv", "left_out.csv",
        "macro.png", "cost.png",
    },
    "age": {"age.csv"},
    "hybrids": {"hybrids.csv", "hybrids.png"},
    "requirements": {
        "requirements.csv", "trade_off.csv", "verdicts.csv", "verdicts_in_words.csv", "added.csv", "trade_off.png",
    },
    "reconstruction": {"reconstruction.csv"},
    "matched": {"matched.csv"},
    "suspect_labels": {"exclusions.csv", "suspect_labels.csv"},
    "learning_curve": {"learning_curve.csv", "learning_curve.png"},
    "hospitals": {"hospitals.csv", "groups.csv", "group_differences.csv", "label_meanings.csv"},
    "realism": {"realism.csv"},
    "cardiologists": {"marked_intervals.csv", "marked_beats.csv"},
}  # fmt: skip
WORLD_FILES = {"worlds.csv", "worlds_summary.csv", "agreement_simulated.csv", "worlds.png"}


@pytest.fixture(scope="module")
def small():
    """Fewer pairs in every part."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(results, "GRID", PAIRS)
        patch.setattr(results, "MATCHED_TASK", "CD")
        patch.setattr(results, "SUSPECT_TASK", "CD")
        for name in ("COMPARED", "SUSPECT_PAIRS"):
            patch.setattr(results, name, PAIRS[-1:])
        patch.setattr(studies.learning_curve, "__kwdefaults__", studies.learning_curve.__kwdefaults__ | {"pairs": PAIRS[-1:]})
        patch.setattr(age.age_error, "__kwdefaults__", age.age_error.__kwdefaults__ | {"pairs": (("measurements", "affine"),)})
        patch.setattr(results, "REQUIRED", ("LVH",))
        patch.setattr(core, "FEWEST_IN_GROUP", 2)  # few ECGs
        patch.setattr(results, "WORLDS", {"blind": {"n": 200, "seeds": (0, 1), "budget": "smoke"}})
        patch.setattr(results, "WORLD_ROTATIONS", 1)
        patch.setattr(results, "AGREEMENT", {"profile": "smoke", "seeds": (0, 1)})
        patch.setattr(running, "SMALL_GRID", PAIRS)
        patch.setattr("vaescan_lite.scan.scan.N_STEPS", 20)
        patch.setitem(training.BUDGETS["VAE"], "smoke", replace(training.BUDGETS["VAE"]["smoke"], epochs=20))
        few = workspace.Profile(n_ecgs=220, budget="smoke", rotations=1, n_bootstrap=50)
        patch.setitem(workspace.PROFILES, "smoke", few)
        yield


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    return vl.write_simulated_database(tmp_path_factory.mktemp("results") / "database", 220, seed=1, progress=False)


@pytest.fixture(scope="module")
def made_results(small, database, tmp_path_factory):
    """Results of small parts on simulated ECGs."""
    where = tmp_path_factory.mktemp("out")
    written = results.make_results(database, where, **SETTINGS)
    written += results.make_worlds(where, names=["blind"], n_resamples=50, n_jobs=1, progress=False)[:-1]
    assert sorted(written) == sorted(where.iterdir())
    return where


def test_every_part_writes_its_tables_and_figures(made_results):
    assert set(FILES) == set(results.PARTS)
    assert {path.name for path in made_results.iterdir()} == set.union(*FILES.values()) | WORLD_FILES | {"about.csv"}


def test_it_says_what_was_run_part_by_part(made_results):
    about = pd.read_csv(made_results / "about.csv").set_index("part")
    assert list(about.index) == [*results.PARTS, "worlds"]
    row = about.loc["grid"]
    assert "220 simulated ECGs" in row["database"] and row["test folds"] == "9+10" and str(row["seeds"]) == "0"
    assert pd.Timestamp(row["date"]) and "torch 2" in row["software"] and row["usable"].endswith("of 220")


def test_costs_are_differences_of_the_scores_beside_them(made_results):
    cost = pd.read_csv(made_results / "cost.csv")
    assert len(cost) and ((cost["auroc_before"] - cost["auroc_after"] - cost["cost"]).abs() <= 0.0021).all()
    assert ((cost["low"] <= cost["cost"] + 0.001) & (cost["cost"] <= cost["high"] + 0.001)).all()


def test_no_interval_of_an_auroc_passes_one(made_results):
    of_auroc = {"macro": "", "scores": "", "matched": "", "suspect_labels": "", "learning_curve": "", "trade_off": "auroc_"}
    for name, prefix in of_auroc.items():
        ends = pd.read_csv(made_results / f"{name}.csv")[[f"{prefix}low", f"{prefix}high"]].dropna()
        assert len(ends) and ends.ge(0).all(axis=None) and ends.le(1).all(axis=None), name
    text = (made_results / "tasks.csv").read_text()
    highest = [float(end) for end in re.findall(r"\([\d.]+ to ([\d.]+)\)", text)]
    assert highest and max(highest) <= 1


def test_the_learning_curve_ends_where_the_training_folds_do(made_results, database):
    most = studies.most_training(Recordings(vl.open_database(database)), 1)
    assert 60 < most < 220 and set(pd.read_csv(made_results / "learning_curve.csv")["n_training"]) == {60, most}


def test_ids_of_people_stay_out(made_results):
    left_out = pd.read_csv(made_results / "left_out.csv", keep_default_na=False)
    assert (left_out.loc[left_out["kind"] == "ECG", "names"] == "").all()


def test_reconstruction_is_of_unseen_beats_by_segment(made_results):
    table = pd.read_csv(made_results / "reconstruction.csv")
    assert set(table["segment"]) >= {"P", "QRS", "ST-T", "all"} and set(table["rotation"]) == {5}
    assert (table["ratio"] - table["vae_uV"] / table["pca_uV"]).abs().max() < 0.002


def test_a_list_made_for_one_database_excludes_nobody_of_another(made_results):
    assert len(pd.read_csv(made_results / "exclusions.csv")) == 0
    both = pd.read_csv(made_results / "suspect_labels.csv").set_index("labels")["n"]
    assert both["all"].unique() == both["without the list"].unique()


def test_what_is_finished_is_not_computed_again_and_comes_out_the_same(small, made_results, database, tmp_path, monkeypatch):
    def fail(*arguments, **settings):
        raise AssertionError("computed again")

    computing = [(running, "_score_pair"), (age, "errors_of_pair"), (results, "measured_requirements")]
    for module, name in [*computing, (hospitals, "read_everywhere")]:
        monkeypatch.setattr(module, name, fail)
    monkeypatch.setattr(results, "reconstruction_errors", fail)
    results.make_results(database, tmp_path, **SETTINGS)
    results.make_worlds(tmp_path, n_resamples=50, n_jobs=1, progress=False)
    for path in made_results.glob("*.csv"):
        assert (tmp_path / path.name).read_text() == path.read_text(), path.name


def test_a_single_part_replaces_its_own_row_and_leaves_the_others(small, made_results, database, tmp_path):
    for path in made_results.iterdir():
        shutil.copy(path, tmp_path)
    about = pd.read_csv(tmp_path / "about.csv", dtype=str)
    about.assign(date="2001-01-01").to_csv(tmp_path / "about.csv", index=False)
    written = results.make_results(database, tmp_path, parts=["age"], **SETTINGS)
    assert {path.name for path in written} == {"age.csv", "about.csv"}
    dates = pd.read_csv(tmp_path / "about.csv").set_index("part")["date"]
    assert dates.pop("age") != "2001-01-01" and set(dates) == {"2001-01-01"} and len(dates) == len(results.PARTS)


def test_other_code_or_other_ecgs_have_another_folder(database, monkeypatch):
    db = vl.open_database(database)
    one = results.kept_folder(db.fingerprint)
    assert results.kept_folder(db.fingerprint) == one
    assert results.kept_folder("another") != one
    monkeypatch.setattr(results, "PACKAGES", results.PACKAGES[:-1])
    assert results.kept_folder(db.fingerprint) != one  # as if another version of a library were installed


def test_an_edit_of_any_file_that_computes_is_noticed_and_one_that_only_draws_is_not(tmp_path, monkeypatch):
    """In turn, every file of a copy of the package is edited: finished cells may be used again only where drawing changed."""
    shutil.copytree(cache.PACKAGE, tmp_path / "package", ignore=shutil.ignore_patterns("__pycache__", "*.safetensors"))
    monkeypatch.setattr(cache, "PACKAGE", tmp_path / "package")
    before = results.kept_folder("ecgs")
    for path in sorted((tmp_path / "package").rglob("*.py")):
        source = path.read_text(encoding="utf-8")
        path.write_text(source + "# edited", encoding="utf-8")
        room = path.relative_to(tmp_path / "package").parts[0]
        assert (results.kept_folder("ecgs") == before) == (room in ("book", "plots", "web")), path
        path.write_text(source, encoding="utf-8")
    assert results.kept_folder("ecgs") == before


def test_every_interval_of_the_worlds_is_in_the_summary(made_results):
    table, summary = pd.read_csv(made_results / "worlds.csv"), pd.read_csv(made_results / "worlds_summary.csv")
    assert len(table) == 2 * len(benchmark.STEPS) and (summary["worlds"] == 2).all() and not summary["must_cost"].any()


def test_a_world_that_does_not_exist_is_named(tmp_path):
    with pytest.raises(ValueError, match="unknown world.*'flat'; known are "):
        results.make_worlds(tmp_path, names=["flat"])


def test_a_part_that_does_not_exist_is_named(database, tmp_path):
    with pytest.raises(ValueError, match="unknown part.*'ages'; known are grid, age"):
        results.make_results(database, tmp_path, parts=["ages"])


def test_the_command_runs_single_parts(small, database, tmp_path, capsys):
    command = ["results", "--database", str(database), "--folder", str(tmp_path), "--parts", "age", "--seeds", "0"]
    assert bench_main([*command, "--rotations", "1", "--budget", "smoke", "--n-jobs", "1"]) == 0
    assert str(tmp_path / "age.csv") in capsys.readouterr().out


# ---- the page


def directives():
    """The directives of the results page: name, argument and text."""
    page = (ROOT / "book/results.md").read_text(encoding="utf-8")
    return re.findall(r"```\{(results-\w+)\} (\w+)\n(.*?)```", page, flags=re.DOTALL)


def build(where, results_folder=None):
    """A book with a page of all directives and nothing else; its article without tags."""
    (where / "book").mkdir(parents=True)
    shutil.copy(ROOT / "_config.yml", where)
    for name in ("_static", "_ext"):
        shutil.copytree(ROOT / "book" / name, where / "book" / name)
    if results_folder:
        shutil.copytree(results_folder, where / "book/results")
    (where / "book/references.bib").write_text("")
    blocks = [f"```{{{kind}}} {name}\n{text}```\n" for kind, name, text in directives()]
    blocks = ["```{results-findings}\n```\n", *blocks] if results_folder else blocks
    (where / "book/intro.md").write_text("# Results\n\n" + "\n".join(blocks), encoding="utf-8")
    (where / "_toc.yml").write_text(yaml.safe_dump({"format": "jb-book", "root": "book/intro"}))
    (where / "executed").mkdir()
    nbformat.write(new_notebook(cells=[new_markdown_cell("# 1. Chapter")]), where / "executed/01_a.ipynb")
    pages.build_book(where, where / "executed")
    page = (where / "_build/html/book/intro.html").read_text(encoding="utf-8")
    return page[page.index("<article") : page.index("</article>")]


@pytest.fixture(scope="module")
def article(made_results, tmp_path_factory):
    """The page of the small results."""
    return build(tmp_path_factory.mktemp("site"), made_results)


def test_the_page_shows_every_table_and_figure_that_is_written(article):
    shown = {f"{name}.{'png' if kind == 'results-figure' else 'csv'}" for kind, name, _ in directives()}
    raw = {"scores.csv", "trade_off.csv", "worlds.csv"}  # too long for a page, or shown as a figure
    assert shown | raw == set.union(*FILES.values()) | WORLD_FILES | {"about.csv"}
    assert "Not in this copy" not in article
    n_figures = sum(kind == "results-figure" for kind, _, _ in directives())
    alts = re.findall(r'<img alt="([^"]*)"', article)
    assert len(alts) == n_figures and all(len(alt) >= 30 for alt in alts)
    assert article.count("220 simulated ECGs") == len(results.PARTS) - 1  # but for LUDB's, in the table of what was run
    assert article.count("smoke budget") >= n_figures + 8  # in captions


def test_numbers_of_the_page_are_those_of_the_files(made_results, article):
    text = re.sub(r"<[^>]+>", "", article)
    best = pd.read_csv(made_results / "macro.csv").iloc[0]
    auroc, low, high = (f"{best[name]:.3f}".removeprefix("0") for name in ("auroc", "low", "high"))
    assert f"{auroc} [{low}, {high}]" in text


def test_a_copy_without_results_builds_and_says_so(tmp_path):
    article = build(tmp_path / "site")
    assert article.count("Not in this copy of the book") == len(directives())


def test_findings_say_what_the_tables_say(made_results, article):
    text = re.sub(r"<[^>]+>", "", article)
    best = pd.read_csv(made_results / "macro.csv").iloc[0]
    assert f"The best readers of the superclasses, by value alone: {best['model']} on {best['representation']}" in text
    errors = pd.read_csv(made_results / "reconstruction.csv").groupby("segment")[["vae_uV", "pca_uV"]].mean()
    assert f"{errors.loc['QRS', 'vae_uV'] / errors.loc['QRS', 'pca_uV']:.2f} in QRS" in text
    differences = pd.read_csv(made_results / "group_differences.csv")
    assert f"of {len(differences)} comparisons of AUROC and calibration" in text


def test_findings_speak_of_marks_and_of_simulated_twins(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "book" / "_ext"))
    findings = pytest.importorskip("findings").findings
    interval = {"error_ms": 5.2, "low": 4.2, "high": 6.2, "constant_ms": 18.4, "interval": "pr_ms"}
    pd.DataFrame([{"fs_hz": fs} | interval for fs in (500, 100)]).to_csv(tmp_path / "marked_intervals.csv", index=False)
    beats = pd.DataFrame({"fs_hz": [500, 100], "beats": 9, "missed": [0, 1], "false": [0, 2]})
    beats.to_csv(tmp_path / "marked_beats.csv", index=False)
    pd.DataFrame({"measurement": ["pr_ms", "qrs_ms"], "auroc": [0.55, 0.65], "together": 0.9}).to_csv(
        tmp_path / "realism.csv", index=False
    )
    marks, hearts = findings(tmp_path)
    assert "at 100 Hz: of 9 beats 1 are missed, and 2 found where none is" in marks
    assert "PR 5.2 [4.2, 6.2] ms, a constant's 18.4. (The calipers' shares were chosen on these ECGs" in marks
    assert "with an AUROC of .650 (QRS); all 2 together reach .900" in hearts
    pd.DataFrame(columns=["interval"]).to_csv(tmp_path / "marked_intervals.csv", index=False)
    assert len(findings(tmp_path)) == 1  # no LUDB was read


def test_findings_speak_of_other_hospitals_and_of_other_seeds(tmp_path, monkeypatch):
    """Only readings elsewhere count, and only by the label that was learnt."""
    monkeypatch.syspath_prepend(str(ROOT / "book/_ext"))
    findings = pytest.importorskip("findings").findings
    head = "hospital,learnt,factor,reader,auroc,low,high"
    rows = ["home,AF,AF,VAE-SCAN,.99,.98,1", "home,AF,AF,beat CNN,.98,.97,1", "A,AF,AF,VAE-SCAN,.95,.85,.99",
            "A,AF,AF,beat CNN,.96,.9,1", "A,RBBB,RBBB_any,VAE-SCAN,.7,.6,.8", "A,RBBB,RBBB_any,beat CNN,.5,.3,.7"]  # fmt: skip
    (tmp_path / "hospitals.csv").write_text("\n".join([head, *rows]))
    (tmp_path / "agreement.csv").write_text(
        "step,task,agreement\nrhythm,mean of superclasses,equal\ndetail,mean of superclasses,equal\nrhythm,AF,reversed"
    )
    elsewhere, again = findings(tmp_path)
    assert elsewhere.endswith("without a label from there: AF in A .950 [.850, .990], beat CNN .960.")
    assert again.endswith("are: 2 equal.")

    rows += ["B,LVH,LVH,VAE-SCAN,.6,.5,.7", "B,LVH,LVH,beat CNN,.55,.43,.67"]
    (tmp_path / "hospitals.csv").write_text("\n".join([head, *rows]))
    assert findings(tmp_path)[0].endswith("where it may be at chance itself: LVH in B.")


def test_the_finding_on_few_ecgs_names_who_is_best_from_where(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "book/_ext"))
    findings = pytest.importorskip("findings").findings
    rows = ["50,beat,CNN,.8", "50,latents,logistic,.7", "100,beat,CNN,.8", "100,latents,logistic,.81", "1000,beat,CNN,.9",
            "1000,latents,logistic,.95"]  # fmt: skip
    (tmp_path / "learning_curve.csv").write_text("\n".join(["n_training,representation,model,auroc", *rows]))
    (curve,) = findings(tmp_path)
    assert curve.endswith("CNN on beat from 50 training ECGs; logistic on latents from 100 training ECGs.")
