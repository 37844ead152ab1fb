"""Cells of the benchmark: representations with their models, fitted in one rotation of the folds with one seed, and kept."""

import time
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import product

import joblib
import numpy as np
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler

from ..cache import in_blocks, kept, run_jobs
from ..cpus import available_cpus, default_threads, is_on_cluster, limited_threads

BEAT_COMPONENTS = 160  # of a flattened beat, for models of tables


@dataclass(frozen=True, eq=False)
class Cell:
    """What one process does: representations that learn one model of beats, with every model that reads them."""

    named: dict  # (representation, its models by name) by name
    rotation: int
    seed: int
    training: np.ndarray  # row numbers
    is_test: np.ndarray


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


def run_cells(
    fit, rows, named, masks, *args, labels, seeds, n_training=None, keep=None, n_jobs=1, description="benchmark", progress=True,
    device="cpu",
):  # fmt: skip
    """Return ``fit(inputs, name of the model, model, *args)`` for each pair, seed and rotation.

    `named` has (representation, its models by name) by name. Representations whose ``beat_model()`` is the same have it trained
    once for all of them. In `keep` each pair is found again where people, `labels` and `args` are the same, and the model of
    beats where training people are: so runs with other pairs share both.
    """
    rows.prepare({need for representation, _ in named.values() for need in getattr(representation, "needs", ("beats",))})
    n_jobs = available_cpus() if n_jobs == -1 else n_jobs
    n_threads = 1 if is_on_cluster() else max(1, default_threads() // n_jobs)
    elsewhere = () if device == "cpu" else (device,)
    key = joblib.hash((description, rows.ids, rows.fold, labels, n_training, args, *elsewhere)) if keep else None
    cells = []
    for group, seed, r in product(_sharing(named), seeds, masks):
        training = np.flatnonzero(~masks[r])
        if n_training is not None:
            training = np.sort(np.random.default_rng((seed, r)).permutation(training)[:n_training])
        cells.append(Cell(group, r, seed, training, masks[r]))
    # The longest first, so that no process is left alone with them at the end.
    jobs = [(None, _run_cell, (n_threads, device, fit, rows, cell, keep, key, args)) for cell in reversed(cells)]
    parts = run_jobs(jobs, shared=[rows], n_jobs=n_jobs, description=description, unit="cell", progress=progress)[::-1]
    return [part for of_cell in parts for part in of_cell]


def _sharing(named):
    """Put representations that learn the same model of beats together; those that learn none stay alone."""
    groups = {}
    for name, (representation, models) in named.items():
        learns = getattr(representation, "beat_model", None)
        groups.setdefault(joblib.hash(learns()) if learns else name, {})[name] = representation, models
    return list(groups.values())


def _run_cell(n_threads, device, fit, rows, cell, keep, key, args):
    """Return what `fit` gives for each pair of a cell; only what is not kept is computed."""
    training, test, parts = rows[cell.training], rows[cell.is_test], []
    first = seeded(next(iter(cell.named.values()))[0], cell.seed)

    @cache
    def learnt():  # by the first representation, for all of the cell
        model = seeded(first.beat_model(), cell.seed, device)
        return {"model": kept(keep, ("model of beats", training.ids, model), model.fit, training.beats)}

    with limited_threads(n_threads):
        for name, (representation, models) in cell.named.items():
            learns = learnt if hasattr(first, "beat_model") else dict
            inputs = Inputs(name, seeded(representation, cell.seed), training, test, cell, learns)
            for model_name, model in models.items():
                own_key = (key, name, representation, model_name, model, cell.rotation, cell.seed)
                parts.append(kept(keep, own_key, fit, inputs, model_name, seeded(model, cell.seed, device), *args))
    return parts


@dataclass(eq=False)
class Inputs:
    """Rows of one rotation as a representation shows them; it is fitted, when first asked for, to the training rows alone."""

    name: str
    representation: object  # not fitted
    training: object  # Recordings
    test: object
    cell: Cell
    learnt: object  # a function that gives the model of beats as an argument of fit, where the representation learns one

    @cached_property
    def signals(self):
        """What training and test rows show."""
        started = time.perf_counter()
        fitted = self.representation.fit(self.training, **self.learnt())
        signals = [_finite(self.name, fitted.transform(rows), len(rows)) for rows in (self.training, self.test)]
        self.seconds = time.perf_counter() - started
        return signals

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


def seeded(estimator, seed, device="cpu"):
    """Copy an estimator, unfitted, and set every seed in it, and where it trains, which "cpu" leaves as it is."""
    values = {"seed": seed, "random_state": seed} | ({} if device == "cpu" else {"device": device})
    estimator = clone(estimator)
    names = {name: name.rsplit("__", 1)[-1] for name in estimator.get_params()}
    return estimator.set_params(**{name: values[last] for name, last in names.items() if last in values})


def _finite(name, x, n_rows):
    if len(x) != n_rows or np.ndim(x) not in (2, 3):
        raise ValueError(f"representation {name!r} must give {n_rows} rows of columns, or of leads x times; got {np.shape(x)}.")
    if not all(np.isfinite(block).all() for block in in_blocks(x)):
        raise ValueError(f"representation {name!r} gives NaN or infinite values; fill them inside it, from training rows only.")
    return x
