"""Models that read factors from beats, all behind `decision(beats)`, which gives logits; and controls that know nothing."""

import inspect

import numpy as np
import pandas as pd
from scipy.special import logit
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from ..factors import aligned, known_names
from ..measurements import criteria
from ..measurements.values import measure
from ..models.cnn import EcgCNN
from ..models.tables import standard_models
from ..vae.reconstruction import BeatPCA
from .gradients import wave_contributions
from .waves import GROUPS

N_PERMUTED = 20
N_COMPONENTS = 64  # of the larger linear model of the beat; the smaller has as many as the VAE has latents
UNLEARNT_C = 0.03  # strength of models that have nothing to learn: the middle one of `models.tables.STRENGTHS`


def fit_readers(scan, beats, factors, names, *, budget="workshop", n_permuted=N_PERMUTED, seed=0):
    """Fit models of all kinds to compare their explanations, and two kinds of controls.

    `scan` was fitted on the same training `beats`; its VAE serves the models on latents. `factors` are labels by id (further
    rows are not looked at), `names` those to read, `budget` that of boosting and network; labels are permuted `n_permuted`
    times.

    A dict by name: "VAE-SCAN", "EBM on latents", "boosting on latents", "beat CNN", logistic regressions "on k components" of
    the beat (as many as the VAE has latents, and 64; linear in the beat), "rule" if there is one, "permuted labels 1" and so on
    (logistic regressions on latents, fitted to permuted labels of the training beats; many, because some are lucky) and
    "constant". Each has ``decision(beats)``: log odds (of "rule": distances from thresholds), DataFrame (n, n_factors) by id,
    NaN for an unusable beat.
    """
    learnt = dict(zip(scan.coding_.names, scan.coding_.continuous))
    names = known_names(names, [name for name in learnt if not learnt[name]], "yes-or-no factor(s) of this Scan")
    labels, vae, kinds = _labels(beats, factors, list(learnt)), scan.vae, standard_models(budget)
    linear = {
        f"logistic on {n} components": kind(BeatPCA(n).fit(beats), kinds["logistic"]).fit(beats, labels, names)
        for n, kind in ((vae.n_latents, ComponentReader), (N_COMPONENTS, LatentReader))
    }
    unlearnt = LogisticRegression(C=UNLEARNT_C, max_iter=1000)
    permuted = {
        f"permuted labels {i + 1}": LatentReader(vae, unlearnt).fit(beats, permuted_labels(labels, seed + i), names)
        for i in range(n_permuted)
    }
    ebm, boosting = (LatentReader(vae, kinds[kind]).fit(beats, labels, names) for kind in ("EBM", "boosting"))
    cnn = NetworkReader(EcgCNN(budget=budget, seed=seed)).fit(beats, labels, names)
    learnt = {"VAE-SCAN": ScanReader(scan), "EBM on latents": ebm, "boosting on latents": boosting, "beat CNN": cnn, **linear}
    rule = {"rule": RuleReader()} if len(RuleReader().decision(beats[:1]).columns.intersection(names)) else {}
    return {**learnt, **rule, **permuted, "constant": ConstantReader(names)}


class NetworkBehind:
    """A reader whose `model` is differentiable, so that its answers are explained by `explain.wave_contributions`."""

    def contributions(self, beats, factor, reference=None):
        """Say what each wave of each lead adds to the log odds, from reference beats or the model's own mean beat on."""
        return wave_contributions(self, beats, factor, reference=reference)


class ScanReader(NetworkBehind):
    """A fitted Scan, explained through its encoder."""

    def __init__(self, scan):
        self.model = scan

    def decision(self, beats):
        """Log odds of the binary factors."""
        return self.model.logits(beats).loc[:, ~self.model.coding_.continuous]

    def latents(self, beats):
        """Posterior means of the active latents, ndarray (n, n_active)."""
        mu, _ = self.model.vae.posterior(beats)
        return mu[:, getattr(self.model.vae, "active_latents_", slice(None))]


class LatentReader:
    """Any scikit-learn classifier on the standardised codes of an encoder of beats, a VAE or PCA, one for each factor."""

    def __init__(self, encoder, estimator):
        self.encoder, self.estimator = encoder, estimator

    def fit(self, beats, factors, names):
        """Fit one classifier per factor to usable beats with a known label."""
        mu, labels = self.encoder.transform(beats), _labels(beats, factors, names)
        self.models_ = {}
        for name in names:
            rows = np.isfinite(mu).all(axis=1) & labels[name].notna().to_numpy()
            model = make_pipeline(StandardScaler().set_output(transform="pandas"), clone(self.estimator))
            self.models_[name] = model.fit(_latent_table(mu[rows]), labels[name][rows].astype(int).to_numpy())
        return self

    def decision(self, beats):
        """Log odds, NaN for an unusable beat."""
        mu = self.encoder.transform(beats)
        usable = np.isfinite(mu).all(axis=1)
        logits = pd.DataFrame(np.nan, index=beats.ids, columns=list(self.models_))
        for name, model in self.models_.items():
            logits.loc[usable, name] = _logits(model, _latent_table(mu[usable]))
        return logits


class ComponentReader(LatentReader):
    """A reader of few codes, which `requirements` tries to name as it does the latents of a Scan."""

    def latents(self, beats):
        """Codes of the beats, ndarray (n, n_codes)."""
        return self.encoder.transform(beats)


class NetworkReader(NetworkBehind):
    """A beat CNN that reads several factors at once."""

    def __init__(self, network):
        self.model = network

    def fit(self, beats, factors, names):
        """Train on usable beats."""
        beats = beats[beats.usable]
        self.names_ = list(names)
        self.model.fit(beats, _labels(beats, factors, names).to_numpy())
        return self

    def decision(self, beats):
        """Log odds, NaN for an unusable beat."""
        logits = pd.DataFrame(np.nan, index=beats.ids, columns=self.names_)
        if beats.usable.any():
            logits.loc[beats.usable] = self.model.decision_function(beats[beats.usable])
        return logits


class RuleReader:
    """Textbook criteria as distances from their thresholds: above zero, the criterion is met. Nothing is learnt.

    The unit is 10 ms, 10 degrees or 0.1 mV. Of several conditions the one furthest from being met counts; what cannot be
    measured (PR without a P wave) counts as not met, by ten units. Without the sex, Cornell's threshold for men is used.
    """

    def decision(self, beats):
        """Distances, NaN for an unusable beat."""
        m = measure(beats)
        up_v1, wide = criteria.v1_net_mV(m) / 0.1, (m["qrs_ms"] - criteria.WIDE_QRS_MS) / 10
        (from_deg, to_deg), axis_deg = criteria.LEFT_AXIS_DEG, m["qrs_axis_deg"]
        left_axis = np.minimum((to_deg - axis_deg) / 10, (axis_deg - from_deg) / 10)
        sokolow_lyon, cornell = m["sokolow_lyon_mV"] - criteria.SOKOLOW_LYON_mV, m["cornell_mV"] - criteria.CORNELL_MEN_mV
        rules = {
            "AVB1": (m["pr_ms"] - criteria.LONG_PR_MS) / 10,
            "LBBB": np.minimum(wide, -up_v1),
            "RBBB": np.minimum(wide, up_v1),
            "LAFB": np.minimum(left_axis, -wide),
            "LVH": np.fmax(sokolow_lyon, cornell) / 0.1,
            "IMI": (criteria.second_deepest_q_mV(m, criteria.INFERIOR) - criteria.DEEP_Q_mV) / 0.1,
            "AMI": (criteria.second_deepest_q_mV(m, criteria.ANTERIOR) - criteria.DEEP_Q_mV) / 0.1,
        }
        table = pd.DataFrame(rules).fillna(-10.0)
        table["AF"] = np.where(m["p_ms"].isna(), 1.0, -1.0)
        table[~(beats.usable & np.isfinite(beats.signals).all(axis=(1, 2)))] = np.nan
        return table


class ConstantReader:
    """Control: the same logit for everybody."""

    def __init__(self, names):
        self.names = list(names)

    def decision(self, beats):
        """Zeros."""
        return pd.DataFrame(0.0, index=beats.ids, columns=self.names)


def permuted_labels(factors, seed=0):
    """Control: the labels of each ECG handed to another one; rows stay together, so that factors keep their correlations."""
    return factors.iloc[np.random.default_rng(seed).permutation(len(factors))].set_axis(factors.index)


def decide(name, model, beats, factors):
    """Ask a model that anybody may have written, and check its answer: a DataFrame (n, n_factors) of finite logits."""
    if not callable(getattr(model, "decision", None)):
        raise ValueError(f"model {name!r} ({type(model).__name__}) has no decision(beats) that gives logits.")
    n, answer = len(beats), model.decision(beats)
    is_table = isinstance(answer, pd.DataFrame)
    if np.shape(answer)[: 1 if is_table else None] != (n,):
        got = f"{type(answer).__name__} of shape {np.shape(answer)}"
        raise ValueError(f"decision of model {name!r} must give ({n},) logits, or a DataFrame of {n} rows; got {got}.")
    if not is_table:
        meant = [model.factor] if isinstance(getattr(model, "factor", None), str) else factors
        answer = pd.DataFrame({factor: np.asarray(answer) for factor in meant})
    answer = answer[[factor for factor in factors if factor in answer]].astype(float)
    if answer.empty:
        raise ValueError(f"model {name!r} decides none of the factors {', '.join(factors)}.")
    n_lost = int((~np.isfinite(answer.to_numpy())).any(axis=1).sum())
    if n_lost:
        raise ValueError(f"decision of model {name!r} is not finite for {n_lost} of {n} usable beats.")
    return answer.reset_index(drop=True)


def own_explanation(name, model, beats, factor, reference):
    """Ask a model for its own explanation, from the `reference` if it takes one: (n, n_groups) in the order of `GROUPS`."""
    takes_reference = "reference" in inspect.signature(model.contributions).parameters
    parts = model.contributions(beats, factor, **({"reference": reference} if takes_reference else {}))
    missing = [group for group in GROUPS if group not in parts.columns] if isinstance(parts, pd.DataFrame) else list(GROUPS)
    if missing or len(parts) != len(beats):
        got = f"{type(parts).__name__} of shape {np.shape(parts)}, {len(missing)} groups missing"
        wanted = f"a DataFrame of {len(beats)} rows with a column per (segment, lead), as GROUPS lists them"
        raise ValueError(f"contributions of model {name!r} must be {wanted}; got {got}.")
    return parts[list(GROUPS)].to_numpy(dtype=float)


def _labels(beats, factors, names):
    """Rows of the labels in the order of the beats."""
    return aligned(factors, beats.ids, list(names), "factors").astype(float)


def _latent_table(mu):
    return pd.DataFrame(mu).add_prefix("latent ")


def _logits(model, table):
    if hasattr(model, "decision_function"):
        return np.asarray(model.decision_function(table), dtype=float).reshape(-1)
    return logit(np.clip(model.predict_proba(table)[:, 1], 1e-7, 1 - 1e-7))
