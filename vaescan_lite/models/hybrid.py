"""Hybrids: an explained decision plus a capped correction by a network, and how much of the decision stays explained."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from scipy.special import expit
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn

from ..training import Budget, seeded_weights, torch_threads, train
from .cnn import AUGMENTATIONS, N_THREADS, PREDICTION_BATCH, FlatteningNetwork, _checked_labels, _checked_signals
from .cnn import BUDGETS as CNN_BUDGETS

STRENGTHS = {"C": [0.003, 0.03, 0.3]}  # of the affine part, as for the logistic models of `benchmark`
BEAT_AND_LATENTS = "beat + latents"  # the representation that hybrids are paired with
INNER_FOLDS = 5  # for explained logits of ECGs that the explained part was not fitted to


@dataclass(frozen=True, eq=False)
class BeatsWithLatents:
    """Beats and, row by row, their latents; to code that does not know the class it is an array of the beats.

    Attributes
    ----------
    signals : ndarray of float32, shape (n, n_leads, n_times)
        Median beats in mV.
    latents : ndarray of float, shape (n, n_latents)
        Their latents, or any other table with a row per beat.

    Raises
    ------
    ValueError
        If shapes do not fit each other.

    Examples
    --------
    >>> both = BeatsWithLatents(np.zeros((5, 8, 96), dtype=np.float32), np.zeros((5, 24)))
    >>> len(both[:2]), np.shape(both), both[:2].latents.shape
    (2, (5, 8, 96), (2, 24))
    """

    signals: np.ndarray
    latents: np.ndarray

    def __post_init__(self):
        if np.ndim(self.signals) != 3 or np.ndim(self.latents) != 2 or len(self.signals) != len(self.latents):
            raise ValueError(
                "signals (n, n_leads, n_times) and latents (n, n_latents) must have a row for each beat; "
                f"got shapes {np.shape(self.signals)} and {np.shape(self.latents)}."
            )

    def __len__(self):
        return len(self.signals)

    def __getitem__(self, rows):
        return BeatsWithLatents(self.signals[rows], self.latents[rows])

    def __array__(self, dtype=None, copy=None):
        return np.array(self.signals, dtype=dtype) if copy else np.asarray(self.signals, dtype=dtype)

    @property
    def shape(self):
        """Shape of the beats, (n, n_leads, n_times)."""
        return self.signals.shape


class CappedHybrid(ClassifierMixin, BaseEstimator):
    """An explained decision on latents, corrected by a CNN on the beat that may move it only so far.

    Parameters
    ----------
    explained : {"affine", "EBM"} or classifier
        The part that explains itself: a logistic regression or an explainable boosting machine on the latents, or an
        unfitted scikit-learn classifier with ``decision_function``.
    cap : float
        The correction's largest size in log odds, 0 or more: with 2 it multiplies the odds by at most e^2 = 7.4, or divides
        them. 0 leaves the explained part alone, and no network is trained; infinity removes the cap.
    budget : {"smoke", "workshop", "full"} or Budget
        How long to train the network; its profiles are those of `cnn`.
    augmentation : SignalAugmentation, optional
        None: that of the beat CNN.
    seed : int
        Inner folds, first weights, order of the beats and augmentation. Global random state is not touched.
    progress : bool
        Show a progress bar while training.

    Attributes
    ----------
    explained_ : list of classifier
        The explained part, one per task.
    network_ : torch.nn.Module or None
        From beats in mV to corrections before the cap, shape (n, n_tasks).
    history_ : DataFrame or None
        Mean loss of each epoch.

    Notes
    -----
    ``logit = explained(latents) + cap * tanh(network(beat) / cap)``. The network is trained with the explained logit as a fixed
    offset, on the cross-entropy of the known labels, so that it learns what the explanation leaves open. The
    offsets come from five folds inside the training set: of beats the explained part was fitted to it would be too sure. What
    mixup mixes, it mixes in beats, labels and offsets alike. Explained in chapter 11.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> beats = BeatsWithLatents(rng.normal(size=(60, 8, 96)).astype(np.float32), rng.normal(size=(60, 3)))
    >>> hybrid = CappedHybrid(cap=0.5, budget="smoke").fit(beats, beats.latents[:, 0] > 0)
    >>> explained, correction = hybrid.parts(beats)
    >>> explained.shape, bool(np.abs(correction).max() <= 0.5)
    ((60, 1), True)
    """

    is_multitask = True

    def __init__(self, explained="affine", cap=2.0, budget="workshop", augmentation=None, seed=0, progress=False):
        self.explained = explained
        self.cap = cap
        self.budget = budget
        self.augmentation = augmentation
        self.seed = seed
        self.progress = progress

    def fit(self, beats, y):
        """Fit the explained part, then train its correction.

        Parameters
        ----------
        beats : BeatsWithLatents
            Finite beats and latents.
        y : array-like of float, shape (n,) or (n, n_tasks)
            1, 0, or NaN where not known.

        Returns
        -------
        CappedHybrid
            Itself.

        Raises
        ------
        ValueError
            If there are no latents, shapes do not fit, values are not finite, the cap is negative, or a task lacks positives
            or negatives.
        """
        if not self.cap >= 0:
            raise ValueError(f"cap must be 0 or more, in log odds; got {self.cap!r}.")
        budget = _budget(self.budget)
        signals, latents = _checked_beats(beats)
        y, is_known = _checked_labels(y, len(signals))
        self.n_tasks_, self.shape_, self.n_latents_ = y.shape[1], signals.shape[1:], latents.shape[1]
        self.classes_ = np.array([0, 1])
        self.explained_, offsets = [], np.zeros(y.shape, dtype=np.float32)
        for task in range(self.n_tasks_):
            known, labels = is_known[:, task], y[is_known[:, task], task].astype(int)
            part, offsets[known, task] = self._fit_explained(latents[known], labels)
            self.explained_.append(part)
        self.network_, self.history_ = None, None
        if self.cap > 0:
            self._train(signals, y, is_known, offsets, budget)
        return self

    def _fit_explained(self, latents, labels):
        """Fit one task; the fitted part and the logits of beats that were held out of it in turn."""
        model = clone(_explained_model(self.explained, self.budget, self.seed))
        model.fit(latents, labels)
        fixed = clone(getattr(model, "best_estimator_", model))  # what was chosen is not chosen again in each inner fold
        n_folds = min(INNER_FOLDS, *np.bincount(labels, minlength=2))
        if self.cap == 0 or n_folds < 2:
            return model, model.decision_function(latents)
        folds = StratifiedKFold(n_folds, shuffle=True, random_state=self.seed)
        return model, cross_val_predict(fixed, latents, labels, cv=folds, method="decision_function")

    def _train(self, signals, y, is_known, offsets, budget):
        augmentation = AUGMENTATIONS["beat"] if self.augmentation is None else self.augmentation
        scale = torch.from_numpy(np.maximum(signals.std(axis=(0, 2), keepdims=True), 1e-3))  # (1, n_leads, 1), mV
        y, weight, offsets = (torch.from_numpy(np.asarray(a, dtype=np.float32)) for a in (y, is_known, offsets))

        def loss(rows, generator):
            x = augmentation(torch.from_numpy(signals[rows.numpy()]) / scale, generator)
            target, known, offset = y[rows], weight[rows], offsets[rows]
            if augmentation.mixup:
                rng = np.random.default_rng(int(torch.randint(2**31, (1,), generator=generator)))
                share = float(rng.beta(augmentation.mixup, augmentation.mixup))
                partner = torch.randperm(len(x), generator=generator)
                x, target, offset = (share * a + (1 - share) * a[partner] for a in (x, target, offset))
                known = known * known[partner]
            logits = offset + _capped(network(x), self.cap)
            entropy = nn.functional.binary_cross_entropy_with_logits(logits, target, weight=known, reduction="sum")
            return {"total": entropy / len(x)}

        with seeded_weights(self.seed):  # around the training too: dropout draws from torch's global generator
            network = FlatteningNetwork(*self.shape_, self.n_tasks_)
            self.history_ = train(
                network, loss, len(signals), budget,
                seed=self.seed, progress=self.progress, description="capped correction", n_threads=N_THREADS,
            )  # fmt: skip
        self.network_, self.scale_ = network.eval(), scale

    def parts(self, beats, cap=None):
        """Split the logit into what the latents explain and what the network adds.

        Parameters
        ----------
        beats : BeatsWithLatents
            Beats of the shape of the training set.
        cap : float, optional
            Another cap than in training, in log odds: the dial can be turned down without training anew.

        Returns
        -------
        explained, correction : ndarray of float64, shape (n, n_tasks)
            Their sum is `decision_function`.

        Raises
        ------
        ValueError
            If the hybrid is not fitted, shapes differ from training, values are not finite, or `cap` is negative.
        """
        if not hasattr(self, "explained_"):
            raise ValueError("this CappedHybrid is not fitted yet; call fit(beats, y) first.")
        cap = self.cap if cap is None else cap
        if not cap >= 0:
            raise ValueError(f"cap must be 0 or more, in log odds; got {cap!r}.")
        signals, latents = _checked_beats(beats)
        if signals.shape[1:] != self.shape_ or latents.shape[1] != self.n_latents_:
            raise ValueError(
                f"trained on beats of shape (n, {self.shape_[0]}, {self.shape_[1]}) with {self.n_latents_} latents; "
                f"got {signals.shape} with {latents.shape[1]}."
            )
        explained = np.column_stack([model.decision_function(latents) for model in self.explained_])
        correction = np.zeros_like(explained)
        if self.network_ is not None and cap > 0:
            with torch_threads(N_THREADS), torch.no_grad():
                for start in range(0, len(signals), PREDICTION_BATCH):
                    x = torch.from_numpy(np.array(signals[start : start + PREDICTION_BATCH]))
                    correction[start : start + len(x)] = _capped(self.network_(x / self.scale_), cap).numpy()
        return explained, correction

    def decision_function(self, beats):
        """Logit of every task, ndarray of float64, shape (n, n_tasks); beats as for `parts`."""
        explained, correction = self.parts(beats)
        return explained + correction

    def predict_proba(self, beats):
        """Probability of every task, ndarray of float64, shape (n, n_tasks); beats as for `parts`."""
        return expit(self.decision_function(beats))

    def predict(self, beats):
        """1 where a task is more likely than not, ndarray of int, shape (n, n_tasks)."""
        return (self.decision_function(beats) > 0).astype(int)


def explained_share(explained, correction):
    """How much of how logits differ between ECGs is due to the explained part.

    Parameters
    ----------
    explained, correction : ndarray of float, shape (n,) or (n, n_tasks)
        As `CappedHybrid.parts` gives them.

    Returns
    -------
    ndarray of float, shape (n_tasks,)
        ``Cov(explained, logit) / Var(logit)``: the explained part's share of the logit's variance; that of the correction is
        the rest of 1. Above 1 if the correction mostly takes back what was explained; NaN where the logit does not vary.

    Raises
    ------
    ValueError
        If shapes differ.

    Examples
    --------
    >>> explained_share(np.array([0.0, 3.0]), np.array([0.0, 1.0]))
    array([0.75])
    """
    explained, correction = np.asarray(explained, dtype=float), np.asarray(correction, dtype=float)
    if explained.shape != correction.shape or explained.ndim not in (1, 2) or len(explained) == 0:
        raise ValueError(
            f"explained and correction must have one shape, (n, n_tasks); got {explained.shape} and {correction.shape}."
        )
    explained, logit = (a.reshape(len(a), -1) - a.reshape(len(a), -1).mean(axis=0) for a in (explained, explained + correction))
    variance = (logit**2).mean(axis=0)
    return np.divide((explained * logit).mean(axis=0), variance, out=np.full(len(variance), np.nan), where=variance > 0)


def explained_table(explained, correction, tasks):
    """Say for each task how much of a hybrid's decision is explained.

    Parameters
    ----------
    explained, correction : ndarray of float, shape (n, n_tasks)
        As `CappedHybrid.parts` gives them.
    tasks : sequence of str
        Their names.

    Returns
    -------
    DataFrame, one row per task
        ``explained share`` (`explained_share`), ``median correction`` and ``largest correction`` (absolute, in log odds), and
        ``overturned``, the share of ECGs that the correction moves across even odds.
    """
    size = np.abs(correction)
    overturned = (explained > 0) != (explained + correction > 0)
    columns = {
        "explained share": explained_share(explained, correction),
        "median correction": np.median(size, axis=0),
        "largest correction": size.max(axis=0),
        "overturned": overturned.mean(axis=0),
    }
    return pd.DataFrame(columns, index=pd.Index(list(tasks), name="task"))


def _capped(x, cap):
    """Squash to between -cap and cap; infinity leaves it as it is."""
    return x if np.isinf(cap) else cap * torch.tanh(x / cap)


def _explained_model(explained, budget, seed):
    """Unfitted classifier of the explained part."""
    if explained == "affine":
        return GridSearchCV(
            make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)),
            {f"logisticregression__{name}": values for name, values in STRENGTHS.items()}, cv=3, scoring="roc_auc",
        )  # fmt: skip
    if explained == "EBM":
        from .tables import standard_models

        name = budget if isinstance(budget, str) else "workshop"
        return standard_models(name)["EBM"].set_params(random_state=seed)
    if isinstance(explained, str) or not hasattr(explained, "decision_function"):
        raise ValueError(f'explained must be "affine", "EBM" or a classifier with decision_function; got {explained!r}.')
    return explained


def _budget(budget):
    if isinstance(budget, Budget):
        return budget
    if budget not in CNN_BUDGETS:
        raise ValueError(f"budget must be a Budget or one of {', '.join(CNN_BUDGETS)}; got {budget!r}.")
    return CNN_BUDGETS[budget]["beat"]


def _checked_beats(beats):
    """Signals as float32 and latents as float64, both finite."""
    if not hasattr(beats, "latents"):
        raise ValueError(
            f"a hybrid needs beats with their latents, BeatsWithLatents(signals, latents); got {type(beats).__name__}. "
            f"In benchmark.run, pair it with the representation {BEAT_AND_LATENTS!r} of hybrid.grid()."
        )
    latents = np.asarray(beats.latents, dtype=float)
    if not np.isfinite(latents).all():
        raise ValueError("latents hold NaN or infinite values: leave unusable beats out first.")
    return _checked_signals(beats.signals), latents
