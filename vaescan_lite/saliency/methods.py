"""Post-hoc attributions of networks, made through captum."""

import numpy as np
import torch
from torch import nn

from ..ecg import LEADS_8
from ..explain.gradients import column_of, frozen, integrated_gradients, network_of
from ..factors import known_names
from ..models.fitting import checked_signals
from ..training import torch_threads
from .networks import last_convolution

METHODS = {
    "saliency": "size of the gradient",
    "gradient_x_input": "gradient times (beat - baseline)",
    "integrated_gradients": "gradients on the way from the baseline, times (beat - baseline)",
    "gradcam": "last convolution, weighted by its gradients; one curve for all leads",
    "occlusion": "change of the logit when a window of one lead is replaced by the baseline",
    "shap": "integrated gradients from many beats of a background, averaged",
    "input": "control: size of (beat - baseline), whatever the network",
}


def attribute(
    model, beats, task=0, method="integrated_gradients", *, baseline=None, seed=0,
    batch_size=1024, n_steps=32, window=6, n_background=16,
):  # fmt: skip
    """Attribute a network's logit to the samples of each beat: float32 (n, 8, n_times), in logits per sample.

    Positive values speak for the task; "saliency" (logits per mV), "gradcam" (a unit of its own) and "input" (mV) have no sign.
    "integrated_gradients" and "shap" add up to the logit minus that of the baseline, the mean one for "shap", but for the error
    of the numerical integral.

    Parameters
    ----------
    model : EcgCNN, Scan with an affine decoder, or torch.nn.Module
        A module maps (n, 8, n_times) in mV to (n, n_tasks) and is in evaluation mode.
    beats : BeatSet, or ndarray of float, shape (n, 8, n_times), mV, finite
        Twelve leads are refused: four of them follow from I and II, so that networks which agree on every ECG there is can have
        different maps, and no ECG can tell which is right.
    task, method : int or str, one of `METHODS`, column of the logits; of a Scan, the name of a factor
    baseline : None, BeatSet or ndarray of float, shape (8, n_times) or (m, 8, n_times), optional
        What "nothing" looks like. None: 0 mV, the isoelectric line. Several beats are a background: "shap" draws from them, and
        needs them; all other methods take their mean.
    seed, n_background : int, which and how many beats "shap" draws, the same for all ECGs; nothing else is random
    batch_size, n_steps, window : int
        Beats, altered copies included, that pass the network at once, which does not change the result; points on the way from
        the baseline ("shap" takes a quarter of them from each beat); samples of one lead that "occlusion" replaces together,
        its change spread evenly over them.
    """
    known_names([method], METHODS, "method")
    for name, value in {"batch_size": batch_size, "n_steps": n_steps, "window": window, "n_background": n_background}.items():
        if value < 1:
            raise ValueError(f"{name} must be at least 1; got {value}.")
    x = _checked_beats(beats)
    reference, background = _checked_baseline(baseline, x.shape[1:])
    if method == "input":
        return np.abs(x - reference)
    if method == "shap":
        if background is None:
            raise ValueError("shap needs a background: give baseline several beats, for example 100 of the training beats.")
        n_background = min(n_background, len(background))
        background = background[np.random.default_rng(seed).choice(len(background), n_background, replace=False)]
        n_steps = -(-n_steps // 4)
    network = frozen(network_of(model))
    if network.training:
        raise ValueError("the network is in training mode, where dropout is random; call .eval() first.")
    column = column_of(network, task, x)
    copies = n_steps if method in ("integrated_gradients", "shap") else 1
    settings = {"batch_size": batch_size, "n_steps": n_steps, "window": window, "background": background}
    maps, n_rows = [], max(1, batch_size // copies)
    with torch_threads(1):
        for start in range(0, len(x), n_rows):
            part = torch.from_numpy(x[start : start + n_rows].copy()).requires_grad_(True)
            maps.append(_MAPS[method](network, part, column, torch.from_numpy(reference)[None], **settings).detach().numpy())
    return np.concatenate(maps).astype(np.float32, copy=False)


def _gradient(network, x, column):
    """Simonyan 2013 (arXiv 1312.6034), its sign kept."""
    from captum.attr import Saliency

    return Saliency(network).attribute(x, target=column, abs=False)


def _integrated_gradients(network, x, column, reference, *, batch_size, n_steps, **_):
    return torch.from_numpy(integrated_gradients(network, x, reference, column, n_steps, batch_size))


def _shap(network, x, column, reference, *, background, **settings):
    """Lundberg and Lee 2017 (NeurIPS 30); captum's `GradientShap` on a fixed grid, so that maps do not depend on the batch."""
    total = torch.zeros_like(x)
    for beat in background:
        total += _integrated_gradients(network, x, column, torch.from_numpy(beat)[None], **settings)
    return total / len(background)


def _gradcam(network, x, column, reference, **_):
    """Selvaraju 2017 (ICCV 618). Its mean over time is for networks that pool: a rough guide for a `FlatteningNetwork`."""
    from captum.attr import LayerGradCam

    curve = LayerGradCam(network, last_convolution(network)).attribute(x, target=column, relu_attributions=True)
    curve = nn.functional.interpolate(curve.flatten(2), size=x.shape[2], mode="linear")  # (n, 1, n_times)
    return curve.expand(-1, x.shape[1], -1)


def _occlusion(network, x, column, reference, *, batch_size, window, **_):
    """Zeiler and Fergus 2014 (ECCV 818)."""
    from captum.attr import FeatureAblation

    n_leads, n_times = x.shape[1:]
    n_windows = -(-n_times // window)
    place = torch.arange(n_times) // window
    windows = (torch.arange(n_leads)[:, None] * n_windows + place)[None]  # (1, n_leads, n_times): the number of a window
    n_copies = max(1, batch_size // len(x))
    with torch.no_grad():
        settings = {"feature_mask": windows, "perturbations_per_eval": n_copies}
        change = FeatureAblation(network).attribute(x, baselines=reference.expand_as(x), target=column, **settings)
    return change / torch.bincount(place)[place]


_MAPS = {
    "saliency": lambda network, x, column, reference, **_: _gradient(network, x, column).abs(),
    "gradient_x_input": lambda network, x, column, reference, **_: _gradient(network, x, column) * (x - reference),
    "integrated_gradients": _integrated_gradients, "gradcam": _gradcam, "occlusion": _occlusion, "shap": _shap,
}  # fmt: skip


def _checked_beats(beats):
    x = np.asarray(getattr(beats, "signals", beats))
    if x.ndim == 3 and x.shape[1] == 12:
        why = "four follow from I and II, so that attributions over them are not identifiable"
        raise ValueError(f"got twelve leads, of which {why}; train and explain on eight (to_eight_leads).")
    if x.ndim != 3 or x.shape[1] != len(LEADS_8) or len(x) == 0:
        raise ValueError(f"beats must have shape (n, 8, n_times) with at least one row; got {x.shape}.")
    return checked_signals(x)


def _checked_baseline(baseline, shape):
    """One baseline of shape (8, n_times), and the background (m, 8, n_times) or None."""
    if baseline is None:
        return np.zeros(shape, dtype=np.float32), None
    values = np.asarray(getattr(baseline, "signals", baseline), dtype=np.float32)
    if values.ndim not in (2, 3) or values.shape[-2:] != shape or values.size == 0 or not np.isfinite(values).all():
        raise ValueError(f"baseline must hold finite beats of shape {shape}, one or several; got shape {values.shape}.")
    return (values, None) if values.ndim == 2 else (values.mean(axis=0), values)
