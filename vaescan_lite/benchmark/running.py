"""Representations x models on the same rotations: what each step towards an explainable model costs, and how sure that is."""

import time

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler

from ..cache import run_jobs
from ..cpus import available_cpus, limited_threads
from ..factors import PERSON, SUPERCLASSES
from ..models.tables import standard_models
from .representations import (
    AgeSex,
    Recordings,
    standard_representations,
)
from .result import BASELINE, Result, _estimates, _scores

FEWEST_POSITIVES = 25  # over all folds, and as many negatives
BEAT_COMPONENTS = 160  # of a flattened beat, for models of tables
FEWEST_IN_TRAINING = 6  # of either class in each training set: the inner folds that choose C need some each
FEWEST_TO_FIT = 3  # of either class among the ECGs that are trained on: one for each of those inner folds

SMALL_GRID = (
    ("measurements", "logistic"),
    ("measurements", "EBM"),
    ("measurements", "boosting"),
    ("VAE latents", "logistic"),
    ("VAE latents", "EBM"),
    ("VAE latents", "boosting"),
    ("median beat", "logistic"),
    ("median beat", "CNN"),
    ("ten seconds", "CNN"),
)


def grid(budget="workshop", *, whole=None):
    """Give what `run` needs for a grid of this size: representations, models, and the pairs of them to score.

    Parameters
    ----------
    budget : {"smoke", "workshop", "full"}
        Training budget.
    whole : bool, optional
        Every pair that fits, or the small grid of chapter 9; default: whole with the "full" budget.

    Returns
    -------
    dict
        Keyword arguments of `run`.
    """
    chosen = {"representations": standard_representations(budget), "models": standard_models(budget)}
    whole = budget == "full" if whole is None else whole
    return chosen if whole else {**chosen, "pairs": SMALL_GRID}


def run(
    db,
    *,
    tasks=SUPERCLASSES,
    representations=None,
    models=None,
    pairs=None,
    rotations=5,
    seeds=(0,),
    n_training=None,
    n_resamples=1000,
    budget="workshop",
    keep=None,
    n_jobs=1,
    progress=True,
):
    """Score representations x models by rotations, everything refitted inside each rotation.

    Parameters
    ----------
    db : Database or Recordings
        ECGs, factors and folds.
    tasks : sequence of str
        Factors to tell, each yes or no.
    representations : sequence of str or dict of str to transformer, optional
        Names from `standard_representations`, or one's own; None means all of them.
    models : sequence of str or dict of str to classifier, optional
        Names from `standard_models`, or one's own; None means all of them.
    pairs : sequence of (str, str), optional
        Which representation with which model; None means all that fit each other.
    rotations : int
        1 to 5. Rotation r trains on eight folds and tests on folds 2r - 1 and 2r; fewer than five are the last ones, so that 1
        tests on folds 9 and 10.
    seeds : sequence of int
        One training each; their variance is part of every interval.
    n_training : int, optional
        Train on so many ECGs, drawn by seed; a smaller number is a part of a larger one.
    n_resamples : int
        Bootstrap resamples behind each interval.
    budget : {"smoke", "workshop", "full"}
        Training budget of representations and models that are given by name.
    keep : str or Path, optional
        A folder in which finished cells (a representation with its models, in one rotation with one seed) are kept and found
        again, as in `cache.run_jobs`.
    n_jobs : int
        Processes; -1 means as many as this process has CPUs.
    progress : bool
        Show a progress bar.

    Returns
    -------
    Result

    Raises
    ------
    ValueError
        If a name is not known, a pair does not fit, or no task can be scored.

    Notes
    -----
    Age + sex is always among the pairs. All pairs are scored on the same ECGs: those with a usable median beat. A task with
    fewer than 25 positives or negatives, or without both in each test set, is left out and listed. A record of a test fold
    takes no part in any fitting: not of the model, not of the VAE, not of the imputation.

    Examples
    --------
    Another representation and another model, compared with the rest (not run here)::

        from sklearn.neighbors import KNeighborsClassifier
        from sklearn.preprocessing import FunctionTransformer

        rate = FunctionTransformer(lambda rows: 60 / rows.beats.rr_s[:, None])
        result = run(db, representations={"heart rate": rate}, models={"neighbours": KNeighborsClassifier(25)})
    """
    chosen_representations = _chosen("representation", representations, standard_representations, budget)
    chosen_models = _chosen("model", models, standard_models, budget)
    cells = _cells(chosen_representations, chosen_models, pairs, budget)
    if isinstance(rotations, bool) or rotations not in (1, 2, 3, 4, 5):
        raise ValueError(f"rotations must be 1 to 5; got {rotations!r}.")
    if len(seeds) == 0 or len(set(seeds)) != len(seeds):
        raise ValueError(f"seeds must be at least one number, none twice; got {seeds!r}.")
    rows = db if isinstance(db, Recordings) else Recordings(db, progress=progress)
    is_usable = rows.beats.usable
    left_out = [("ECG", id_, "no usable median beat") for id_ in rows.ids[~is_usable]]
    rows = rows[is_usable]
    splits = [(r, np.isin(rows.fold, (2 * r - 1, 2 * r))) for r in range(6 - rotations, 6)]
    tasks, left_out_tasks = _scorable(list(tasks), rows.factors, splits)
    rows.prepare({name for representation, _ in cells.values() for name in getattr(representation, "needs", ("beats",))})
    n_jobs = available_cpus() if n_jobs == -1 else n_jobs
    labels = rows.factors[[*tasks, *(name for name in PERSON if name not in tasks and name in rows.factors)]]
    jobs = [
        (
            (rows.ids, rows.fold, labels, name, *cells[name], tasks, rotation, seed, n_training),
            _run_cell,
            (rows, name, *cells[name], tasks, rotation, is_test, seed, n_training, n_jobs),
        )
        for name in reversed(cells)  # the longest first, so that no process is left alone with them at the end
        for seed in seeds
        for rotation, is_test in splits
    ]
    parts = run_jobs(jobs, keep=keep, n_jobs=n_jobs, description="benchmark", unit="cell", progress=progress)
    predictions = _in_order(pd.concat([part for part, _ in parts]), tasks, cells)
    seconds = pd.concat([seconds for _, seconds in parts]).sort_values(
        ["representation", "seed", "rotation"], ignore_index=True
    )
    left_out = pd.DataFrame([*left_out_tasks, *left_out], columns=["kind", "name", "reason"])
    estimates = _estimates(predictions, n_resamples)
    return Result(predictions, _scores(predictions, estimates), left_out, seconds, estimates)


def _chosen(kind, given, by_name, budget):
    """Look up names; a dict is taken as it is, None means all."""
    if isinstance(given, dict):
        return given
    known = by_name(budget)
    if given is None:
        return known
    given = [given] if isinstance(given, str) else list(given)
    unknown = [name for name in given if name not in known]
    if unknown:
        raise ValueError(f"unknown {kind}(s) {', '.join(map(repr, unknown))}; known are {', '.join(known)}.")
    return {name: known[name] for name in given}


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
    if pairs is None:
        pairs = [(r, m) for r in representations for m in models if not _misfit(representations[r], models[m])]
        lonely = [r for r in representations if r not in {r for r, _ in pairs}] + [
            m for m in models if m not in {m for _, m in pairs}
        ]
        if lonely:
            raise ValueError(f"{', '.join(map(repr, lonely))}: fits none of its counterparts; add one, or leave it out.")
    cells = {}
    for pair in pairs:
        representation, model = pair
        if representation not in representations or model not in models:
            raise ValueError(
                f"unknown pair {tuple(pair)}; representations are {', '.join(representations)}, models {', '.join(models)}."
            )
        reason = _misfit(representations[representation], models[model])
        if reason:
            raise ValueError(f"{representation!r} does not fit {model!r}: {reason}.")
        cells.setdefault(representation, (representations[representation], {}))[1][model] = models[model]
    name, model = BASELINE
    cells.setdefault(name, (AgeSex(), {}))
    if model not in cells[name][1]:
        cells[name][1][model] = models[model] if model in models else standard_models(budget)[model]
    return cells


def _scorable(tasks, factors, splits):
    """Tasks that can be scored, and ("task", name, reason) for the others."""
    if not tasks or len(set(tasks)) != len(tasks):
        raise ValueError(f"tasks must be at least one factor, none twice; got {tasks}.")
    unknown = [task for task in tasks if task not in factors]
    if unknown:
        raise ValueError(f"unknown task(s) {', '.join(map(repr, unknown))}; known are {', '.join(factors.columns)}.")
    continuous = [task for task in tasks if not factors[task].dropna().isin((0, 1)).all()]
    if continuous:
        raise ValueError(f"task(s) {', '.join(continuous)} are not yes or no: only 1, 0 and NaN for unknown can be scored.")
    reasons = {task: _why_left_out(factors[task].to_numpy(dtype=float), splits) for task in tasks}
    kept = [task for task in tasks if not reasons[task]]
    if not kept:
        raise ValueError("no task can be scored: " + "; ".join(f"{task}: {reason}" for task, reason in reasons.items()) + ".")
    return kept, [("task", task, reason) for task, reason in reasons.items() if reason]


def _why_left_out(y, splits):
    if np.isnan(y).all():
        return "never annotated in this database"
    for value, word in ((1, "positives"), (0, "negatives")):
        if (y == value).sum() < FEWEST_POSITIVES:
            return f"{(y == value).sum()} {word} over all folds, at least {FEWEST_POSITIVES} are needed"
        for rotation, is_test in splits:
            if not (y[is_test] == value).any() or (y[~is_test] == value).sum() < FEWEST_IN_TRAINING:
                return f"too few {word} in the training or test folds of rotation {rotation}"
    return ""


def _run_cell(rows, name, representation, models, tasks, rotation, is_test, seed, n_training, n_jobs):
    """Fit a representation and its models in one rotation; their predictions and seconds as two DataFrames."""
    training = np.flatnonzero(~is_test)
    if n_training is not None:
        training = np.sort(np.random.default_rng((seed, rotation)).permutation(training)[:n_training])
    training, test = rows[training], rows[is_test]
    predictions, seconds = [], []
    with limited_threads(max(1, available_cpus() // n_jobs)):
        started = time.perf_counter()
        fitted = _seeded(representation, seed).fit(training)
        x_training, x_test = (_finite(name, fitted.transform(part), len(part)) for part in (training, test))
        seconds.append(("representation", time.perf_counter() - started))
        y_training, y_test = (part.factors[tasks].to_numpy(dtype=float) for part in (training, test))
        # With very few ECGs (`n_training`) a task may lack examples: nothing is learnt, everybody gets the same probability.
        can_learn = np.flatnonzero([min((y == 0).sum(), (y == 1).sum()) >= FEWEST_TO_FIT for y in y_training.T])
        if not all(_is_network(model) for model in models.values()):
            table_training, table_test, columns = _as_tables(x_training, x_test)
        for model_name, model in models.items():
            started = time.perf_counter()
            probability = np.tile(np.nanmean(y_training, axis=0), (len(test), 1))
            if _is_network(model):
                probability[:, can_learn] = _seeded(model, seed).fit(x_training, y_training[:, can_learn]).predict_proba(x_test)
            else:
                for column in can_learn:
                    shown, y = _shown(columns, tasks[column]), y_training[:, column]
                    probability[:, column] = _fit_one(_seeded(model, seed), table_training, y, table_test, shown)
            seconds.append((model_name, time.perf_counter() - started))
            for column, task in enumerate(tasks):
                is_known = np.isfinite(y_test[:, column])
                predictions.append(
                    pd.DataFrame(
                        {
                            "task": task,
                            "representation": name,
                            "model": model_name,
                            "seed": seed,
                            "rotation": rotation,
                            "id": test.ids[is_known],
                            "y": y_test[is_known, column].astype(int),
                            "score": probability[is_known, column],
                        }
                    )
                )
    seconds = pd.DataFrame(seconds, columns=["part", "seconds"]).assign(representation=name, seed=seed, rotation=rotation)
    return pd.concat(predictions), seconds[["representation", "seed", "rotation", "part", "seconds"]]


def _as_tables(x_training, x_test):
    """Give tables columns of unit variance, beats their first principal components; both tables and the columns' names."""
    columns = getattr(x_training, "columns", None)
    x_training, x_test = np.asarray(x_training), np.asarray(x_test)
    if x_training.ndim == 2:
        scaler = StandardScaler().fit(x_training)
        return scaler.transform(x_training), scaler.transform(x_test), columns
    x_training, x_test = (x.reshape(len(x), -1) for x in (x_training, x_test))
    scale = float(x_training.std()) or 1.0  # one for all components: they keep their proportions
    pca = PCA(min(BEAT_COMPONENTS, *x_training.shape), svd_solver="covariance_eigh").fit(x_training / scale)
    return pca.transform(x_training / scale), pca.transform(x_test / scale), None


def _shown(columns, task):
    """Give the columns a model of this task may see: all but the task itself."""
    if columns is None:
        return slice(None)
    return np.flatnonzero([column not in (task, f"missingindicator_{task}") for column in columns])


def _fit_one(model, x_training, y, x_test, shown):
    """Fit one task; the probability of it in the test rows."""
    is_known = np.isfinite(y)
    model.fit(x_training[is_known][:, shown], y[is_known].astype(int))
    return model.predict_proba(x_test[:, shown])[:, 1]


def _seeded(estimator, seed):
    """Copy an estimator, unfitted, and set every seed in it."""
    estimator = clone(estimator)
    names = [name for name in estimator.get_params() if name.rsplit("__", 1)[-1] in ("seed", "random_state")]
    return estimator.set_params(**dict.fromkeys(names, seed))


def _finite(name, x, n_rows):
    if len(x) != n_rows or np.ndim(x) not in (2, 3):
        raise ValueError(
            f"representation {name!r} must give (n, columns) or (n, leads, times) for {n_rows} rows; got {np.shape(x)}."
        )
    if not np.isfinite(np.asarray(x)).all():
        raise ValueError(f"representation {name!r} gives NaN or infinite values; fill them inside it, from training rows only.")
    return x


def _in_order(predictions, tasks, cells):
    """Predictions sorted, whatever the order in which the cells were finished; names as categories, which take less memory."""
    model_names = list(dict.fromkeys(model for _, models in cells.values() for model in models))
    for column, names in (("task", tasks), ("representation", list(cells)), ("model", model_names)):
        predictions[column] = pd.Categorical(predictions[column], categories=names)
    return predictions.sort_values(["task", "representation", "model", "seed", "rotation"], kind="stable", ignore_index=True)
