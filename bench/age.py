"""Age as a task: a number instead of yes or no, scored by its mean absolute error, beside what the sex alone would tell."""

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import RidgeCV

from vaescan_lite.benchmark.cells import collect_cells, rotation_masks, run_cells
from vaescan_lite.benchmark.representations import Recordings, Representation, standard_representations
from vaescan_lite.models.cnn import SignalModel
from vaescan_lite.models.fitting import checked_signals
from vaescan_lite.models.tables import BOOSTING
from vaescan_lite.statistics import mean_over_records, over_trainings
from vaescan_lite.training import TABLE_BUDGETS

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


def age_error(db, *, pairs=PAIRS, rotations=5, seeds=(0,), n_resamples=1000, budget="workshop", **settings):
    """Tell age from the ECG, and say by how many years that is better than knowing the sex alone.

    `pairs` have a representation of `standard_representations` but age + sex, and "affine" (ridge regression), "boosting" (for
    the absolute error) or "CNN" (`EcgRegressor`). The rest, keep, n_jobs and progress included, is as for `benchmark.run`;
    people of unknown age are left out.

    The table has one row per pair, the best first: representation, model, mae_years with low and high; gain_years (the error of
    the median age of training ECGs of the same sex, minus this error, paired) with gain_low and gain_high; n. Among them are
    the two baselines, ("sex", "median") and ("nothing", "median").
    """
    rows = db if isinstance(db, Recordings) else Recordings(db)
    rows = rows[rows.beats.usable & rows.factors["age_years"].notna().to_numpy()]
    masks = rotation_masks(rows.fold, rotations)
    empty = [rotation for rotation, is_test in masks.items() if is_test.all() or not is_test.any()]
    if empty:
        raise ValueError(f"nobody of known age in the training or test folds of rotation(s) {empty}.")
    settings |= {"labels": rows.factors[["age_years", "sex_female"]], "seeds": seeds, "description": "age"}
    errors = pd.concat(run_cells(errors_of_pair, rows, _cells(pairs, budget), masks, **settings))
    tested = np.concatenate([rows.ids[is_test] for is_test in masks.values()])
    rotation = np.concatenate([np.full(is_test.sum(), r) for r, is_test in masks.items()])
    estimates = {}
    for pair, part in errors.groupby(["representation", "model"], sort=False):
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
        """Return a DataFrame, shape (n, 1)."""
        return rows.factors[["sex_female"]].fillna(self.mean_)


class Nothing(Representation):
    """A column of zeros."""

    needs = ()

    def transform(self, rows):
        """Return a DataFrame, shape (n, 1)."""
        return pd.DataFrame({"nothing": np.zeros(len(rows))}, index=rows.ids)


class GroupMedian(RegressorMixin, BaseEstimator):
    """The median of the training rows with the same first column, or of all where there are none."""

    def fit(self, x, y):
        """Learn the medians."""
        self.of_all_ = float(np.median(y))
        self.by_group_ = {value: float(np.median(y[x[:, 0] == value])) for value in np.unique(x[:, 0])}
        return self

    def predict(self, x):
        """Return the median of each row's group."""
        return np.array([self.by_group_.get(value, self.of_all_) for value in x[:, 0]])


class EcgRegressor(RegressorMixin, SignalModel):
    """The same network for one number, such as age.

    Loss: absolute error in standard deviations of the training set, which is also how it is scored. The rest is as in
    `EcgCNN`, mixing of two ECGs and of their numbers included.
    """

    is_multitask = True

    def fit(self, signals, y):
        """Train a new network on finite signals as for `EcgCNN` and numbers (n,), NaN where not known."""
        signals, y = checked_signals(signals), np.asarray(y, dtype=float)
        if y.shape != (len(signals),):
            raise ValueError(f"y must have shape ({len(signals)},), a number per signal; got {y.shape}.")
        is_known = np.isfinite(y)
        if len(np.unique(y[is_known])) < 2:
            raise ValueError(f"y must hold at least two different known numbers; got {is_known.sum()} known ones.")
        self.center_, self.scale_ = float(np.median(y[is_known])), float(np.std(y[is_known]))
        standardised = np.where(is_known, (y - self.center_) / self.scale_, 0)
        return self._fit(signals, is_known[:, None], standardised[:, None], _absolute_error)

    def predict(self, signals):
        """Return the number, ndarray of float64, shape (n,); signals as for `EcgCNN.decision_function`."""
        return self.center_ + self.scale_ * self._output(signals)[:, 0]


def _absolute_error(output, known, y):
    return (known * (output - y).abs()).sum()


def _models(budget):
    return {
        "median": GroupMedian(),
        "affine": RidgeCV(np.logspace(-1, 4, 11)),
        "boosting": HistGradientBoostingRegressor(
            loss="absolute_error", **BOOSTING, **TABLE_BUDGETS[budget]["boosting"], random_state=0
        ),
        "CNN": EcgRegressor(budget=budget),
    }


def _cells(pairs, budget):
    """Collect, for each representation, (transformer, its models by name), the two baselines included."""
    representations, models = standard_representations(budget) | {"sex": Sex(), "nothing": Nothing()}, _models(budget)
    del representations["age + sex"]
    return collect_cells(representations, models, dict.fromkeys((*pairs, BASELINE, EVERYBODY)))


def errors_of_pair(inputs, name, model):
    """Fit a model to what a representation shows in one rotation; the absolute error of each test person."""
    age, truth = (part.factors["age_years"].to_numpy(dtype=float) for part in (inputs.training, inputs.test))
    x_training, x_test = inputs.signals if isinstance(model, EcgRegressor) else inputs.tables[:2]
    table = pd.DataFrame({"id": inputs.test.ids, "error": np.abs(model.fit(x_training, age).predict(x_test) - truth)})
    return table.assign(model=name, representation=inputs.name, seed=inputs.cell.seed)


def _row(pair, estimate, baseline, n):
    gain = baseline - estimate
    row = {"representation": pair[0], "model": pair[1]}
    row |= {"mae_years": estimate.value, **dict(zip(("low", "high"), estimate.interval()))}
    row |= {"gain_years": gain.value, **dict(zip(("gain_low", "gain_high"), gain.interval()))}
    return row | {"n": n}
