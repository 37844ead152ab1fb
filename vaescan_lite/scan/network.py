"""The two halves of SCAN, their loss and their closed forms. Fitting and use live in `scan`."""

import math

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression, Ridge
from torch import nn

from ..vae.network import gaussian_kl, sample_gaussian


class SymbolEncoder(nn.Module):
    """From factors, some of them unknown, to a normal posterior q(z_y|y) over the latents.

    Its weights describe the ECGs of people with these factors. For the known set S, c the standard scores and U the rest,

    - mean: ``m0 + W c``, the unknown scores replaced by ``G c_S`` with ``G = R_US R_SS^-1`` (observe) or by 0 (average);
    - variance: ``E[exp(a + A c)] + diag(W_U R_U|S W_U')``, the law of total variance. The expectation is over the unknown
      factors one by one: two values for a binary factor, normal for a continuous one. With A = 0 it is
      ``v_res + diag(W_U R_U|S W_U')``, and with nothing known that of the whole population.

    From these moments `compromise` gives the posterior that the two KL terms of the loss agree on.
    """

    def __init__(self, n_latents, coding, lam, beta_y):
        super().__init__()
        self.lam, self.beta_y = lam, beta_y
        n_factors = len(coding.names)
        self.m0 = nn.Parameter(torch.zeros(n_latents))
        self.weight = nn.Parameter(torch.zeros(n_latents, n_factors))  # W: latent change per SD of a factor
        self.log_variance = nn.Parameter(torch.zeros(n_latents))  # a
        self.variance_weight = nn.Parameter(torch.zeros(n_latents, n_factors))  # A
        self.register_buffer("correlation", torch.tensor(coding.correlation, dtype=torch.float32))
        self.register_buffer("continuous", torch.tensor(coding.continuous))
        self.register_buffer("mean", torch.tensor(coding.mean, dtype=torch.float32))
        self.register_buffer("sd", torch.tensor(coding.sd, dtype=torch.float32))

    def forward(self, scores, known, observe=True):
        """Return mu and logvar (n, n_latents) of scores and the mask of the known, both (n, n_factors)."""
        filled, covariance = fill_in(scores, known, self.correlation, observe)
        mu = self.m0 + filled @ self.weight.T
        unknown_weight = self.weight * (~known)[:, None, :]  # (n, n_latents, n_factors)
        between = (unknown_weight @ covariance * unknown_weight).sum(dim=2)
        within = torch.exp(self.log_variance + self._log_mean_variance(filled, known, covariance))
        mu, variance = compromise(mu, within + between, self.lam, self.beta_y)
        return mu, torch.log(variance)

    def _log_mean_variance(self, filled, known, covariance):
        """Sum over the factors of log E[exp(A c)], shape (n, n_latents): the expectation is over what c may be."""
        slope = self.variance_weight  # A, (n_latents, n_factors); what differs by row gets a middle axis for the latents
        # Known: c is one number.
        if_known = slope * filled[:, None, :]
        # Unknown and continuous: c is normal with variance V, and exp(A c) has the mean exp(A E[c] + A^2 V / 2).
        variance = torch.diagonal(covariance, dim1=1, dim2=2)[:, None, :]
        if_normal = if_known + 0.5 * slope**2 * variance
        # Unknown and binary: c is no = -mean / sd, or 1 / sd more with chance p: exp(A no) (1 + p (exp(A / sd) - 1)).
        chance = (self.mean + self.sd * filled).clamp(0, 1)[:, None, :]
        if_no = slope * torch.where(self.continuous, 0.0, -self.mean / self.sd)
        rise = (slope / self.sd).clamp(max=20)  # exp stays finite
        if_binary = if_no + torch.log1p(chance * torch.expm1(rise))
        return torch.where(known[:, None, :], if_known, torch.where(self.continuous, if_normal, if_binary)).sum(dim=2)


def compromise(mean, variance, lam, beta_y):
    """Minimise ``lam KL(x || y) + beta_y KL(y || N(0, 1))`` over the mean and variance of y, given tensors of the moments of x.

    The optimum is ``mu = lam m / (lam + beta_y v)``, with v the positive root of ``beta_y v^2 + (lam - beta_y) v - lam Q = 0``
    and ``Q = variance + (m - mu)^2``; with beta_y = 0 it is the moments. Of ECGs these are E[mu_x] and E[sigma_x^2] +
    Var(mu_x).

    >>> [round(part.item(), 4) for part in compromise(torch.tensor(0.8), torch.tensor(0.86), 10, 1)]
    [0.7356, 0.8751]
    """
    if beta_y == 0:
        return mean, variance
    mu, b = mean, lam - beta_y
    for _ in range(6):  # mu and v depend on each other
        q = variance + (mean - mu) ** 2
        v = (-b + torch.sqrt(b**2 + 4 * beta_y * lam * q)) / (2 * beta_y)
        mu = lam * mean / (lam + beta_y * v)
    return mu, v


def fill_in(scores, known, correlation, observe=True):
    """Return the expectation of all scores (n, n_factors) and the covariance of the unknown ones, given those known in a row.

    Observe: unknown factors U follow the known ones S, as in the population, with covariance ``R_UU - R_US R_SS^-1 R_SU``.
    Otherwise they keep the population's mix, ``R_UU``. It is (n, n_factors, n_factors), 0 in rows and columns of known factors.
    """
    k = known.to(correlation.dtype)
    u = 1 - k
    scores = torch.where(known, scores, 0.0)
    covariance = correlation * u[:, :, None] * u[:, None, :]
    if not observe:
        return scores, covariance
    among_known = correlation * k[:, :, None] * k[:, None, :] + torch.diag_embed(u)
    cross = correlation * k[:, :, None] * u[:, None, :]  # known rows, unknown columns
    weights = torch.linalg.solve(among_known, cross)
    filled = scores + (scores[:, None, :] @ weights)[:, 0]
    return filled, covariance - cross.transpose(1, 2) @ weights


class FactorDecoder(nn.Module):
    """From latents to one number per factor: a logit, or the standard score of a continuous factor.

    Latents are standardised by the aggregated posterior inside. Affine: ``b + V z``. MLP: a hidden layer beside it.
    """

    def __init__(self, center, scale, n_factors, hidden=0):
        super().__init__()
        self.register_buffer("center", torch.as_tensor(center, dtype=torch.float32))
        self.register_buffer("scale", torch.as_tensor(scale, dtype=torch.float32))
        self.affine = nn.Linear(len(self.center), n_factors)
        self.mlp = None
        if hidden:
            self.mlp = nn.Sequential(nn.Linear(len(self.center), hidden), nn.GELU(), nn.Linear(hidden, n_factors))
            nn.init.zeros_(self.mlp[2].weight)
            nn.init.zeros_(self.mlp[2].bias)
        self.log_sigma = nn.Parameter(torch.zeros(n_factors))  # used for continuous factors only

    def forward(self, z):
        """Return (n, n_factors) of latents (n, n_latents)."""
        z = (z - self.center) / self.scale
        return self.affine(z) if self.mlp is None else self.affine(z) + self.mlp(z)


def factor_nll(decoder, z, scores, values, known, continuous):
    """Return minus the log-likelihood of the known factors given latents, in nats: sum over factors, shape (n,)."""
    output = decoder(z)
    bce = nn.functional.binary_cross_entropy_with_logits(output, torch.where(continuous, 0.0, values), reduction="none")
    error = (scores - output) * torch.exp(-decoder.log_sigma)
    normal = 0.5 * error.square() + decoder.log_sigma + 0.5 * math.log(2 * math.pi)
    return torch.where(known, torch.where(continuous, normal, bce), 0.0).sum(dim=1)


def draw_mask(known, generator):
    """Hide known factors at random: half of the rows keep all, the others each factor with a chance drawn from U(0, 1)."""
    n_rows = len(known)
    chance = torch.rand(n_rows, 1, generator=generator)
    chance = torch.where(torch.rand(n_rows, 1, generator=generator) < 0.5, 1.0, chance)
    return known & (torch.rand(known.shape, generator=generator) < chance)


# Variance of the prior on the decoder's weights, per SD of a latent. Inside folds 1-8 of PTB-XL the likelihood of unseen ECGs
# is best at 0.1 or 0.3 for seven diagnoses and sex; with 1, rare ones are learnt by heart and fail in another hospital.
WEIGHT_VARIANCE = 0.2
SYMBOL_SHARE = 0.1  # weight of nll(y; z_y) beside nll(y; z_x); equal weights drag the decoder half-way to naive Bayes


def scan_loss(encoder, decoder, batch, generator, *, lam, beta_y, grounded, n_rows):
    """Return ``total`` and the terms of SCAN's loss, in nats per ECG: sums over latents and known factors, means over rows.

    Published: ``nll(y; z_y) + lam KL(q(z_x|x) || q(z_y|y)) + beta_y KL(q(z_y|y) || N(0, I))``. Grounded, this project's
    addition: ``nll(y; z_x) + 0.1 nll(y; z_y)`` in place of the first term, so that the decoder learns from ECGs too. The
    decoder's terms send no gradient into the encoder. Priors, divided by `n_rows`, are added, as C does in scikit-learn: N(0,
    `WEIGHT_VARIANCE`) on each weight of the affine decoder (per SD of a latent), N(0, 1) on each slope of the log-variance (per
    SD of a factor). `batch` holds ``mu_x``, ``logvar_x`` (n, n_latents) and ``scores``, ``values``, ``known`` (n, n_factors), 0
    where unknown.
    """
    known, scores = batch["known"], batch["scores"]
    mu_y, logvar_y = encoder(scores, draw_mask(known, generator))
    zero = torch.zeros_like(mu_y)
    terms = {
        "kl_x_y": gaussian_kl(batch["mu_x"], batch["logvar_x"], mu_y, logvar_y).sum(dim=1).mean(),
        "kl_y_prior": gaussian_kl(mu_y, logvar_y, zero, zero).sum(dim=1).mean(),
    }
    with torch.no_grad():
        z_y = sample_gaussian(*encoder(scores, known), generator)
    target = scores, batch["values"], known, encoder.continuous
    terms["nll_z_y"] = factor_nll(decoder, z_y, *target).mean()
    decoding = terms["nll_z_y"]
    if grounded:
        z_x = sample_gaussian(batch["mu_x"], batch["logvar_x"], generator)
        terms["nll_z_x"] = factor_nll(decoder, z_x, *target).mean()
        decoding = terms["nll_z_x"] + SYMBOL_SHARE * terms["nll_z_y"]
    penalty = decoder.affine.weight.square().sum() / WEIGHT_VARIANCE + lam * encoder.variance_weight.square().sum()
    prior = 0.5 * penalty / n_rows
    total = decoding + lam * terms["kl_x_y"] + beta_y * terms["kl_y_prior"] + prior
    return {"total": total, **terms}


def start_encoder(encoder, mu_x, var_x, filled):
    """Set the encoder to its closed forms: least squares, and a log-linear fit of the squared residuals.

    `mu_x`, `var_x` (n_rows, n_latents) are the posterior of the VAE, `filled` the scores with the unknown ones expected.
    """
    design = np.hstack([np.ones((len(filled), 1)), filled])
    coefficients = np.linalg.lstsq(design, mu_x, rcond=None)[0]
    # Gamma regression with a log link by damped Newton steps: E[spread] = exp(a + A c). Convex; the ridge is the prior on A.
    spread = var_x + (mu_x - design @ coefficients) ** 2
    slopes = np.zeros_like(coefficients)
    slopes[0] = np.log(spread.mean(axis=0))
    ridge = np.diag([0.0, *np.ones(filled.shape[1])])
    gram = design.T @ design + ridge
    for _ in range(30):
        ratio = np.minimum(spread * np.exp(-design @ slopes), 20.0)
        slopes += 0.5 * np.linalg.solve(gram, design.T @ (ratio - 1) - ridge @ slopes)
    with torch.no_grad():
        encoder.m0.copy_(torch.as_tensor(coefficients[0]))
        encoder.weight.copy_(torch.as_tensor(coefficients[1:].T))
        encoder.log_variance.copy_(torch.as_tensor(slopes[0]))
        encoder.variance_weight.copy_(torch.as_tensor(slopes[1:].T))


def start_decoder(encoder, decoder, batch, *, grounded, seed):
    """Set the affine part of the decoder to penalised logistic (or linear) regression on draws of the latents.

    The draws are of z_y, and of z_x for a grounded decoder, with their weights in the loss; `batch` as for `scan_loss`.
    """
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        draws = [sample_gaussian(*encoder(batch["scores"], batch["known"]), generator).numpy()]
    if grounded:
        draws.append(sample_gaussian(batch["mu_x"], batch["logvar_x"], generator).numpy())
    weights = [SYMBOL_SHARE, 1.0] if grounded else [1.0]
    scores, values, known = (batch[name].numpy() for name in ("scores", "values", "known"))
    z = (np.stack(draws) - decoder.center.numpy()) / decoder.scale.numpy()
    for j, is_continuous in enumerate(encoder.continuous.tolist()):
        rows = known[:, j]
        x = z[:, rows].reshape(-1, z.shape[2])
        y = np.tile((scores if is_continuous else values)[rows, j], len(draws))
        weight = np.repeat(weights, rows.sum())
        model = Ridge(1 / WEIGHT_VARIANCE) if is_continuous else LogisticRegression(C=WEIGHT_VARIANCE, max_iter=200)
        model.fit(x, y, sample_weight=weight)
        with torch.no_grad():
            decoder.affine.weight[j] = torch.as_tensor(np.ravel(model.coef_))
            decoder.affine.bias[j] = float(np.ravel(model.intercept_)[0])
            if is_continuous:
                residual = np.average((y - model.predict(x)) ** 2, weights=weight)
                decoder.log_sigma[j] = 0.5 * math.log(max(residual, 1e-4))
