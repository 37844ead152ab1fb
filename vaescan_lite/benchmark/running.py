"""Representations x models on the same rotations of the folds, everything refitted inside each rotation."""

import time

import numpy as np
import pandas as pd
from sklearn.base import clone

from ..factors import PERSON, SUPERCLASSES, known_names, repeated_factors
from ..models.tables import standard_models
from ..training import as_device
from .cells import collect_cells, rotation_masks, run_cells
from .representations import AgeSex, Recordings, standard_representations
from .result import BASELINE, Result, estimates_of, scores_of

FEWEST_POSITIVES = 25  # over all folds, and as many negatives
FEWEST_IN_TRAINING = 6  # of either class in each training set: the inner folds that choose C need some each
FEWEST_TO_FIT = 3  # of either class among the ECGs that are trained on: one for each of those inner folds

SMALL_GRID = (
    ("measurements", "logistic"), ("measurements", "EBM"), ("measurements", "boosting"),
    ("VAE latents", "logistic"), ("VAE latents", "EBM"), ("VAE latents", "boosting"),
    ("median beat", "logistic"), ("median beat", "CNN"), ("ten seconds", "CNN"),
)  # fmt: skip


def grid(budget="workshop", *, whole=None):
    """Return arguments of `run`: every pair that fits, or the small grid of chapter 10; None: all with the "full" budget."""
    chosen = {"representations": standard_representations(budget), "models": standard_models(budget)}
    return chosen if whole or (whole is None and budget == "full") else {**chosen, "pairs": SMALL_GRID}


def run(
    db, *, tasks=SUPERCLASSES, representations=None, models=None, pairs=None, rotations=5, seeds=(0,), n_training=None,
    n_resamples=1000, budget="workshop", keep=None, n_jobs=1, progress=True, device="cpu",
):  # fmt: skip
    """Score representations x models by rotations, everything refitted inside each rotation: a `Result`.

    It is of the ECGs with a usable median beat. No ECG of a test fold takes part in any fitting, the imputation included.

    Parameters
    ----------
    db : Database or Recordings
    tasks : sequence of str
        Factors to tell, each yes or no; not RBBB and RBBB_any together. One that repeats another, or has fewer than 25
        positives or negatives, is left out, and listed.
    representations, models : sequence of str, or dict of str to transformer or classifier, optional
        Names from `standard_representations` and `standard_models`, or one's own; None means all of them.
    pairs : sequence of (str, str), optional, which representation with which model, besides age + sex; None: all that fit
    rotations : int, 1 to 5; r trains on eight folds and tests on folds 2r - 1 and 2r; fewer than five are the last ones
    seeds : sequence of int, one training each; their variance is part of every interval
    n_training, n_resamples : int
        Training ECGs, drawn by seed, a smaller number from a larger one (None: all); bootstrap resamples of each interval.
    budget : {"smoke", "workshop", "full"}, of representations and models that are given by name
    keep, n_jobs, progress : as in `cache.run_jobs`: folder that keeps finished cells; processes, -1 for one per CPU; a bar
    device : str, as for `training.train`, where networks train; "cpu" leaves it to the `device` that each has of its own
    """
    cells, place = _cells(representations, models, pairs, budget), str(as_device(device))  # "auto" is what it stands for here
    if isinstance(rotations, bool) or rotations not in (1, 2, 3, 4, 5):
        raise ValueError(f"rotations must be 1 to 5; got {rotations!r}.")
    if len(seeds) == 0 or len(set(seeds)) != len(seeds):
        raise ValueError(f"seeds must be at least one number, none twice; got {seeds!r}.")
    rows = db if isinstance(db, Recordings) else Recordings(db, progress=progress)
    unusable, rows = rows.ids[~rows.beats.usable], rows[rows.beats.usable]
    masks = rotation_masks(rows.fold, rotations)
    tasks, left_out = _scorable([tasks] if isinstance(tasks, str) else list(tasks), rows.factors, masks)
    labels = rows.factors[[*tasks, *(name for name in PERSON if name not in tasks and name in rows.factors)]]
    settings = {"n_training": n_training, "keep": keep, "n_jobs": n_jobs, "progress": progress}
    parts = run_cells(_score_pair, rows, cells, masks, tasks, labels=labels, seeds=seeds, device=place, **settings)
    predictions, seconds = _in_order(*map(pd.concat, zip(*parts)), tasks, cells)
    estimates = estimates_of(predictions, n_resamples)
    left_out += [("ECG", id_, "no usable median beat") for id_ in unusable]
    left_out = pd.DataFrame(left_out, columns=["kind", "name", "reason"])
    return Result(predictions, scores_of(predictions, estimates), left_out, seconds, estimates)


def _chosen(kind, given, by_name, budget):
    """Look up names; a dict is taken as it is, None means all."""
    if isinstance(given, dict):
        return given
    known = by_name(budget)
    return known if given is None else {name: known[name] for name in known_names(given, known, f"{kind}(s)")}


def _misfit(representation, model):
    """Why a pair does not fit, or an empty string."""
    gives, is_network = getattr(representation, "gives", "table"), _is_network(model)
    if is_network and gives == "table":
        return "a network needs beats or signals, and this is a table"
    if not is_network and gives == "signal":
        return "the waves of a signal lie anywhere, and a model for tables needs each in its own column"
    return ""


def _is_network(model):
    return getattr(model, "is_multitask", False)


def _cells(representations, models, pairs, budget):
    """Collect, for each representation, (transformer, its models by name), the baseline included."""
    representations = _chosen("representation", representations, standard_representations, budget)
    models = _chosen("model", models, standard_models, budget)
    if pairs is None:
        pairs = [(r, m) for r in representations for m in models if not _misfit(representations[r], models[m])]
        paired = {name for pair in pairs for name in pair}
        if lonely := [name for name in (*representations, *models) if name not in paired]:
            raise ValueError(f"{', '.join(map(repr, lonely))}: fits none of its counterparts; add one, or leave it out.")
    cells = collect_cells(representations, models, pairs)
    for name, model in pairs:
        if reason := _misfit(representations[name], models[model]):
            raise ValueError(f"{name!r} does not fit {model!r}: {reason}.")
    name, model = BASELINE
    _, chosen = cells.setdefault(name, (AgeSex(), {}))
    if model not in chosen:
        chosen[model] = models[model] if model in models else standard_models(budget)[model]
    return cells


def _scorable(tasks, factors, masks):
    """Tasks that can be scored, and ("task", name, reason) for the others."""
    if not tasks or len(set(tasks)) != len(tasks):
        raise ValueError(f"tasks must be at least one factor, none twice; got {tasks}.")
    known_names(tasks, factors.columns, "task(s)")
    if on_scale := [task for task in tasks if not factors[task].dropna().isin((0, 1)).all()]:
        other = factors[on_scale[0]].dropna().loc[lambda values: ~values.isin((0, 1))].iloc[0]
        wanted = "only 1, 0 and NaN for unknown can be scored; `vaescan-lite train` takes targets on a scale"
        raise ValueError(f"task(s) {', '.join(on_scale)} are not yes or no ({on_scale[0]} is {other:g}): {wanted}.")
    reasons = {task: _why_left_out(factors[task].to_numpy(dtype=float), masks) for task in tasks}
    reasons |= dict.fromkeys(repeated_factors(factors[tasks]), "the same labels as a narrower factor")
    kept = [task for task in tasks if not reasons[task]]
    if not kept:
        raise ValueError("no task can be scored: " + "; ".join(f"{task}: {reason}" for task, reason in reasons.items()) + ".")
    return kept, [("task", task, reason) for task, reason in reasons.items() if reason]


def _why_left_out(y, masks):
    if np.isnan(y).all():
        return "never annotated in this database"
    for value, word in ((1, "positives"), (0, "negatives")):
        if (y == value).sum() < FEWEST_POSITIVES:
            return f"{(y == value).sum()} {word} over all folds, at least {FEWEST_POSITIVES} are needed"
        for rotation, is_test in masks.items():
            if not (y[is_test] == value).any() or (y[~is_test] == value).sum() < FEWEST_IN_TRAINING:
                return f"too few {word} in the training or test folds of rotation {rotation}"
    return ""


def _score_pair(inputs, name, model, tasks):
    """Fit a model to what a representation shows in one rotation; its predictions, and seconds, as two DataFrames."""
    signals = inputs.signals
    y_training, y_test = (part.factors[tasks].to_numpy(dtype=float) for part in (inputs.training, inputs.test))
    shown = (*signals, None) if _is_network(model) else inputs.tables
    started = time.perf_counter()
    probability = _probabilities(model, *shown, y_training, tasks)
    seconds = [("representation", inputs.seconds), (name, time.perf_counter() - started)]
    predictions = []
    for task, y, score in zip(tasks, y_test.T, probability.T):
        known = np.isfinite(y)
        table = pd.DataFrame({"id": inputs.test.ids[known], "y": y[known].astype(int), "score": score[known]})
        predictions.append(table.assign(task=task, model=name))
    place = {"representation": inputs.name, "seed": inputs.cell.seed, "rotation": inputs.cell.rotation}
    return pd.concat(predictions).assign(**place), pd.DataFrame(seconds, columns=["part", "seconds"]).assign(**place)


def _probabilities(model, x_training, x_test, columns, y_training, tasks):
    """Fit a model to the known labels of each task, a network to all at once; probabilities (n_test, n_tasks)."""
    # With very few ECGs (`n_training`) a task may lack examples: nothing is learnt, everybody gets the same probability.
    probability = np.tile(np.nanmean(y_training, axis=0), (len(x_test), 1))
    can_learn = np.flatnonzero([min((y == 0).sum(), (y == 1).sum()) >= FEWEST_TO_FIT for y in y_training.T])
    if _is_network(model):
        probability[:, can_learn] = model.fit(x_training, y_training[:, can_learn]).predict_proba(x_test)
        return probability
    for task in can_learn:
        y, known, allowed = y_training[:, task], np.isfinite(y_training[:, task]), slice(None)
        if columns is not None:  # a model may see all but the task itself
            itself = tasks[task], f"missingindicator_{tasks[task]}"
            allowed = np.flatnonzero([column not in itself for column in columns])
        fitted = clone(model).fit(x_training[known][:, allowed], y[known].astype(int))
        probability[:, task] = fitted.predict_proba(x_test[:, allowed])[:, 1]
    return probability


def _in_order(predictions, seconds, tasks, cells):
    """Both tables sorted, whatever the order of the cells; names as categories, which take less memory."""
    model_names = list(dict.fromkeys(model for _, models in cells.values() for model in models))
    for column, names in (("task", tasks), ("representation", list(cells)), ("model", model_names)):
        predictions[column] = pd.Categorical(predictions[column], categories=names)
    place = ["task", "representation", "model", "seed", "rotation"]
    predictions = predictions.sort_values(place, kind="stable", ignore_index=True)[[*place, "id", "y", "score"]]
    seconds = seconds.drop_duplicates(["representation", "seed", "rotation", "part"])  # all models of one have its seconds
    seconds = seconds.sort_values(["representation", "seed", "rotation"], kind="stable", ignore_index=True)
    return predictions, seconds[["representation", "seed", "rotation", "part", "seconds"]]
