"""An additive model of named measurements that stands in for another model's logit: part of `requirements`."""

import numpy as np
import pandas as pd
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import KFold
from sklearn.preprocessing import SplineTransformer, StandardScaler

N_PARTS = 3
STRENGTHS = np.logspace(-3, 5, 17)  # of the ridge penalty
CURVES = (0.0, 1.0, 3.0)  # size of the splines' columns; those of the lines have an SD of 1


class AdditiveSurrogate:
    """Additive models of measurements, each cross-fitted: an ECG is predicted by a model that was fitted to others.

    A ridge regression on the measurements and on cubic splines of each: one curve per measurement. How much is penalised, and
    curves more than lines, is chosen by leave-one-out inside the fitted part, for each prediction by itself. A measurement that
    is absent is the median of the fitted part, and marked; axes come with sine and cosine.
    """

    def __init__(self, measured, seed=0):
        measured = measured.dropna(axis=1, how="all")
        axes = np.deg2rad(measured[[name for name in measured if name.endswith("_deg")]].to_numpy(dtype=float))
        table = np.hstack([measured.to_numpy(dtype=float), np.sin(axes), np.cos(axes)])
        absent = np.isnan(table)
        marks = np.unique(absent[:, absent.any(axis=0)], axis=1).astype(float)
        self._parts = []
        for fitted, held_out in KFold(N_PARTS, shuffle=True, random_state=seed).split(table):
            median = pd.DataFrame(table[fitted]).median().fillna(0.0).to_numpy()
            filled = np.hstack([np.where(absent, median, table), marks])
            low, high = filled[fitted].min(axis=0), filled[fitted].max(axis=0)
            filled = filled.clip(low, high)[:, high > low]  # a line must not be drawn far beyond what was seen
            is_varied = [len(np.unique(column)) > 2 for column in filled[fitted].T]  # a mark has no curve
            lines = StandardScaler().fit(filled[fitted]).transform(filled)
            bent = lines[:, is_varied]
            curves = SplineTransformer(include_bias=False).fit(bent[fitted]).transform(bent)
            self._parts.append((fitted, held_out, lines, curves))

    def predict(self, y):
        """Predict what other models say of each ECG, (n, n_predictions); a column of `y` itself where that does not vary."""
        predicted = np.array(y, dtype=float)
        for fitted, held_out, lines, curves in self._parts:
            best = np.full(predicted.shape[1], -np.inf)
            for size in CURVES:
                x = np.hstack([lines, size * curves]) if size else lines
                ridge = RidgeCV(STRENGTHS, alpha_per_target=True).fit(x[fitted], y[fitted])
                is_better = ridge.best_score_ > best
                held_back = ridge.predict(x[held_out]).reshape(len(held_out), -1)  # of a single column scikit-learn makes a row
                predicted[np.ix_(held_out, is_better)] = held_back[:, is_better]
                best = np.maximum(best, ridge.best_score_)
        return np.where(np.ptp(y, axis=0) < 1e-12, y, predicted)
