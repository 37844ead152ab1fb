"""The black boxes: small 1-D convolutional networks for median beats and for ten-second ECGs, for several tasks."""

import torch
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted
from torch import nn

from ..cache import in_blocks
from ..training import budget_of
from .fitting import TaskClassifier, checked_labels, checked_signals, cross_entropy, predicted, train_on_signals

DROPOUT = 0.3
LONGEST_BEAT = 400  # samples; what is longer is taken for a whole ECG


class FlatteningNetwork(nn.Module):
    """Convolutions over one beat, (n, n_leads, n_times) -> (n, n_tasks) logits.

    The time of a wave within the window matters (a P wave 40 ms earlier is an AV block), so the last feature map is
    flattened; global pooling would forget where it was.
    """

    def __init__(self, n_leads, n_times, n_tasks):
        super().__init__()
        layers = []
        for n_in, n_out, size in ((n_leads, 32, 7), (32, 64, 5), (64, 64, 5)):
            layers += [_convolution(n_in, n_out, size), nn.MaxPool2d((1, 2), ceil_mode=True)]
        self.features = nn.Sequential(*layers, nn.Flatten())
        hidden = (nn.Linear(64 * -(-n_times // 8), 64), nn.BatchNorm1d(64), nn.ReLU())  # times thrice halved, rounded up
        self.head = nn.Sequential(nn.Dropout(DROPOUT), *hidden, nn.Dropout(DROPOUT), nn.Linear(64, n_tasks))

    def forward(self, x):
        """Logits, (n, n_tasks)."""
        return self.head(self.features(_as_image(x)))


class PoolingNetwork(nn.Module):
    """Five convolutions over ten seconds, (n, n_leads, n_times of any length) -> (n, n_tasks) logits.

    Waves may lie anywhere, so the last feature map is pooled over time, by its mean and by its maximum. At 100 Hz one of its
    columns sees 1.4 s, a whole beat at 43 beats a minute and more.
    """

    def __init__(self, n_leads, n_tasks):
        super().__init__()
        layers = ((n_leads, 16, 9), (16, 32, 7), (32, 64, 7), (64, 96, 5), (96, 160, 5))
        self.features = nn.Sequential(*[_convolution(n_in, n_out, size, stride=2) for n_in, n_out, size in layers])
        self.head = nn.Sequential(nn.Dropout(DROPOUT), nn.Linear(2 * 160, n_tasks))

    def forward(self, x):
        """Logits, (n, n_tasks)."""
        features = self.features(_as_image(x)).squeeze(2)  # (n, 160, n_times / 32)
        return self.head(torch.cat([features.mean(dim=2), features.amax(dim=2)], dim=1))


def _as_image(x):
    """Signals (n, n_leads, n_times) as pictures one pixel high: so a step takes a fifth to a third less time."""
    return x.unsqueeze(2).contiguous(memory_format=torch.channels_last)


def _convolution(n_in, n_out, size, stride=1):
    """One-dimensional in all but form: its kernels, too, are one pixel high."""
    convolution = nn.Conv2d(n_in, n_out, (1, size), stride=(1, stride), padding=(0, size // 2), bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(n_out), nn.ReLU())


class SignalModel(BaseEstimator):
    """A model of signals, of whatever task: settings, training, and the network's output."""

    def __init__(self, budget="workshop", seed=0, device="cpu", precision="float32"):
        self.budget, self.seed, self.device, self.precision = budget, seed, device, precision

    def _fit(self, signals, known, y, error):
        kind = "beat" if signals.shape[2] <= LONGEST_BEAT else "ten seconds"
        budget = budget_of(self.budget, f"CNN, {kind}")
        self.n_leads_, self.n_times_, self.n_tasks_ = *signals.shape[1:], y.shape[1]
        total = sum(block.sum(axis=0, dtype=float) for block in in_blocks(signals))
        self.mean_beat_ = (total / len(signals)).astype("float32")  # where explanations start from

        def new_network():
            if kind == "beat":
                return FlatteningNetwork(self.n_leads_, self.n_times_, self.n_tasks_)
            return PoolingNetwork(self.n_leads_, self.n_tasks_)

        self.network_, self.history_ = train_on_signals(
            new_network, error, signals, known, [y], kind=kind, budget=budget, seed=self.seed, description=f"CNN, {kind}",
            device=self.device, precision=self.precision,
        )  # fmt: skip
        return self

    def _output(self, signals):
        check_is_fitted(self, "network_")
        signals = checked_signals(signals)
        if signals.shape[1:] != (self.n_leads_, self.n_times_):
            form = f"(n, {self.n_leads_}, {self.n_times_}), leads and samples"
            raise ValueError(f"trained on signals of shape {form}; got {signals.shape}.")
        return predicted(self.network_, signals)


class EcgCNN(SignalModel, TaskClassifier):
    """One 1-D convolutional network for several yes-or-no tasks, with the manners of scikit-learn. Explained in chapter 9.

    It is a `FlatteningNetwork` for aligned beats, signals of up to 400 samples, and a `PoolingNetwork` for whole ECGs. Loss:
    binary cross-entropy in nats, summed over the tasks known for an ECG, averaged over ECGs. There is no early stopping: on
    some thousand ECGs a validation set costs more than it tells.

    Parameters
    ----------
    budget : {"smoke", "workshop", "full"} or Budget, how long and how fast to train
    seed : int, first weights, order of the ECGs and augmentation; the global random state is not touched
    device, precision : str, where and how exactly to train, as in `training.train`; what was trained is on the CPU

    Attributes
    ----------
    network_ : torch.nn.Module, in evaluation mode, from signals in mV, (n, n_leads, n_times), to logits, (n, n_tasks)
    n_tasks_, history_ : int, DataFrame, number of tasks; mean loss of each epoch

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> signals = rng.normal(size=(40, 8, 96)).astype(np.float32)
    >>> labels = np.column_stack([signals[:, 0].mean(axis=1) > 0, np.full(40, np.nan)])
    >>> labels[:2, 1] = 0, 1  # the second task is known for two ECGs only
    >>> EcgCNN(budget="smoke").fit(signals, labels).predict_proba(signals).shape
    (40, 2)
    """

    def fit(self, signals, y):
        """Train a new network on finite `signals` in mV, a set or an array (n, n_leads, n_times), and return itself.

        `y`, (n,) or (n, n_tasks), is 1, 0, or NaN where not known; each task needs both.
        """
        signals = checked_signals(signals)
        y, is_known = checked_labels(y, len(signals))
        return self._fit(signals, is_known, y, cross_entropy)

    def decision_function(self, signals):
        """Logit of every task, float64, (n, n_tasks), for signals in mV of the leads and the length of the training set."""
        return self._output(signals)
