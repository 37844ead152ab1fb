"""The black boxes: small 1-D convolutional networks for median beats and for ten-second ECGs, for many tasks or a number."""

from dataclasses import dataclass

import numpy as np
import torch
from scipy.special import expit
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from torch import nn

from ..training import Budget, seeded_weights, torch_threads, train

PREDICTION_BATCH = 256
N_THREADS = 1  # of networks this small: sharing out work costs more than it gives; use processes, one per rotation


@dataclass(frozen=True, kw_only=True)
class SignalAugmentation:
    """Random changes of a training signal that leave its diagnosis as it is.

    Attributes
    ----------
    gain : float
        Standard deviation of the logarithm of one factor for the whole signal.
    lead_gain : float
        The same for one factor per lead.
    noise : float
        Standard deviation of white noise, in standard deviations of the lead.
    lead_dropout : float
        Probability with which a lead is set to zero.
    shift : int
        The signal is moved by up to so many samples to either side; the edge value fills the gap.
    crop : float
        Share of the signal that is kept, at a random place.
    mixup : float
        Both parameters of the Beta distribution from which the share of a second record is drawn [1]_; 0: no mixing.

    References
    ----------
    .. [1] Zhang H, Cisse M, Dauphin YN, Lopez-Paz D. mixup: Beyond empirical risk minimization. ICLR 2018, arXiv 1710.09412.
    """

    gain: float = 0.1
    lead_gain: float = 0.05
    noise: float = 0.05
    lead_dropout: float = 0.0
    shift: int = 0
    crop: float = 1.0
    mixup: float = 0.0

    def __call__(self, x, generator):
        """Change signals, shape (n, n_leads, n_times); with `crop` they come back shorter."""
        n, n_leads, n_times = x.shape
        if self.crop < 1:
            length = round(self.crop * n_times)
            start = torch.randint(0, n_times - length + 1, (n, 1, 1), generator=generator)
            x = x.gather(2, (start + torch.arange(length)).expand(n, n_leads, length))
        elif self.shift:
            moved = torch.arange(n_times) + torch.randint(-self.shift, self.shift + 1, (n, 1, 1), generator=generator)
            x = x.gather(2, moved.clamp(0, n_times - 1).expand(n, n_leads, n_times))
        log_gain = self.gain * torch.randn(n, 1, 1, generator=generator)
        log_gain = log_gain + self.lead_gain * torch.randn(n, n_leads, 1, generator=generator)
        kept = torch.rand(n, n_leads, 1, generator=generator) >= self.lead_dropout
        return x * log_gain.exp() * kept + self.noise * torch.randn(x.shape, generator=generator)


class FlatteningNetwork(nn.Module):
    """Convolutions over one beat, (n, n_leads, n_times) -> (n, n_tasks) logits.

    The time of a wave within the window matters (a P wave 40 ms earlier is an AV block), so the last feature map is
    flattened; global pooling would forget where it was.
    """

    def __init__(self, n_leads, n_times, n_tasks, width=32, dropout=0.3):
        super().__init__()
        self.features = nn.Sequential(
            _convolution(n_leads, width, 7),
            nn.MaxPool1d(2, ceil_mode=True),
            _convolution(width, 2 * width, 5),
            nn.MaxPool1d(2, ceil_mode=True),
            _convolution(2 * width, 2 * width, 5),
            nn.MaxPool1d(2, ceil_mode=True),
            nn.Flatten(),
        )
        n_features = 2 * width * -(-n_times // 8)
        self.head = nn.Sequential(
            nn.Dropout(dropout),
            nn.Linear(n_features, 64),
            nn.BatchNorm1d(64),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(64, n_tasks),
        )

    def forward(self, x):
        """Logits, (n, n_tasks)."""
        return self.head(self.features(x))


class PoolingNetwork(nn.Module):
    """Five convolutions over ten seconds, (n, n_leads, n_times of any length) -> (n, n_tasks) logits.

    Waves may lie anywhere, so the last feature map is pooled over time, by its mean and by its maximum. At 100 Hz one of its
    columns sees 1.4 s, a whole beat at 43 beats a minute and more.
    """

    def __init__(self, n_leads, n_tasks, widths=(16, 32, 64, 96, 160), kernel_sizes=(9, 7, 7, 5, 5), dropout=0.3):
        super().__init__()
        n_channels = (n_leads, *widths)
        self.features = nn.Sequential(
            *[_convolution(*pair, size, stride=2) for *pair, size in zip(n_channels[:-1], n_channels[1:], kernel_sizes)]
        )
        self.head = nn.Sequential(nn.Dropout(dropout), nn.Linear(2 * widths[-1], n_tasks))

    def forward(self, x):
        """Logits, (n, n_tasks)."""
        features = self.features(x)  # (n, widths[-1], n_times / 32)
        return self.head(torch.cat([features.mean(dim=2), features.amax(dim=2)], dim=1))


def _convolution(n_in, n_out, kernel_size, stride=1):
    return nn.Sequential(
        nn.Conv1d(n_in, n_out, kernel_size, stride=stride, padding=kernel_size // 2, bias=False),
        nn.BatchNorm1d(n_out),
        nn.ReLU(),
    )


BUDGETS = {
    "smoke": {
        "beat": Budget(epochs=4, batch_size=32, learning_rate=3e-3, weight_decay=1e-2),
        "ten seconds": Budget(epochs=3, batch_size=32, learning_rate=3e-3, weight_decay=1e-2),
    },
    "workshop": {
        "beat": Budget(epochs=15, batch_size=64, learning_rate=2e-3, weight_decay=1e-2),
        "ten seconds": Budget(epochs=20, batch_size=64, learning_rate=3e-3, weight_decay=1e-2),
    },
    "full": {
        "beat": Budget(epochs=30, batch_size=128, learning_rate=2e-3, weight_decay=1e-2),
        "ten seconds": Budget(epochs=30, batch_size=128, learning_rate=3e-3, weight_decay=1e-2),
    },
}
AUGMENTATIONS = {"beat": SignalAugmentation(shift=2, mixup=0.3), "ten seconds": SignalAugmentation(crop=0.6, mixup=0.3)}
LONGEST_BEAT = 400  # samples; what is longer is taken for a whole ECG


class _Network(BaseEstimator):
    """What the two networks share: settings, training, and the network's output."""

    is_multitask = True

    def __init__(self, kind="auto", budget="workshop", augmentation=None, seed=0, progress=False):
        self.kind = kind
        self.budget = budget
        self.augmentation = augmentation
        self.seed = seed
        self.progress = progress

    def _fit(self, signals, y):
        signals = _checked_signals(signals)
        y, weight = (torch.from_numpy(part) for part in self._targets(y, len(signals)))
        kind = _kind(self.kind, signals.shape[2])
        budget = _budget(self.budget, kind)
        augmentation = AUGMENTATIONS[kind] if self.augmentation is None else self.augmentation
        self.n_tasks_, self.n_leads_, self.n_times_ = y.shape[1], signals.shape[1], signals.shape[2]
        scale = torch.from_numpy(np.maximum(signals.std(axis=(0, 2), keepdims=True), 1e-3))  # (1, n_leads, 1), mV

        def loss(rows, generator):
            x = augmentation(torch.from_numpy(signals[rows.numpy()]) / scale, generator)
            return {"total": _mixed_loss(network, x, y[rows], weight[rows], augmentation.mixup, generator, self._error)}

        with seeded_weights(self.seed):  # around the training too: dropout draws from torch's global generator
            if kind == "beat":
                network = FlatteningNetwork(self.n_leads_, self.n_times_, self.n_tasks_)
            else:
                network = PoolingNetwork(self.n_leads_, self.n_tasks_)
            self.history_ = train(
                network,
                loss,
                len(signals),
                budget,
                seed=self.seed,
                progress=self.progress,
                description=f"CNN, {kind}",
                n_threads=N_THREADS,
            )
        self.network_ = nn.Sequential(_Divide(scale), network).eval()
        return self

    def _output(self, signals):
        if not hasattr(self, "network_"):
            raise ValueError(f"this {type(self).__name__} is not fitted yet; call fit(signals, y) first.")
        signals = _checked_signals(signals)
        if signals.shape[1:] != (self.n_leads_, self.n_times_):
            raise ValueError(
                f"trained on signals of shape (n, {self.n_leads_}, {self.n_times_}), leads and samples; got {signals.shape}."
            )
        logits = np.empty((len(signals), self.n_tasks_))
        with torch_threads(N_THREADS), torch.no_grad():
            for start in range(0, len(signals), PREDICTION_BATCH):
                rows = slice(start, start + PREDICTION_BATCH)
                logits[rows] = self.network_(torch.from_numpy(np.array(signals[rows]))).numpy()
        return logits


class EcgCNN(ClassifierMixin, _Network):
    """One 1-D convolutional network for several yes-or-no tasks, with the manners of scikit-learn.

    Parameters
    ----------
    kind : {"auto", "beat", "ten seconds"}
        `FlatteningNetwork` for aligned beats, `PoolingNetwork` for whole ECGs; "auto" takes the first up to 400 samples.
    budget : str or Budget
        A profile of `BUDGETS` ("smoke", "workshop", "full"), or how long and how fast to train.
    augmentation : SignalAugmentation, optional
        None: the one of `AUGMENTATIONS` for this kind.
    seed : int
        First weights, order of the ECGs and augmentation. The global random state is not touched.
    progress : bool
        Show a progress bar while training.

    Attributes
    ----------
    network_ : torch.nn.Module
        From signals in mV, shape (n, n_leads, n_times), to logits, shape (n, n_tasks); in evaluation mode.
    n_tasks_ : int
        Number of tasks.
    history_ : DataFrame
        Mean loss of each epoch.
    classes_ : ndarray
        0 and 1.

    Notes
    -----
    Loss: binary cross-entropy in nats, summed over the tasks known for an ECG, averaged over ECGs. Batch normalisation,
    dropout, decoupled weight decay, a one-cycle learning rate and no early stopping: on some thousand ECGs a validation
    set costs more than it tells.

    Explained in chapter 8.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> signals = rng.normal(size=(40, 8, 96)).astype(np.float32)
    >>> labels = np.column_stack([signals[:, 0].mean(axis=1) > 0, np.full(40, np.nan)])
    >>> labels[:2, 1] = 0, 1  # the second task is known for two ECGs only
    >>> EcgCNN(budget="smoke").fit(signals, labels).predict_proba(signals).shape
    (40, 2)
    """

    def fit(self, signals, y):
        """Train a new network.

        Parameters
        ----------
        signals : BeatSet, EcgSet or ndarray of float, shape (n, n_leads, n_times)
            Signals in mV, finite.
        y : array-like of float, shape (n,) or (n, n_tasks)
            1, 0, or NaN where not known.

        Returns
        -------
        EcgCNN
            Itself.

        Raises
        ------
        ValueError
            If shapes do not fit, signals hold NaN, or a task lacks positives or negatives.
        """
        self._fit(signals, y)
        self.classes_ = np.array([0, 1])
        return self

    def decision_function(self, signals):
        """Logit of every task.

        Parameters
        ----------
        signals : BeatSet, EcgSet or ndarray of float, shape (n, n_leads, n_times)
            Signals in mV, of the leads and the length of the training set.

        Returns
        -------
        ndarray of float64, shape (n, n_tasks)

        Raises
        ------
        ValueError
            If the shape is another one than in training, or signals hold NaN.
        """
        return self._output(signals)

    def predict_proba(self, signals):
        """Probability of every task, ndarray of float64, shape (n, n_tasks); signals as for `decision_function`."""
        return expit(self.decision_function(signals))

    def predict(self, signals):
        """1 where a task is more likely than not, ndarray of int, shape (n, n_tasks)."""
        return (self.decision_function(signals) > 0).astype(int)

    _error = staticmethod(nn.functional.binary_cross_entropy_with_logits)

    def _targets(self, y, n_rows):
        y, is_known = _checked_labels(y, n_rows)
        return y, is_known.astype(np.float32)


class EcgRegressor(RegressorMixin, _Network):
    """The same network for one number, such as age.

    Parameters
    ----------
    kind, budget, augmentation, seed, progress
        As for `EcgCNN`.

    Notes
    -----
    Loss: absolute error in standard deviations of the training set, which is also how it is scored. The rest is as in
    `EcgCNN`, mixing of two ECGs and of their numbers included.

    Examples
    --------
    >>> signals = np.random.default_rng(0).normal(size=(40, 8, 96)).astype(np.float32)
    >>> EcgRegressor(budget="smoke").fit(signals, np.linspace(20, 90, 40)).predict(signals).shape
    (40,)
    """

    def fit(self, signals, y):
        """Train a new network.

        Parameters
        ----------
        signals : BeatSet, EcgSet or ndarray of float, shape (n, n_leads, n_times)
            Signals in mV, finite.
        y : array-like of float, shape (n,)
            The number, NaN where not known.

        Returns
        -------
        EcgRegressor
            Itself.

        Raises
        ------
        ValueError
            If shapes do not fit, signals hold NaN, or fewer than two different numbers are known.
        """
        return self._fit(signals, y)

    def predict(self, signals):
        """Give the number, ndarray of float64, shape (n,); signals as for `EcgCNN.decision_function`."""
        return self.center_ + self.scale_ * self._output(signals)[:, 0]

    @staticmethod
    def _error(output, y, weight, reduction):  # as binary_cross_entropy_with_logits is called, summed
        return (weight * (output - y).abs()).sum()

    def _targets(self, y, n_rows):
        y = np.asarray(y, dtype=float)
        if y.shape != (n_rows,):
            raise ValueError(f"y must have shape ({n_rows},), a number per signal; got {y.shape}.")
        is_known = np.isfinite(y)
        if len(np.unique(y[is_known])) < 2:
            raise ValueError(f"y must hold at least two different known numbers; got {is_known.sum()} known ones.")
        self.center_, self.scale_ = float(np.median(y[is_known])), float(np.std(y[is_known]))
        standardised = np.where(is_known, (y - self.center_) / self.scale_, 0)
        return standardised.astype(np.float32)[:, None], is_known.astype(np.float32)[:, None]


class _Divide(nn.Module):
    """Divide each lead by its standard deviation in the training set."""

    def __init__(self, scale):
        super().__init__()
        self.register_buffer("scale", scale)

    def forward(self, x):
        return x / self.scale


def _mixed_loss(network, x, y, weight, mixup, generator, error):
    """Error summed over known tasks, averaged over ECGs; with `mixup`, of convex combinations of two ECGs and their labels."""
    if mixup:
        rng = np.random.default_rng(int(torch.randint(2**31, (1,), generator=generator)))
        share, partner = float(rng.beta(mixup, mixup)), torch.randperm(len(x), generator=generator)
        x = share * x + (1 - share) * x[partner]
        y, weight = share * y + (1 - share) * y[partner], weight * weight[partner]
    return error(network(x), y, weight=weight, reduction="sum") / len(x)


def _kind(kind, n_times):
    if kind not in ("auto", *AUGMENTATIONS):
        raise ValueError(f"kind must be auto, {' or '.join(AUGMENTATIONS)}; got {kind!r}.")
    if kind != "auto":
        return kind
    return "beat" if n_times <= LONGEST_BEAT else "ten seconds"


def _budget(budget, kind):
    if isinstance(budget, Budget):
        return budget
    if budget not in BUDGETS:
        raise ValueError(f"budget must be a Budget or one of {', '.join(BUDGETS)}; got {budget!r}.")
    return BUDGETS[budget][kind]


def _checked_signals(signals):
    signals = np.asarray(getattr(signals, "signals", signals))
    if signals.ndim != 3 or len(signals) == 0:
        raise ValueError(f"signals must have shape (n, n_leads, n_times) with at least one row; got {signals.shape}.")
    is_finite = np.array([np.isfinite(one).all() for one in signals])
    if not is_finite.all():
        raise ValueError(
            f"{(~is_finite).sum()} of {len(signals)} signals hold NaN or infinite values, the first in row "
            f"{np.flatnonzero(~is_finite)[0]}; leave unusable ones out first."
        )
    return signals if signals.dtype == np.float32 else signals.astype(np.float32)


def _checked_labels(y, n_rows):
    """Labels with 0 for unknown, float32, and the mask of the known ones, both (n, n_tasks)."""
    y = np.asarray(y, dtype=np.float32)
    y = y[:, None] if y.ndim == 1 else y
    if y.ndim != 2 or len(y) != n_rows or y.shape[1] == 0:
        raise ValueError(f"y must have shape ({n_rows},) or ({n_rows}, n_tasks), a row per signal; got {y.shape}.")
    is_known = np.isfinite(y)
    if not np.isin(y[is_known], (0, 1)).all():
        raise ValueError("y must hold 1, 0, or NaN for unknown.")
    y = np.where(is_known, y, np.float32(0))
    n_positive, n_negative = y.sum(axis=0), is_known.sum(axis=0) - y.sum(axis=0)
    poor = np.flatnonzero((n_positive == 0) | (n_negative == 0))
    if len(poor):
        raise ValueError(
            f"task(s) in column(s) {poor.tolist()} of y lack positives or negatives among the known labels; leave them out."
        )
    return y, is_known
