"""A VAE that learns from the labels too: reconstruction, KL, and the cross-entropy of an affine head on the latents."""

import torch
from sklearn.utils.validation import check_is_fitted
from torch import nn

from ..ecg import BeatSet
from ..training import as_device, budget_of, seeded_weights, torch_threads, train
from ..vae.beat_vae import BeatVAE
from ..vae.reconstruction import N_LATENTS
from .fitting import N_THREADS, TaskClassifier, checked_labels, checked_signals, cross_entropy


class JointVAE(TaskClassifier):
    """A beta-VAE and an affine classifier on its latents, trained together, with the manners of scikit-learn.

    ``loss = E_q[-log p(x|z)] + beta KL(q(z|x) || N(0, 1)) + label_weight * CE(y, W mu + b)``: as in van der Valk et al. 2023
    (arXiv 2304.06476) the labels have a say in what the latents are. Cross-entropy is summed over the tasks known for a beat,
    averaged over beats; the head reads the posterior mean. The number of epochs is fixed: no beats are held out. Networks,
    augmentation and weights are this project's choice. Explained in chapter 12.

    Parameters
    ----------
    n_latents : int, latents offered
    label_weight, beta : float
        Weights of a nat of cross-entropy and of KL against a nat of the likelihood of the beat, 0 or more. With a label_weight
        of 0 the VAE does not know the labels, and the head reads what it finds.
    budget : {"smoke", "workshop", "full"} or Budget, how long to train
    seed : int, first weights, order of the beats, augmentation and latent noise; global random state is not touched
    device : str, where to train, as in `training.train`

    Attributes
    ----------
    vae_ : BeatVAE, the trained VAE: latents, decoded beats and traversals as for any other
    coef_, intercept_ : ndarray of float64, shapes (n_tasks, n_latents) and (n_tasks,), weights and constants of the head
    history_ : DataFrame, ``total``, ``reconstruction``, ``kl`` and ``cross_entropy`` of each epoch, in nats per beat

    Examples
    --------
    >>> import numpy as np
    >>> beats = np.random.default_rng(0).normal(size=(40, 8, 24)).astype(np.float32)
    >>> joint = JointVAE(n_latents=3, budget="smoke").fit(beats, beats[:, 0].mean(axis=1) > 0)
    >>> joint.predict_proba(beats).shape, joint.vae_.reconstruct(beats).shape
    ((40, 1), (40, 8, 24))
    """

    def __init__(self, n_latents=N_LATENTS, label_weight=100.0, beta=1.0, budget="workshop", seed=0, device="cpu"):
        self.n_latents, self.label_weight, self.beta = n_latents, label_weight, beta
        self.budget, self.seed, self.device = budget, seed, device

    def fit(self, beats, y):
        """Train VAE and head together on finite median beats in mV, and return itself.

        An array of beats is taken for 100 Hz with R at 0.40 s. `y`, (n,) or (n, n_tasks), is 1, 0, or NaN where not known; each
        task needs both.
        """
        if not self.label_weight >= 0:
            raise ValueError(f"label_weight must be 0 or more; got {self.label_weight!r}.")
        budget = budget_of(self.budget, "joint VAE")
        signals = checked_signals(beats)
        y, is_known = checked_labels(y, len(signals))
        self.n_tasks_ = y.shape[1]
        vae = BeatVAE(self.n_latents, self.beta, self.seed, progress=False, device=self.device)
        vae._remember_form(beats if isinstance(beats, BeatSet) else signals)
        vae.n_left_out_, vae.network_ = 0, vae._started_network(signals)
        step = vae._step(vae.network_, signals, budget)
        with seeded_weights(self.seed):
            networks = nn.ModuleDict({"vae": vae.network_, "head": nn.Linear(self.n_latents, self.n_tasks_)})
        known, y = (torch.from_numpy(values).float().to(as_device(self.device)) for values in (is_known, y))

        def loss(rows, generator):
            output, terms = step(rows, generator)
            entropy = cross_entropy(networks["head"](output.mu), known[rows], y[rows]) / len(rows)
            return terms | {"total": terms["total"] + self.label_weight * entropy, "cross_entropy": entropy}

        self.history_ = vae.history_ = train(
            networks, loss, len(signals), budget, seed=self.seed, progress=False, description="joint VAE", n_threads=N_THREADS,
            device=self.device,
        )  # fmt: skip
        vae._count_latents(signals)
        self.vae_ = vae
        self.coef_ = networks["head"].weight.detach().numpy().astype(float)
        self.intercept_ = networks["head"].bias.detach().numpy().astype(float)
        return self

    def decision_function(self, beats):
        """Logit of every task, affine in the latents, float64, (n, n_tasks), for finite beats of the form of those in `fit`."""
        check_is_fitted(self, "vae_")
        signals = checked_signals(beats)
        with torch_threads(N_THREADS):
            latents = self.vae_.transform(beats if isinstance(beats, BeatSet) else signals)
        return latents.astype(float) @ self.coef_.T + self.intercept_
