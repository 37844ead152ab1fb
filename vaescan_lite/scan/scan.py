"""SCAN, the symbol-concept association network: clinical factors and latents tied together in both directions.

Networks and loss are in `network`, effects and their tests in `associations`.
"""

import warnings
from dataclasses import replace

import numpy as np
import pandas as pd
import torch
from sklearn.exceptions import NotFittedError

from ..ecg import BeatSet, require_beats, to_eight_leads
from ..factors import aligned, known_names, repeated_factors
from ..training import Budget, seeded_weights, train
from ..vae.network import sample_gaussian
from . import associations
from .associations import CONTINUOUS, FEWEST, FactorCoding, checked_values
from .network import FactorDecoder, SymbolEncoder, scan_loss, start_decoder, start_encoder
from .operators import without_unknown
from .saving import load_scan, save_scan

UNSPECIFIED = ("observe", "average")
N_HIDDEN = 32  # width of the MLP decoder
N_STEPS = 200  # training steps with an affine decoder: the closed forms it starts from are close to the optimum
N_BOOTSTRAP = 50  # refits of the encoder's slopes, for intervals on decoded beats
N_PEOPLE = 48  # training ECGs whose latents are kept, to show on them what a factor does


class Scan:
    """Associations between clinical factors and the latents of a trained VAE, in both directions.

    A symbol encoder turns factors, any of which may be unknown, into a normal distribution over the latents; a decoder turns
    latents into factors. The VAE stays frozen. Fitted by KL(q(z_x|x) || q(z_y|y)): the distribution of a concept must cover
    every ECG that carries it [1]_. Explained in chapter 6.

    Parameters
    ----------
    vae : BeatVAE, fitted; only its ``posterior`` and ``inverse_transform`` are used
    factors : list of str
        Names of the factors to learn; RBBB and RBBB_any, of which one holds the other, are refused together, or
        RBBB_any is left out with a warning where both are the same.
    decoder : {"affine", "mlp"}, from latents to factors; the affine one can be explained exactly: `explain.contributions`
    beta_y, lam : float, weights of KL(q(z_y|y) || N(0, I)) and of KL(q(z_x|x) || q(z_y|y))
    unspecified : {"observe", "average"}
        What a factor that is not named is taken to be. "observe": what people with the named factors are like. "average":
        everybody else's mix, so that the named factors act alone. A choice of how to ask; the fit is the same.
    grounded : bool
        True: the decoder is also trained on the latents of the ECGs, this project's addition. False: only on latents
        drawn from the factors, as published, which makes it a diagonal Gaussian naive Bayes classifier.
    continuous : sequence of str, factors measured on a scale; all others must be 0, 1 or NaN
    seed : int, for first weights, masks and draws
    budget : Budget, optional, length and speed of training; default about 200 steps, 800 with an MLP

    Attributes
    ----------
    coding_ : FactorCoding, mean, SD and correlation of the factors
    aggregated_mean_, aggregated_sd_ : ndarray of float, shape (n_latents,), of all latents of all training ECGs
    people_ : tuple of two ndarrays of float32, shapes (n_people, n_latents) and (n_people, n_factors)
        Latents and factors (NaN where unknown) of up to 48 training ECGs, drawn by the seed.
    effects_ : DataFrame, least-squares effects of the factors on the latents, as `associations.associate` gives them
    bootstrap_ : ndarray of float32, shape (50, n_factors, n_latents)
        Least-squares slopes of the latents, per SD of a factor, in a Bayesian bootstrap of the ECGs.
    n_fitted_, n_left_out_ : int, ECGs used, and unusable ones left out
    history_ : DataFrame, loss terms by epoch, in nats per ECG

    References
    ----------
    .. [1] Higgins I, et al. SCAN: Learning hierarchical compositional visual concepts. ICLR 2018. arXiv:1707.03389
    """

    def __init__(
        self, vae, factors, *, decoder="affine", beta_y=1.0, lam=10.0, unspecified="observe", grounded=True,
        continuous=CONTINUOUS, seed=0, budget=None,
    ):  # fmt: skip
        self.vae = vae
        self.factors = list(factors) if not isinstance(factors, str) else [factors]
        self.decoder, self.beta_y, self.lam = decoder, beta_y, lam
        self.unspecified, self.grounded, self.continuous = unspecified, grounded, tuple(continuous)
        self.seed, self.budget = seed, budget

    def __repr__(self):
        state = f"fitted on {self.n_fitted_} ECGs" if hasattr(self, "n_fitted_") else "not fitted"
        return f"Scan({', '.join(self.factors)}; {self.decoder} decoder, unspecified={self.unspecified!r}, {state})"

    def fit(self, beats, factors, *, progress=True):
        """Learn the associations from median beats, and return itself; unusable ones are left out and counted in `n_left_out_`.

        `factors` is a DataFrame by id, one row for each beat (more rows do no harm): 1, 0, years, or NaN where unknown. An
        unknown value is masked in every term of the loss.
        """
        self._check_settings()
        table, mu, var = self._usable_rows(beats, factors)
        coding = FactorCoding.of(table, self.continuous)
        values = checked_values(table, coding.continuous)
        scores, known = coding.scores(values)
        filled = associations.conditional_mean(scores, known, coding.correlation)
        self.n_fitted_, self.n_left_out_ = len(mu), len(beats) - len(mu)
        self.fs_, self.r_index_, self.leads_ = beats.fs, beats.r_index, beats.leads
        self.aggregated_mean_ = mu.mean(axis=0)
        self.aggregated_sd_ = np.sqrt(var.mean(axis=0) + mu.var(axis=0))
        self.build(coding)
        start_encoder(self.encoder_, mu, var, filled)
        batch = {"mu_x": mu, "logvar_x": np.log(var), "scores": scores, "values": np.nan_to_num(values)}
        batch = {name: torch.as_tensor(array, dtype=torch.float32) for name, array in batch.items()}
        batch["known"] = torch.as_tensor(known)
        start_decoder(self.encoder_, self.decoder_, batch, grounded=self.grounded, seed=self.seed)
        self.history_ = self._train(batch, progress)
        latents = pd.DataFrame(mu, columns=range(mu.shape[1]))
        people = np.sort(np.random.default_rng(self.seed).permutation(len(mu))[:N_PEOPLE])
        self.people_ = mu[people].astype(np.float32), values[people].astype(np.float32)
        self.bootstrap_ = associations.bootstrapped_slopes(filled, mu, N_BOOTSTRAP, self.seed).astype(np.float32)
        self.effects_ = associations.associate(latents, coding, values).rename(columns={"response": "latent"})
        return self

    def _usable_rows(self, beats, factors):
        """Return the factors of the usable beats, and the means and variances of their latents."""
        table = aligned(factors, beats.ids, self.factors, "factors")
        repeated = repeated_factors(table)
        if repeated:
            warnings.warn(f"{', '.join(repeated)} left out: the same in all of these ECGs as a narrower factor.", stacklevel=3)
            self.factors = [name for name in self.factors if name not in repeated]
            table = table[self.factors]
        mu, logvar = (np.asarray(part, dtype=np.float64) for part in self.vae.posterior(beats))
        usable = np.isfinite(mu).all(axis=1)
        if not usable.any():
            raise ValueError(f"none of the {len(beats)} beats is usable; Scan has nothing to learn from.")
        return table[usable], mu[usable], np.exp(logvar[usable])

    def _train(self, batch, progress):
        """Train both networks on all rows of a batch; returns the loss terms by epoch."""
        n_rows = len(batch["mu_x"])

        def loss(rows, generator):
            return scan_loss(
                self.encoder_, self.decoder_, {name: value[rows] for name, value in batch.items()}, generator,
                lam=self.lam, beta_y=self.beta_y, grounded=self.grounded, n_rows=n_rows,
            )  # fmt: skip

        network = torch.nn.ModuleList([self.encoder_, self.decoder_])
        batch_size = min(256, n_rows)
        n_steps, learning_rate = (N_STEPS, 1e-3) if self.decoder == "affine" else (4 * N_STEPS, 5e-3)
        epochs = max(5, round(n_steps / -(-n_rows // batch_size)))
        budget = self.budget or Budget(epochs=epochs, batch_size=batch_size, learning_rate=learning_rate)
        return train(network, loss, n_rows, budget, seed=self.seed, progress=progress, description="Scan", n_threads=1)

    def ecg_to_factors(self, beats):
        """Read the factors from a BeatSet: DataFrame (n_beats, n_factors) by id, a row of NaN for an unusable beat.

        Probabilities of binary factors and means of continuous ones (age in years), at the mean of the latents.
        """
        logits = self.logits(beats)
        for name, is_continuous in zip(self.coding_.names, self.coding_.continuous):
            if not is_continuous:
                logits[name] = 1 / (1 + np.exp(-logits[name]))
        return logits

    def logits(self, beats):
        """Read the factors from beats as `ecg_to_factors` does, as log odds (continuous factors: their mean)."""
        self._check_fitted()
        mu, _ = self.vae.posterior(beats)
        return pd.DataFrame(self.latents_to_logits(mu), index=beats.ids, columns=list(self.coding_.names))

    def latents_to_logits(self, z):
        """Read latents (n, n_latents) as float64 (n, n_factors): log odds, of continuous factors the mean in their unit."""
        self._check_fitted()
        z = np.asarray(z, dtype=np.float64)
        if self.decoder == "affine":  # in double precision, so that the contributions add up exactly
            return z @ self.weights_.to_numpy().T + self.bias_.to_numpy()
        with torch.no_grad():
            output = self.decoder_(torch.as_tensor(z, dtype=torch.float32)).numpy().astype(np.float64)
        return np.where(self.coding_.continuous, self.coding_.mean + self.coding_.sd * output, output)

    def factors_to_latents(self, assignment, *, unspecified=None):
        """Posterior over the latents of a person of whom some factors are known: mean and log-variance of q(z_y|y), float32.

        `assignment` is a dict such as ``{"LBBB": 1}``, or a DataFrame with one assignment a row: shapes (n_latents,), or
        (n_rows, n_latents). A factor that is not named, None or NaN is unknown; ``{}`` gives the whole population.
        `unspecified`, "observe" or "average", overrides the setting of this object.
        """
        self._check_fitted()
        unspecified = self.unspecified if unspecified is None else unspecified
        known_names([unspecified], UNSPECIFIED, "value of unspecified")
        if not isinstance(assignment, (dict, pd.DataFrame)):
            raise ValueError(f'an assignment is a dict such as {{"{self.factors[0]}": 1}}; got {type(assignment).__name__}.')
        known_names(assignment, self.coding_.names, "factor(s)")
        table = pd.DataFrame([without_unknown(assignment)], dtype=float) if isinstance(assignment, dict) else assignment
        values = checked_values(table.reindex(columns=list(self.coding_.names)), self.coding_.continuous)
        scores, known = self.coding_.scores(values)
        scores, known = torch.as_tensor(scores, dtype=torch.float32), torch.as_tensor(known)
        with torch.no_grad():
            mu, logvar = (part.numpy() for part in self.encoder_(scores, known, observe=unspecified == "observe"))
        return (mu, logvar) if isinstance(assignment, pd.DataFrame) else (mu[0], logvar[0])

    def factors_to_ecg(self, assignment, n=1, *, seed=0, unspecified=None):
        """Beats of people of whom some factors are known: a BeatSet of n beats, whose RR interval is not known (NaN).

        `assignment`, a dict, and `unspecified` are as in `factors_to_latents`. 1 decodes the mean of the posterior; a larger
        `n` draws latents from it by `seed`.
        """
        if not (isinstance(n, (int, np.integer)) and n >= 1):
            raise ValueError(f"n must be a whole number of at least 1; got {n!r}.")
        mu, logvar = self.factors_to_latents(assignment, unspecified=unspecified)
        if mu.ndim != 1:
            raise ValueError("factors_to_ecg takes one assignment, a dict; for several: factors_to_latents, latents_to_ecg.")
        if n == 1:
            return self.latents_to_ecg(mu[np.newaxis])
        mu, logvar = torch.as_tensor(mu).expand(n, -1), torch.as_tensor(logvar).expand(n, -1)
        return self.latents_to_ecg(sample_gaussian(mu, logvar, torch.Generator().manual_seed(seed)).numpy())

    def latents_to_ecg(self, z):
        """Decode latents (n, n_latents) into a BeatSet of the rate, leads and R peak of the beats of `fit`."""
        self._check_fitted()
        signals = self.vae.inverse_transform(np.asarray(z, dtype=np.float32))
        return BeatSet(signals, fs=self.fs_, leads=self.leads_, r_index=self.r_index_)

    def change(self, beats, to, *, factors=None):
        """Beats of the same people with other factors, a BeatSet; NaN rows for unusable beats.

        `to`, such as ``{"LBBB": 1}``, has the factors to change; all others stay as they are, ``{}`` gives the beats back.
        `factors` is what is known of the people, by id; what is not known is taken as this Scan reads it. The latents move by W
        (y_to - y_from), W the effects of the factors side by side, and the change of the decoded beat is added to the person's
        own beat, so that what the VAE cannot say is kept.
        """
        self._check_fitted()
        names = known_names(to, self.coding_.names, "factor(s)")
        if not names:
            return require_beats(beats)
        beats = to_eight_leads(require_beats(beats))
        table = pd.DataFrame({name: np.full(len(beats), value, dtype=float) for name, value in to.items()}, index=beats.ids)
        columns = [self.coding_.names.index(name) for name in names]
        wanted = checked_values(table, self.coding_.continuous[columns])
        if np.isnan(wanted).any():
            raise ValueError(f"a factor can be changed to a value only; got {to}. Leave out what is to stay as it is.")
        mu, _ = self.vae.posterior(beats)
        scores = (wanted - self.present_factors(beats, names, factors)) / self.coding_.sd[columns]
        weight = self.encoder_.weight.detach().numpy()[:, columns]  # (n_latents, n_changed), latents per SD of a factor
        moved = (mu + scores @ weight.T).astype(np.float32)
        return replace(beats, signals=beats.signals + (self.vae.inverse_transform(moved) - self.vae.inverse_transform(mu)))

    def present_factors(self, beats, names, factors=None):
        """Return what is known of people (`factors`, by id), else what this Scan reads: float (n_beats, n_names)."""
        read = self.ecg_to_factors(beats)[names]
        if factors is None:
            return read.to_numpy(dtype=float)
        known = aligned(factors, beats.ids, [name for name in names if name in factors], "factors")
        return known.reindex(columns=names).astype(float).where(lambda table: table.notna(), read).to_numpy()

    def associations(self, fewest=FEWEST):
        """Tie every factor to every latent, with intervals and tests: a DataFrame, one row per factor and latent.

        - ``factor``, ``latent``, ``contrast`` (the change of the factor: yes - no, or +10 years), ``n``, ``n_with``, and
          ``enough``, whether there are `fewest` people with the factor and without it (`associations.FEWEST` says why 25), else
          effects are NaN;
        - ``partial`` with ``partial_low``, ``partial_high``: change of the mean of q(z_y|y), the other factors held, in SD of
          the aggregated posterior; ``marginal`` likewise, the other factors unknown and following along;
        - ``partial_p``, ``partial_q``, ``marginal_p``, ``marginal_q``: robust t test of no effect on the latent
          (`associations.robust_effects`), and Benjamini and Hochberg's q over the table;
        - ``sd_ratio``: SD of q(z|factor = 1) by the SD when nothing is known (continuous: one contrast above the mean);
        - ``divergence_nats``: D = KL(q(z|factor = 1) || q(z)), how much the factor says about that latent;
        - ``log_odds``: weight of the latent in the affine decoder, per SD of the aggregated posterior (a continuous factor: in
          SDs of the factor); NaN with an MLP.

        Effects are those of the fitted encoder, which the KL to the prior shrinks by lam / (lam + beta_y v), about .92 at (10,
        1). The robust least-squares intervals are shrunk alike. Tests are on the least-squares effects themselves.
        """
        self._check_fitted()
        return associations.latent_associations(self, fewest)

    def contrast_latents(self, unspecified=None, *, with_prior=True):
        """Mean latents without and with each factor (of age: ten years around the mean), two arrays (n_factors, n_latents).

        With `with_prior` False what KL(q(z_y|y) || N(0, I)) pulls a mean towards 0 is taken out, a factor
        ``lam / (lam + beta_y v)`` with the variance v of the concept: what is left is the mean of those who carry it.
        `unspecified` as in `factors_to_latents`.
        """
        self._check_fitted()
        coding = self.coding_
        half = 0.5 * coding.step * coding.sd
        low = np.where(coding.continuous, coding.mean - half, 0.0)
        high = np.where(coding.continuous, coding.mean + half, 1.0)
        sides = []
        for levels in (low, high):
            mu, logvar = self.factors_to_latents(coding.one_at_a_time(levels), unspecified=unspecified)
            mu, variance = mu.astype(float), np.exp(logvar.astype(float))
            sides.append(mu if with_prior else mu * (1 + self.beta_y * variance / self.lam))
        return tuple(sides)

    def save(self, path, *, with_vae=True):
        """Write this Scan, and its VAE unless `with_vae` is False (`load` then needs it), into one safetensors file."""
        self._check_fitted()
        save_scan(self, path, with_vae)

    @classmethod
    def load(cls, path, vae=None):
        """Read a Scan that `save` wrote, on the VAE in the file, or on `vae`, which must be the same one."""
        return load_scan(cls, path, vae)

    @property
    def weights_(self):
        """Weights V of the affine decoder, DataFrame (n_factors, n_latents), per unit of a latent; of an age, in years."""
        return self._affine()[0]

    @property
    def bias_(self):
        """Bias b of the affine decoder, Series (n_factors,); of an age, in years."""
        return self._affine()[1]

    def _affine(self):
        self._check_fitted()
        if self.decoder != "affine":
            raise ValueError(f"an {self.decoder} decoder has no single weight per latent; use decoder='affine'.")
        coding = self.coding_
        weight = self.decoder_.affine.weight.detach().numpy().astype(float) / self.decoder_.scale.numpy().astype(float)
        bias = self.decoder_.affine.bias.detach().numpy().astype(float) - weight @ self.decoder_.center.numpy().astype(float)
        unit = np.where(coding.continuous, coding.sd, 1.0)
        bias = bias * unit + np.where(coding.continuous, coding.mean, 0.0)
        names = list(coding.names)
        return pd.DataFrame(weight * unit[:, None], index=names), pd.Series(bias, index=names)

    def build(self, coding):
        """Make both networks, untrained, for the factors of a FactorCoding; for `fit` and `load`."""
        self.coding_ = coding
        with seeded_weights(self.seed):
            self.encoder_ = SymbolEncoder(len(self.aggregated_mean_), coding, self.lam, self.beta_y)
            hidden = N_HIDDEN if self.decoder == "mlp" else 0
            self.decoder_ = FactorDecoder(self.aggregated_mean_, self.aggregated_sd_, len(coding.names), hidden)

    def _check_fitted(self):
        if not hasattr(self, "history_") and not hasattr(self, "encoder_"):
            raise NotFittedError("this Scan is not fitted yet: call fit(beats, factors) first.")

    def _check_settings(self):
        known_names([self.decoder], ("affine", "mlp"), "decoder")
        known_names([self.unspecified], UNSPECIFIED, "value of unspecified")
        if not self.lam > 0 or not self.beta_y >= 0:
            raise ValueError(f"lam must be above 0 and beta_y at least 0; got lam={self.lam}, beta_y={self.beta_y}.")
        if not self.factors or len(set(self.factors)) != len(self.factors):
            raise ValueError(f"factors must be a list of different names; got {self.factors}.")
