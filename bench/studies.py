"""Questions asked of the benchmark as a whole: how the cost depends on the number of ECGs, on age and sex, on wrong labels."""

import numpy as np
import pandas as pd

from vaescan_lite.benchmark.cells import rotation_masks
from vaescan_lite.benchmark.representations import Recordings
from vaescan_lite.benchmark.running import run

CURVE = (
    ("measurements", "logistic"),
    ("measurements", "boosting"),
    ("VAE latents", "logistic"),
    ("VAE latents", "boosting"),
    ("median beat", "CNN"),
)
DECADE_YEARS = 10
SCORES = ["representation", "model", "auroc", "low", "high", "gain", "gain_low", "gain_high", "n", "n_positive"]

# Labels that look wrong: (database, id, factor, reason). They are never changed; a study can leave them out, and say so.
SUSPECT_LABELS = (
    ("PTB-XL", 287, "LBBB", "labelled CLBBB; report and beat say right bundle branch block"),
    ("PTB-XL", 635, "LBBB", "labelled CLBBB; report and beat say right bundle branch block"),
)


def learning_curve(db, sizes, *, pairs=CURVE, rotations=5, **settings):
    """Score pairs of representation and model when they learn from fewer ECGs; the rest is as for `benchmark.run`.

    The ECGs of a smaller set are among those of a larger one, the test ECGs stay the same. One row per size and pair:
    n_training, representation, model, auroc (mean over the superclasses) with low and high, and behind (the best pair of this
    size minus this one, paired) with behind_low and behind_high.
    """
    rows = db if isinstance(db, Recordings) else Recordings(db)
    rows = rows[rows.beats.usable]
    largest = most_training(rows, rotations)
    wrong = [size for size in sizes if not 10 <= size <= largest]
    if wrong or not len(sizes):
        raise ValueError(f"sizes must be from 10 to {largest}, the training ECGs of a rotation; got {wrong or sizes}.")
    tables = []
    for size in sizes:
        result = run(rows, pairs=pairs, rotations=rotations, n_training=int(size), **settings)
        macro = result.macro().query("representation != 'age + sex'")
        best = result.mean_estimate(tuple(macro.iloc[0][["representation", "model"]]))
        gaps = [best - result.mean_estimate(pair) for pair in zip(macro["representation"], macro["model"])]
        low, high = zip(*(gap.interval() for gap in gaps))
        table = macro[["representation", "model", "auroc", "low", "high"]].assign(
            behind=[gap.value for gap in gaps], behind_low=low, behind_high=high
        )
        table.insert(0, "n_training", int(size))
        tables.append(table)
    return pd.concat(tables, ignore_index=True)


def most_training(rows, rotations=5):
    """Count the usable ECGs that every rotation has to learn from; folds differ in size, so that some rotations have more."""
    masks = rotation_masks(rows.fold[rows.beats.usable], rotations)
    return min(int((~is_test).sum()) for is_test in masks.values())


def matched(db, task, *, n_controls=3):
    """Choose ECGs so that those with and without a diagnosis are alike in age and sex.

    Each ECG with the diagnosis gets `n_controls` without it, at most, of the same sex, decade and rotation, or is left out.
    """
    rows = db if isinstance(db, Recordings) else Recordings(db)
    factors, rng = rows.factors, np.random.default_rng(0)
    group = pd.DataFrame(
        {
            "rotation": (rows.fold + 1) // 2,
            "sex": factors["sex_female"].to_numpy(),
            "decade": (factors["age_years"] // DECADE_YEARS).to_numpy(),
        }
    )
    label = factors[task].to_numpy()
    known = group.notna().all(axis=1).to_numpy() & np.isfinite(label)
    chosen = []
    for _, members in group[known].groupby(["rotation", "sex", "decade"]):
        members = members.index.to_numpy()
        cases, controls = members[label[members] == 1], members[label[members] == 0]
        if len(cases) and len(controls):
            chosen += [*cases, *rng.permutation(controls)[: n_controls * len(cases)]]
    if not chosen:
        raise ValueError(f"no ECG with {task} has a control of the same sex and decade among {len(rows)} ECGs.")
    return rows[np.sort(chosen)]


def matched_cost(db, task, **settings):
    """Compare pairs on all ECGs and on ECGs matched for age and sex, as `benchmark.run` scores them; column ecgs says which."""
    rows = db if isinstance(db, Recordings) else Recordings(db)
    rows = rows[rows.beats.usable]
    return _compared({"all": rows, "matched": matched(rows, task)}, "ecgs", task, settings)


def _compared(sets, column, task, settings):
    """Scores of a task in several sets of rows below each other; `column` has the name of the set."""
    tables = [run(rows, tasks=[task], **settings).scores.assign(**{column: name}) for name, rows in sets.items()]
    return pd.concat(tables, ignore_index=True)[[column, *SCORES]]


def exclusion_list(db, task, suspects=SUSPECT_LABELS):
    """Name the suspect labels (database, id, factor, reason) of a task that a database holds and its ECGs carry."""
    labels = db.factors([task])[task]
    rows = [row for row in suspects if row[0] == db.name and row[2] == task and labels.get(row[1], 0) == 1]
    return pd.DataFrame(rows, columns=["database", "id", "task", "reason"])


def without_suspects(db, task, *, excluded, **settings):
    """Compare pairs with all labels of a task, and without those of `excluded` ids; column labels says which.

    These ECGs take no part in the task, neither in training nor in testing: their label becomes unknown, never another one.
    """
    rows = db if isinstance(db, Recordings) else Recordings(db)
    factors = rows.factors.copy()
    factors.loc[list(excluded), task] = np.nan
    without = Recordings(rows.db, rows.ids, beats=rows.beats, factors=factors)
    return _compared({"all": rows, "without the list": without}, "labels", task, settings)
