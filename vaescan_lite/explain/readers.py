"""Models that read factors from beats, all behind `decision(beats)`, which gives logits; and controls that know nothing."""

import numpy as np
import pandas as pd
from scipy.special import logit
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from ..factors import aligned
from ..measurements.values import measure
from ..models.cnn import EcgCNN
from ..models.tables import standard_models
from ..scan.scan import Scan
from .latents import contributions, traversal_shares

N_PERMUTED = 3


class ScanReader:
    """A fitted Scan, with its own explanation.

    Parameters
    ----------
    scan : Scan
        Fitted, with an affine decoder.
    """

    def __init__(self, scan):
        self.scan = scan
        self._shares = None

    def decision(self, beats):
        """Log odds, DataFrame (n, n_factors) of the binary factors, indexed by id."""
        binary = [name for name, scale in zip(self.scan.coding_.names, self.scan.coding_.continuous, strict=True) if not scale]
        return self.scan.logits(beats)[binary]

    def contributions(self, beats, factor):
        """Give what each wave of each lead adds to the log odds of a factor, as `explain.wave_contributions` does."""
        if self._shares is None:  # decoding every latent once is enough
            self._shares = traversal_shares(self.scan)
        parts = contributions(self.scan, beats, factor).drop(columns="baseline")
        return pd.DataFrame(parts.to_numpy() @ self._shares.to_numpy(), index=parts.index, columns=self._shares.columns)

    def latents(self, beats):
        """Posterior means of the active latents, ndarray (n, n_active)."""
        mu, _ = self.scan.vae.posterior(beats)
        active = getattr(self.scan.vae, "active_latents_", slice(None))
        return mu[:, active]


class LatentReader:
    """Any scikit-learn classifier on the latents of a VAE, one for each factor.

    Parameters
    ----------
    vae : BeatVAE
        Fitted.
    estimator : classifier
        Not fitted; it gets standardised latents.
    """

    def __init__(self, vae, estimator):
        self.vae, self.estimator = vae, estimator

    def fit(self, beats, factors, names):
        """Fit one classifier per factor to usable beats with a known label.

        Parameters
        ----------
        beats : BeatSet
            Training beats.
        factors : DataFrame
            Labels by id.
        names : sequence of str
            Binary factors.

        Returns
        -------
        LatentReader
            Itself.
        """
        mu, labels = self.vae.posterior(beats)[0], _labels(beats, factors, names)
        self.models_ = {}
        for name in names:
            rows = np.isfinite(mu).all(axis=1) & labels[name].notna().to_numpy()
            table = pd.DataFrame(mu[rows]).add_prefix("latent ")
            model = make_pipeline(StandardScaler().set_output(transform="pandas"), clone(self.estimator))
            self.models_[name] = model.fit(table, labels[name][rows].astype(int).to_numpy())
        return self

    def decision(self, beats):
        """Log odds, DataFrame (n, n_factors), NaN for an unusable beat."""
        mu = self.vae.posterior(beats)[0]
        usable = np.isfinite(mu).all(axis=1)
        out = pd.DataFrame(np.nan, index=beats.ids, columns=list(self.models_))
        table = pd.DataFrame(mu[usable]).add_prefix("latent ")
        for name, model in self.models_.items():
            out.loc[usable, name] = _logits(model, table)
        return out


class NetworkReader:
    """A beat CNN that reads several factors at once.

    Parameters
    ----------
    network : EcgCNN
        Not fitted.
    """

    def __init__(self, network):
        self.network = network

    def fit(self, beats, factors, names):
        """Train on usable beats; arguments as in `LatentReader.fit`."""
        beats = beats[beats.usable]
        self.names_ = list(names)
        self.network.fit(beats, _labels(beats, factors, names).to_numpy())
        return self

    def decision(self, beats):
        """Log odds, DataFrame (n, n_factors), NaN for an unusable beat."""
        out = pd.DataFrame(np.nan, index=beats.ids, columns=self.names_)
        if beats.usable.any():
            out.loc[beats.usable] = self.network.decision_function(beats[beats.usable])
        return out


class RuleReader:
    """Textbook criteria as distances from their thresholds: above zero, the criterion is met. Nothing is learnt.

    The unit of a distance is 10 ms, 10 degrees or 0.1 mV. If several conditions have to be met, the one furthest from being met
    counts. What cannot be measured (PR without a P wave) counts as not met, by ten units.

    Notes
    -----
    PR above 200 ms; QRS of at least 120 ms with V1 down or up (AHA/ACCF/HRS 2009); axis of -45 to -90 degrees with QRS below
    120 ms; Sokolow-Lyon of 3.5 mV or Cornell of 2.8 mV; Q of 0.1 mV in two inferior or two anterior leads; no P wave. The
    voltage criteria were made for unfiltered ECGs; without the sex, Cornell's threshold for men is used.
    """

    def decision(self, beats):
        """Distances, DataFrame (n, 7), NaN for an unusable beat."""
        m = measure(beats)
        up_v1 = (m["r_V1_mV"] + m[["s_V1_mV", "q_V1_mV"]].min(axis=1)) / 0.1
        wide, left = (m["qrs_ms"] - 120) / 10, -m["qrs_axis_deg"]
        voltage = np.fmax(m["sokolow_lyon_mV"] - 3.5, m["cornell_mV"] - 2.8) / 0.1
        rules = {
            "AVB1": (m["pr_ms"] - 200) / 10,
            "LBBB": np.minimum(wide, -up_v1),
            "RBBB": np.minimum(wide, up_v1),
            "LAFB": np.minimum(np.minimum((left - 45) / 10, (90 - left) / 10), -wide),
            "LVH": voltage,
            "IMI": _second_deepest(m, ("II", "III", "aVF")),
            "AMI": _second_deepest(m, ("V1", "V2", "V3", "V4")),
        }
        table = pd.DataFrame(rules).fillna(-10.0)
        table["AF"] = np.where(m["p_ms"].isna(), 1.0, -1.0)
        usable = beats.usable & np.isfinite(beats.signals).all(axis=(1, 2))
        return table.where(pd.Series(usable, index=table.index), np.nan)


class ConstantReader:
    """Control: the same logit for everybody."""

    def __init__(self, names):
        self.names = list(names)

    def decision(self, beats):
        """Zeros, DataFrame (n, n_factors)."""
        return pd.DataFrame(0.0, index=beats.ids, columns=self.names)


def permuted_labels(factors, seed=0):
    """Hand the labels of each ECG to another one: control.

    Parameters
    ----------
    factors : DataFrame
        Labels by id, of the training ECGs only.
    seed : int
        Of the permutation. Rows stay together, so that the factors keep their correlations.

    Returns
    -------
    DataFrame
        The same rows under other ids.
    """
    order = np.random.default_rng(seed).permutation(len(factors))
    return factors.iloc[order].set_axis(factors.index)


def fit_readers(scan, beats, factors, names, *, budget="workshop", seed=0):
    """Fit the models that chapter 7 compares, and its two controls.

    Parameters
    ----------
    scan : Scan
        Fitted on the same training beats; its VAE serves the models on latents.
    beats : BeatSet
        Training beats.
    factors : DataFrame
        Their labels by id; further rows are not looked at.
    names : sequence of str
        Binary factors to read.
    budget : {"smoke", "workshop", "full"}
        Of boosting and network.
    seed : int
        Of permutation and training.

    Returns
    -------
    dict of str to model
        "VAE-SCAN", "EBM on latents", "boosting on latents", "beat CNN", "rule", "permuted labels 1" to 3 (Scans fitted to
        permuted labels of the training beats; several, because one may be lucky) and "constant".
    """
    labels = _labels(beats, factors, list(scan.coding_.names))
    kinds = standard_models(budget)
    shuffled = {}
    for i in range(N_PERMUTED):
        permuted = Scan(scan.vae, list(labels.columns), seed=seed)
        permuted.fit(beats, permuted_labels(labels, seed + i), progress=False)
        shuffled[f"permuted labels {i + 1}"] = ScanReader(permuted)
    return {
        "VAE-SCAN": ScanReader(scan),
        "EBM on latents": LatentReader(scan.vae, kinds["EBM"]).fit(beats, labels, names),
        "boosting on latents": LatentReader(scan.vae, kinds["boosting"]).fit(beats, labels, names),
        "beat CNN": NetworkReader(EcgCNN(budget=budget, seed=seed)).fit(beats, labels, names),
        "rule": RuleReader(),
        **shuffled,
        "constant": ConstantReader(names),
    }


def _labels(beats, factors, names):
    """Rows of the labels in the order of the beats."""
    return aligned(factors, beats.ids, list(names), "factors").astype(float)


def _logits(model, table):
    if hasattr(model, "decision_function"):
        return np.asarray(model.decision_function(table), dtype=float).reshape(-1)
    return logit(np.clip(model.predict_proba(table)[:, 1], 1e-7, 1 - 1e-7))


def _second_deepest(measured, leads):
    """By how much the second deepest Q of some leads passes 0.1 mV, in 0.1 mV."""
    depth = -np.sort(measured[[f"q_{lead}_mV" for lead in leads]].to_numpy(), axis=1)[:, 1]
    return (depth - 0.1) / 0.1
