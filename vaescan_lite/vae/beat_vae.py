"""The beta-VAE for median beats as a scikit-learn style transformer. Its network and loss live in `network`."""

import warnings

import numpy as np
import pandas as pd
import torch
from scipy.ndimage import uniform_filter1d
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.utils.validation import check_is_fitted

from ..ecg import beat_time_s, in_segment
from ..leads import LEADS_8, LEADS_12, TWELVE_FROM_EIGHT
from ..training import Budget, as_device, budget_of, seeded_weights, train
from .augmentation import Augmentation
from .network import BeatNetwork, as_read, gaussian_kl, vae_loss
from .reconstruction import BEFORE_QRS, N_LATENTS, BeatTransformer
from .saving import load_tensors, save_tensors

ACTIVE_VARIANCE = 0.01
N_FRONT = 160  # principal components that the encoder sees
WARM_UP = 0.2  # share of the training over which the KL term comes in


class BeatVAE(BeatTransformer):
    """Beta-VAE for median beats, as a scikit-learn style transformer.

    Parameters
    ----------
    n_latents : int, latents offered; training decides how many are used (`active_latents_`)
    beta : float, weight of a nat of KL against a nat of the likelihood; above 1 fewer latents are used and detail is lost
    seed : int, weights, hold-out, order of beats, augmentation and latent noise; global random state is not touched
    budget : {"smoke", "workshop", "full"} or Budget, how long to train
    scale_power : float, scale ~ residual ** scale_power: 0 weighs every microvolt alike and loses the P wave, 1 ruins the QRS
    p_weight, qrs_weight : float
        Errors in the windows of P and QRS count so many times more: P waves are small, and within the QRS lie the Q waves.
    derived_weight : float
        An error in III, aVR, aVL or aVF counts so many times one in I or II, of which they are made. With 0.5 the latents tell
        an inferior infarction much better than without them; with 1 ST and T suffer.
    n_components, n_hidden : int, principal components between decoder and beat; width of the decoder's hidden layer
    augment, progress : bool, turn, scale and warp the training beats (`Augmentation`); show a progress bar while training
    device : str, where to train, as in `training.train`; the trained model is on the CPU, and its file says nothing of it

    Attributes
    ----------
    active_latents_ : ndarray of int
        Latents whose posterior mean varies over the training beats with a variance above 0.01 (Burda et al. 2016,
        arXiv 1509.00519), in order of falling KL.
    latents_ : DataFrame, one row per latent: ``variance_of_mean``, ``kl`` (nats, mean over training beats), ``active``
    history_ : DataFrame, one row per epoch
        ``total``, ``reconstruction``, ``kl`` in nats per training beat, and ``validation``, the total of the held-out beats.
    n_left_out_, fs_, r_index_, leads_, n_times_
        Number of unusable beats, which were not trained on; form of the others, which new beats must have.

    Notes
    -----
    ``loss = E_q[-log p(x|z)] + beta KL(q(z|x) || N(0, 1))``: sums over leads and time, and over latents, means over beats. The
    likelihood is Laplace, counted on twelve leads; `likelihood_profile` times a learnt level is its scale. See chapter 4.

    Examples
    --------
    >>> beats = np.random.default_rng(0).normal(size=(40, 8, 24)).astype(np.float32)
    >>> vae = BeatVAE(n_latents=2, budget=Budget(epochs=1), progress=False).fit(beats)
    >>> vae.transform(beats).shape, vae.inverse_transform(np.zeros((1, 2))).shape
    ((40, 2), (1, 8, 24))
    """

    def __init__(
        self, n_latents=N_LATENTS, beta=1.0, seed=0, *, budget="workshop", scale_power=0.42, p_weight=1.5, qrs_weight=2.5,
        derived_weight=0.5, n_components=128, n_hidden=192, augment=True, progress=True, device="cpu",
    ):  # fmt: skip
        self.n_latents, self.beta, self.seed, self.budget = n_latents, beta, seed, budget
        self.scale_power, self.derived_weight = scale_power, derived_weight
        self.p_weight, self.qrs_weight = p_weight, qrs_weight
        self.n_components, self.n_hidden = n_components, n_hidden
        self.augment, self.progress, self.device = augment, progress, device

    def fit(self, beats, validation=None):
        """Train on usable beats, and return itself; if training is interrupted it stays as it was before.

        `beats` are a BeatSet or an array (n_beats, 8, n_times) in mV, leads I, II, V1 ... V6; rows that are not usable are left
        out with a warning. `validation` beats choose the best epoch; None: a tenth of `beats`, drawn by `seed`, is held out for
        that.
        """
        budget = budget_of(self.budget, "VAE")
        if self.n_latents < 1 or not self.beta >= 0:
            raise ValueError(f"n_latents must be at least 1 and beta at least 0; got {self.n_latents} and {self.beta}.")
        new = clone(self)
        new._remember_form(beats)
        signals, usable = new._checked(beats)
        new.n_left_out_ = int((~usable).sum())
        if new.n_left_out_:
            warnings.warn(f"{new.n_left_out_} of {len(usable)} beats are not usable and are left out.", stacklevel=2)
        if validation is None:
            rows = np.random.default_rng(self.seed).permutation(np.flatnonzero(usable))
            held_out, training = (signals[np.sort(part)] for part in np.split(rows, [max(1, len(rows) // 10)]))
        else:
            held_out, is_usable = new._checked(validation, "validation")
            training, held_out = signals[usable], held_out[is_usable]
        if len(training) < 10 or not len(held_out):
            counts = f"{len(training)} and {len(held_out)}"
            raise ValueError(f"at least 10 usable beats to train on and 1 to validate are needed; got {counts}.")
        new._train(training, held_out, budget)
        self.__dict__.update(new.__dict__)
        return self

    def _train(self, beats, held_out, budget):
        """Train a network on usable beats, and take stock of its latents."""
        network = self._started_network(beats)
        step = self._step(network, beats, budget)
        unseen = torch.from_numpy(held_out)

        def judge():
            """Loss of the held-out beats, and the level of the likelihood's scale, both with a level of their own."""
            # The level that is learnt is that of augmented beats; the model is left with that of the held-out ones.
            x, device = unseen.to(network.profile.device), network.profile.device
            output = network(x, torch.Generator(device).manual_seed(self.seed))
            level = (as_read(x - output.x_hat) / network.profile).abs().mean().clamp_min(1e-6)
            return vae_loss(x, output, network.profile * level, self.beta)["total"], level

        # The layers are so small that a second thread brings little; two trainings at once would wait for each other.
        self.history_ = train(
            network, lambda rows, generator: step(rows, generator)[1], len(beats), budget, seed=self.seed,
            validation_loss=lambda: judge()[0], progress=self.progress, description="VAE", n_threads=1, device=self.device,
        )  # fmt: skip
        with torch.no_grad():
            network.log_level.copy_(judge()[1].log())
        self.network_ = network
        self._count_latents(beats)

    def _step(self, network, beats, budget):
        """Return ``step(rows, generator)``: what the network makes of those beats, augmented, and the terms of its loss."""
        device = as_device(self.device)
        target = torch.from_numpy(beats).to(device)
        augmentation = Augmentation(*self._timing(), device) if self.augment else None
        n_seen = 0

        def step(rows, generator):
            nonlocal n_seen
            n_seen += len(rows)
            x = target.index_select(0, rows)
            if augmentation is not None:
                x = augmentation.apply(x, augmentation.draw(len(rows), self.n_times_, generator))
            output = network(x, generator)
            # The KL term comes in slowly: latents learn to be useful before they are taxed.
            warm_up = min(1.0, n_seen / (WARM_UP * budget.epochs * len(beats)))
            return output, vae_loss(x, output, network.scale, warm_up * self.beta)

        return step

    def _started_network(self, beats):
        """Network that begins as principal component analysis of usable beats, float32 (n_beats, 8, n_times)."""
        network = self._new_network(min(N_FRONT, len(beats) - 1))
        weights = {name: getattr(self, name) for name in ("p_weight", "qrs_weight", "derived_weight")}
        profile = likelihood_profile(beats, *self._timing(), power=self.scale_power, **weights)
        network.start_from_components(beats, profile, self.seed)
        return network

    def _timing(self):
        """Return sampling frequency and R peak; a bare array is taken for 100 Hz with R at 0.40 s."""
        fs = 100.0 if self.fs_ is None else self.fs_
        r_index = round(0.40 * fs) if self.r_index_ is None else self.r_index_
        return fs, min(r_index, self.n_times_ - 1)

    def _new_network(self, n_front):
        """Network with random weights that sees `n_front` principal components."""
        n_front = min(n_front, len(self.leads_) * self.n_times_)
        fs, r_index = self._timing()
        with seeded_weights(self.seed):
            return BeatNetwork(
                len(self.leads_), self.n_times_, fs=fs, r_index=r_index, n_latents=self.n_latents,
                n_front=n_front, n_back=min(self.n_components, n_front), n_hidden=self.n_hidden,
            )  # fmt: skip

    def _count_latents(self, beats):
        mu, logvar = (torch.from_numpy(values) for values in self._encode(beats))
        kl = gaussian_kl(mu, logvar, torch.zeros(()), torch.zeros(())).mean(dim=0).double().numpy()
        variance = mu.var(dim=0).double().numpy()
        columns = {"variance_of_mean": variance, "kl": kl, "active": variance > ACTIVE_VARIANCE}
        self.latents_ = pd.DataFrame(columns).rename_axis("latent")
        order = np.argsort(-kl, kind="stable")
        self.active_latents_ = order[variance[order] > ACTIVE_VARIANCE]

    @torch.no_grad()
    def _encode(self, signals):
        """Mean and log-variance, float32 arrays, of beats that are all usable."""
        batches = torch.from_numpy(np.ascontiguousarray(signals)).split(4096)
        mu, logvar = zip(*[self.network_.encode(batch) for batch in batches])
        return torch.cat(mu).numpy(), torch.cat(logvar).numpy()

    def posterior(self, beats):
        """Mean and log-variance (natural logarithm) of the latents given each beat, two float32 arrays (n_beats, n_latents).

        `beats` are in mV, of the rate, R peak and window of `fit`; rows of NaN where a beat is not usable.
        """
        check_is_fitted(self, "network_")
        signals, usable = self._checked(beats)
        mu, logvar = self._encode(signals[usable])
        return self._rows(usable, mu), self._rows(usable, logvar)

    def transform(self, beats):
        """Posterior means of the latents, float32, (n_beats, n_latents); rows of NaN for beats that are not usable."""
        return self.posterior(beats)[0]

    @torch.no_grad()
    def inverse_transform(self, z):
        """Decode latents (n_beats, n_latents) to beats in mV, float32, (n_beats, 8, n_times); NaN in a row stays NaN."""
        check_is_fitted(self, "network_")
        return self.network_.decoder(torch.from_numpy(self._checked_codes(z, self.n_latents))).numpy()

    def save(self, path):
        """Write weights and everything else a fitted model knows into one safetensors file, whole or not at all."""
        check_is_fitted(self, "network_")
        params = {name: value for name, value in self.get_params().items() if name != "device"}
        if isinstance(params["budget"], Budget):
            params["budget"] = vars(params["budget"])
        about = {
            "settings": params,
            "form": {"fs": self.fs_, "r_index": self.r_index_, "leads": self.leads_, "n_times": self.n_times_},
            "network": {"n_front": self.network_.encoder.front.out_features, "n_left_out": self.n_left_out_},
            "latents": self.latents_.to_dict("list"),
            "active_latents": self.active_latents_.tolist(),
            "history": self.history_.to_dict("list"),
        }
        save_tensors(path, "BeatVAE", about, self.network_.state_dict())

    @classmethod
    def load(cls, path):
        """Read a model that `save` wrote: fitted, with the same latents and beats as the one that was saved."""
        about, arrays = load_tensors(path, "BeatVAE")
        settings = about["settings"]
        if isinstance(settings["budget"], dict):
            settings["budget"] = Budget(**settings["budget"])
        vae = cls(**settings)
        form = about["form"]
        vae.fs_, vae.r_index_, vae.n_times_ = form["fs"], form["r_index"], form["n_times"]
        vae.leads_ = tuple(form["leads"])
        vae.n_left_out_ = about["network"]["n_left_out"]
        vae.history_ = pd.DataFrame(about["history"]).rename_axis("epoch")
        vae.latents_ = pd.DataFrame(about["latents"]).rename_axis("latent")
        vae.active_latents_ = np.array(about["active_latents"], dtype=int)
        vae.network_ = vae._new_network(about["network"]["n_front"])
        vae.network_.load_state_dict({name: torch.from_numpy(array) for name, array in arrays.items()})
        vae.network_.eval()
        return vae


def residual_profile(beats, power, n_components=8):
    """Mean absolute residual of a small PCA, smoothed over three samples, to the power `power`: (12, n_times), mean 1."""
    flat = beats.reshape(len(beats), -1)
    pca = PCA(min(n_components, len(beats) - 1, flat.shape[1]), random_state=0).fit(flat)
    rest = (flat - pca.inverse_transform(pca.transform(flat))).reshape(beats.shape)
    residual = np.abs(np.matmul(TWELVE_FROM_EIGHT, rest)).mean(axis=0)
    # A lead that is flat in all beats has no residual; the floor keeps its weight finite.
    smooth = uniform_filter1d(residual, 3, axis=1).clip(1e-3 * max(residual.mean(), 1e-6))
    profile = smooth**power
    return (profile / profile.mean()).astype(np.float32)


def likelihood_profile(beats, fs, r_index, *, power, p_weight, qrs_weight, derived_weight):
    """Shape of the likelihood's scale: the residual of a small PCA, less within P and QRS, more in the derived limb leads.

    Of `beats` (n_beats, 8, n_times) in mV at `fs` Hz, R peak at `r_index`: the residual to the `power` (0 weighs every
    microvolt alike), divided by `p_weight` in P and PR, by `qrs_weight` in QRS (`ecg.SEGMENTS_S`), and in III, aVR, aVL and aVF
    by `derived_weight`, so many times an error there counts, against one in I or II. float32 (12, n_times) with a mean of 1.
    """
    profile = residual_profile(beats, power)
    time_s = beat_time_s(beats.shape[2], r_index, fs)
    profile[:, in_segment(time_s, *BEFORE_QRS)] /= p_weight
    profile[:, in_segment(time_s, "QRS")] /= qrs_weight
    profile[[lead not in LEADS_8 for lead in LEADS_12]] /= derived_weight
    return profile / profile.mean()
