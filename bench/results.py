"""Tables and figures from real ECGs for the book's results page, part by part; what is finished is not done again."""

import datetime
import hashlib
import itertools
import logging
import platform
import time
from dataclasses import dataclass
from functools import cached_property, partial
from importlib import metadata
from operator import methodcaller
from pathlib import Path

import pandas as pd
from tqdm.auto import tqdm

from bench import age, cardiologists, hospitals, realism, studies, worlds
from bench.figures import plot_learning_curve, plot_worlds
from vaescan_lite import benchmark, plots
from vaescan_lite.beats import median_beats
from vaescan_lite.benchmark import hybrids
from vaescan_lite.benchmark.cells import rotation_masks
from vaescan_lite.benchmark.costs import verdict
from vaescan_lite.benchmark.representations import Recordings
from vaescan_lite.benchmark.result import MACRO
from vaescan_lite.benchmark.running import grid
from vaescan_lite.cache import cache_folder, run_jobs, source_hash, written_whole
from vaescan_lite.databases.database import open_database
from vaescan_lite.explain import fit_readers, say_verdicts
from vaescan_lite.explain.four_requirements import measure_requirements
from vaescan_lite.explain.readers import N_PERMUTED
from vaescan_lite.explain.verdicts import CEILING, HEADLINES, TEST_SHARE, average_models, named_controls, verdict_table
from vaescan_lite.factors import DIAGNOSES, FACTOR_NAMES, SUPERCLASSES, known_names
from vaescan_lite.measurements import measure
from vaescan_lite.plots.ecgs import in_style, png_of
from vaescan_lite.scan.scan import Scan
from vaescan_lite.simulator import simulate
from vaescan_lite.statistics import interval_over_trainings, mean_estimate
from vaescan_lite.vae.beat_vae import BeatVAE
from vaescan_lite.vae.reconstruction import BeatPCA, segment_errors

log = logging.getLogger(__name__)

GRID = (
    ("rules", "logistic"), ("rules", "boosting"),
    ("measurements", "logistic"), ("measurements", "sparse logistic"), ("measurements", "EBM"), ("measurements", "boosting"),
    ("PCA", "logistic"), ("PCA", "boosting"),
    ("VAE latents", "logistic"), ("VAE latents", "sparse logistic"), ("VAE latents", "EBM"), ("VAE latents", "boosting"),
    ("latents + rhythm", "logistic"), ("latents + rhythm", "EBM"), ("latents + rhythm", "boosting"),
    ("latents + measurements", "logistic"), ("latents + measurements", "EBM"), ("latents + measurements", "boosting"),
    ("median beat", "logistic"), ("median beat", "boosting"), ("median beat", "CNN"), ("ten seconds", "CNN"),
)  # fmt: skip
GLASS_BOXES = {
    f"{glass} against {network}": ((network, "CNN"), (glass, "EBM"))
    for glass in ("measurements", "latents + measurements") for network in ("ten seconds", "median beat")
}  # fmt: skip
BY_TASK = (
    ("age + sex", "logistic"), ("measurements", "logistic"), ("VAE latents", "logistic"), ("VAE latents", "boosting"),
    ("latents + rhythm", "logistic"), ("median beat", "CNN"), ("ten seconds", "CNN"),
)  # fmt: skip
CURVE_SIZES = (50, 100, 200, 400, 800, 1600)
MATCHED_TASK = "AF"
SUSPECT_TASK = "LBBB"
SUSPECT_PAIRS = (("measurements", "logistic"), ("VAE latents", "logistic"), ("median beat", "CNN"))
COMPARED = (
    ("measurements", "logistic"), ("VAE latents", "logistic"), ("VAE latents", "boosting"),
    ("median beat", "CNN"), ("ten seconds", "CNN"),
)  # fmt: skip
REQUIRED = ("AVB1", "LVH", "LAFB", "LBBB", "RBBB")  # with a rule and a published sign
FEWEST_POSITIVES = 3  # positives in every rotation for the requirements
TRADE_OFFS = ("additive R2", "share in the published sign", "subset correlation")
PACKAGES = ("vaescan-lite", "numpy", "scipy", "scikit-learn", "torch", "interpret-core")
PRESENTATION = ("book", "plots", "web")  # rooms that only draw: an edit there keeps what was computed
WORLDS = {
    "rhythm": {"n": 1000, "seeds": (0, 1, 2), "budget": "workshop"},
    "interaction": {"n": 1000, "seeds": (0, 1, 2), "budget": "workshop"},
    "plain": {"n": 600, "seeds": tuple(range(20)), "budget": "smoke"},
    "blind": {"n": 600, "seeds": tuple(range(20)), "budget": "smoke"},
}
WORLD_ROTATIONS = 2
AGREEMENT = {"profile": "workshop", "seeds": (0, 1, 2)}  # of chapter 10 on simulated ECGs
N_DIGITS = 3


@dataclass(frozen=True, eq=False)
class Study:
    """What the parts of the results share: the ECGs, and arguments of `benchmark.run`."""

    rows: Recordings
    seeds: tuple = (0, 1, 2)
    sizes: tuple = CURVE_SIZES  # of the learning curve; one above what all rotations have counts as what they have
    rotations: int = 5
    n_resamples: int = 2000
    budget: str = "workshop"
    n_jobs: int = -1
    progress: bool = True
    keep: Path | None = None
    hospitals: tuple = ()  # folders of other hospitals

    @cached_property
    def others(self):
        """ECGs of other hospitals by name."""
        return hospitals.opened(self.hospitals, progress=self.progress)

    @property
    def marked(self):
        """The hospital whose intervals cardiologists marked, LUDB, or None."""
        return next((rows for rows in self.others.values() if (Path(rows.db.folder) / "ludb.csv").is_file()), None)

    @cached_property
    def settings(self):
        """Keyword arguments of `benchmark.run`."""
        names = ("seeds", "rotations", "n_resamples", "budget", "n_jobs", "progress", "keep")
        return {name: getattr(self, name) for name in names}

    @cached_property
    def with_one_seed(self):
        """The same with the first seed alone."""
        return self.settings | {"seeds": self.seeds[:1]}


def make_results(database, folder, *, parts=None, keep=None, **settings):
    """Run the benchmark on a database, and write its tables and figures, each part as soon as it is finished.

    `parts` are some of `PARTS`, or all; `settings` are fields of `Study`. Finished cells are kept in `keep`, by default
    `kept_folder`: after an interruption the same call goes on where it stopped. The list of files written ends with
    ``about.csv``, which has a row for each part that is in the folder: ECGs, folds, seeds, software and date.
    """
    parts = _asked_for(parts, PARTS, "part(s)")
    db = open_database(database)
    progress = settings.get("progress", True)
    keep = kept_folder(db.fingerprint) if keep is None else Path(keep)
    study = Study(Recordings(db, progress=progress), keep=keep, **settings)
    written = []
    for name in tqdm(parts, desc="results", unit="part", disable=not progress):
        started = time.perf_counter()
        with in_style():
            written += _write_part(Path(folder), _run_of(name, study), *PARTS[name](study))
        log.info("%s: %.0f s", name, time.perf_counter() - started)
    return [*written, Path(folder) / "about.csv"]


def make_worlds(folder, *, names=None, **settings):
    """Measure the cost in simulated worlds where its parts are known; write table and figure, and return their files.

    `names` are some of `WORLDS`, or all; `settings` are n_resamples, n_jobs and progress, as for `benchmark.run`.
    """
    names = _asked_for(names, WORLDS, "world(s)")
    settings = {"rotations": WORLD_ROTATIONS, "keep": kept_folder("worlds"), "n_jobs": -1, "n_resamples": 1000} | settings
    bar = tqdm(names, desc="worlds", unit="world", disable=not settings.get("progress", True))
    table = pd.concat([worlds.world_costs(name, **WORLDS[name], **settings) for name in bar], ignore_index=True)
    row = {
        "part": "worlds",
        "database": "simulated worlds",
        "usable": ", ".join(f"{name} {WORLDS[name]['n']} x {len(WORLDS[name]['seeds'])}" for name in names),
        "test folds": _folds(WORLD_ROTATIONS),
        "seeds": f"{table['seed'].min()} to {table['seed'].max()}",
        "resamples": settings["n_resamples"],
        "budget": " and ".join(dict.fromkeys(WORLDS[name]["budget"] for name in names)),
    }
    tables = {"worlds": table, "worlds_summary": worlds.summary(table), "agreement_simulated": worlds.agreement(**AGREEMENT)}
    with in_style():
        written = _write_part(Path(folder), row, tables, {"worlds": plot_worlds(table)[0].figure})
    return [*written, Path(folder) / "about.csv"]


def _asked_for(names, known, what):
    """Names, all of them if None are given; at least one."""
    names = known_names(known if names is None else names, known, what)
    if not names:
        raise ValueError(f"no {what} given; known are {', '.join(known)}.")
    return names


def kept_folder(fingerprint):
    """Folder of finished cells for the ECGs of a fingerprint and the code that computes; deleting it is always safe."""
    computes = [path for path in sorted(Path(__file__).parent.glob("*.py")) if path.name != "figures.py"]
    own = hashlib.sha256(b"".join(path.read_bytes() for path in computes)).hexdigest()
    versions = [metadata.version(name) for name in PACKAGES[1:]]
    key = "|".join([fingerprint, own, source_hash(leave_out=PRESENTATION), *versions])
    return cache_folder() / "results" / hashlib.sha256(key.encode()).hexdigest()[:16]


# ---- the parts: each gives tables and figures by the name of their file


def _grid(study):
    budget = {**grid(study.budget, whole=True), "pairs": GRID}
    result = benchmark.run(study.rows, tasks=[*SUPERCLASSES, "sex_female", *DIAGNOSES], **study.settings, **budget)
    macro, cost = result.macro(), benchmark.cost(result)
    ranked = macro.assign(name=macro["representation"] + ", " + macro["model"]).set_index("name")
    tables = {
        "macro": macro,
        "scores": result.scores,
        "tasks": _by_task(result),
        "cost": cost,
        "agreement": benchmark.agreement([result]) if len(study.seeds) > 1 else _nothing("step", "task", "agreement"),
        "glass_box": _glass_boxes(result),
        "left_out": _counted(result.left_out),
    }
    figures = {
        "macro": plots.plot_intervals(ranked, group="representation", xlabel="macro-AUROC of the superclasses").figure,
        "cost": plots.plot_cost(_waterfall(cost)).figure,
    }
    return tables, figures


def _glass_boxes(result):
    """Cost of additive models that can be drawn against the networks, macro-AUROC; of those that were run."""
    known = set(zip(result.predictions["representation"], result.predictions["model"]))
    steps = {name: pairs for name, pairs in GLASS_BOXES.items() if known.issuperset(pairs)}
    if not steps:
        return _nothing("step", "after", "before", "cost")
    table = benchmark.cost(result, steps)
    return table[table["task"] == MACRO]


def _age(study):
    return {"age": age.age_error(study.rows, **study.settings)}, {}


def _hybrids(study):
    result = benchmark.run(study.rows, **study.settings, **hybrids.grid(study.budget))
    back = benchmark.won_back(result)
    drawn = plots.plot_intervals(back, value="cost", reference=0.0, xlabel="cost against the beat CNN (macro-AUROC)")
    return {"hybrids": back.reset_index()}, {"hybrids": drawn.figure}


def _learning_curve(study):
    largest = studies.most_training(study.rows, study.rotations)
    sizes = sorted({min(size, largest) for size in study.sizes})
    curve = studies.learning_curve(study.rows, sizes, **study.with_one_seed)
    return {"learning_curve": curve}, {"learning_curve": plot_learning_curve(curve).figure}


def _matched(study):
    table = studies.matched_cost(study.rows, MATCHED_TASK, pairs=COMPARED, **study.with_one_seed)
    return {"matched": table.assign(task=MATCHED_TASK)}, {}


def _suspect_labels(study):
    excluded = studies.exclusion_list(study.rows.db, SUSPECT_TASK)
    table = studies.without_suspects(
        study.rows, SUSPECT_TASK, excluded=excluded["id"], pairs=SUSPECT_PAIRS, **study.with_one_seed
    )
    return {"exclusions": excluded, "suspect_labels": table.assign(task=SUSPECT_TASK)}, {}


def _reconstruction(study):
    rows = study.rows[study.rows.beats.usable]
    beats, seed, masks = rows.beats, study.seeds[0], rotation_masks(rows.fold, study.rotations)
    jobs = [
        (
            ("reconstruction", rows.ids, rows.fold, rotation, seed, study.budget),
            reconstruction_errors,
            (beats, is_test, seed, study.budget),
        )
        for rotation, is_test in masks.items()
    ]
    bar = {"description": "reconstruction", "unit": "VAE", "progress": study.progress}
    parts = run_jobs(jobs, shared=[beats], keep=study.keep, n_jobs=study.n_jobs, **bar)
    parts = [part.assign(rotation=rotation) for rotation, part in zip(masks, parts)]
    return {"reconstruction": pd.concat(parts, ignore_index=True)}, {}


def _requirements(study):
    rows = study.rows[study.rows.beats.usable]
    masks, seed = rotation_masks(rows.fold, study.rotations), study.seeds[0]
    names = _required(rows.factors, masks.values())
    settings = (names, seed, study.budget, study.n_resamples // 2)
    key = ("requirements", rows.ids, rows.fold, *settings)
    jobs = [((*key, r), measured_requirements, (rows, is_test, r, *settings)) for r, is_test in masks.items()]
    bar = {"description": "requirements", "unit": "rotation", "progress": study.progress}
    rotations = run_jobs(jobs, shared=[rows], keep=study.keep, n_jobs=study.n_jobs, **bar)
    table = verdict_table(rotations, named_controls({model for averages in rotations for _, model in averages}))
    pairs = table[table["metric"].isin(TRADE_OFFS)]
    tables = {
        "requirements": _wide(table),
        "trade_off": pairs,
        "verdicts": _verdicts(table),
        "verdicts_in_words": say_verdicts(table).reset_index(),
        "added": added_by_latents(rotations),
    }
    return tables, {"trade_off": plots.plot_trade_off(pairs)[0].figure}


def _hospitals(study):
    names = ("rotations", "budget", "keep", "n_jobs", "progress")
    read = hospitals.readings(study.rows, study.others, seed=study.seeds[0], **{name: study.settings[name] for name in names})
    people = {hospitals.HOME: study.rows.factors, **{name: rows.factors for name, rows in study.others.items()}}
    return hospitals.scores(read, people, n_resamples=study.n_resamples), {}


def _realism(study):
    rows, seed = study.rows, study.seeds[0]
    twins = median_beats(simulate(realism.twin_factors(rows.factors), seed=seed))
    sides = rows[rows.beats.usable].measurements, measure(twins[twins.usable])
    table = realism.separability(*sides, seed=seed).rename_axis("measurement").reset_index()
    return {"realism": table.assign(together=realism.together(*sides, seed=seed))}, {}


def _cardiologists(study):
    if study.marked is None:
        log.info("cardiologists: none of the hospitals is LUDB, whose marks this part reads; its tables are empty.")
        return {"marked_intervals": _nothing("interval"), "marked_beats": _nothing("beats")}, {}
    intervals, beats = cardiologists.errors_of_the_package(study.marked.db.folder, study.n_resamples)
    return {"marked_intervals": intervals, "marked_beats": beats}, {}


PARTS = {
    "grid": _grid,
    "age": _age,
    "hybrids": _hybrids,
    "requirements": _requirements,
    "reconstruction": _reconstruction,
    "matched": _matched,
    "suspect_labels": _suspect_labels,
    "learning_curve": _learning_curve,
    "hospitals": _hospitals,
    "realism": _realism,
    "cardiologists": _cardiologists,
}
ONE_SEED = ("realism", "hospitals", "requirements", "reconstruction", "matched", "suspect_labels", "learning_curve")


def reconstruction_errors(beats, is_test, seed, budget):
    """Errors of the VAE and of PCA of the same size on unseen usable beats: segment, vae_uV, pca_uV, ratio, active_latents."""
    vae = BeatVAE(seed=seed, budget=budget, progress=False).fit(beats[~is_test])
    n_active = len(vae.active_latents_)
    pca = BeatPCA(max(1, n_active)).fit(beats[~is_test])
    unseen = beats[is_test]
    models = {"vae_uV": vae, "pca_uV": pca}
    errors = {name: segment_errors(unseen, model.reconstruct(unseen))["mean"] for name, model in models.items()}
    table = pd.DataFrame(errors).rename_axis("segment").reset_index()
    return table.assign(ratio=table["vae_uV"] / table["pca_uV"], active_latents=n_active)


def _required(factors, masks):
    """Choose from `REQUIRED` what enough test and training ECGs of every rotation carry; at least the most frequent."""
    fewest = pd.DataFrame([factors.loc[rows, list(REQUIRED)].sum() for mask in masks for rows in (mask, ~mask)]).min()
    return [name for name in REQUIRED if fewest[name] >= FEWEST_POSITIVES] or [fewest.idxmax()]


def measured_requirements(rows, is_test, rotation, names, seed, budget, n_resamples):
    """Fit the models of chapter 8 to one rotation, and average what they keep of the four requirements on its test ECGs."""
    factors = rows.factors[list(FACTOR_NAMES)]
    training, unseen = rows.beats[~is_test], rows.beats[is_test]
    known, tested = factors.loc[training.ids], factors.loc[unseen.ids]
    learnt = [name for name in DIAGNOSES if known[name].sum() >= 10 or name in names]
    vae = BeatVAE(seed=seed, budget=budget, progress=False).fit(training)
    scan = Scan(vae, factors=["sex_female", "age_years", *learnt], seed=seed).fit(training, known, progress=False)
    n_permuted, n_explained = (3, 6) if budget == "smoke" else (N_PERMUTED, 24)
    models = fit_readers(scan, training, known, names, budget=budget, n_permuted=n_permuted, seed=seed)
    figures, controls = measure_requirements(
        models, unseen, tested[[*names, "sex_female", "age_years"]], names=names, reference=(training, known),
        n_resamples=n_resamples, n_explained=n_explained, seed=seed + rotation,
    )  # fmt: skip
    return average_models(figures, controls)


def added_by_latents(rotations):
    """Compare VAE-SCAN with each linear model of the beat in pairs: gain with its interval, and that over trainings."""
    rows = []
    linear = dict.fromkeys(model for averages in rotations for _, model in averages if model.endswith("components"))
    for model, metric in itertools.product(linear, [*HEADLINES.values(), "latent R2"]):
        if any((metric, model) not in averages for averages in rotations):
            continue
        gains = [averages[metric, "VAE-SCAN"].value - averages[metric, model].value for averages in rotations]
        gain, over = mean_estimate(gains), interval_over_trainings([part.value for part in gains], TEST_SHARE)
        ends = dict(zip(("low", "high", "training_low", "training_high"), (*gain.interval(), *over), strict=True))
        said = verdict(gain.interval(), over)  # by the rule of a cost, of which this has the sign
        row = {"metric": metric, "model": model, "gain": gain.value}
        rows.append(row | ends | {"VAE-SCAN has": {"costs": "more", "gains": "less"}.get(said, said)})
    return pd.DataFrame(rows)


def _wide(table):
    """One row per metric, one column per model, and the models for which the metric is void."""
    wide = table.pivot_table("value", ["requirement", "metric"], "model", sort=False, dropna=False).dropna(how="all")
    void = table[table["void"].eq(True)].groupby("metric")["model"].agg(", ".join)
    return wide.reset_index().assign(**{"void for": lambda rows: rows["metric"].map(void).fillna("")})


def _verdicts(table):
    """First metric of each requirement, model by model, with the ceiling of fidelity."""
    ceilings = table[table["metric"] == CEILING].set_index("model")["value"]
    rows = table[table["metric"].isin(HEADLINES.values()) & ~table["control"]]
    kept = rows["void"].map({True: "void", False: "kept"})
    return rows.assign(ceiling=rows["model"].map(ceilings).where(rows["requirement"] == "faithful"), verdict=kept)


def _nothing(*columns):
    return pd.DataFrame(columns=list(columns))


def _waterfall(cost):
    parts = cost[cost["task"] == benchmark.MACRO].set_index("step")
    return parts.loc[["rhythm", "detail", "transparency", "naming"]].reset_index()


def _by_task(result):
    """One row per task, with the score and interval of some pairs as text."""
    scores = result.scores.set_index(["task", "representation", "model"])
    rows = []
    for task in result.tasks:
        row = {"task": task, "positives": scores.loc[(task, *benchmark.BASELINE), "n_positive"]}
        for pair in [pair for pair in BY_TASK if pair in result.pairs]:
            score = scores.loc[(task, *pair)]
            row[", ".join(pair)] = f"{score['auroc']:.3f} ({score['low']:.3f} to {score['high']:.3f})"
        rows.append(row)
    return pd.DataFrame(rows)


def _run_of(part, study):
    """Return what was run for a part: its row of ``about.csv``."""
    rows = study.rows
    used = {
        "part": part,
        "database": "; read elsewhere: ".join(
            [rows.db.description, *(r.db.description for r in study.others.values() if part == "hospitals")]
        ),
        "usable": f"{int(rows.beats.usable.sum())} of {len(rows)}",
        "test folds": _folds(study.rotations),
        "seeds": ", ".join(map(str, study.seeds[:1] if part in ONE_SEED else study.seeds)),
        "resamples": {"requirements": study.n_resamples // 2, "reconstruction": 0}.get(part, study.n_resamples),
        "budget": study.budget,
    }
    if part == "realism":  # measures all and trains nothing
        used |= {"test folds": "", "resamples": 0, "budget": ""}
    if part == "cardiologists":
        used |= {"database": "no LUDB among the hospitals", "usable": "0 of 0", "test folds": "", "seeds": "", "budget": ""}
        if study.marked:
            read = study.marked.db
            used |= {"database": read.description, "usable": f"{len(study.marked)} of {len(read.ids)}"}
    return used


def _folds(rotations):
    return ", ".join(f"{2 * r - 1}+{2 * r}" for r in range(6 - rotations, 6))


def _write_part(folder, run, tables, figures):
    """Write the files of a part, and its row in place of an older one; the files written, but for ``about.csv``."""
    written = [_write(folder / f"{name}.csv", partial(_to_csv, table)) for name, table in tables.items()]
    for name, figure in figures.items():
        picture = png_of(figure, dpi=220, n_colors=256)  # two pixels where the page shows one
        written.append(_write(folder / f"{name}.png", methodcaller("write_bytes", picture)))
    software = [f"Python {platform.python_version()}", *(f"{name} {metadata.version(name)}" for name in PACKAGES)]
    about = folder / "about.csv"
    before = pd.read_csv(about, dtype=str).to_dict("records") if about.exists() else []
    row = run | {"software": ", ".join(software), "date": datetime.date.today().isoformat()}
    by_part = {entry["part"]: entry for entry in [*before, row]}
    table = pd.DataFrame([by_part[name] for name in (*PARTS, "worlds") if name in by_part])
    _write(about, partial(_to_csv, table))
    return written


def _counted(left_out):
    """One row per kind and reason, ECGs counted: ids of people stay out of the repository."""
    names = left_out.groupby(["kind", "reason"], sort=False)["name"].agg(["size", lambda n: ", ".join(map(str, n))])
    names = names.set_axis(["count", "names"], axis=1).reset_index()
    return names.assign(names=names["names"].where(names["kind"] == "task", ""))


def _to_csv(table, path):
    table.round(N_DIGITS).to_csv(path, index=False, lineterminator="\n")


def _write(path, save):
    path.parent.mkdir(parents=True, exist_ok=True)
    with written_whole(path) as temporary:
        save(temporary)
    return path
