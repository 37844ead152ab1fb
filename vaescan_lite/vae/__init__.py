"""The variational autoencoder of beats, its yardstick PCA, and the scores of its latents."""

from .beat_vae import BeatVAE, likelihood_profile
from .disentanglement import MIN_CORRELATION, dci, linear_r2, match_latents, stability
from .network import gaussian_kl
from .reconstruction import N_LATENTS, BeatPCA, p_wave_fidelity, segment_errors

__all__ = [
    "BeatPCA", "BeatVAE", "MIN_CORRELATION", "N_LATENTS", "dci", "gaussian_kl", "likelihood_profile", "linear_r2",
    "match_latents", "p_wave_fidelity", "segment_errors", "stability",
]  # fmt: skip
