"""What the networks of this room share: augmentation and mixup, the one training, checks of signals and labels, predictions."""

from dataclasses import dataclass

import numpy as np
import torch
from scipy.special import expit
from sklearn.base import BaseEstimator, ClassifierMixin
from torch import nn

from ..cache import SomeRows, in_blocks
from ..training import as_device, seeded_weights, torch_threads, train

PREDICTION_BATCH = 64  # what a network makes of ten seconds of them fits into a core's cache
N_THREADS = 1  # of networks this small: sharing out work costs more than it gives; use processes, one per rotation


@dataclass(frozen=True, kw_only=True)
class SignalAugmentation:
    """Random changes of a training signal that leave its diagnosis as it is."""

    gain: float = 0.1  # standard deviation of the logarithm of one factor for the whole signal
    lead_gain: float = 0.05  # the same for one factor per lead
    noise: float = 0.05  # standard deviation of white noise, in standard deviations of the lead
    lead_dropout: float = 0.0  # probability with which a lead is set to zero
    shift: int = 0  # the signal is moved by up to so many samples to either side; the edge value fills the gap
    crop: float = 1.0  # share of the signal that is kept, at a random place
    mixup: float = 0.0  # both parameters of the Beta distribution in `mix`; 0: no mixing

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

    def mix(self, x, known, targets, generator):
        """Mix each row of signals and targets with another; a target is known where both are. ``(x, known, targets)`` again.

        mixup: Zhang H, Cisse M, Dauphin YN, Lopez-Paz D. Beyond empirical risk minimization. ICLR 2018, arXiv 1710.09412.
        """
        if not self.mixup:
            return x, known, targets
        rng = np.random.default_rng(int(torch.randint(2**31, (1,), generator=generator)))
        share = float(rng.beta(self.mixup, self.mixup))
        partner = torch.randperm(len(x), generator=generator)
        x, *targets = (share * values + (1 - share) * values[partner] for values in (x, *targets))
        return x, known * known[partner], targets


AUGMENTATIONS = {"beat": SignalAugmentation(shift=2, mixup=0.3), "ten seconds": SignalAugmentation(crop=0.6, mixup=0.3)}


class Divide(nn.Module):
    """Divide each lead by its standard deviation in the training set."""

    def __init__(self, scale):
        super().__init__()
        self.register_buffer("scale", scale)

    def forward(self, x):
        """Signals in mV -> in standard deviations."""
        return x / self.scale


def train_on_signals(new_network, error, signals, known, targets, *, kind, budget, seed, description, device, precision):
    """Train ``new_network()`` on augmented signals; return it, behind the division of leads by their size, and the history.

    ``error(output, known, *targets)`` is summed over a batch; `known` and each of `targets` are arrays (n, n_tasks).
    """
    augmentation, device = AUGMENTATIONS[kind], as_device(device)
    scale = torch.from_numpy(np.maximum(lead_sizes(signals), 1e-3)[:, np.newaxis].astype(np.float32))  # (n_leads, 1), mV
    divide, targets = Divide(scale).to(device), (known, *targets)
    known, *targets = (torch.from_numpy(np.asarray(values, dtype=np.float32)).to(device) for values in targets)
    # A GPU holds them all: it would wait for each batch.
    held = signals if device.type == "cpu" else torch.cat([torch.tensor(block, device=device) for block in in_blocks(signals)])

    def loss(rows, generator):
        x = held[rows] if torch.is_tensor(held) else torch.from_numpy(held[rows.numpy()])
        x = augmentation(divide(x), generator)
        x, weight, mixed = augmentation.mix(x, known[rows], [target[rows] for target in targets], generator)
        return {"total": error(network(x).float(), weight, *mixed) / len(x)}

    with seeded_weights(seed):  # around the training too: dropout draws from torch's global generator
        network = new_network()
        history = train(
            network, loss, len(signals), budget, seed=seed, progress=False, description=description, n_threads=N_THREADS,
            device=device, precision=precision,
        )  # fmt: skip
    return nn.Sequential(divide.cpu(), network).eval(), history


def lead_sizes(signals):
    """Return the standard deviation of each lead over all signals, (n_leads,), in mV, without a copy of them."""
    total, squares = (sum(np.sum(x**k, axis=(0, 2), dtype=float) for x in in_blocks(signals)) for k in (1, 2))
    n_values = signals.shape[0] * signals.shape[2]
    return np.sqrt(np.maximum(squares / n_values - (total / n_values) ** 2, 0))


def cross_entropy(logits, known, y):
    """Binary cross-entropy of the known labels in nats, summed."""
    return nn.functional.binary_cross_entropy_with_logits(logits, y, weight=known, reduction="sum")


def predicted(network, signals):
    """Return what a network makes of signals in mV, float64, (n, n_tasks), without gradients and batch by batch."""
    with torch_threads(N_THREADS), torch.no_grad():
        parts = [network(torch.from_numpy(np.array(block))).numpy() for block in in_blocks(signals, PREDICTION_BATCH)]
    return np.concatenate(parts).astype(float)


class TaskClassifier(ClassifierMixin, BaseEstimator):
    """What follows from the logits of several yes-or-no tasks, whose labels may be unknown."""

    is_multitask = True
    classes_ = np.array([0, 1])

    def predict_proba(self, x):
        """Probability of every task, ndarray of float64, shape (n, n_tasks); `x` as for `decision_function`."""
        return expit(self.decision_function(x))

    def predict(self, x):
        """1 where a task is more likely than not, ndarray of int, shape (n, n_tasks)."""
        return (self.decision_function(x) > 0).astype(int)


def checked_signals(signals):
    """Signals of a set or an array as float32, (n, n_leads, n_times); NaN and other shapes are refused."""
    signals = getattr(signals, "signals", signals)
    signals = signals if isinstance(signals, SomeRows) else np.asarray(signals)
    if signals.ndim != 3 or len(signals) == 0:
        raise ValueError(f"signals must have shape (n, n_leads, n_times) with at least one row; got {signals.shape}.")
    is_finite = np.concatenate([np.isfinite(block).all(axis=(1, 2)) for block in in_blocks(signals)])
    if not is_finite.all():
        where = f"{(~is_finite).sum()} of {len(signals)} signals hold NaN or infinite values, the first in row"
        raise ValueError(f"{where} {is_finite.argmin()}; leave unusable ones out first.")
    return signals if signals.dtype == np.float32 else np.asarray(signals, dtype=np.float32)


def checked_labels(y, n_rows):
    """Labels with 0 for unknown, float32, and the mask of the known ones, both (n, n_tasks)."""
    y = np.asarray(y, dtype=np.float32)
    y = y[:, None] if y.ndim == 1 else y
    if y.ndim != 2 or len(y) != n_rows or y.shape[1] == 0:
        raise ValueError(f"y must have shape ({n_rows},) or ({n_rows}, n_tasks), a row per signal; got {y.shape}.")
    is_known = np.isfinite(y)
    if (wrong := is_known & ~np.isin(y, (0, 1))).any():
        raise ValueError(f"y must hold 1, 0, or NaN for unknown; got {y[wrong][0]:g}.")
    y = np.where(is_known, y, np.float32(0))
    n_positive = y.sum(axis=0)
    poor = np.flatnonzero((n_positive == 0) | (n_positive == is_known.sum(axis=0)))
    if len(poor):
        raise ValueError(f"column(s) {poor.tolist()} of y lack positives or negatives among the known labels; leave them out.")
    return y, is_known
