"""What a Scan says and why: contributions of latents, traversals, and effects in millivolts and milliseconds."""

import numpy as np
import pandas as pd

from ..ecg import BeatSet
from .four_requirements import SEGMENTS_S, requirements  # noqa: F401 (vl.explain.requirements)


def contributions(scan, beats, factor):
    """Take the log odds of a factor apart into what each latent adds.

    Parameters
    ----------
    scan : Scan
        Fitted, with an affine decoder.
    beats : BeatSet
        Median beats.
    factor : str
        One of the Scan's factors.

    Returns
    -------
    DataFrame, shape (n_beats, n_latents + 1)
        Indexed by id: one column per latent, ``w_i (z_i - mean z_i)`` with the mean over the training ECGs, and ``baseline``,
        the log odds of an ECG with mean latents. A row adds up to ``scan.logits(beats)[factor]``; for a continuous factor
        in its unit. NaN for an unusable beat.

    Notes
    -----
    For an affine logit these are the interventional Shapley values. That they add up is arithmetic, not evidence that
    the model is right.
    """
    weights, bias = _weights_of(scan, factor)
    mu, _ = scan.vae.posterior(beats)
    parts = pd.DataFrame((mu.astype(float) - scan.aggregated_mean_) * weights, index=beats.ids)
    parts["baseline"] = np.where(np.isfinite(mu).all(axis=1), bias + weights @ scan.aggregated_mean_, np.nan)
    return parts


def wave_contributions(scan, beats, factor, *, segments_s=None):
    """Distribute the contributions of the latents over waves and leads.

    The contribution of latent i goes to each wave and lead in proportion to the energy of its traversal there:
    ``e_g = sum_i w_i (z_i - mean z_i) share_ig``.

    Parameters
    ----------
    scan : Scan
        Fitted, with an affine decoder.
    beats : BeatSet
        Median beats.
    factor : str
        One of the Scan's factors.
    segments_s : dict of str to (float, float), optional
        Borders in seconds from the R peak; default `SEGMENTS_S`.

    Returns
    -------
    DataFrame, shape (n_beats, n_segments * n_leads)
        Columns (segment, lead); a row adds up to the log odds minus the baseline of `contributions`.
    """
    shares = traversal_shares(scan, segments_s=segments_s)
    parts = contributions(scan, beats, factor).drop(columns="baseline")
    return pd.DataFrame(parts.to_numpy() @ shares.to_numpy(), index=parts.index, columns=shares.columns)


def traversal_shares(scan, *, segments_s=None):
    """Share of each latent's traversal energy in each wave and lead.

    Parameters
    ----------
    scan : Scan
        Fitted.
    segments_s : dict of str to (float, float), optional
        Borders in seconds from the R peak; default `SEGMENTS_S`. Together they must cover the beat, without overlap.

    Returns
    -------
    DataFrame, shape (n_latents, n_segments * n_leads)
        Columns (segment, lead). Rows add up to 1.

    Raises
    ------
    ValueError
        If a sample lies in no segment, or in two.
    """
    mean, sd = scan.aggregated_mean_, scan.aggregated_sd_
    up = scan.latents_to_ecg(mean + np.diag(sd))
    down = scan.latents_to_ecg(mean - np.diag(sd))
    change = (up.signals - down.signals).astype(float)
    time_s = (np.arange(change.shape[2]) - up.r_index) / up.fs
    segments_s = SEGMENTS_S if segments_s is None else segments_s
    inside = np.array([(time_s >= start - 1e-9) & (time_s < end - 1e-9) for start, end in segments_s.values()])
    if not (inside.sum(axis=0) == 1).all():
        count = inside.sum(axis=0)
        wrong = np.flatnonzero(count != 1)[0]
        raise ValueError(f"every sample must lie in one segment; the one at {time_s[wrong]:.3f} s lies in {count[wrong]}.")
    energy = np.einsum("nlt,st->nsl", change**2, inside.astype(float)).reshape(len(change), -1)
    total = energy.sum(axis=1, keepdims=True)
    shares = np.where(total > 0, energy / np.where(total > 0, total, 1), 1 / energy.shape[1])  # a latent the decoder ignores
    columns = pd.MultiIndex.from_product([list(segments_s), up.leads], names=["segment", "lead"])
    return pd.DataFrame(shares, columns=columns)


def traversal(scan_or_vae, latent, steps=(-3, -2, -1, 0, 1, 2, 3), *, center=None):
    """Decode beats while one latent moves and the others stand still.

    Parameters
    ----------
    scan_or_vae : Scan or BeatVAE
        With a Scan, the steps are SDs of the aggregated posterior around its mean; with a VAE alone, SDs of the prior
        N(0, I) around 0.
    latent : int
        Which one.
    steps : sequence of float
        Where to go.
    center : ndarray of float, shape (n_latents,), optional
        Where the other latents stand, and where step 0 is.

    Returns
    -------
    BeatSet
        One beat per step; the ids are the steps.
    """
    is_scan = hasattr(scan_or_vae, "aggregated_mean_")
    vae = scan_or_vae.vae if is_scan else scan_or_vae
    n_latents = len(scan_or_vae.aggregated_mean_) if is_scan else vae.n_latents
    if not (isinstance(latent, (int, np.integer)) and 0 <= latent < n_latents):
        raise ValueError(f"latent must be a number from 0 to {n_latents - 1}; got {latent!r}.")
    if center is None:
        center = scan_or_vae.aggregated_mean_ if is_scan else np.zeros(n_latents)
    steps = np.asarray(steps, dtype=float)
    z = np.tile(np.asarray(center, dtype=float), (len(steps), 1))
    z[:, latent] += steps * (scan_or_vae.aggregated_sd_[latent] if is_scan else 1.0)
    like = scan_or_vae if is_scan else vae
    return BeatSet(
        vae.inverse_transform(z.astype(np.float32)), fs=like.fs_, leads=like.leads_, r_index=like.r_index_, ids=steps
    )


def _weights_of(scan, factor):
    weights, bias = scan.weights_, scan.bias_
    if factor not in weights.index:
        raise ValueError(f"unknown factor {factor!r}; this Scan knows {', '.join(weights.index)}.")
    return weights.loc[factor].to_numpy(), bias[factor]
