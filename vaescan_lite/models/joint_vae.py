"""A VAE that learns from the labels too: reconstruction, KL, and the cross-entropy of an affine head on the latents."""

import numpy as np
import torch
from scipy.special import expit
from sklearn.base import BaseEstimator, ClassifierMixin
from torch import nn

from ..training import Budget, seeded_weights, torch_threads, train
from ..vae.augmentation import Augmentation
from ..vae.beat_vae import BeatVAE
from ..vae.network import vae_loss
from .cnn import N_THREADS, _checked_labels, _checked_signals

BUDGETS = {
    "smoke": Budget(epochs=8, batch_size=32, learning_rate=3e-3, weight_decay=0.3),
    "workshop": Budget(epochs=40, batch_size=64, learning_rate=3e-3, weight_decay=0.3),
    "full": Budget(epochs=40, batch_size=128, learning_rate=3e-3, weight_decay=0.3),
}
WARM_UP = 0.2  # share of the training over which the KL term comes in, as in `vae`


class JointVAE(ClassifierMixin, BaseEstimator):
    """A beta-VAE and an affine classifier on its latents, trained together, with the manners of scikit-learn.

    Parameters
    ----------
    n_latents : int
        Latents offered.
    label_weight : float
        Weight of a nat of cross-entropy against a nat of the likelihood of the beat, 0 or more. 0: the VAE does not know the
        labels, and the head reads what it finds.
    beta : float
        Weight of a nat of KL.
    budget : {"smoke", "workshop", "full"} or Budget
        How long to train.
    seed : int
        First weights, order of the beats, augmentation and latent noise. Global random state is not touched.
    progress : bool
        Show a progress bar while training.

    Attributes
    ----------
    vae_ : BeatVAE
        The trained VAE: latents, decoded beats and traversals as for any other.
    coef_ : ndarray of float64, shape (n_tasks, n_latents)
        Weights of the head.
    intercept_ : ndarray of float64, shape (n_tasks,)
        Its constants.
    history_ : DataFrame
        ``total``, ``reconstruction``, ``kl`` and ``cross_entropy`` of each epoch, in nats per beat.

    Notes
    -----
    ``loss = E_q[-log p(x|z)] + beta KL(q(z|x) || N(0, 1)) + label_weight * CE(y, W mu + b)``: as in [1]_ the labels have a say
    in what the latents are. Cross-entropy is summed over the tasks known for a beat, averaged over beats; the head reads the
    posterior mean. The decision stays affine in latents that can be decoded. The number of epochs is fixed: no beats are held
    out.
    Networks, augmentation and weights are this project's choice. Explained in chapter 11.

    References
    ----------
    .. [1] van der Valk VO, Atsma D, Scherptong R, Staring M. Joint optimization of a beta-VAE for ECG task-specific feature
       extraction. arXiv 2304.06476, 2023.

    Examples
    --------
    >>> beats = np.random.default_rng(0).normal(size=(40, 8, 24)).astype(np.float32)
    >>> joint = JointVAE(n_latents=3, budget=Budget(epochs=1)).fit(beats, beats[:, 0].mean(axis=1) > 0)
    >>> joint.predict_proba(beats).shape, joint.vae_.reconstruct(beats).shape
    ((40, 1), (40, 8, 24))
    """

    is_multitask = True

    def __init__(self, n_latents=24, label_weight=100.0, beta=1.0, budget="workshop", seed=0, progress=False):
        self.n_latents = n_latents
        self.label_weight = label_weight
        self.beta = beta
        self.budget = budget
        self.seed = seed
        self.progress = progress

    def fit(self, beats, y):
        """Train VAE and head together.

        Parameters
        ----------
        beats : BeatSet or ndarray of float, shape (n, 8, n_times)
            Finite median beats in mV; an array is taken for 100 Hz with R at 0.40 s.
        y : array-like of float, shape (n,) or (n, n_tasks)
            1, 0, or NaN where not known.

        Returns
        -------
        JointVAE
            Itself.

        Raises
        ------
        ValueError
            If shapes do not fit, beats hold NaN, a task lacks positives or negatives, or a weight is negative.
        """
        if not self.label_weight >= 0:
            raise ValueError(f"label_weight must be 0 or more; got {self.label_weight!r}.")
        if not isinstance(self.budget, Budget) and self.budget not in BUDGETS:
            raise ValueError(f"budget must be a Budget or one of {', '.join(BUDGETS)}; got {self.budget!r}.")
        budget = self.budget if isinstance(self.budget, Budget) else BUDGETS[self.budget]
        signals = _checked_signals(beats)
        y, is_known = _checked_labels(y, len(signals))
        self.n_tasks_, self.classes_ = y.shape[1], np.array([0, 1])
        vae = _LabelledVAE(self.n_latents, self.beta, self.seed, progress=False)
        form = beats if hasattr(beats, "r_index") else signals
        head, self.history_ = vae.train_with_labels(form, signals, y, is_known, self.label_weight, budget, self.progress)
        self.vae_ = vae
        self.coef_ = head.weight.detach().numpy().astype(float)
        self.intercept_ = head.bias.detach().numpy().astype(float)
        return self

    def decision_function(self, beats):
        """Logit of every task, affine in the latents.

        Parameters
        ----------
        beats : BeatSet or ndarray of float, shape (n, 8, n_times)
            Finite median beats of the form of the training set.

        Returns
        -------
        ndarray of float64, shape (n, n_tasks)

        Raises
        ------
        ValueError
            If the model is not fitted, or beats do not have the form of the training set or hold NaN.
        """
        if not hasattr(self, "vae_"):
            raise ValueError("this JointVAE is not fitted yet; call fit(beats, y) first.")
        signals = _checked_signals(beats)
        with torch_threads(N_THREADS):
            latents = self.vae_.transform(beats if hasattr(beats, "r_index") else signals)
        return latents.astype(float) @ self.coef_.T + self.intercept_

    def predict_proba(self, beats):
        """Probability of every task, ndarray of float64, shape (n, n_tasks); beats as for `decision_function`."""
        return expit(self.decision_function(beats))

    def predict(self, beats):
        """1 where a task is more likely than not, ndarray of int, shape (n, n_tasks)."""
        return (self.decision_function(beats) > 0).astype(int)


class _LabelledVAE(BeatVAE):
    """A BeatVAE whose encoder also hears what the labels say."""

    def train_with_labels(self, form, signals, y, is_known, label_weight, budget, progress):
        """Train on finite signals, float32 (n, 8, n_times); gives the head and the history."""
        self._remember_form(form)
        self.n_left_out_ = 0
        fs, r_index = self._timing()
        network = self._new_network(min(160, len(signals) - 1))
        network.start_from_components(signals, self._profile(signals, fs, r_index), self.seed)
        augmentation = Augmentation(fs, r_index)
        targets, y, known = (torch.from_numpy(np.asarray(a, dtype=np.float32)) for a in (signals, y, is_known))
        with seeded_weights(self.seed):
            both = nn.ModuleDict({"vae": network, "head": nn.Linear(self.n_latents, y.shape[1])})
        n_seen = 0

        def loss(rows, generator):
            nonlocal n_seen
            n_seen += len(rows)
            x = augmentation.apply(targets[rows], augmentation.draw(len(rows), self.n_times_, generator))
            output = network(x, generator)
            warm_up = min(1.0, n_seen / (WARM_UP * budget.epochs * len(targets)))
            terms = vae_loss(x, output, network.scale, warm_up * self.beta)
            entropy = nn.functional.binary_cross_entropy_with_logits(
                both["head"](output.mu), y[rows], weight=known[rows], reduction="sum"
            ) / len(rows)  # fmt: skip
            return terms | {"total": terms["total"] + label_weight * entropy, "cross_entropy": entropy}

        history = train(
            both, loss, len(targets), budget,
            seed=self.seed, progress=progress, description="joint VAE", n_threads=N_THREADS,
        )  # fmt: skip
        self.history_ = history
        self.network_ = network.eval()
        self._count_latents(signals)
        return both["head"], history
