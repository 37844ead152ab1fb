"""Cells of the benchmark: a representation with its models, fitted in one rotation of the folds with one seed."""

from dataclasses import dataclass
from functools import cached_property
from itertools import product

import numpy as np
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler

from ..cache import run_jobs
from ..cpus import available_cpus, limited_threads

BEAT_COMPONENTS = 160  # of a flattened beat, for models of tables


@dataclass(frozen=True, eq=False)
class Cell:
    """What is fitted together: one representation, and every model that reads it."""

    name: str
    representation: object
    models: dict
    rotation: int
    is_test: np.ndarray
    seed: int


def rotation_masks(fold, rotations):
    """Masks of the test rows by rotation: rotation r tests on folds 2r - 1 and 2r; fewer than five are the last ones."""
    return {r: np.isin(fold, (2 * r - 1, 2 * r)) for r in range(6 - rotations, 6)}


def collect_cells(representations, models, pairs):
    """Return, for each representation of the pairs, (transformer, its models by name)."""
    named = {}
    for representation, model in pairs:
        if representation not in representations or model not in models:
            known = f"representations are {', '.join(representations)}, models {', '.join(models)}"
            raise ValueError(f"unknown pair {(representation, model)}; {known}.")
        named.setdefault(representation, (representations[representation], {}))[1][model] = models[model]
    return named


def run_cells(fit, rows, named, masks, *arguments, labels, seeds, keep=None, n_jobs=1, description="benchmark", progress=True):
    """Return ``fit(rows, cell, *arguments)`` for each name, seed and rotation; `named` has (representation, models) by name.

    A kept result is found again where people, `labels`, cell and arguments are the same.
    """
    cells = [Cell(name, *named[name], r, masks[r], seed) for name, seed, r in product(named, seeds, masks)]
    rows.prepare({need for representation, _ in named.values() for need in getattr(representation, "needs", ("beats",))})
    n_jobs = available_cpus() if n_jobs == -1 else n_jobs
    n_threads = max(1, available_cpus() // n_jobs)
    jobs = [
        ((description, rows.ids, rows.fold, labels, cell, arguments), _with_threads, (n_threads, fit, rows, cell, *arguments))
        for cell in reversed(cells)  # the longest first, so that no process is left alone with them at the end
    ]
    return run_jobs(jobs, keep=keep, n_jobs=n_jobs, description=description, unit="cell", progress=progress)[::-1]


def _with_threads(n_threads, function, *arguments):
    with limited_threads(n_threads):
        return function(*arguments)


class Inputs:
    """Training and test rows as a representation shows them, which is fitted to the training rows alone."""

    def __init__(self, cell, training, test):
        fitted = seeded(cell.representation, cell.seed).fit(training)
        self.signals = [_finite(cell.name, fitted.transform(rows), len(rows)) for rows in (training, test)]

    @cached_property
    def tables(self):
        """Columns of unit variance, of beats their first principal components: training rows, test rows, and column names."""
        columns = getattr(self.signals[0], "columns", None)
        training, test = map(np.asarray, self.signals)
        if training.ndim == 2:
            scaler = StandardScaler().fit(training)
            return scaler.transform(training), scaler.transform(test), columns
        training, test = (x.reshape(len(x), -1) for x in (training, test))
        scale = float(training.std()) or 1.0  # one for all components: they keep their proportions
        pca = PCA(min(BEAT_COMPONENTS, *training.shape), svd_solver="covariance_eigh").fit(training / scale)
        return pca.transform(training / scale), pca.transform(test / scale), None


def seeded(estimator, seed):
    """Copy an estimator, unfitted, and set every seed in it."""
    estimator = clone(estimator)
    names = [name for name in estimator.get_params() if name.rsplit("__", 1)[-1] in ("seed", "random_state")]
    return estimator.set_params(**dict.fromkeys(names, seed))


def _finite(name, x, n_rows):
    if len(x) != n_rows or np.ndim(x) not in (2, 3):
        raise ValueError(f"representation {name!r} must give {n_rows} rows of columns, or of leads x times; got {np.shape(x)}.")
    if not np.isfinite(np.asarray(x)).all():
        raise ValueError(f"representation {name!r} gives NaN or infinite values; fill them inside it, from training rows only.")
    return x
