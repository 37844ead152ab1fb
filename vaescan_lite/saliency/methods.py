"""Post-hoc attributions of networks through captum, and models with random weights to check them against.

`attribute` makes maps. Their comparison (`attribution_maps`) and models with new weights (`explained_networks`) are offered
here, too.
"""

from contextlib import contextmanager

import numpy as np
import torch
from torch import nn

from ..training import torch_threads
from .maps import (
    agreement,
    by_wave,
    over_ecgs,
    paired_beats,
    repeatability,
    sanity_table,
    share_inside,
    truth_region,
    truth_table,
)
from .networks import last_convolution, n_weight_layers, network_of, randomised, randomised_scan

__all__ = [
    "METHODS", "agreement", "attribute", "by_wave", "n_weight_layers", "network_of", "over_ecgs", "paired_beats", "randomised",
    "randomised_scan", "repeatability", "sanity_table", "share_inside", "truth_region", "truth_table",
]  # fmt: skip

METHODS = {
    "saliency": "size of the gradient",
    "gradient_x_input": "gradient times (beat - baseline)",
    "integrated_gradients": "gradients on the way from the baseline, times (beat - baseline)",
    "gradcam": "last convolution, weighted by its gradients; one curve for all leads",
    "occlusion": "change of the logit when a window of one lead is replaced by the baseline",
    "shap": "integrated gradients from many beats of a background, averaged",
    "input": "control: size of (beat - baseline), whatever the network",
}
N_LEADS = 8


def attribute(
    model,
    beats,
    task=0,
    method="integrated_gradients",
    *,
    baseline=None,
    seed=0,
    batch_size=1024,
    n_steps=32,
    window=6,
    n_background=16,
):
    """Attribute a network's logit to the samples of each beat.

    Parameters
    ----------
    model : EcgCNN, Scan with an affine decoder, or torch.nn.Module
        A module maps (n, 8, n_times) in mV to (n, n_tasks) and is in evaluation mode.
    beats : BeatSet, or ndarray of float, shape (n, 8, n_times)
        Finite beats of the eight independent leads, mV.
    task : int or str
        Column of the logits; of a Scan, the name of a factor.
    method : str
        One of `METHODS`.
    baseline : None, BeatSet or ndarray of float, shape (8, n_times) or (m, 8, n_times), optional
        What "nothing" looks like. None: 0 mV, the isoelectric line. Several beats are a background: "shap" draws from them, and
        needs them; all other methods take their mean.
    seed : int
        Which beats of the background "shap" draws, the same for all ECGs. Nothing else is random.
    batch_size : int
        Beats, altered copies included, that pass the network at once: bounds memory and does not change the result.
    n_steps : int
        Points on the way from the baseline, of "integrated_gradients"; "shap" takes a quarter of them from each beat.
    window : int
        Samples of one lead that "occlusion" replaces together; its change is spread evenly over them.
    n_background : int
        How many beats "shap" draws.

    Returns
    -------
    ndarray of float32, shape (n, 8, n_times)
        In logits per sample ("saliency": logits per mV; "gradcam": in its own unit; "input": mV). Positive values speak for the
        task; "saliency", "gradcam" and "input" have no sign. "integrated_gradients" and "shap" add up to the logit minus that
        of the baseline, the mean one for "shap", but for the error of the numerical integral.

    Raises
    ------
    ValueError
        For twelve leads, NaN, an unknown method or task, a network in training mode, or a setting out of range.

    Notes
    -----
    Twelve leads are refused. Four of them follow from I and II, so a network may read the same potential from either place:
    networks that agree on every ECG there is then have different maps, and no ECG can tell which is right.

    Sources: gradients Simonyan 2013 (arXiv 1312.6034), integrated gradients Sundararajan 2017 (ICML 70:3319),
    Grad-CAM Selvaraju 2017 (ICCV 618; its mean over time was made for networks that pool, so for a `FlatteningNetwork` it is a
    rough guide), occlusion Zeiler and Fergus 2014 (ECCV 818), SHAP Lundberg and Lee 2017 (NeurIPS 30). "shap" is what captum's
    `GradientShap` estimates from random points, here from a fixed grid, so that maps do not depend on the batch. Explained in
    chapter 8.
    """
    if method not in METHODS:
        raise ValueError(f"method must be one of {', '.join(METHODS)}; got {method!r}.")
    for name, value in {"batch_size": batch_size, "n_steps": n_steps, "window": window, "n_background": n_background}.items():
        if value < 1:
            raise ValueError(f"{name} must be at least 1; got {value}.")
    x = _checked_beats(beats)
    reference, background = _checked_baseline(baseline, x.shape[1:])
    if method == "input":
        return np.abs(x - reference)
    if method == "shap" and background is None:
        raise ValueError("shap needs a background: give baseline several beats, for example 100 of the training beats.")
    network = network_of(model)
    if network.training:
        raise ValueError("the network is in training mode, where dropout is random; call .eval() first.")
    column = _checked_task(network, model, task, x)
    if method == "shap":
        rng = np.random.default_rng(seed)
        background = background[rng.choice(len(background), min(n_background, len(background)), replace=False)]
    else:
        background = None
    explain = _METHODS[method]
    copies = {"integrated_gradients": n_steps, "shap": -(-n_steps // 4)}.get(method, 1)
    n_chunk = max(1, batch_size // copies)
    maps = np.empty(x.shape, dtype=np.float32)
    settings = {"batch_size": batch_size, "n_steps": copies, "window": window, "background": background}
    with torch_threads(1), _frozen(network):
        for start in range(0, len(x), n_chunk):
            rows = slice(start, start + n_chunk)
            chunk = torch.from_numpy(x[rows].copy()).requires_grad_(True)
            maps[rows] = explain(network, chunk, column, torch.from_numpy(reference)[None], **settings).detach().numpy()
    return maps


# ---- one function per method: (network, x, column, reference, **settings) -> maps


def _saliency(network, x, column, reference, **_):
    from captum.attr import Saliency

    return Saliency(network).attribute(x, target=column, abs=True)


def _gradient_x_input(network, x, column, reference, **_):
    from captum.attr import Saliency

    return Saliency(network).attribute(x, target=column, abs=False) * (x - reference)


def _integrated_gradients(network, x, column, reference, *, batch_size, n_steps, **_):
    from captum.attr import IntegratedGradients

    return IntegratedGradients(network).attribute(
        x, baselines=reference, target=column, n_steps=n_steps, internal_batch_size=max(batch_size, len(x))
    )


def _shap(network, x, column, reference, *, background, **settings):
    total = torch.zeros_like(x)
    for beat in background:
        total += _integrated_gradients(network, x, column, torch.from_numpy(beat)[None], **settings)
    return total / len(background)


def _gradcam(network, x, column, reference, **_):
    from captum.attr import LayerGradCam

    curve = LayerGradCam(network, last_convolution(network)).attribute(x, target=column, relu_attributions=True)
    curve = nn.functional.interpolate(curve, size=x.shape[2], mode="linear")  # (n, 1, n_times)
    return curve.expand(-1, x.shape[1], -1)


def _occlusion(network, x, column, reference, *, batch_size, window, **_):
    from captum.attr import FeatureAblation

    n_leads, n_times = x.shape[1:]
    n_windows = -(-n_times // window)
    place = torch.arange(n_times) // window
    windows = (torch.arange(n_leads)[:, None] * n_windows + place)[None]
    with torch.no_grad():
        change = FeatureAblation(network).attribute(
            x,
            baselines=reference.expand_as(x),
            target=column,
            feature_mask=windows,
            perturbations_per_eval=max(1, batch_size // len(x)),
        )
    return change / torch.bincount(place)[place]


_METHODS = {
    "saliency": _saliency,
    "gradient_x_input": _gradient_x_input,
    "integrated_gradients": _integrated_gradients,
    "gradcam": _gradcam,
    "occlusion": _occlusion,
    "shap": _shap,
}


@contextmanager
def _frozen(network):
    """Let no gradient flow into the weights, and put everything back afterwards."""
    before = [(weight, weight.requires_grad) for weight in network.parameters()]
    try:
        for weight, _ in before:
            weight.requires_grad_(False)
        yield
    finally:
        for weight, needed in before:
            weight.requires_grad_(needed)


def _checked_beats(beats):
    x = np.asarray(getattr(beats, "signals", beats))
    if x.ndim == 3 and x.shape[1] == 12:
        raise ValueError(
            "got twelve leads, of which four follow from I and II: attributions over them are not identifiable; "
            "train and explain on eight (to_eight_leads)."
        )
    if x.ndim != 3 or x.shape[1] != N_LEADS or len(x) == 0:
        raise ValueError(f"beats must have shape (n, 8, n_times) with at least one row; got {x.shape}.")
    unusable = ~np.isfinite(x).all(axis=(1, 2))
    if unusable.any():
        raise ValueError(
            f"{unusable.sum()} of {len(x)} beats hold NaN or infinite values, the first in row {np.flatnonzero(unusable)[0]}; "
            "leave unusable ones out first."
        )
    return x.astype(np.float32)


def _checked_baseline(baseline, shape):
    """Give one baseline of shape (8, n_times), and the background (m, 8, n_times) or None."""
    if baseline is None:
        return np.zeros(shape, dtype=np.float32), None
    values = np.asarray(getattr(baseline, "signals", baseline), dtype=np.float32)
    if values.ndim not in (2, 3) or values.shape[-2:] != shape or values.size == 0 or not np.isfinite(values).all():
        raise ValueError(f"baseline must hold finite beats of shape {shape}, one or several; got shape {values.shape}.")
    return (values, None) if values.ndim == 2 else (values.mean(axis=0), values)


def _checked_task(network, model, task, x):
    names = getattr(network, "names", None)
    with torch.no_grad():
        logits = network(torch.from_numpy(x[:1]))
    if logits.ndim != 2:
        raise ValueError(f"the network must give logits of shape (n, n_tasks); got {tuple(logits.shape)}.")
    if names is not None and isinstance(task, str):
        if task not in names:
            raise ValueError(f"unknown factor {task!r}; this Scan knows {', '.join(names)}.")
        return names.index(task)
    if isinstance(task, (bool, str)) or not isinstance(task, (int, np.integer)) or not 0 <= task < logits.shape[1]:
        raise ValueError(f"task must be a column of the logits, from 0 to {logits.shape[1] - 1}; got {task!r}.")
    return int(task)
