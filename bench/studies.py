"""Questions asked of the benchmark as a whole: how the cost depends on the number of ECGs, on age and sex, on wrong labels."""

import numpy as np
import pandas as pd

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

# Labels that look wrong: (database, id, factor, reason). They are never changed; a study can leave them out, and say so.
SUSPECT_LABELS = (
    ("PTB-XL", 287, "LBBB", "labelled CLBBB; report and beat say right bundle branch block"),
    ("PTB-XL", 635, "LBBB", "labelled CLBBB; report and beat say right bundle branch block"),
)


def learning_curve(db, sizes, *, pairs=CURVE, rotations=5, seeds=(0,), **settings):
    """Score pairs of representation and model when they learn from fewer ECGs.

    Parameters
    ----------
    db : Database or Recordings
        As for `benchmark.run`.
    sizes : sequence of int
        Numbers of training ECGs; the ECGs of a smaller set are among those of a larger one, the test ECGs stay the same.
    pairs, rotations, seeds, **settings
        As for `benchmark.run`.

    Returns
    -------
    DataFrame
        One row per size and pair: n_training, representation, model, auroc (mean over the superclasses) with low and high,
        and behind (the best pair of this size minus this one, paired) with behind_low and behind_high.

    Raises
    ------
    ValueError
        If a size is below 10, or above the number of training ECGs in a rotation.
    """
    rows = db if isinstance(db, Recordings) else Recordings(db)
    rows = rows[rows.beats.usable]
    largest = most_training(rows, rotations)
    wrong = [size for size in sizes if not 10 <= size <= largest]
    if wrong or not len(sizes):
        raise ValueError(f"sizes must be from 10 to {largest}, the training ECGs of a rotation; got {wrong or sizes}.")
    tables = []
    for size in sizes:
        result = run(rows, pairs=pairs, rotations=rotations, seeds=seeds, n_training=int(size), **settings)
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
    fold = rows.fold[rows.beats.usable]
    return min(int((~np.isin(fold, (2 * r - 1, 2 * r))).sum()) for r in range(6 - rotations, 6))


def matched(db, task, *, n_controls=3, seed=0):
    """Choose ECGs so that those with and without a diagnosis are alike in age and sex.

    Parameters
    ----------
    db : Database or Recordings
        ECGs with known ``age_years`` and ``sex_female``.
    task : str
        A factor that is 0 or 1.
    n_controls : int
        So many without the diagnosis, at most, for each with it: of the same sex, the same decade and the same rotation.
    seed : int
        Of the draw.

    Returns
    -------
    Recordings
        Those with the diagnosis for whom a control was found, and the controls; each ECG once.

    Raises
    ------
    ValueError
        If nobody has the diagnosis, or no control is found.
    """
    rows = db if isinstance(db, Recordings) else Recordings(db)
    factors, rng = rows.factors, np.random.default_rng(seed)
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


def matched_cost(db, task, *, pairs, n_controls=3, rotations=5, seeds=(0,), **settings):
    """Compare pairs on all ECGs, and on ECGs matched for age and sex.

    Parameters
    ----------
    db, task, n_controls
        As for `matched`.
    pairs, rotations, seeds, **settings
        As for `benchmark.run`.

    Returns
    -------
    DataFrame
        Columns ecgs ("all" or "matched"), representation, model, auroc, low, high, gain (over age and sex) with gain_low and
        gain_high, n, n_positive.
    """
    rows = db if isinstance(db, Recordings) else Recordings(db)
    rows = rows[rows.beats.usable]
    tables = []
    for name, some in {"all": rows, "matched": matched(rows, task, n_controls=n_controls)}.items():
        scores = run(some, tasks=[task], pairs=pairs, rotations=rotations, seeds=seeds, **settings).scores
        tables.append(scores.assign(ecgs=name))
    columns = ["ecgs", "representation", "model", "auroc", "low", "high", "gain", "gain_low", "gain_high", "n", "n_positive"]
    return pd.concat(tables, ignore_index=True)[columns]


def exclusion_list(db, task, suspects=SUSPECT_LABELS):
    """Name the suspect labels of a task that a database holds.

    Parameters
    ----------
    db : Database
        Its name, ids and factors are looked at.
    task : str
        A factor.
    suspects : sequence of (str, id, str, str)
        Database, id, factor and reason.

    Returns
    -------
    DataFrame
        Columns database, id, task, reason; a row for each suspect ECG that is in the database and carries the label.
    """
    labels = db.factors([task])[task]
    rows = [one for one in suspects if one[0] == db.name and one[2] == task and labels.get(one[1], 0) == 1]
    return pd.DataFrame(rows, columns=["database", "id", "task", "reason"])


def without_suspects(db, task, *, pairs, excluded=None, rotations=5, seeds=(0,), **settings):
    """Compare pairs with all labels of a task, and without those on a written list.

    Parameters
    ----------
    db : Database or Recordings
        As for `benchmark.run`.
    task : str
        A factor.
    excluded : sequence of id, optional
        ECGs that take no part in this task, neither in training nor in testing: their label becomes unknown, never another
        one. None takes those of `exclusion_list`.
    pairs, rotations, seeds, **settings
        As for `benchmark.run`.

    Returns
    -------
    DataFrame
        Columns labels ("all" or "without the list"), representation, model, auroc, low, high, gain (over age and sex) with
        gain_low and gain_high, n, n_positive.
    """
    rows = db if isinstance(db, Recordings) else Recordings(db)
    excluded = exclusion_list(rows.db, task)["id"] if excluded is None else excluded
    factors = rows.factors.copy()
    factors.loc[list(excluded), task] = np.nan
    tables = []
    for name, some in {"all": rows, "without the list": rows.with_factors(factors)}.items():
        scores = run(some, tasks=[task], pairs=pairs, rotations=rotations, seeds=seeds, **settings).scores
        tables.append(scores.assign(labels=name))
    columns = ["labels", "representation", "model", "auroc", "low", "high", "gain", "gain_low", "gain_high", "n", "n_positive"]
    return pd.concat(tables, ignore_index=True)[columns]
