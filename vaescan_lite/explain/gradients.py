"""What each wave of each lead adds to an answer: integrated gradients through the model itself."""

import copy

import numpy as np
import torch
from torch import nn

from ..ecg import require_beats, to_eight_leads
from ..factors import known_names
from ..training import torch_threads
from .waves import GROUPS, sum_by_wave

N_STEPS = 32  # points of the path; 16 leave .014 years for age, 32 less than .01 for every binary factor
AT_ONCE = 2048  # beats, those on the path included, that pass the network together: bounds memory


def wave_contributions(reader, beats, factor, *, reference=None):
    """Attribute a model's answer to waves and leads of beats, by integrated gradients (Sundararajan 2017, arXiv:1703.01365).

    The gradient of the answer, averaged over the straight path from a reference to the beat, times their difference. It goes
    through the encoder and so tells what the model reads; a traversal goes through the decoder and tells what a latent draws.

    Parameters
    ----------
    reader : Scan, EcgCNN, torch.nn.Module, or one of the models of `fit_readers` that hold these
        A module maps (n, 8, n_times) in mV to (n, n_tasks) and is in evaluation mode.
    beats, factor : BeatSet, str or int, a factor that the reader knows; of an EcgCNN and a module the column of its logits
    reference : ndarray of float, shape (8, n_times) or (n_beats, 8, n_times), optional
        Beats in mV to start from. Default: the mean beat of the training people, which travels with the model.

    Returns
    -------
    DataFrame, shape (n_beats, n_groups)
        Indexed by id, columns `GROUPS`, in log odds (a continuous factor: in its unit). A row adds up to the answer for the
        beat minus that for the reference, within 1e-2 for binary factors. NaN for an unusable beat.
    """
    beats = to_eight_leads(require_beats(beats))
    model = getattr(reader, "model", reader)
    network = frozen(network_of(model))
    column = column_of(network, factor, beats.signals, getattr(reader, "names_", None))
    mean_beat = getattr(model, "mean_beat_", None)
    if isinstance(network, ScanNetwork):
        mean_beat = network.mean_beat.numpy().reshape(model.vae.network_.shape)
    starts = _starts(mean_beat if reference is None else reference, beats)
    usable = beats.usable & np.isfinite(beats.signals).all(axis=(1, 2))
    maps = np.full(beats.signals.shape, np.nan)
    n_rows = max(1, AT_ONCE // N_STEPS)
    with torch_threads(1):
        for rows in np.split(np.flatnonzero(usable), range(n_rows, usable.sum(), n_rows)):
            pair = (torch.from_numpy(part[rows]) for part in (beats.signals, starts))
            maps[rows] = integrated_gradients(network, *pair, column)
    return sum_by_wave(maps, beats).set_index(beats.ids)[GROUPS]


def integrated_gradients(network, x, reference, column, n_steps=N_STEPS, at_once=AT_ONCE):
    """Captum's integrated gradients of one logit of beats (n, 8, n_times); Sundararajan 2017 (ICML 70:3319)."""
    from captum.attr import IntegratedGradients  # takes a second, which most imports do not need

    settings = {"target": column, "n_steps": n_steps, "internal_batch_size": max(at_once, len(x))}
    return IntegratedGradients(network).attribute(x, baselines=reference, **settings).detach().numpy()


class ScanNetwork(nn.Module):
    """A Scan as one network, (n, 8, n_times) mV -> (n, n_factors): posterior mean of the latents, then the factor decoder."""

    def __init__(self, scan):
        super().__init__()
        coding, network = scan.coding_, scan.vae.network_
        self.names = tuple(coding.names)
        self.encoder, self.readout = copy.deepcopy(network.encoder), copy.deepcopy(scan.decoder_)
        level = np.where(coding.continuous, coding.mean, 0.0), np.where(coding.continuous, coding.sd, 1.0)
        for name, values in zip(("mean_beat", "unit", "level", "scale"), (network.mean_beat, network.unit, *level)):
            self.register_buffer(name, torch.as_tensor(values, dtype=torch.float32).clone())
        self.eval()

    def forward(self, x):
        """Log odds of binary factors, means of continuous ones."""
        return self.level + self.scale * self.readout(self.encoder((x.flatten(1) - self.mean_beat) / self.unit)[0])


def network_of(model):
    """Take the torch network, (n, 8, n_times) in mV to logits (n, n_tasks), of a fitted EcgCNN or Scan, or a module itself."""
    if isinstance(model, nn.Module):
        return model
    if isinstance(getattr(model, "network_", None), nn.Module) and hasattr(model, "n_tasks_"):
        return model.network_
    if hasattr(model, "aggregated_mean_") and hasattr(model, "vae"):
        return ScanNetwork(model)
    raise ValueError(f"model must be a fitted EcgCNN, a fitted Scan or a torch network; got {type(model).__name__}.")


def frozen(network):
    """Copy a network into whose weights no gradient flows: what is explained is its input."""
    return copy.deepcopy(network).requires_grad_(False)


def column_of(network, factor, x, names=None):
    """Column of a network's logits that a factor, or the number of a column, means; `x` are beats to try it on."""
    with torch.no_grad():
        logits = network(torch.from_numpy(x[:1]))
    if logits.ndim != 2:
        raise ValueError(f"the network must give logits of shape (n, n_tasks); got {tuple(logits.shape)}.")
    names = getattr(network, "names", names)
    if names is not None and isinstance(factor, str):
        known_names([factor], names, "factor")
        return list(names).index(factor)
    if isinstance(factor, (bool, str)) or not isinstance(factor, (int, np.integer)) or not 0 <= factor < logits.shape[1]:
        why = "the network knows no names of factors; " if names is None else ""
        raise ValueError(f"{why}give a column of its logits, from 0 to {logits.shape[1] - 1}; got {factor!r}.")
    return int(factor)


def _starts(reference, beats):
    """Give each beat its reference, float32."""
    if reference is None:
        raise ValueError("this model has no mean training beat to start from: give reference, (8, n_times) in mV.")
    reference = np.asarray(reference, dtype=np.float32)
    shape = beats.signals.shape
    if reference.shape not in (shape, shape[1:]) or not np.isfinite(reference).all():
        raise ValueError(f"reference must be finite beats in mV of shape {shape[1:]} or {shape}; got {reference.shape}.")
    return np.broadcast_to(reference, shape).copy()
