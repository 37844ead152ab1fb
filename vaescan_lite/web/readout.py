"""Intervals and axis of a decoded beat, guessed from latents fast enough for a page that is being dragged."""

from typing import NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
import torch
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from ..ecg import BeatSet
from ..measurements import measure, subtract_measurements
from ..vae.network import MOST_STRETCH

READOUTS = ("pr_ms", "qrs_ms", "qt_ms", "qrs_axis_deg")
N_BEATS, N_FOLDS, LEAST_MEASURED = 1000, 5, 100
SPREAD = (0.3, 1.3)  # times the SD of the population: ordinary people, and what sliders make of them
NEEDED_S = (-0.25, 0.40)  # the window that `measure` asks for
_fitted = WeakKeyDictionary()  # by network, then by population: a page often has several explorers of one VAE


class Readout(NamedTuple):
    """Six regressions on (latents, hidden layer, stretch): PR, QRS, QT, cosine and sine of the axis, whether there is a P."""

    weights: np.ndarray  # (6, n_latents + n_hidden + 4)
    bias: np.ndarray  # (6, 1)
    error: np.ndarray  # (4,), mean absolute error in cross-validation, in the unit of each of READOUTS
    sd: np.ndarray  # (4,), of the measurements themselves
    n_beats: int


def is_measurable(vae):
    """Whether the window of the beats of `vae` is long enough for `measure`."""
    fs, r_index = vae._timing()
    return -r_index / fs <= NEEDED_S[0] and (vae.n_times_ - 1 - r_index) / fs >= NEEDED_S[1]


def fit_readout(vae, mean, sd):
    """Fit a `Readout` to decoded beats, their latents drawn around `mean` with `sd`; NaN where few have what is measured."""
    fitted, population = _fitted.setdefault(vae.network_, {}), np.concatenate([mean, sd]).tobytes()
    if population not in fitted:
        fs, r_index = vae._timing()
        rng = np.random.default_rng(0)
        z = mean + sd * rng.normal(size=(N_BEATS, vae.n_latents)) * rng.uniform(*SPREAD, size=(N_BEATS, 1))
        table = measure(BeatSet(vae.inverse_transform(z), fs, vae.leads_, r_index=r_index))[list(READOUTS)]
        fitted[population] = _fit(_features(vae.network_.decoder, z), table)
    return fitted[population]


@torch.no_grad()
def _features(decoder, z):
    """Return what the page has at hand once it has decoded: (n_beats, n_latents + n_hidden + 4)."""
    z = torch.as_tensor(z, dtype=torch.float32)
    hidden, stretch = torch.nn.functional.gelu(decoder.hidden(z)), decoder.stretch(z).clamp(-MOST_STRETCH, MOST_STRETCH)
    return torch.hstack([z, hidden, stretch]).numpy().astype(float)


def _fit(features, table):
    axis = np.radians(table["qrs_axis_deg"].to_numpy())
    targets = np.column_stack([table[["pr_ms", "qrs_ms", "qt_ms"]], np.cos(axis), np.sin(axis), table["pr_ms"].notna()])
    weights, bias, guesses = (np.full((6, n), np.nan) for n in (features.shape[1], 1, len(table)))
    for columns in ([0], [1, 2, 3, 4, 5]):  # a PR where there is a P
        rows = np.isfinite(targets[:, columns]).all(axis=1)
        if rows.sum() < LEAST_MEASURED:
            continue
        ridge = make_pipeline(StandardScaler(), RidgeCV(np.logspace(-1, 4, 6), alpha_per_target=True))
        x, y = features[rows], targets[np.ix_(rows, columns)]
        guesses[np.ix_(columns, rows)] = cross_val_predict(ridge, x, y, cv=N_FOLDS).reshape(len(x), -1).T
        scaler, fitted = ridge.fit(x, y)[0], ridge[-1]
        weights[columns] = np.atleast_2d(fitted.coef_) / scaler.scale_
        bias[columns, 0] = fitted.intercept_ - weights[columns] @ scaler.mean_
    guessed = table.copy()
    guessed[:] = np.stack([*guesses[:3], np.degrees(np.arctan2(guesses[4], guesses[3]))]).T
    error = subtract_measurements(guessed, table).abs().mean().to_numpy()
    return Readout(weights, bias, error, table.std().to_numpy(), len(table))
