"""Tables and figures from real ECGs for the book's results page, part by part; what is finished is not done again."""

import datetime
import hashlib
import logging
import platform
import time
from dataclasses import dataclass
from functools import cached_property, partial
from importlib import metadata
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from bench import age, studies, worlds
from vaescan_lite import benchmark, plots
from vaescan_lite.benchmark import hybrids as hybrid
from vaescan_lite.benchmark.representations import Recordings
from vaescan_lite.benchmark.running import grid
from vaescan_lite.cache import cache_folder, run_jobs, source_hash, written_whole
from vaescan_lite.databases.database import open_database
from vaescan_lite.explain import fit_readers, requirements, summary, trade_off
from vaescan_lite.factors import DIAGNOSES, FACTOR_NAMES, SUPERCLASSES
from vaescan_lite.scan.scan import Scan
from vaescan_lite.vae.beat_vae import BeatVAE
from vaescan_lite.vae.reconstruction import BeatPCA, segment_errors

log = logging.getLogger(__name__)

GRID = (
    ("rules", "logistic"), ("rules", "boosting"),
    ("measurements", "logistic"), ("measurements", "sparse logistic"), ("measurements", "EBM"), ("measurements", "boosting"),
    ("PCA", "logistic"), ("PCA", "boosting"),
    ("VAE latents", "logistic"), ("VAE latents", "sparse logistic"), ("VAE latents", "EBM"), ("VAE latents", "boosting"),
    ("median beat", "logistic"), ("median beat", "boosting"), ("median beat", "CNN"), ("ten seconds", "CNN"),
)  # fmt: skip
BY_TASK = (
    ("age + sex", "logistic"), ("measurements", "logistic"), ("VAE latents", "logistic"), ("VAE latents", "boosting"),
    ("median beat", "CNN"), ("ten seconds", "CNN"),
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
FEWEST_JUDGED = 3  # positives in folds 9 and 10 for the requirements
TRADE_OFFS = ("additive R2", "share in the published sign", "change of logit")
PACKAGES = ("vaescan-lite", "numpy", "scipy", "scikit-learn", "torch", "interpret-core")
PRESENTATION = ("book", "plots", "web")  # rooms that only draw: an edit there keeps what was computed
WORLDS = {
    "rhythm": {"n": 1000, "seeds": (0, 1, 2), "budget": "workshop"},
    "interaction": {"n": 1000, "seeds": (0, 1, 2), "budget": "workshop"},
    "plain": {"n": 600, "seeds": tuple(range(20)), "budget": "smoke"},
    "blind": {"n": 600, "seeds": tuple(range(20)), "budget": "smoke"},
}
WORLD_ROTATIONS = 2
N_DIGITS = 3


@dataclass(frozen=True, eq=False)
class Study:
    """What the parts of the results share.

    Attributes
    ----------
    rows : Recordings
        The ECGs.
    seeds : tuple of int
        Training seeds.
    sizes : tuple of int
        Numbers of training ECGs of the learning curve; a larger one than all rotations have counts as what they have.
    rotations, n_resamples, budget, n_jobs, progress, keep
        As for `benchmark.run`.
    """

    rows: Recordings
    seeds: tuple = (0, 1, 2)
    sizes: tuple = CURVE_SIZES
    rotations: int = 5
    n_resamples: int = 2000
    budget: str = "workshop"
    n_jobs: int = -1
    progress: bool = True
    keep: Path | None = None

    @cached_property
    def settings(self):
        """Keyword arguments of `benchmark.run`."""
        names = ("seeds", "rotations", "n_resamples", "budget", "n_jobs", "progress", "keep")
        return {name: getattr(self, name) for name in names}


def make_results(database, folder, *, parts=None, keep=None, **settings):
    """Run the benchmark on a database, and write its tables and figures, each part as soon as it is finished.

    Parameters
    ----------
    database : str or Path
        As for `open_database`.
    folder : str or Path
        Where to write; each file is replaced whole or not at all.
    parts : sequence of str, optional
        Which of `PARTS`; None: all of them.
    keep : str or Path, optional
        Where finished cells are kept; default: `kept_folder`. After an interruption the same call goes on where it stopped.
    **settings
        Fields of `Study`: seeds, sizes, rotations, n_resamples, budget, n_jobs, progress.

    Returns
    -------
    list of Path
        The files written: the tables and figures of the parts, and ``about.csv``, with a row for each part that is in the
        folder: ECGs, folds, seeds, software and date.

    Raises
    ------
    ValueError
        If a part is not known.
    """
    parts = list(PARTS) if parts is None else list(parts)
    unknown = [name for name in parts if name not in PARTS]
    if unknown or not parts:
        raise ValueError(f"unknown part(s) {', '.join(map(repr, unknown)) or '(none)'}; known are {', '.join(PARTS)}.")
    db = open_database(database)
    progress = settings.get("progress", True)
    keep = kept_folder(db.fingerprint) if keep is None else Path(keep)
    study = Study(Recordings(db, progress=progress), keep=keep, **settings)
    written = []
    for name in tqdm(parts, desc="results", unit="part", disable=not progress):
        started = time.perf_counter()
        written += _write_part(Path(folder), _run_of(name, study), *PARTS[name](study))
        log.info("%s: %.0f s", name, time.perf_counter() - started)
    return [*written, Path(folder) / "about.csv"]


def make_worlds(folder, *, names=None, keep=None, n_resamples=1000, n_jobs=-1, progress=True):
    """Measure the cost in simulated worlds where its parts are known, and write table and figure.

    Parameters
    ----------
    folder : str or Path
        Where to write ``worlds.csv``, ``worlds_summary.csv``, ``worlds.png`` and a row of ``about.csv``.
    names : sequence of str, optional
        Which of `worlds.WORLDS`; None: all of them, in the sizes of `WORLDS`.
    keep : str or Path, optional
        As for `make_results`.
    n_resamples, n_jobs, progress
        As for `benchmark.run`.

    Returns
    -------
    list of Path
        The files written.

    Raises
    ------
    ValueError
        If a world is not known.
    """
    names = list(WORLDS) if names is None else list(names)
    unknown = [name for name in names if name not in WORLDS]
    if unknown or not names:
        raise ValueError(f"unknown world(s) {', '.join(map(repr, unknown)) or '(none)'}; known are {', '.join(WORLDS)}.")
    keep = kept_folder("worlds") if keep is None else Path(keep)
    common = {"rotations": WORLD_ROTATIONS, "n_resamples": n_resamples, "keep": keep, "n_jobs": n_jobs, "progress": progress}
    parts = []
    for name in tqdm(names, desc="worlds", unit="world", disable=not progress):
        parts.append(worlds.world_costs(name, **WORLDS[name], **common))
    table = pd.concat(parts, ignore_index=True)
    row = {
        "part": "worlds",
        "database": "simulated worlds",
        "usable": ", ".join(f"{name} {WORLDS[name]['n']} x {len(WORLDS[name]['seeds'])}" for name in names),
        "test folds": _folds(WORLD_ROTATIONS),
        "seeds": f"{table['seed'].min()} to {table['seed'].max()}",
        "resamples": n_resamples,
        "budget": " and ".join(dict.fromkeys(WORLDS[name]["budget"] for name in names)),
    }
    tables = {"worlds": table, "worlds_summary": worlds.summary(table)}
    written = _write_part(Path(folder), row, tables, {"worlds": plots.plot_worlds(table)[0].figure})
    return [*written, Path(folder) / "about.csv"]


def kept_folder(fingerprint):
    """Folder of finished cells for these ECGs and the code that computes (not the code that draws).

    Parameters
    ----------
    fingerprint : str
        Of the database.

    Returns
    -------
    Path
        In `cache.cache_folder`; deleting it is always safe.
    """
    own = hashlib.sha256(b"".join(path.read_bytes() for path in sorted(Path(__file__).parent.glob("*.py")))).hexdigest()
    versions = [metadata.version(name) for name in PACKAGES[1:]]
    key = "|".join([fingerprint, own, source_hash(leave_out=PRESENTATION), *versions])
    return cache_folder() / "results" / hashlib.sha256(key.encode()).hexdigest()[:16]


# ---- the parts: each gives tables and figures by the name of their file


def _grid(study):
    budget = {**grid(study.budget, whole=True), "pairs": GRID}
    result = benchmark.run(study.rows, tasks=[*SUPERCLASSES, "sex_female", *DIAGNOSES], **study.settings | budget)
    macro, cost = result.macro(), benchmark.cost(result)
    ranked = macro.assign(name=macro["representation"] + ", " + macro["model"]).set_index("name")
    tables = {
        "macro": macro,
        "scores": result.scores,
        "tasks": _by_task(result),
        "cost": cost,
        "left_out": _counted(result.left_out),
    }
    figures = {
        "macro": plots.plot_intervals(ranked, group="representation", xlabel="macro-AUROC of the superclasses").figure,
        "cost": plots.plot_cost(_waterfall(cost)).figure,
    }
    return tables, figures


def _age(study):
    return {"age": age.age_error(study.rows, **study.settings)}, {}


def _hybrids(study):
    result = benchmark.run(study.rows, **study.settings | hybrid.grid(study.budget))
    back = hybrid.won_back(result)
    drawn = plots.plot_intervals(back, value="cost", reference=0.0, xlabel="cost against the beat CNN (macro-AUROC)")
    return {"hybrids": back.reset_index()}, {"hybrids": drawn.figure}


def _learning_curve(study):
    largest = studies.most_training(study.rows, study.rotations)
    sizes = sorted({min(size, largest) for size in study.sizes})
    curve = studies.learning_curve(study.rows, sizes, **_with_one_seed(study))
    return {"learning_curve": curve}, {"learning_curve": plots.plot_learning_curve(curve).figure}


def _matched(study):
    table = studies.matched_cost(study.rows, MATCHED_TASK, pairs=COMPARED, **_with_one_seed(study))
    return {"matched": table.assign(task=MATCHED_TASK)}, {}


def _suspect_labels(study):
    excluded = studies.exclusion_list(study.rows.db, SUSPECT_TASK)
    table = studies.without_suspects(
        study.rows, SUSPECT_TASK, excluded=excluded["id"], pairs=SUSPECT_PAIRS, **_with_one_seed(study)
    )
    return {"exclusions": excluded, "suspect_labels": table.assign(task=SUSPECT_TASK)}, {}


def _reconstruction(study):
    rows = study.rows[study.rows.beats.usable]
    jobs = [
        (("reconstruction", rows.ids, rows.fold, rotation, study.seeds[0], study.budget), reconstruction_errors, arguments)
        for rotation in range(6 - study.rotations, 6)
        for arguments in [(rows.beats, np.isin(rows.fold, (2 * rotation - 1, 2 * rotation)), study.seeds[0], study.budget)]
    ]
    parts = run_jobs(
        jobs, keep=study.keep, n_jobs=study.n_jobs, description="reconstruction", unit="VAE", progress=study.progress
    )
    parts = [part.assign(rotation=rotation) for rotation, part in zip(range(6 - study.rotations, 6), parts)]
    return {"reconstruction": pd.concat(parts, ignore_index=True)}, {}


def _requirements(study):
    rows = study.rows[study.rows.beats.usable]
    key = ("requirements", rows.ids, rows.fold, study.seeds[0], study.budget, study.n_resamples)
    job = (key, measured_requirements, (rows, study.seeds[0], study.budget, study.n_resamples))
    (table,) = run_jobs([job], keep=study.keep, description="requirements", progress=study.progress)
    pairs = pd.concat([trade_off(table, metric) for metric in TRADE_OFFS], ignore_index=True)
    figures = {"trade_off": plots.plot_trade_off(pairs)[0].figure}
    return {"requirements": summary(table).reset_index(), "trade_off": pairs}, figures


PARTS = {
    "grid": _grid,
    "age": _age,
    "hybrids": _hybrids,
    "requirements": _requirements,
    "reconstruction": _reconstruction,
    "matched": _matched,
    "suspect_labels": _suspect_labels,
    "learning_curve": _learning_curve,
}
ONE_SEED = ("requirements", "reconstruction", "matched", "suspect_labels", "learning_curve")


def reconstruction_errors(beats, is_test, seed, budget):
    """Errors of the VAE and of PCA of the same size on unseen beats, by segment.

    Parameters
    ----------
    beats : BeatSet
        Usable beats.
    is_test : ndarray of bool, shape (n_beats,)
        Those that are not learnt from.
    seed : int
        Of the VAE.
    budget : {"smoke", "workshop", "full"}
        Of the VAE.

    Returns
    -------
    DataFrame
        Columns segment, vae_uV, pca_uV (mean absolute error over the eight leads), ratio, and active_latents.
    """
    vae = BeatVAE(seed=seed, budget=budget, progress=False).fit(beats[~is_test])
    n_active = len(vae.active_latents_)
    pca = BeatPCA(max(1, n_active)).fit(beats[~is_test])
    unseen = beats[is_test]
    models = {"vae_uV": vae, "pca_uV": pca}
    errors = {name: segment_errors(unseen, model.reconstruct(unseen))["mean"] for name, model in models.items()}
    table = pd.DataFrame(errors).rename_axis("segment").reset_index()
    return table.assign(ratio=table["vae_uV"] / table["pca_uV"], active_latents=n_active)


def measured_requirements(rows, seed, budget, n_resamples):
    """Fit the models of chapter 7 on folds 1-8, and measure the four requirements on folds 9 and 10.

    Parameters
    ----------
    rows : Recordings
        ECGs with usable beats.
    seed : int
        Of everything that is trained or drawn.
    budget : {"smoke", "workshop", "full"}
        Training budget.
    n_resamples : int
        Bootstrap resamples.

    Returns
    -------
    DataFrame
        As `explain.requirements` gives it.
    """
    beats, factors = rows.beats, rows.factors[list(FACTOR_NAMES)]
    training, unseen = beats[rows.fold <= 8], beats[rows.fold >= 9]
    known, judged = factors.loc[training.ids], factors.loc[unseen.ids]
    positives = judged[list(REQUIRED)].sum()
    names = [name for name in REQUIRED if positives[name] >= FEWEST_JUDGED and known[name].sum() >= FEWEST_JUDGED]
    names = names or [positives.idxmax()]
    learnt = [name for name in DIAGNOSES if known[name].sum() >= 10 or name in names]
    vae = BeatVAE(seed=seed, budget=budget, progress=False).fit(beats[rows.fold <= 8], beats[rows.fold == 9])
    scan = Scan(vae, factors=["sex_female", "age_years", *learnt], seed=seed).fit(training, known, progress=False)
    models = fit_readers(scan, training, known, names, budget=budget, seed=seed)
    return requirements(
        models, unseen, judged[[*names, "sex_female", "age_years"]], names=names, reference=(training, known),
        n_resamples=n_resamples // 2, n_explained=6 if budget == "smoke" else 48, seed=seed,
    )  # fmt: skip


def _with_one_seed(study):
    return study.settings | {"seeds": study.seeds[:1]}


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
            one = scores.loc[(task, *pair)]
            row[", ".join(pair)] = f"{one['auroc']:.3f} ({one['low']:.3f} to {one['high']:.3f})"
        rows.append(row)
    return pd.DataFrame(rows)


def _run_of(part, study):
    """Say what was run for a part: its row of ``about.csv``."""
    rows = study.rows
    return {
        "part": part,
        "database": rows.db.description,
        "usable": f"{int(rows.beats.usable.sum())} of {len(rows)}",
        "test folds": "9, 10" if part == "requirements" else _folds(study.rotations),
        "seeds": ", ".join(map(str, study.seeds[:1] if part in ONE_SEED else study.seeds)),
        "resamples": {"requirements": study.n_resamples // 2, "reconstruction": 0}.get(part, study.n_resamples),
        "budget": study.budget,
    }


def _folds(rotations):
    return ", ".join(f"{2 * r - 1}+{2 * r}" for r in range(6 - rotations, 6))


def _write_part(folder, run, tables, figures):
    """Write the files of a part, and its row in place of an older one; the files written, but for ``about.csv``."""
    written = [_write(folder / f"{name}.csv", partial(_to_csv, table)) for name, table in tables.items()]
    for name, figure in figures.items():
        save = partial(figure.savefig, dpi=110, bbox_inches="tight", format="png")
        written.append(_write(folder / f"{name}.png", save))
        plt.close(figure)
    software = [f"Python {platform.python_version()}", *(f"{name} {metadata.version(name)}" for name in PACKAGES)]
    about = folder / "about.csv"
    before = pd.read_csv(about, dtype=str).to_dict("records") if about.exists() else []
    row = run | {"software": ", ".join(software), "date": datetime.date.today().isoformat()}
    by_part = {one["part"]: one for one in [*before, row]}
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
