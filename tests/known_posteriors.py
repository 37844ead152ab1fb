"""A stand-in for the VAE whose posteriors are set by hand, and people for it."""

import numpy as np
import pandas as pd

from vaescan_lite.ecg import BeatSet


class KnownPosteriors:
    """A VAE whose posterior of each beat is given, and whose decoder is linear."""

    fs_, leads_, r_index_ = 100.0, ("I", "II", "V1", "V2", "V3", "V4", "V5", "V6"), 40

    def __init__(self, mu, var):
        self.mu, self.logvar = np.asarray(mu, np.float32), np.log(np.asarray(var)).astype(np.float32)
        self.n_latents = self.mu.shape[1]
        self.loading = np.random.default_rng(99).normal(0, 0.1, (self.n_latents, 8, 96)).astype(np.float32)

    def posterior(self, beats):
        mu, logvar = self.mu[beats.ids], self.logvar[beats.ids]
        return np.where(beats.usable[:, None], mu, np.nan), np.where(beats.usable[:, None], logvar, np.nan)

    def inverse_transform(self, z):
        return np.einsum("nl,lct->nct", z, self.loading)

    def save(self, path):
        with open(path, "wb") as file:
            np.savez(file, mu=self.mu, logvar=self.logvar)


def some_beats(n):
    return BeatSet(np.zeros((n, 8, 96)), fs=100, ids=np.arange(n))


def population(n=1500, n_latents=6, seed=0):
    """Posteriors that follow two related diagnoses and age; latents correlate, and LBBB doubles the variance."""
    rng = np.random.default_rng(seed)
    lbbb = (rng.random(n) < 0.2).astype(float)
    lvh = (rng.random(n) < np.where(lbbb > 0, 0.6, 0.2)).astype(float)
    age = rng.normal(60, 15, n) + 8 * lvh
    effects = rng.normal(0, 0.5, (3, n_latents))
    noise = rng.multivariate_normal(np.zeros(n_latents), 0.6 * np.eye(n_latents) + 0.3, n)
    mu = noise + np.c_[lbbb, lvh, (age - 60) / 15] @ effects
    var = rng.uniform(0.02, 0.08, (n, n_latents))
    factors = pd.DataFrame({"LBBB": lbbb, "LVH": lvh, "age_years": age})
    return KnownPosteriors(mu, var), some_beats(n), factors


def quiet(scan, beats, factors):
    return scan.fit(beats, factors, progress=False)
