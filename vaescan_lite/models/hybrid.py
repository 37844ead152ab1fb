"""Hybrids: an explained decision plus a capped correction by a network, and how much of the decision stays explained."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import check_is_fitted

from ..training import budget_of
from .cnn import FlatteningNetwork
from .fitting import TaskClassifier, checked_labels, checked_signals, cross_entropy, predicted, train_on_signals
from .tables import STRENGTHS, standard_models

BEAT_AND_LATENTS = "beat + latents"  # the representation that hybrids are paired with
INNER_FOLDS = 5  # for explained logits of ECGs that the explained part was not fitted to


@dataclass(frozen=True, eq=False)
class BeatsWithLatents:
    """Beats and, row by row, their latents; to code that does not know the class it is an array of the beats.

    Examples
    --------
    >>> both = BeatsWithLatents(np.zeros((5, 8, 96), dtype=np.float32), np.zeros((5, 24)))
    >>> len(both[:2]), np.shape(both), both[:2].latents.shape
    (2, (5, 8, 96), (2, 24))
    """

    signals: np.ndarray  # float32, (n, n_leads, n_times), median beats in mV
    latents: np.ndarray  # float, (n, n_latents), or any other table with a row per beat

    def __post_init__(self):
        if np.ndim(self.signals) != 3 or np.ndim(self.latents) != 2 or len(self.signals) != len(self.latents):
            shapes = f"{np.shape(self.signals)} and {np.shape(self.latents)}"
            raise ValueError(f"signals (n, n_leads, n_times), latents (n, n_latents) need a row for each beat; got {shapes}.")

    def __len__(self):
        return len(self.signals)

    def __getitem__(self, rows):
        return BeatsWithLatents(self.signals[rows], self.latents[rows])

    def __array__(self, dtype=None, copy=None):
        return np.array(self.signals, dtype=dtype) if copy else np.asarray(self.signals, dtype=dtype)


class CappedHybrid(TaskClassifier):
    """An explained decision on latents, corrected by a CNN on the beat that may move it only so far.

    Parameters
    ----------
    explained : {"affine", "EBM"} or classifier
        What explains itself: a logistic regression or an explainable boosting machine on the latents, or an unfitted
        scikit-learn classifier with ``decision_function``.
    cap : float
        The correction's largest size in log odds, 0 or more: with 2 it multiplies the odds by at most e^2 = 7.4, or divides
        them. 0 leaves the explained part alone, and no network is trained; infinity removes the cap.
    budget : {"smoke", "workshop", "full"} or Budget, how long to train the network; its profiles are those of the beat CNN
    seed : int, inner folds, first weights, order of the beats and augmentation; global random state is not touched
    device : str, where to train the network, as in `training.train`

    Attributes
    ----------
    explained_ : list of classifier, the explained part, one per task
    network_, history_ : torch.nn.Module and DataFrame, or None
        From beats in mV to corrections before the cap, shape (n, n_tasks); mean loss of each epoch.

    Notes
    -----
    ``logit = explained(latents) + cap * tanh(network(beat) / cap)``. The network is trained with the explained logit as a fixed
    offset, on the cross-entropy of the known labels, so that it learns what the explanation leaves open. The offsets come from
    five folds inside the training set: of beats the explained part was fitted to it would be too sure. What mixup mixes, it
    mixes in beats, labels and offsets alike. Explained in chapter 12.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> beats = BeatsWithLatents(rng.normal(size=(60, 8, 96)).astype(np.float32), rng.normal(size=(60, 3)))
    >>> hybrid = CappedHybrid(cap=0.5, budget="smoke").fit(beats, beats.latents[:, 0] > 0)
    >>> explained, correction = hybrid.parts(beats)
    >>> explained.shape, bool(np.abs(correction).max() <= 0.5)
    ((60, 1), True)
    """

    def __init__(self, explained="affine", cap=2.0, budget="workshop", seed=0, device="cpu"):
        self.explained, self.cap, self.budget, self.seed, self.device = explained, cap, budget, seed, device

    def fit(self, beats, y):
        """Fit the explained part to finite `beats`, a BeatsWithLatents, then train its correction; returns itself.

        `y`, (n,) or (n, n_tasks), is 1, 0, or NaN where not known; each task needs both.
        """
        _check_cap(self.cap)
        budget = budget_of(self.budget, "CNN, beat")
        signals, latents = _checked_beats(beats)
        y, is_known = checked_labels(y, len(signals))
        self.n_tasks_, self.shape_, self.n_latents_ = y.shape[1], signals.shape[1:], latents.shape[1]
        self.explained_, offsets = [], np.zeros(y.shape, dtype=np.float32)
        for task in range(self.n_tasks_):
            known, labels = is_known[:, task], y[is_known[:, task], task].astype(int)
            part, offsets[known, task] = self._fit_explained(latents[known], labels)
            self.explained_.append(part)
        self.network_, self.history_ = None, None
        if self.cap > 0:
            self.network_, self.history_ = train_on_signals(
                lambda: FlatteningNetwork(*self.shape_, self.n_tasks_),
                lambda output, known, y, offset: cross_entropy(offset + _capped(output, self.cap), known, y),
                signals, is_known, [y, offsets], kind="beat", budget=budget, seed=self.seed, device=self.device,
                description="capped correction", precision="float32",
            )  # fmt: skip
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

    def parts(self, beats, cap=None):
        """Split the logit into what the latents explain and what the network adds, two float64 arrays (n, n_tasks).

        `beats` have the shape of the training set; `cap`, in log odds, may be another than in training: a dial that needs no
        training.
        """
        check_is_fitted(self, "explained_")
        cap = self.cap if cap is None else cap
        _check_cap(cap)
        signals, latents = _checked_beats(beats)
        if signals.shape[1:] != self.shape_ or latents.shape[1] != self.n_latents_:
            form = f"(n, {self.shape_[0]}, {self.shape_[1]}) with {self.n_latents_} latents"
            raise ValueError(f"trained on beats of shape {form}; got {signals.shape} with {latents.shape[1]}.")
        explained = np.column_stack([model.decision_function(latents) for model in self.explained_])
        if self.network_ is None or cap == 0:
            return explained, np.zeros_like(explained)
        return explained, predicted(lambda x: _capped(self.network_(x), cap), signals)

    def decision_function(self, beats):
        """Logit of every task, ndarray of float64, shape (n, n_tasks); beats as for `parts`."""
        explained, correction = self.parts(beats)
        return explained + correction


def explained_share(explained, correction):
    """How much of how logits differ between ECGs is due to the explained part, one share per task, float (n_tasks,).

    ``Cov(explained, logit) / Var(logit)`` of the two parts, (n,) or (n, n_tasks), that `CappedHybrid.parts` returns: the
    explained part's share of the logit's variance; that of the correction is the rest of 1. Above 1 if the correction mostly
    takes back what was explained; NaN where the logit does not vary.

    >>> explained_share(np.array([0.0, 3.0]), np.array([0.0, 1.0]))
    array([0.75])
    """
    explained, correction = np.asarray(explained, dtype=float), np.asarray(correction, dtype=float)
    if explained.shape != correction.shape or explained.ndim not in (1, 2) or len(explained) == 0:
        shapes = f"{explained.shape} and {correction.shape}"
        raise ValueError(f"explained and correction must have one shape, (n, n_tasks); got {shapes}.")
    columns = (values.reshape(len(values), -1) for values in (explained, explained + correction))
    explained, logit = (values - values.mean(axis=0) for values in columns)
    variance = (logit**2).mean(axis=0)
    return np.divide((explained * logit).mean(axis=0), variance, out=np.full(len(variance), np.nan), where=variance > 0)


def explained_table(explained, correction, tasks):
    """How much of a hybrid's decision is explained, task by task, given what `CappedHybrid.parts` returns.

    A DataFrame, one row for each of the names `tasks`: ``explained share`` (`explained_share`), ``median correction`` and
    ``largest correction`` (absolute, in log odds), and ``overturned``, the share of ECGs that the correction moves across even
    odds.
    """
    size = np.abs(correction)
    columns = {
        "explained share": explained_share(explained, correction),
        "median correction": np.median(size, axis=0),
        "largest correction": size.max(axis=0),
        "overturned": ((explained > 0) != (explained + correction > 0)).mean(axis=0),
    }
    return pd.DataFrame(columns, index=pd.Index(list(tasks), name="task"))


def _check_cap(cap):
    if not cap >= 0:
        raise ValueError(f"cap must be 0 or more, in log odds; got {cap!r}.")


def _capped(x, cap):
    """Squash to between -cap and cap; infinity leaves it as it is."""
    return x if np.isinf(cap) else cap * torch.tanh(x / cap)


def _explained_model(explained, budget, seed):
    if explained == "affine":
        pipeline = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
        return GridSearchCV(pipeline, {"logisticregression__C": STRENGTHS}, cv=3, scoring="roc_auc")
    if explained == "EBM":
        return standard_models(budget if isinstance(budget, str) else "workshop")["EBM"].set_params(random_state=seed)
    if isinstance(explained, str) or not hasattr(explained, "decision_function"):
        raise ValueError(f'explained must be "affine", "EBM" or a classifier with decision_function; got {explained!r}.')
    return explained


def _checked_beats(beats):
    """Signals as float32 and latents as float64, both finite."""
    if not hasattr(beats, "latents"):
        advice = f"In benchmark.run, pair it with the representation {BEAT_AND_LATENTS!r} of hybrid.grid()"
        got = type(beats).__name__
        raise ValueError(f"a hybrid needs beats with their latents, BeatsWithLatents(signals, latents); got {got}. {advice}.")
    latents = np.asarray(beats.latents, dtype=float)
    if not np.isfinite(latents).all():
        raise ValueError("latents hold NaN or infinite values: leave unusable beats out first.")
    return checked_signals(beats.signals), latents
