"""What a fitted Scan says of each factor alone: effects on the latents with intervals, and how specific its posterior is."""

import numpy as np
import torch

from ..vae.network import gaussian_kl
from .associations import where_enough


def association_table(scan, fewest):
    """Make the table of `Scan.associations`.

    The effects are those of the encoder. The intervals and tests of the least-squares effects are shrunk like them by
    ``lam / (lam + beta_y v)``, with v the variance within a concept.
    """
    table, coding = scan.effects_.copy(), scan.coding_
    with torch.no_grad():
        within = np.exp(scan.encoder_.log_variance.numpy().astype(float))
    n_factors = len(coding.names)
    shrinkage = np.tile(scan.lam / (scan.lam + scan.beta_y * within), n_factors)
    scale = np.tile(scan.aggregated_sd_, n_factors)  # rows are factor by factor, all latents of each
    for kind, unspecified in (("partial", "average"), ("marginal", "observe")):
        without, with_factor = scan.contrast_latents(unspecified)
        effect = (with_factor - without).ravel() / scale
        reach = (table[f"{kind}_high"] - table[kind]) * shrinkage / scale
        table[f"{kind}_se"] *= shrinkage / scale
        table[kind], table[f"{kind}_low"], table[f"{kind}_high"] = effect, effect - reach, effect + reach
    sd_ratio, divergence = _specificity(scan)
    table["sd_ratio"], table["divergence_nats"] = sd_ratio.ravel(), divergence.ravel()
    table["log_odds"] = np.nan
    if scan.decoder == "affine":
        log_odds = scan.decoder_.affine.weight.detach().numpy().astype(float)
        table["log_odds"] = (log_odds / scan.decoder_.scale.numpy() * scan.aggregated_sd_).ravel()
    return where_enough(table, fewest)


def _specificity(scan):
    """Return SD ratio and divergence from the posterior of nobody in particular, each of shape (n_factors, n_latents)."""
    coding = scan.coding_
    present = np.where(coding.continuous, coding.mean + coding.step * coding.sd, 1.0)
    mu, logvar = scan.factors_to_latents(coding.one_at_a_time(present))
    mu_0, logvar_0 = scan.factors_to_latents({})
    parts = (torch.as_tensor(np.broadcast_to(part, mu.shape).copy()) for part in (mu, logvar, mu_0, logvar_0))
    return np.exp(0.5 * (logvar - logvar_0)), gaussian_kl(*parts).numpy()
