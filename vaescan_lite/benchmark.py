"""Representations x models on the same rotations: what each step towards an explainable model costs, and how sure that is."""

import time
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss
from sklearn.model_selection import GridSearchCV
from sklearn.preprocessing import StandardScaler

from .cnn import EcgCNN
from .cpus import available_cpus, limited_threads
from .factors import PERSON, SUPERCLASSES
from .jobs import run_jobs
from .representations import AgeSex, Measurements, MedianBeat, PCAScores, Recordings, Rules, TenSeconds, VAELatents
from .statistics import (
    Estimate,
    auroc_within,
    average_precision_within,
    bootstrap_weights,
    calibration,
    holm,
    interval_over_trainings,
    mean_estimate,
    weighted_auroc,
)

BASELINE = ("age + sex", "logistic")
FEWEST_POSITIVES = 25  # over all folds, and as many negatives
BEAT_COMPONENTS = 160  # of a flattened beat, for models of tables
FEWEST_IN_TRAINING = 6  # of either class in each training set: the inner folds that choose C need some each
FEWEST_TO_FIT = 3  # of either class among the ECGs that are trained on: one for each of those inner folds
MACRO = "mean of superclasses"
UNDECIDED = "cannot be told from zero"
ALPHA = 0.05
TEST_SHARE = 2 / 8  # test folds for each training fold

# Where the cost arises: (representation, model) before and after a step towards an explainable model.
STEPS = {
    "rhythm": (("ten seconds", "CNN"), ("median beat", "CNN")),
    "detail": (("median beat", "CNN"), ("VAE latents", "boosting")),
    "transparency": (("VAE latents", "boosting"), ("VAE latents", "logistic")),
    "naming": (("VAE latents", "logistic"), ("measurements", "logistic")),
    "all but naming": (("ten seconds", "CNN"), ("VAE latents", "logistic")),
    "whole way": (("ten seconds", "CNN"), ("measurements", "logistic")),
}
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


def standard_representations(budget="workshop"):
    """Give the representations by name, from the least to the most that an ECG can show.

    Parameters
    ----------
    budget : {"smoke", "workshop", "full"}
        Training budget of those that are trained.

    Returns
    -------
    dict of str to transformer
        Add an entry to compare another one: anything with ``fit(rows)`` and ``transform(rows)``, rows being `Recordings`.
    """
    return {
        "age + sex": AgeSex(),
        "measurements": Measurements(),
        "rules": Rules(),
        "VAE latents": VAELatents(budget=budget),
        "PCA": PCAScores(),
        "median beat": MedianBeat(),
        "ten seconds": TenSeconds(),
    }


def standard_models(budget="workshop"):
    """Give the models by name, from the most to the least transparent.

    Parameters
    ----------
    budget : {"smoke", "workshop", "full"}
        Training budget of the network and of the EBM.

    Returns
    -------
    dict of str to classifier
        Unfitted scikit-learn classifiers. They get standardised tables; a beat comes to them as its first principal
        components. `EcgCNN` gets signals as they are, and all tasks at once.

    Notes
    -----
    C of the logistic models is chosen by the AUROC of three folds inside the training set. Explained in chapter 9.
    """
    from interpret.glassbox import ExplainableBoostingClassifier  # takes two seconds, which most imports do not need

    strengths = {"C": [0.003, 0.03, 0.3]}
    return {
        "logistic": GridSearchCV(LogisticRegression(max_iter=1000), strengths, cv=3, scoring="roc_auc"),
        "sparse logistic": GridSearchCV(
            LogisticRegression(l1_ratio=1, solver="liblinear", random_state=0), {"C": [0.01, 0.1, 1.0]}, cv=3, scoring="roc_auc"
        ),
        "EBM": ExplainableBoostingClassifier(
            interactions=0,
            outer_bags={"smoke": 1, "workshop": 2, "full": 8}[budget],
            learning_rate=0.1,
            max_rounds={"smoke": 50, "workshop": 400, "full": 2000}[budget],
            max_bins=32,
            greedy_ratio=0,
            smoothing_rounds=20,
            early_stopping_rounds=20,
            n_jobs=1,
            random_state=0,
        ),
        "boosting": HistGradientBoostingClassifier(
            max_iter={"smoke": 30, "workshop": 150, "full": 150}[budget],
            learning_rate=0.08,
            max_leaf_nodes=8,
            min_samples_leaf=10,
            l2_regularization=1.0,
            early_stopping=False,
            random_state=0,
        ),
        "CNN": EcgCNN(budget=budget),
    }


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


@dataclass(frozen=True, eq=False)
class Result:
    """What `run` gives.

    Attributes
    ----------
    predictions : DataFrame
        One row per prediction: task, representation, model, seed, rotation, id, y (0 or 1), score (probability).
    scores : DataFrame
        One row per task, representation and model: auroc with low and high, average_precision, brier, calibration_intercept,
        calibration_slope, n, n_positive, and gain over age + sex with gain_low and gain_high.
    left_out : DataFrame
        Columns kind ("task" or "ECG"), name and reason: what was not scored, by rule.
    seconds : DataFrame
        Columns representation, seed, rotation, part ("representation" or the model's name), seconds.
    estimates : dict
        (task, representation, model) to `Estimate`: figures of which differences can be taken, pairing kept.
    """

    predictions: pd.DataFrame
    scores: pd.DataFrame
    left_out: pd.DataFrame
    seconds: pd.DataFrame
    estimates: dict = field(repr=False)

    @property
    def tasks(self):
        """Names of the tasks that were scored."""
        return tuple(dict.fromkeys(task for task, _, _ in self.estimates))

    @property
    def pairs(self):
        """The (representation, model) pairs that were scored."""
        return tuple(dict.fromkeys((representation, model) for _, representation, model in self.estimates))

    def mean_estimate(self, pair, tasks=None):
        """Mean AUROC of a pair over tasks, those superclasses that were scored if none are named.

        Parameters
        ----------
        pair : tuple of str
            (representation, model).
        tasks : sequence of str, optional
            Tasks to average.

        Returns
        -------
        Estimate
        """
        tasks = [task for task in SUPERCLASSES if task in self.tasks] if tasks is None else list(tasks)
        missing = [task for task in tasks if (task, *pair) not in self.estimates]
        if missing or not tasks:
            raise ValueError(
                f"no score of {' with '.join(pair)} for {', '.join(missing) or 'any superclass'}; "
                f"scored are the tasks {', '.join(self.tasks)} and the pairs {', '.join(' with '.join(p) for p in self.pairs)}."
            )
        return mean_estimate([self.estimates[task, *pair] for task in tasks])

    def macro(self, tasks=None):
        """Mean AUROC over the superclasses, or over `tasks`, of each pair.

        Parameters
        ----------
        tasks : sequence of str, optional
            Tasks to average; None means those superclasses that were scored.

        Returns
        -------
        DataFrame
            Columns representation, model, auroc, low, high, gain, gain_low, gain_high; the best first.
        """
        baseline = self.mean_estimate(BASELINE, tasks)
        rows = []
        for pair in self.pairs:
            estimate = self.mean_estimate(pair, tasks)
            rows.append({"representation": pair[0], "model": pair[1], **_auroc_and_gain(estimate, baseline)})
        return pd.DataFrame(rows).sort_values("auroc", ascending=False, kind="stable", ignore_index=True)


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
        again, as in `jobs.run_jobs`.
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


def cost(result, steps=None, tasks=None):
    """Give up step by step: how much AUROC each step towards an explainable model costs.

    Parameters
    ----------
    result : Result
        As `run` gives it.
    steps : dict, optional
        Name to ((representation, model) before, (representation, model) after); None takes those of `STEPS` that were run.
    tasks : sequence of str, optional
        None means all that were scored, and the mean over the superclasses.

    Returns
    -------
    DataFrame
        Columns step, before, after, task, auroc_before, auroc_after, cost (before minus after: positive is a loss) with low
        and high, low_trainings and high_trainings (`statistics.interval_over_trainings`), verdict ("costs something" or "gains
        something" where both intervals lie on one side of zero and p_holm, if there is one, is below 0.05; else "cannot be told
        from zero"), p (of no difference), and p_holm, adjusted for all single tasks in the table.

    Raises
    ------
    ValueError
        If a step names a pair that was not run.

    Notes
    -----
    Differences are paired: both pairs of a step are resampled with the same ECGs and compared seed by seed. The costs of
    successive steps add up to the cost of the whole way.
    """
    if steps is None:
        steps = {name: step for name, step in STEPS.items() if set(step) <= set(result.pairs)}
    unknown = [pair for step in steps.values() for pair in step if tuple(pair) not in result.pairs]
    if unknown or not steps:
        raise ValueError(
            f"not run: {', '.join(' with '.join(pair) for pair in unknown) or 'both ends of any step'}; "
            f"run were {', '.join(' with '.join(pair) for pair in result.pairs)}."
        )
    with_macro = tasks is None and any(task in SUPERCLASSES for task in result.tasks)
    names = [*(result.tasks if tasks is None else tasks), *([MACRO] if with_macro else [])]
    by_rotation = _by_rotation(result.predictions)
    rows = []
    for step, (before, after) in steps.items():
        for task in names:
            averaged = [name for name in result.tasks if name in SUPERCLASSES] if task == MACRO else [task]
            single = [by_rotation.loc[averaged, *pair].groupby("rotation").mean() for pair in (before, after)]
            ends = [result.mean_estimate(tuple(pair), None if task == MACRO else [task]) for pair in (before, after)]
            difference = ends[0] - ends[1]
            low, high = difference.interval()
            trainings = interval_over_trainings(single[0] - single[1], TEST_SHARE)
            rows.append(
                {
                    "step": step,
                    "before": " with ".join(before),
                    "after": " with ".join(after),
                    "task": task,
                    "auroc_before": ends[0].value,
                    "auroc_after": ends[1].value,
                    "cost": difference.value,
                    "low": low,
                    "high": high,
                    "low_trainings": trainings[0],
                    "high_trainings": trainings[1],
                    "verdict": _verdict((low, high), trainings),
                    "p": difference.p_value(),
                }
            )
    table = pd.DataFrame(rows)
    is_single = table["task"] != MACRO
    table["p_holm"] = np.nan
    table.loc[is_single, "p_holm"] = holm(table.loc[is_single, "p"])
    table.loc[table["p_holm"] >= ALPHA, "verdict"] = UNDECIDED
    return table


def _verdict(bootstrap, trainings):
    """Say what both intervals of a cost allow to say: with other test people, and after other trainings."""
    if min(bootstrap[0], trainings[0]) > 0:
        return "costs something"
    return "gains something" if max(bootstrap[1], trainings[1]) < 0 else UNDECIDED


def _by_rotation(predictions):
    """AUROC of each rotation, mean over seeds; a Series with the levels task, representation, model, rotation."""
    found = {}
    for key, part in predictions.groupby(["task", "representation", "model", "rotation", "seed"], observed=True, sort=False):
        y, score = part["y"].to_numpy(), part["score"].to_numpy()
        found[key] = weighted_auroc(y, score, np.zeros(len(y)), np.ones((1, len(y))))[0]
    names = ["task", "representation", "model", "rotation", "seed"]
    return pd.Series(found).rename_axis(names).groupby(names[:-1], sort=False).mean()


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


def _estimates(predictions, n_resamples):
    """Estimate of every task, representation and model; all from the same resamples of the ECGs."""
    records = predictions[["id", "rotation"]].drop_duplicates("id").sort_values(["rotation", "id"], ignore_index=True)
    weights = bootstrap_weights(records["rotation"], n_resamples)
    position = pd.Series(np.arange(len(records)), index=records["id"])
    by_seed, replicates = {}, {}
    groups = predictions.groupby(["task", "representation", "model", "seed"], observed=True, sort=False)
    for (*cell, _), part in groups:
        y, score, rotation = (part[name].to_numpy() for name in ("y", "score", "rotation"))
        by_seed.setdefault(tuple(cell), []).append(auroc_within(y, score, rotation))
        columns = weights[:, position.loc[part["id"]].to_numpy()]
        replicates.setdefault(tuple(cell), []).append(weighted_auroc(y, score, rotation, columns))
    return {cell: Estimate(np.array(by_seed[cell]), np.mean(replicates[cell], axis=0)) for cell in by_seed}


def _scores(predictions, estimates):
    """Make the table of scores, one row per estimate."""
    rows = []
    for (task, representation, model), part in predictions.groupby(
        ["task", "representation", "model"], observed=True, sort=False
    ):
        estimate, baseline = estimates[task, representation, model], estimates[task, *BASELINE]
        per_seed = [
            (average_precision_within(one["y"], one["score"], one["rotation"]), brier_score_loss(one["y"], one["score"]))
            + calibration(one["y"], one["score"])
            for _, one in part.groupby("seed")
        ]
        precision, brier, intercept, slope = np.mean(per_seed, axis=0)
        one_seed = part[part["seed"] == part["seed"].iloc[0]]
        rows.append(
            {
                "task": task,
                "representation": representation,
                "model": model,
                **_auroc_and_gain(estimate, baseline),
                "average_precision": precision,
                "brier": brier,
                "calibration_intercept": intercept,
                "calibration_slope": slope,
                "n": len(one_seed),
                "n_positive": int(one_seed["y"].sum()),
            }
        )
    return pd.DataFrame(rows)


def _auroc_and_gain(estimate, baseline):
    low, high = estimate.interval()
    gain = estimate - baseline
    gain_low, gain_high = gain.interval()
    return {
        "auroc": estimate.value, "low": low, "high": high, "gain": gain.value, "gain_low": gain_low, "gain_high": gain_high,
    }  # fmt: skip
