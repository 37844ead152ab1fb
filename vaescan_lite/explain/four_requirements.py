"""Four requirements of an explanation, measured: interpretable domain, monotone, faithful, robust. `explain` offers it."""

from dataclasses import replace

import numpy as np
import pandas as pd

from ..ecg import BeatSet, to_eight_leads
from ..factors import aligned
from ..measurements.edits import EDITS
from ..measurements.perturbations import PERTURBATIONS, perturb
from ..measurements.values import measure
from ..statistics import auroc_with_interval, r2_with_interval, with_interval
from .answers import decide, own_explanation
from .surrogate import AdditiveSurrogate
from .verdicts import BETTER, compare_matched, named_controls, summary, trade_off, void_metrics
from .waves import GROUPS, SEGMENTS_S, group_masks, reference_beats, row_correlation

__all__ = ["GROUPS", "SEGMENTS_S", "compare_matched", "requirements", "summary", "trade_off"]

# Does more of the edited quantity speak for (+1) or against (-1) the factor? Bundle branch blocks, LAFB, AV block, voltage and
# strain of LVH, ST elevation of infarction: AHA/ACCF/HRS 2009 and the criteria it cites. Women against men: shorter QRS
# (Hnatkova 2016) and PR, smaller R and T in chest leads, lower J point and ST (Bidoggia 2000).
PUBLISHED_SIGNS = {
    ("AVB1", "PR"): 1,
    ("LBBB", "QRS"): 1,
    ("RBBB", "QRS"): 1,
    ("LAFB", "axis"): -1,
    ("LVH", "R V5"): 1,
    ("LVH", "T V5"): -1,
    ("AMI", "ST V2"): 1,
    ("sex_female", "QRS"): -1,
    ("sex_female", "PR"): -1,
    ("sex_female", "R V5"): -1,
    ("sex_female", "ST V2"): -1,
    ("sex_female", "T V5"): -1,
}
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
       on ECGs it was not fitted to (three parts in turn; ridge, then an EBM on what ridge leaves); ``latent R2``, the same
       for each latent of a model that is not a control, as no label made it.
    2. *Monotone*: ``share in the published sign``, for each edit of the beat with a published sign, of the ECGs whose logit
       moves that way at every step; ``share never against it`` forgives steps at which it stands still, as trees do.
    3. *Faithful*: ``subset correlation``, over random subsets S of groups, of the summed explanation with f(x) minus f(x with
       S taken from the mean reference beat of the same sex and age decade); the mean over ECGs. A model's own explanation
       if it has one, else by occlusion: what the logit loses if one group is replaced. ``subset correlation, occlusion`` is
       the latter for every model.
    4. *Robust*: ``change of logit``, the median absolute one under each of `perturbations.PERTURBATIONS`; ``rank correlation of
       explanation`` (Spearman, over groups) before and after; ``auroc when perturbed``.

    Parameters
    ----------
    models : dict of str to object
        Each with ``decision(beats)``, giving logits: a DataFrame with a column per factor, or ndarray (n,), which is then held
        against ``model.factor`` or, without that attribute, against every factor. Optional: ``contributions(beats, factor)``,
        its own explanation, a DataFrame with the columns of `GROUPS`; ``latents(beats)``, ndarray (n, n_latents). Ready-made
        ones are in `readers`. They are asked about usable beats of 8 leads only.
    beats : BeatSet
        Beats no model was fitted to. Unusable ones are left out; `n` tells.
    factors : DataFrame or Series
        Labels by id: 1, 0, NaN. ``sex_female`` and ``age_years`` serve to find reference beats; age is not scored.
    edits : dict of str to Edit, optional
        Default `edits.EDITS`.
    names : sequence of str, optional
        Factors to score; default all columns of `factors` but ``age_years``.
    signs : dict of (factor, edit) to +1 or -1, optional
        Default `PUBLISHED_SIGNS`, as far as its edits are given.
    reference : tuple of (BeatSet, DataFrame), optional
        Beats and their factors from which reference beats are averaged; default the beats themselves.
    controls : sequence of str, optional
        Which models know nothing; default those with "constant" or "permuted" in their name.
    n_explained : int
        ECGs, drawn by seed, for explanations.
    n_subsets, n_resamples, seed : int
        Subsets of groups, bootstrap resamples of ECGs (95 % intervals), and the seed of everything drawn.

    Returns
    -------
    DataFrame
        One row per requirement, metric, detail (edit, perturbation or latent), model and factor: ``value`` with
        ``low`` and ``high``, ``n`` (ECGs), ``auroc`` of the model beside it, ``explanation`` ("own" or "occlusion"),
        ``better`` ("higher" or "lower") and ``void``: True if a control does at least as well in that metric as the
        median of the other models, averaged over the details and factors that all of them answer (None
        where none of either kind answers). Controls whose names differ by a number only count as one, by their mean. A void
        metric must not be used to praise a model.

    Raises
    ------
    ValueError
        If a model has no ``decision``, or gives the wrong number of logits or none for these factors; if ids, edits, signs or
        controls are not known.

    Notes
    -----
    Where a quantity is not defined it is NaN: a logit that never varies has no R2 and no correlation. Its change is 0: a
    constant is perfectly robust, which is why that metric alone says nothing.
    """
    setting = _Setting(models, beats, factors, names, reference, n_explained, n_resamples, seed)
    edits, signs = _checked_edits(edits, signs)
    controls = _checked_controls(models, controls)
    rows = [*setting.accuracy(), *setting.domain(controls), *setting.monotone(edits, signs), *setting.explanations(n_subsets)]
    table = pd.DataFrame(rows, columns=[column for column in COLUMNS if column not in ("auroc", "better", "void")])
    auroc = table[table["metric"] == "auroc"].set_index(["model", "factor"])["value"]
    pairs = pd.MultiIndex.from_frame(table[["model", "factor"]])
    table["auroc"] = auroc.reindex(pairs).to_numpy()
    table["better"] = table["metric"].map(BETTER)
    table["void"] = table["metric"].map(void_metrics(table, controls)).astype(object)
    return table[COLUMNS]


class _Setting:
    """Beats, labels and logits that the four parts share."""

    def __init__(self, models, beats, factors, names, reference, n_explained, n_resamples, seed):
        if not isinstance(models, dict) or not models:
            raise ValueError(f"models must be a dict of name to model, with at least one; got {type(models).__name__}.")
        if not isinstance(beats, BeatSet):
            raise ValueError(f"beats must be a BeatSet, as median_beats gives it; got {type(beats).__name__}.")
        self.beats, self.factors = _usable(beats, factors)
        if len(self.beats) < 10:
            raise ValueError(f"at least 10 usable beats are needed; got {len(self.beats)} of {len(beats)}.")
        self.names = [name for name in self.factors if name != "age_years"] if names is None else list(names)
        unknown = [name for name in self.names if name not in self.factors]
        if unknown or not self.names:
            raise ValueError(f"names ask for {', '.join(unknown) or 'nothing'}; factors have {', '.join(self.factors)}.")
        self.models, self.seed, self.n_resamples = models, seed, n_resamples
        self.logits = {name: decide(name, model, self.beats, self.names) for name, model in models.items()}
        self.sd = {name: logits.std(ddof=0).where(lambda sd: sd > 1e-9) for name, logits in self.logits.items()}
        drawn = np.random.default_rng(seed).permutation(len(self.beats))[:n_explained]
        self.explained = np.sort(drawn)
        known = (self.beats, self.factors) if reference is None else _usable(*reference)
        self.reference = reference_beats(self.beats, self.factors, *known)[self.explained]

    def each(self):
        """Every (model name, factor) pair."""
        return [(model, factor) for model, logits in self.logits.items() for factor in logits]

    def _row(self, requirement, metric, detail, model, factor, found, explanation=""):
        value, low, high, n = found
        return (requirement, metric, detail, model, factor, value, low, high, n, explanation)

    def _mean(self, values, statistic="mean"):
        return with_interval(values, statistic, self.n_resamples, self.seed)

    def accuracy(self):
        """AUROC of every model."""
        for model, factor in self.each():
            found = auroc_with_interval(self.factors[factor], self.logits[model][factor], self.n_resamples, self.seed)
            yield self._row("accuracy", "auroc", "", model, factor, found)

    def domain(self, controls):
        """Measure requirement 1: how well named measurements reproduce logits and latents."""
        surrogate, done = AdditiveSurrogate(measure(self.beats), self.seed), {}

        def r2(y):
            key = np.asarray(y, dtype=float).tobytes()
            if key not in done:
                done[key] = r2_with_interval(y, surrogate.predict(y), self.n_resamples, self.seed)
            return done[key]

        for model, factor in self.each():
            yield self._row("interpretable domain", "additive R2", "", model, factor, r2(self.logits[model][factor]))
        for name, model in self.models.items():
            if hasattr(model, "latents") and name not in controls:
                for i, latent in enumerate(np.asarray(model.latents(self.beats), dtype=float).T):
                    yield self._row("interpretable domain", "latent R2", f"latent {i}", name, "", r2(latent))

    def monotone(self, edits, signs):
        """Measure requirement 2: the share of ECGs whose logit moves in the published sign at every step."""
        for edit in dict.fromkeys(edit for factor, edit in signs if factor in self.names):
            series = edits[edit].series(self.beats)
            possible = np.logical_and.reduce([some.usable for some in series])
            if not possible.any():
                continue
            for name, model in self.models.items():
                steps = [decide(name, model, some[possible], self.names) for some in series]
                for factor in [factor for factor in self.logits[name] if (factor, edit) in signs]:
                    change = np.diff([step[factor] for step in steps], axis=0) * signs[factor, edit]
                    least = 1e-6 * self.sd[name].fillna(1)[factor]  # less than this is rounding
                    always = (change > least).all(axis=0)
                    never_against = (change > -least).all(axis=0) & (change.sum(axis=0) > least)
                    yield self._row("monotone", "share in the published sign", edit, name, factor, self._mean(always))
                    yield self._row("monotone", "share never against it", edit, name, factor, self._mean(never_against))

    def explanations(self, n_subsets):
        """Measure requirements 3 and 4, which share the explanations."""
        beats, rng = self.beats[self.explained], np.random.default_rng(self.seed)
        subsets = rng.random((n_subsets, len(GROUPS))) < 0.5
        shaken = {how: perturb(self.beats, how, self.seed) for how in PERTURBATIONS}
        for name, model in self.models.items():
            factors = list(self.logits[name])
            occluded = self._replaced(name, beats, np.eye(len(GROUPS), dtype=bool))
            lost = self._replaced(name, beats, subsets)
            own = {factor: own_explanation(name, model, beats, factor) for factor in factors if hasattr(model, "contributions")}
            for factor in factors:
                explained = own.get(factor, occluded[factor])
                kind = "own" if factor in own else "occlusion"
                for metric, parts, how in (
                    ("subset correlation", explained, kind),
                    ("subset correlation, occlusion", occluded[factor], "occlusion"),
                ):
                    found = self._mean(row_correlation(parts @ subsets.T, lost[factor]))
                    yield self._row("faithful", metric, "", name, factor, found, how)
            for how, other in shaken.items():
                yield from self._robust(name, how, other, own or occluded, "own" if own else "occlusion")

    def _robust(self, name, how, shaken, before, kind):
        after = decide(name, self.models[name], shaken, self.names)
        some = shaken[self.explained]
        occluded = self._replaced(name, some, np.eye(len(GROUPS), dtype=bool)) if kind == "occlusion" else None
        for factor in self.logits[name]:
            change = np.abs(after[factor] - self.logits[name][factor]) / self.sd[name].fillna(1)[factor]
            yield self._row("robust", "change of logit", how, name, factor, self._mean(change, "median"))
            explained = own_explanation(name, self.models[name], some, factor) if kind == "own" else occluded[factor]
            ranks = [pd.DataFrame(parts).rank(axis=1).to_numpy() for parts in (before[factor], explained)]
            found = self._mean(row_correlation(*ranks))
            yield self._row("robust", "rank correlation of explanation", how, name, factor, found, kind)
            found = auroc_with_interval(self.factors[factor], after[factor], self.n_resamples, self.seed)
            yield self._row("robust", "auroc when perturbed", how, name, factor, found)

    def _replaced(self, name, beats, subsets):
        """f(x) - f(x with each subset of groups taken from the reference beat): dict of factor to (n_beats, n_subsets)."""
        at = group_masks(beats).reshape(len(GROUPS), -1).astype(float)
        inside = (subsets.astype(float) @ at > 0).reshape(len(subsets), *beats.signals.shape[1:])
        whole = decide(name, self.models[name], beats, self.names)
        many = beats[np.repeat(np.arange(len(beats)), len(subsets))]
        signals = np.where(inside, self.reference[:, None], beats.signals[:, None]).reshape(many.signals.shape)
        parts = decide(name, self.models[name], replace(many, signals=signals), self.names)
        return {f: whole[f].to_numpy()[:, None] - parts[f].to_numpy().reshape(len(beats), -1) for f in whole}


def _usable(beats, factors):
    """Usable beats of 8 leads and their rows of the factors."""
    beats = to_eight_leads(beats)
    factors = factors.to_frame() if isinstance(factors, pd.Series) else factors
    if not isinstance(factors, pd.DataFrame):
        raise ValueError(f"factors must be a DataFrame indexed by id; got {type(factors).__name__}.")
    beats = beats[beats.usable & np.isfinite(beats.signals).all(axis=(1, 2))]
    return beats, aligned(factors, beats.ids, list(factors.columns), "factors").reset_index(drop=True).astype(float)


def _checked_edits(edits, signs):
    edits = EDITS if edits is None else edits
    if signs is None:
        return edits, {pair: sign for pair, sign in PUBLISHED_SIGNS.items() if pair[1] in edits}
    for (factor, edit), sign in signs.items():
        if edit not in edits:
            raise ValueError(f"signs name the edit {edit!r} of {factor!r}; known edits are {', '.join(edits)}.")
        if sign not in (-1, 1):
            raise ValueError(f"the sign of {(factor, edit)} must be +1 or -1; got {sign!r}.")
    return edits, signs


def _checked_controls(models, controls):
    if controls is None:
        return named_controls(models)
    unknown = [name for name in controls if name not in models]
    if unknown:
        raise ValueError(f"controls name {', '.join(unknown)}; the models are {', '.join(models)}.")
    return list(controls)
