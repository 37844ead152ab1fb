"""The network of the VAE and its loss. How it is trained and used is in `beat_vae`; explained in chapter 4."""

import math
from typing import NamedTuple

import numpy as np
import torch
from sklearn.decomposition import PCA
from torch import nn

from ..leads import LEADS_8, LEADS_12, TWELVE_FROM_EIGHT
from .augmentation import read_between_samples, stretched_positions

EIGHT_OF_TWELVE = [LEADS_12.index(lead) for lead in LEADS_8]
N_HIDDEN_ENCODER = 256
N_STRETCHES = 4  # of time: before the QRS, in its two halves, after it
MOST_STRETCH = 0.7  # the decoder stretches time at most e^0.7 = 2 times


def gaussian_kl(mu_q, logvar_q, mu_p, logvar_p):
    """Kullback-Leibler divergence KL(q || p) of two Gaussians with independent components, in nats, per component.

    Tensors of means and natural logarithms of the variances, in shapes that broadcast; the expectation is taken over q. Sum
    over the last axis for the divergence of the whole latent vector.

    >>> zero = torch.zeros(1)
    >>> gaussian_kl(zero + 1, zero, zero, zero)  # half the squared distance
    tensor([0.5000])
    """
    return 0.5 * (logvar_p - logvar_q + torch.exp(logvar_q - logvar_p) + (mu_q - mu_p).square() * torch.exp(-logvar_p) - 1)


def sample_gaussian(mu, logvar, generator):
    """Draw from a Gaussian with mean `mu` and log-variance `logvar`, so that gradients reach both."""
    return mu + torch.exp(0.5 * logvar) * torch.randn(mu.shape, generator=generator, dtype=mu.dtype)


def laplace_nll(error, scale):
    """Sum over leads and time of ``|error| / scale + log(2 scale)``: nats under a Laplace distribution, (n_beats,)."""
    return error.abs().flatten(1) @ (1 / scale).flatten() + torch.log(2 * scale).sum()


def as_read(x):
    """Make of the eight independent leads, (n_beats, 8, n_times), the twelve that a clinician reads, (n_beats, 12, n_times)."""
    return torch.from_numpy(TWELVE_FROM_EIGHT).to(x.device) @ x


def beat_nll(x, x_hat, scale):
    """Negative log-likelihood of beats of eight leads in nats, (n_beats,), counted on the twelve leads that are read from them.

    An inferior Q wave stands in III and aVF; in I and II, of which these are made, it is a small difference that a likelihood
    of eight leads passes over. So the four derived leads are counted as well. They hold nothing new, therefore the sum is taken
    times 8/12: a nat of it stays a nat of eight leads. `scale` is (12, n_times), the mean absolute deviation in mV.
    """
    return len(LEADS_8) / len(LEADS_12) * laplace_nll(as_read(x - x_hat), scale)


def vae_loss(x, output, scale, beta):
    """Terms of the beta-VAE's loss in nats per beat, scalar tensors by name: ``total = reconstruction + beta * kl``.

    Means over beats of sums over leads and time, and over latents.
    """
    reconstruction = beat_nll(x, output.x_hat, scale).mean()
    kl = gaussian_kl(output.mu, output.logvar, *torch.zeros(2)).sum(dim=1).mean()
    return {"total": reconstruction + beta * kl, "reconstruction": reconstruction, "kl": kl}


class VAEOutput(NamedTuple):
    """What the network says about a batch of beats."""

    x_hat: torch.Tensor  # (n_beats, n_leads, n_times), mV
    mu: torch.Tensor  # (n_beats, n_latents)
    logvar: torch.Tensor  # (n_beats, n_latents), natural log of the variance


class Encoder(nn.Module):
    """Beat -> principal components -> mean (MLP plus a linear skip) and log-variance of the latents."""

    def __init__(self, n_values, n_components, n_hidden, n_latents):
        super().__init__()
        self.front = nn.Linear(n_values, n_components)
        self.hidden = nn.Sequential(nn.Linear(n_components, n_hidden), nn.GELU(), nn.Linear(n_hidden, n_hidden), nn.GELU())
        self.head = nn.Linear(n_hidden, 2 * n_latents)
        self.skip = nn.Linear(n_components, n_latents)

    def forward(self, standardised):
        """Standardised beats (n_beats, n_values) -> mu, logvar, each (n_beats, n_latents)."""
        components = self.front(standardised)
        mu, logvar = self.head(self.hidden(components)).chunk(2, dim=1)
        return mu + self.skip(components), logvar.clamp(-12, 6)


class Decoder(nn.Module):
    """Latents -> components (MLP plus a linear skip) -> beat, whose time before, within and after the QRS is then stretched.

    A P wave that comes 40 ms earlier, or a QRS that is 40 ms wider, is another picture in every sample, but a single number as
    a stretch of time: without it the decoder would fade one wave out and another in. Plain layers and one interpolation, so
    that a web page can run it too.
    """

    def __init__(self, n_latents, n_hidden, n_components, shape, fs, r_index):
        super().__init__()
        self.shape, self.fs, self.r_index = shape, fs, r_index
        self.hidden = nn.Linear(n_latents, n_hidden)
        self.head = nn.Linear(n_hidden, n_components, bias=False)
        self.skip = nn.Linear(n_latents, n_components, bias=False)
        self.back = nn.Linear(n_components, shape[0] * shape[1])
        self.stretch = nn.Linear(n_latents, N_STRETCHES)

    def forward(self, z):
        """Latents (n_beats, n_latents) -> beats in mV, (n_beats, n_leads, n_times)."""
        x = self.back(self.head(nn.functional.gelu(self.hidden(z))) + self.skip(z)).unflatten(1, self.shape)
        log_factors = self.stretch(z).clamp(-MOST_STRETCH, MOST_STRETCH)
        return read_between_samples(x, stretched_positions(self.shape[1], self.fs, self.r_index, log_factors))


class BeatNetwork(nn.Module):
    """Encoder, decoder, and the scale of the likelihood."""

    def __init__(self, n_leads, n_times, *, fs, r_index, n_latents, n_front, n_back, n_hidden):
        super().__init__()
        n_values = n_leads * n_times
        self.shape = (n_leads, n_times)
        self.encoder = Encoder(n_values, n_front, N_HIDDEN_ENCODER, n_latents)
        self.decoder = Decoder(n_latents, n_hidden, n_back, self.shape, fs, r_index)
        self.log_level = nn.Parameter(torch.zeros(()))
        self.register_buffer("mean_beat", torch.zeros(n_values))
        self.register_buffer("profile", torch.ones(len(LEADS_12), n_times))

    @property
    def scale(self):
        """Scale of the Laplace likelihood in mV, (12, n_times): a fixed profile times a learnt level."""
        return self.profile * torch.exp(self.log_level)

    @property
    def unit(self):
        """What the encoder measures the eight leads in, (8 * n_times,): their part of the profile."""
        return self.profile[EIGHT_OF_TWELVE].flatten()

    def encode(self, x):
        """Beats (n_beats, n_leads, n_times) -> mu, logvar, each (n_beats, n_latents)."""
        return self.encoder((x.flatten(1) - self.mean_beat) / self.unit)

    def forward(self, x, generator):
        """Encode, draw one latent vector per beat, decode."""
        mu, logvar = self.encode(x)
        return VAEOutput(self.decoder(sample_gaussian(mu, logvar, generator)), mu, logvar)

    @torch.no_grad()
    def start_from_components(self, beats, profile, seed):
        """Begin as principal component analysis of the twelve leads of `beats` / `profile`; training bends it from there."""
        n_latents = self.decoder.hidden.in_features
        n_front, n_back = self.encoder.front.out_features, self.decoder.back.in_features
        mean_beat = beats.mean(axis=0)
        flat = (np.matmul(TWELVE_FROM_EIGHT, beats - mean_beat) / profile).reshape(len(beats), -1)
        pca = PCA(n_front, random_state=seed).fit(flat)
        axes = pca.components_.reshape(n_front, *profile.shape)
        # Scores from eight leads, and eight leads from scores; the derived leads follow from them both ways.
        reading = np.einsum("clt,le->cet", axes / profile, TWELVE_FROM_EIGHT) * profile[EIGHT_OF_TWELVE]
        writing = (axes * profile)[:, EIGHT_OF_TWELVE]
        reading, writing = (torch.from_numpy(a.reshape(n_front, -1).astype(np.float32)) for a in (reading, writing))
        spread = torch.from_numpy(np.sqrt(pca.explained_variance_).astype(np.float32).clip(1e-6))
        self.mean_beat.copy_(torch.from_numpy(mean_beat.ravel()))
        self.profile.copy_(torch.from_numpy(profile))
        self.encoder.front.weight.copy_(reading / spread[:, None].sqrt())
        self.encoder.skip.weight.copy_(torch.eye(n_latents, n_front) / spread.sqrt())
        self.encoder.head.weight.mul_(0.1)
        self.encoder.head.bias[n_latents:] = -3.0
        self.decoder.back.weight.copy_((writing * spread[:, None])[:n_back].T)
        self.decoder.back.bias.copy_(self.mean_beat)
        self.decoder.head.weight.mul_(0.1)
        self.decoder.skip.weight.copy_(torch.eye(n_back, n_latents))
        for parameter in (self.encoder.front.bias, self.encoder.skip.bias, *self.decoder.stretch.parameters()):
            parameter.zero_()
        kept = pca.components_[:n_latents]
        self.log_level.fill_(math.log(max(np.abs(flat - flat @ kept.T @ kept).mean(), 1e-6)))
