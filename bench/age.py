"""Age as a task: a number instead of yes or no, scored by its mean absolute error, beside what the sex alone would tell."""

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import RidgeCV

from vaescan_lite.benchmark.representations import Recordings, Representation
from vaescan_lite.benchmark.running import _as_tables, _seeded, standard_representations
from vaescan_lite.cache import run_jobs
from vaescan_lite.cpus import available_cpus, limited_threads
from vaescan_lite.models.cnn import EcgRegressor
from vaescan_lite.statistics import mean_over_records, over_trainings

PAIRS = (
    ("measurements", "affine"),
    ("measurements", "boosting"),
    ("VAE latents", "affine"),
    ("VAE latents", "boosting"),
    ("median beat", "CNN"),
    ("ten seconds", "CNN"),
)
BASELINE = ("sex", "median")
EVERYBODY = ("nothing", "median")


def age_error(
    db, *, pairs=PAIRS, rotations=5, seeds=(0,), n_resamples=1000, budget="workshop", keep=None, n_jobs=1, progress=True
):
    """Tell age from the ECG, and say by how many years that is better than knowing the sex alone.

    Parameters
    ----------
    db : Database or Recordings
        As for `benchmark.run`.
    pairs : sequence of (str, str)
        A representation of `benchmark.standard_representations` but age + sex, with "affine" (ridge regression), "boosting"
        (for the absolute error) or "CNN" (`cnn.EcgRegressor`).
    rotations, seeds, n_resamples, budget, keep, n_jobs, progress
        As for `benchmark.run`.

    Returns
    -------
    DataFrame
        One row per pair, the best first: representation, model, mae_years with low and high; gain_years (the error of the
        median age of training ECGs of the same sex, minus this error, paired) with gain_low and gain_high; n. Among them the
        two baselines, ("sex", "median") and ("nothing", "median").

    Raises
    ------
    ValueError
        If a pair is not known, or a training or test set holds nobody of known age.

    Notes
    -----
    People and rotations are those of `benchmark.run`, without people of unknown age.
    """
    rows = db if isinstance(db, Recordings) else Recordings(db, progress=progress)
    rows = rows[rows.beats.usable & rows.factors["age_years"].notna().to_numpy()]
    cells = _cells(pairs, budget)
    rows.prepare({name for representation, _ in cells.values() for name in representation.needs})
    splits = [(r, np.isin(rows.fold, (2 * r - 1, 2 * r))) for r in range(6 - rotations, 6)]
    empty = [rotation for rotation, is_test in splits if is_test.all() or not is_test.any()]
    if empty:
        raise ValueError(f"nobody of known age in the training or test folds of rotation(s) {empty}.")
    n_jobs = available_cpus() if n_jobs == -1 else n_jobs
    known = rows.factors[["age_years", "sex_female"]]
    jobs = [
        (
            ("age", rows.ids, rows.fold, known, *cells[name], rotation, seed),
            _run_cell,
            (rows, name, *cells[name], is_test, seed, n_jobs),
        )
        for name in cells
        for seed in seeds
        for rotation, is_test in splits
    ]
    parts = pd.concat(run_jobs(jobs, keep=keep, n_jobs=n_jobs, description="age", unit="cell", progress=progress))
    tested = np.concatenate([rows.ids[is_test] for _, is_test in splits])
    rotation = np.concatenate([np.full(is_test.sum(), r) for r, is_test in splits])
    estimates = {}
    for pair, part in parts.groupby(["representation", "model"], sort=False):
        by_seed = part.pivot(index="seed", columns="id", values="error")[tested]
        estimates[pair] = over_trainings([mean_over_records(error, rotation, n_resamples) for error in by_seed.to_numpy()])
    table = pd.DataFrame([_row(pair, estimates[pair], estimates[BASELINE], len(tested)) for pair in estimates])
    return table.sort_values("mae_years", kind="stable", ignore_index=True)


class Sex(Representation):
    """The sex, as one column; unknown is its training mean."""

    needs = ()

    def fit(self, rows, y=None):
        """Learn the mean of the training rows."""
        self.mean_ = float(rows.factors["sex_female"].mean())
        return self

    def transform(self, rows):
        """Give a DataFrame, shape (n, 1)."""
        return rows.factors[["sex_female"]].fillna(self.mean_)


class Nothing(Representation):
    """A column of zeros."""

    needs = ()

    def transform(self, rows):
        """Give a DataFrame, shape (n, 1)."""
        return pd.DataFrame({"nothing": np.zeros(len(rows))}, index=rows.ids)


class GroupMedian(RegressorMixin, BaseEstimator):
    """The median of the training rows with the same first column, or of all where there are none."""

    def fit(self, x, y):
        """Learn the medians."""
        self.of_all_ = float(np.median(y))
        self.by_group_ = {value: float(np.median(y[x[:, 0] == value])) for value in np.unique(x[:, 0])}
        return self

    def predict(self, x):
        """Give the median of each row's group."""
        return np.array([self.by_group_.get(value, self.of_all_) for value in x[:, 0]])


def _models(budget):
    return {
        "median": GroupMedian(),
        "affine": RidgeCV(np.logspace(-1, 4, 11)),
        "boosting": HistGradientBoostingRegressor(
            loss="absolute_error",
            max_iter={"smoke": 30, "workshop": 150, "full": 150}[budget],
            learning_rate=0.08,
            max_leaf_nodes=8,
            min_samples_leaf=10,
            l2_regularization=1.0,
            early_stopping=False,
            random_state=0,
        ),
        "CNN": EcgRegressor(budget=budget),
    }


def _cells(pairs, budget):
    """Collect, for each representation, (transformer, its models by name), the two baselines included."""
    representations, models = standard_representations(budget), _models(budget)
    del representations["age + sex"]
    representations |= {"sex": Sex(), "nothing": Nothing()}
    wrong = [pair for pair in pairs if pair[0] not in representations or pair[1] not in models]
    if wrong:
        raise ValueError(
            f"unknown pair {tuple(wrong[0])}; representations are {', '.join(representations)}, models {', '.join(models)}."
        )
    cells = {}
    for name, model in dict.fromkeys((*pairs, BASELINE, EVERYBODY)):
        cells.setdefault(name, (representations[name], {}))[1][model] = models[model]
    return cells


def _run_cell(rows, name, representation, models, is_test, seed, n_jobs):
    """Fit a representation and its models in one rotation; the absolute error of each test person."""
    training, test = rows[~is_test], rows[is_test]
    age, truth = (part.factors["age_years"].to_numpy(dtype=float) for part in (training, test))
    parts = []
    with limited_threads(max(1, available_cpus() // n_jobs)):
        fitted = _seeded(representation, seed).fit(training)
        signals = [fitted.transform(part) for part in (training, test)]
        for model_name, model in models.items():
            is_network = isinstance(model, EcgRegressor)
            x_training, x_test = signals if is_network else _as_tables(*signals)[:2]
            predicted = _seeded(model, seed).fit(x_training, age).predict(x_test)
            parts.append(pd.DataFrame({"model": model_name, "id": test.ids, "error": np.abs(predicted - truth)}))
    return pd.concat(parts).assign(representation=name, seed=seed)


def _row(pair, estimate, baseline, n):
    low, high = estimate.interval()
    gain = baseline - estimate
    gain_low, gain_high = gain.interval()
    return {
        "representation": pair[0], "model": pair[1], "mae_years": estimate.value, "low": low, "high": high,
        "gain_years": gain.value, "gain_low": gain_low, "gain_high": gain_high, "n": n,
    }  # fmt: skip
