"""Four requirements of an explanation, measured: interpretable domain, monotone, faithful, robust."""

from dataclasses import replace

import numpy as np
import pandas as pd

from ..ecg import require_beats, to_eight_leads
from ..factors import aligned, known_names
from ..measurements.edits import EDITS
from ..measurements.perturbations import PERTURBATIONS, perturb
from ..measurements.values import measure
from ..statistics import weighted_auroc, weighted_mean, weighted_median, weighted_r2, with_interval
from .published import PUBLISHED_SIGNS
from .readers import decide, own_explanation
from .surrogate import AdditiveSurrogate
from .verdicts import LOWER_IS_BETTER, named_controls, void_metrics
from .waves import GROUPS, group_masks, reference_beats, row_correlation

SINGLY = np.eye(len(GROUPS), dtype=bool)  # subsets of one group each
FEWEST_BEATS = 10
COLUMNS = [
    "requirement", "metric", "detail", "model", "factor", "value", "low", "high", "n", "auroc", "explanation", "better", "void",
]  # fmt: skip


def requirements(
    models, beats, factors, *, edits=None, names=None, signs=None, reference=None, controls=None,
    n_explained=48, n_subsets=64, n_resamples=500, seed=0,
):  # fmt: skip
    """Measure whether what models say can be read in a clinician's terms, moves as published, is faithful and robust.

    One currency for all models: the logit in SDs of that model on these beats, and groups of {P, PR, QRS, ST, T} x 8 leads.

    1. *Interpretable domain*: ``additive R2``, how much of the logit an additive model of `measure`'s columns reproduces
       on ECGs it was not fitted to; ``latent R2``, the same for each latent of a model that is not a control.
    2. *Monotone*: ``share in the published sign``, for each edit of the beat with a published sign, of the ECGs whose logit
       moves that way at every step; ``share never against it`` forgives steps at which it stands still, as trees do.
    3. *Faithful*: ``subset correlation``, over random subsets S of groups, of the summed explanation with f(x) minus f(x with
       S taken from the mean reference beat of the same sex and age decade); the mean over ECGs. A model's own explanation
       if it has one, else by occlusion: what the logit loses if one group is replaced. ``subset correlation, occlusion`` is
       the latter for every model.
    4. *Robust*: ``change of logit``, the median absolute one under each of `measurements.PERTURBATIONS`; ``rank correlation of
       explanation`` (Spearman, over groups) before and after; ``auroc when perturbed``.

    Parameters
    ----------
    models : dict of str to object
        ``decision(beats)`` gives logits: a DataFrame by factor, or ndarray (n,) for ``model.factor``, else for every factor.
        Optional: ``contributions(beats, factor, reference)``, a DataFrame with the columns `GROUPS`; ``latents(beats)``.
    beats : BeatSet
        Beats no model was fitted to. Unusable ones are left out; models are asked about 8 leads only.
    factors : DataFrame or Series
        Labels by id: 1, 0, NaN. ``sex_female`` and ``age_years`` serve to find reference beats; age is not scored.
    edits, signs : dict of str to Edit, dict of (factor, edit) to +1 or -1, optional
        Default `measurements.EDITS`, and `PUBLISHED_SIGNS` as far as its edits are given.
    names, controls : sequence of str, optional
        Factors to score, default all but age; models that know nothing, default those named "constant" or "permuted".
    reference : tuple of (BeatSet, DataFrame), optional
        Beats and their factors from which reference beats are averaged; default the beats themselves.
    n_explained, n_subsets, n_resamples, seed : int
        ECGs to explain, subsets of groups, bootstrap resamples of ECGs (95 % intervals), and the seed of everything drawn.

    Returns
    -------
    DataFrame
        One row per requirement, metric, detail (edit, perturbation or latent), model and factor: ``value`` with ``low`` and
        ``high``, ``n`` ECGs, ``auroc`` of the model, ``explanation`` ("own" or "occlusion"), ``better`` ("higher" or "lower"),
        ``void``: whether a control does as well as the median of the other models (None: nobody to compare). A void metric must
        not be used to praise a model. NaN is what is not defined: a logit that never varies has no R2. Its change is 0: a
        constant is perfectly robust, which is why that metric alone says nothing.
    """
    setting = _Setting(models, beats, factors, names, reference, n_explained, n_resamples, seed)
    edits, signs = _checked_edits(edits, signs)
    controls = named_controls(models) if controls is None else known_names(controls, models, "controls among the models")
    rows = [*setting.accuracy(), *setting.domain(controls), *setting.monotone(edits, signs), *setting.explanations(n_subsets)]
    return _completed(rows, controls)


def _completed(rows, controls):
    """Table of the rows, with the accuracy of the model beside each, the better direction, and whether the metric is void."""
    table = pd.DataFrame(rows, columns=[column for column in COLUMNS if column not in ("auroc", "better", "void")])
    auroc = table[table["metric"] == "auroc"].set_index(["model", "factor"])["value"]
    pairs = pd.MultiIndex.from_frame(table[["model", "factor"]])
    table["auroc"] = auroc.reindex(pairs).to_numpy()
    table["better"] = np.where(table["metric"].isin(LOWER_IS_BETTER), "lower", "higher")
    table["void"] = table["metric"].map(void_metrics(table, controls)).astype(object)
    return table[COLUMNS]


class _Setting:
    """Beats, labels and logits that the four parts share; each part yields rows of the table."""

    def __init__(self, models, beats, factors, names, reference, n_explained, n_resamples, seed):
        if not isinstance(models, dict) or not models:
            raise ValueError(f"models must be a dict of name to model, with at least one; got {type(models).__name__}.")
        self.beats, self.factors = _usable(require_beats(beats), factors)
        if len(self.beats) < FEWEST_BEATS:
            raise ValueError(f"at least {FEWEST_BEATS} usable beats are needed; got {len(self.beats)} of {len(beats)}.")
        scored = [name for name in self.factors if name != "age_years"] if names is None else names
        self.names = known_names(scored, self.factors, "factors to score")
        if not self.names:
            raise ValueError(f"names ask for nothing; factors have {', '.join(self.factors)}.")
        self.models, self.seed, self.n_resamples = models, seed, n_resamples
        self.logits = {name: decide(name, model, self.beats, self.names) for name, model in models.items()}
        self.sd = {name: logits.std(ddof=0).where(lambda sd: sd > 1e-9) for name, logits in self.logits.items()}
        self.explained = np.sort(np.random.default_rng(seed).permutation(len(self.beats))[:n_explained])
        known = (self.beats, self.factors) if reference is None else _usable(*reference)
        self.reference = reference_beats(self.beats, self.factors, *known)[self.explained]

    def each(self):
        """Every (model name, factor) pair."""
        return [(model, factor) for model, logits in self.logits.items() for factor in logits]

    def accuracy(self):
        """AUROC of every model."""
        for model, factor in self.each():
            yield _row("accuracy", "auroc", "", model, factor, self._auroc(factor, self.logits[model]))

    def domain(self, controls):
        """Measure requirement 1: how well named measurements reproduce logits and latents."""
        surrogate, known = AdditiveSurrogate(measure(self.beats), self.seed), {}

        def r2(y):
            key = np.asarray(y, dtype=float).tobytes()
            if key not in known:  # several models may share their latents
                known[key] = self._figure(weighted_r2, y, surrogate.predict(y))
            return known[key]

        for model, factor in self.each():
            yield _row("interpretable domain", "additive R2", "", model, factor, r2(self.logits[model][factor]))
        for name, model in self.models.items():
            if hasattr(model, "latents") and name not in controls:
                for i, latent in enumerate(np.asarray(model.latents(self.beats), dtype=float).T):
                    yield _row("interpretable domain", "latent R2", f"latent {i}", name, "", r2(latent))

    def monotone(self, edits, signs):
        """Measure requirement 2: the share of ECGs whose logit moves in the published sign at every step."""
        for edit in dict.fromkeys(edit for factor, edit in signs if factor in self.names):
            series = edits[edit].series(self.beats)
            possible = np.logical_and.reduce([edited.usable for edited in series])
            if not possible.any():
                continue
            for name, model in self.models.items():
                steps = [decide(name, model, edited[possible], self.names) for edited in series]
                for factor in [factor for factor in self.logits[name] if (factor, edit) in signs]:
                    change = np.diff([step[factor] for step in steps], axis=0) * signs[factor, edit]
                    least = 1e-6 * self.sd[name].fillna(1)[factor]  # less than this is rounding
                    always = (change > least).all(axis=0)
                    never_against = (change > -least).all(axis=0) & (change.sum(axis=0) > least)
                    yield _row("monotone", "share in the published sign", edit, name, factor, self._mean(always))
                    yield _row("monotone", "share never against it", edit, name, factor, self._mean(never_against))

    def explanations(self, n_subsets):
        """Measure requirements 3 and 4, which share the explanations."""
        beats, rng = self.beats[self.explained], np.random.default_rng(self.seed)
        subsets = rng.random((n_subsets, len(GROUPS))) < 0.5
        perturbed = {how: perturb(self.beats, how, self.seed) for how in PERTURBATIONS}
        for name, model in self.models.items():
            occluded, lost = self._replaced(name, beats, SINGLY), self._replaced(name, beats, subsets)
            kind = "own" if hasattr(model, "contributions") else "occlusion"
            explained = self._own(name, beats) if kind == "own" else occluded
            for factor in self.logits[name]:
                for metric, parts, how in (
                    ("subset correlation", explained, kind),
                    ("subset correlation, occlusion", occluded, "occlusion"),
                ):
                    correlation = row_correlation(parts[factor] @ subsets.T, lost[factor])
                    yield _row("faithful", metric, "", name, factor, self._mean(correlation), how)
            for how, changed in perturbed.items():
                yield from self._robust(name, how, changed, explained, kind)

    def _robust(self, name, how, perturbed, before, kind):
        """Measure requirement 4 of one model and perturbation; `before` is its explanation of the beats as they were."""
        logits = decide(name, self.models[name], perturbed, self.names)
        beats = perturbed[self.explained]
        explained = self._own(name, beats) if kind == "own" else self._replaced(name, beats, SINGLY)
        for factor in logits:
            change = np.abs(logits[factor] - self.logits[name][factor]) / self.sd[name].fillna(1)[factor]
            yield _row("robust", "change of logit", how, name, factor, self._figure(weighted_median, change))
            ranks = [pd.DataFrame(parts[factor]).rank(axis=1).to_numpy() for parts in (before, explained)]
            correlation = self._mean(row_correlation(*ranks))
            yield _row("robust", "rank correlation of explanation", how, name, factor, correlation, kind)
            yield _row("robust", "auroc when perturbed", how, name, factor, self._auroc(factor, logits))

    def _replaced(self, name, beats, subsets):
        """f(x) - f(x with each subset of groups taken from the reference beat): dict of factor to (n_beats, n_subsets)."""
        masks = group_masks(beats).reshape(len(GROUPS), -1).astype(float)
        inside = (subsets.astype(float) @ masks > 0).reshape(len(subsets), *beats.signals.shape[1:])
        whole = decide(name, self.models[name], beats, self.names)
        copies = beats[np.repeat(np.arange(len(beats)), len(subsets))]
        signals = np.where(inside, self.reference[:, None], beats.signals[:, None]).reshape(copies.signals.shape)
        rest = decide(name, self.models[name], replace(copies, signals=signals), self.names)
        return {f: whole[f].to_numpy()[:, None] - rest[f].to_numpy().reshape(len(beats), -1) for f in whole}

    def _own(self, name, beats):
        """Ask for the explanations that a model gives of itself: dict of factor to (n_beats, n_groups)."""
        return {f: own_explanation(name, self.models[name], beats, f, self.reference) for f in self.logits[name]}

    def _figure(self, statistic, *columns):
        return with_interval(statistic, *columns, n_resamples=self.n_resamples, seed=self.seed)

    def _mean(self, values):
        return self._figure(weighted_mean, values)

    def _auroc(self, factor, logits):
        return self._figure(weighted_auroc, self.factors[factor], logits[factor])


def _row(requirement, metric, detail, model, factor, estimate, explanation=""):
    value, low, high, n = estimate
    return (requirement, metric, detail, model, factor, value, low, high, n, explanation)


def _usable(beats, factors):
    """Usable beats of 8 leads and their rows of the factors."""
    beats = to_eight_leads(beats)
    beats = beats[beats.usable & np.isfinite(beats.signals).all(axis=(1, 2))]
    factors = factors.to_frame() if isinstance(factors, pd.Series) else factors
    return beats, aligned(factors, beats.ids, None, "factors").reset_index(drop=True).astype(float)


def _checked_edits(edits, signs):
    edits = EDITS if edits is None else edits
    if signs is None:
        return edits, {pair: sign for pair, sign in PUBLISHED_SIGNS.items() if pair[1] in edits}
    known_names([edit for _, edit in signs], edits, "edit(s) in signs")
    for pair, sign in signs.items():
        if sign not in (-1, 1):
            raise ValueError(f"the sign of {pair} must be +1 or -1; got {sign!r}.")
    return edits, signs
