"""An additive model of named measurements that stands in for another model's logit: part of `requirements`."""

import numpy as np
import pandas as pd
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import KFold

from ..models.tables import EBM

N_PARTS = 3
N_CURVES = 16  # measurements that get more than a straight line
STRENGTHS = np.logspace(-1, 4, 11)  # of the ridge penalty, chosen by leave-one-out inside the fitted part


class AdditiveSurrogate:
    """Additive models of measurements, each cross-fitted: an ECG is predicted by a model that was fitted to others.

    A ridge regression on all measurements, then an explainable boosting machine without interactions on what it leaves, for the
    16 measurements that go most with that: one curve per measurement. Boosting alone would need thousands of ECGs to draw a
    straight line. A measurement that is absent is the median of the fitted part, and marked; axes come with sine and cosine.
    """

    def __init__(self, measured, seed=0):
        measured = measured.dropna(axis=1, how="all")
        axes = np.deg2rad(measured[[name for name in measured if name.endswith("_deg")]].to_numpy(dtype=float))
        table = np.hstack([measured.to_numpy(dtype=float), np.sin(axes), np.cos(axes)])
        absent = np.isnan(table)
        marks = np.unique(absent[:, absent.any(axis=0)], axis=1).astype(float)
        self.seed = seed
        self._parts = []
        for fitted, held_out in KFold(N_PARTS, shuffle=True, random_state=seed).split(table):
            median = pd.DataFrame(table[fitted]).median().fillna(0.0).to_numpy()
            filled = np.hstack([np.where(absent, median, table), marks])
            low, high = filled[fitted].min(axis=0), filled[fitted].max(axis=0)
            filled = filled.clip(low, high)  # a straight line must not be drawn far beyond what was seen
            sd = filled[fitted].std(axis=0)
            z = ((filled - filled[fitted].mean(axis=0)) / np.where(sd > 0, sd, 1))[:, sd > 0]
            self._parts.append((fitted, held_out, z))

    def predict(self, y, curves=True):
        """Predict what another model says of each ECG, (n,), by lines and curves; `y` itself where it does not vary."""
        y = np.asarray(y, dtype=float)
        predicted = y.copy()
        if np.ptp(y) < 1e-12:
            return predicted
        for fitted, held_out, z in self._parts:
            mean, scale = y[fitted].mean(), max(y[fitted].std(), 1e-12)
            parts = z[fitted], (y[fitted] - mean) / scale, z[held_out]
            predicted[held_out] = mean + scale * _additive(*parts, self.seed if curves else None)
        return predicted


def _additive(z, y, z_new, seed):
    """Straight lines, then, with a seed, curves for what they leave: predictions for `z_new`."""
    from interpret.glassbox import ExplainableBoostingRegressor  # takes two seconds, which most imports do not need

    straight = RidgeCV(STRENGTHS).fit(z, y)
    residual, predicted = y - straight.predict(z), straight.predict(z_new)
    if seed is None or residual.var() < 1e-6:
        return predicted
    chosen = _most_curved(z, residual)
    curves = ExplainableBoostingRegressor(**EBM, outer_bags=1, max_rounds=400, random_state=seed)
    return predicted + curves.fit(z[:, chosen], residual).predict(z_new[:, chosen])


def _most_curved(z, residual):
    """Measurements that go most with what the straight lines leave: by themselves, squared, or bent at the mean."""
    varied = np.flatnonzero([len(np.unique(column)) > 2 for column in z.T])  # a mark has no curve
    residual = residual - residual.mean()
    correlation = np.zeros(len(varied))
    for shape in (z[:, varied], z[:, varied] ** 2, np.abs(z[:, varied])):
        shape = shape - shape.mean(axis=0)
        size = np.sqrt((shape**2).sum(axis=0) * (residual**2).sum())
        correlation = np.maximum(correlation, np.abs(residual @ shape) / np.where(size > 0, size, np.inf))
    return varied[np.argsort(-correlation, kind="stable")[:N_CURVES]]
