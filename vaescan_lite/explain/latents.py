"""What a Scan says and why: contributions of latents, and pictures of the decoder."""

import numpy as np
import pandas as pd

from ..ecg import BeatSet
from ..factors import known_names
from .waves import segment_masks, sum_by_wave


def contributions(scan, beats, factor):
    """Take the log odds of a factor apart into what each latent adds, for a fitted Scan with an affine decoder.

    A DataFrame (n_beats, n_latents + 1), indexed by id: one column per latent, ``w_i (z_i - mean z_i)`` with the mean over the
    training ECGs, and ``baseline``, the log odds of an ECG with mean latents. A row adds up to ``scan.logits(beats)[factor]``;
    for a continuous factor in its unit. NaN for an unusable beat. For an affine logit these are the interventional Shapley
    values. That they add up is arithmetic, not evidence that the model is right.
    """
    all_weights, biases = scan.weights_, scan.bias_
    known_names([factor], all_weights.index, "factor")
    weights, bias = all_weights.loc[factor].to_numpy(), biases[factor]
    mu, _ = scan.vae.posterior(beats)
    parts = pd.DataFrame((mu.astype(float) - scan.aggregated_mean_) * weights, index=beats.ids)
    parts["baseline"] = np.where(np.isfinite(mu).all(axis=1), bias + weights @ scan.aggregated_mean_, np.nan)
    return parts


def traversal_shares(scan):
    """Share of each latent's traversal energy in each wave and lead, (n_latents, n_groups): what the decoder draws with it."""
    mean, sd = scan.aggregated_mean_, scan.aggregated_sd_
    up = scan.latents_to_ecg(mean + np.diag(sd))
    down = scan.latents_to_ecg(mean - np.diag(sd))
    outside = up.time_s[~segment_masks(up).any(axis=0)]
    if len(outside):
        raise ValueError(f"every sample must lie in a segment; {len(outside)} lie in none, the first at {outside[0]:.3f} s.")
    energy = sum_by_wave((up.signals - down.signals).astype(float) ** 2, up)
    total = energy.to_numpy().sum(axis=1, keepdims=True)
    shares = np.where(total > 0, energy / np.where(total > 0, total, 1), 1 / energy.shape[1])  # a latent the decoder ignores
    return pd.DataFrame(shares, columns=energy.columns)


def traversal(scan_or_vae, latent, steps=(-3, -2, -1, 0, 1, 2, 3)):
    """Decode beats while one latent moves and the others stand still: a BeatSet with one beat per step; the ids are the steps.

    With a Scan, `steps` are SDs of the aggregated posterior around its mean; with a VAE alone, SDs of the prior N(0, I) around
    0.
    """
    is_scan = hasattr(scan_or_vae, "aggregated_mean_")
    vae = scan_or_vae.vae if is_scan else scan_or_vae
    center = scan_or_vae.aggregated_mean_ if is_scan else np.zeros(vae.n_latents)
    if not (isinstance(latent, (int, np.integer)) and 0 <= latent < len(center)):
        raise ValueError(f"latent must be a number from 0 to {len(center) - 1}; got {latent!r}.")
    steps = np.asarray(steps, dtype=float)
    z = np.tile(np.asarray(center, dtype=float), (len(steps), 1))
    z[:, latent] += steps * (scan_or_vae.aggregated_sd_[latent] if is_scan else 1.0)
    beats = vae.inverse_transform(z.astype(np.float32))
    return BeatSet(beats, fs=scan_or_vae.fs_, leads=scan_or_vae.leads_, r_index=scan_or_vae.r_index_, ids=steps)
