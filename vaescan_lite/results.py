"""Tables and figures from real ECGs for the book's results page: the whole grid, learning curves, matched comparisons."""

import datetime
import platform
from functools import partial
from importlib import metadata
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from . import benchmark, plots, studies
from .cache import written_whole
from .databases import open_database
from .factors import DIAGNOSES, SUPERCLASSES
from .reconstruction import BeatPCA, segment_errors
from .representations import Recordings
from .vae import BeatVAE

CURVE_SIZES = (50, 100, 200, 400, 800, 1600)
MATCHED_TASK = "AF"
MATCHED_PAIRS = (
    ("measurements", "logistic"), ("VAE latents", "logistic"), ("VAE latents", "boosting"),
    ("median beat", "CNN"), ("ten seconds", "CNN"),
)  # fmt: skip
PACKAGES = ("vaescan-lite", "numpy", "scipy", "scikit-learn", "torch", "interpret-core")
N_DIGITS = 3


def make_results(
    database, folder, *, seeds=(0, 1, 2), sizes=CURVE_SIZES, rotations=5, n_resamples=2000, n_jobs=-1, progress=True
):
    """Run the whole benchmark on a database, and write its tables and figures.

    Parameters
    ----------
    database : str or Path
        As for `open_database`.
    folder : str or Path
        Where to write; each file is replaced whole or not at all.
    seeds : sequence of int
        Training seeds of the grid. Everything else takes the first.
    sizes : sequence of int
        Numbers of training ECGs of the learning curve.
    rotations, n_resamples, n_jobs, progress
        As for `benchmark.run`.

    Returns
    -------
    list of Path
        The files written: CSV tables ``about`` (ECGs, folds, seeds, versions, date), ``macro``, ``scores``, ``cost``,
        ``left_out``, ``learning_curve``, ``matched`` and ``reconstruction``, and the figures ``macro``, ``cost`` and
        ``learning_curve``.
    """
    db = open_database(database)
    rows = Recordings(db, progress=progress)
    common = {"rotations": rotations, "n_resamples": n_resamples, "n_jobs": n_jobs, "progress": progress}
    tasks = [*SUPERCLASSES, "sex_female", *DIAGNOSES]
    result = benchmark.run(rows, tasks=tasks, **benchmark.grid("workshop", whole=True), seeds=seeds, **common)
    macro, cost = result.macro(), benchmark.cost(result)
    curve = studies.learning_curve(rows, sizes, pairs=studies.CURVE, seeds=seeds[:1], **common)
    matched = studies.matched_cost(rows, MATCHED_TASK, pairs=MATCHED_PAIRS, seeds=seeds[:1], **common)
    tables = {
        "about": _about(db, rows, seeds, rotations),
        "macro": macro,
        "scores": result.scores,
        "cost": cost,
        "left_out": _counted(result.left_out),
        "learning_curve": curve,
        "matched": matched.assign(task=MATCHED_TASK),
        "reconstruction": reconstruction(rows, rotations=rotations, seed=seeds[0]),
    }
    figures = {"macro": _draw_macro(macro), "cost": _draw_cost(cost), "learning_curve": _draw_curve(curve)}
    written = [_write(Path(folder) / f"{name}.csv", partial(_to_csv, table)) for name, table in tables.items()]
    for name, figure in figures.items():
        save = partial(figure.savefig, dpi=110, bbox_inches="tight", format="png")
        written.append(_write(Path(folder) / f"{name}.png", save))
        plt.close(figure)
    return written


def reconstruction(rows, *, rotations=5, seed=0):
    """Errors of the VAE and of PCA of the same size on unseen beats, by rotation and segment.

    Parameters
    ----------
    rows : Recordings
        ECGs with beats and folds.
    rotations : int
        As for `benchmark.run`.
    seed : int
        Of the VAE.

    Returns
    -------
    DataFrame
        Columns rotation, segment, vae_uV, pca_uV (mean absolute error over the eight leads), ratio, and active_latents.
    """
    beats, parts = rows.beats, []
    for rotation in range(6 - rotations, 6):
        is_test = np.isin(rows.fold, (2 * rotation - 1, 2 * rotation))
        vae = BeatVAE(seed=seed, progress=False).fit(beats[~is_test & beats.usable])
        n_active = len(vae.active_latents_)
        pca = BeatPCA(min(24, n_active)).fit(beats[~is_test & beats.usable])
        unseen = beats[is_test & beats.usable]
        models = {"vae_uV": vae, "pca_uV": pca}
        errors = {name: segment_errors(unseen, model.reconstruct(unseen))["mean"] for name, model in models.items()}
        table = pd.DataFrame(errors).rename_axis("segment").reset_index()
        parts.append(table.assign(ratio=table["vae_uV"] / table["pca_uV"], rotation=rotation, active_latents=n_active))
    return pd.concat(parts, ignore_index=True)[["rotation", "segment", "vae_uV", "pca_uV", "ratio", "active_latents"]]


def _about(db, rows, seeds, rotations):
    facts = {
        "database": db.description,
        "ECGs with a usable median beat": f"{int(rows.beats.usable.sum())} of {len(rows)}",
        "test folds": ", ".join(f"{2 * r - 1}+{2 * r}" for r in range(6 - rotations, 6)),
        "training seeds": ", ".join(map(str, seeds)),
        "Python": platform.python_version(),
        **{name: metadata.version(name) for name in PACKAGES},
        "date": datetime.date.today().isoformat(),
    }
    return pd.DataFrame({"what": list(facts), "value": list(facts.values())})


def _counted(left_out):
    """One row per kind and reason, ECGs counted: ids of people stay out of the repository."""
    names = left_out.groupby(["kind", "reason"], sort=False)["name"].agg(["size", lambda n: ", ".join(map(str, n))])
    names = names.set_axis(["count", "names"], axis=1).reset_index()
    return names.assign(names=names["names"].where(names["kind"] == "task", ""))


def _draw_macro(macro):
    ranked = macro.assign(name=macro["representation"] + ", " + macro["model"]).set_index("name")
    return plots.plot_intervals(ranked, group="representation", xlabel="macro-AUROC of the superclasses").figure


def _draw_cost(cost):
    parts = cost[cost["task"] == benchmark.MACRO].set_index("step").loc[["rhythm", "detail", "transparency", "naming"]]
    return plots.plot_cost(parts.reset_index()).figure


def _draw_curve(curve):
    figure, ax = plt.subplots(figsize=(7, 4))
    for (representation, model), part in curve.groupby(["representation", "model"], sort=False):
        part = part.sort_values("n_training")
        (line,) = ax.plot(part["n_training"], part["auroc"], marker="o", ms=4, label=f"{representation}, {model}")
        ax.fill_between(part["n_training"], part["low"], part["high"], color=line.get_color(), alpha=0.12, lw=0)
    ax.set_xscale("log")
    sizes = sorted(curve["n_training"].unique())
    ax.set_xticks(sizes, [str(size) for size in sizes])
    ax.minorticks_off()
    ax.set(xlabel="training ECGs", ylabel="macro-AUROC of the superclasses")
    ax.legend(loc="lower right")
    return figure


def _to_csv(table, path):
    table.round(N_DIGITS).to_csv(path, index=False, lineterminator="\n")


def _write(path, save):
    path.parent.mkdir(parents=True, exist_ok=True)
    with written_whole(path) as temporary:
        save(temporary)
    return path
