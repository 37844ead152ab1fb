"""Four requirements of an explanation, measured: interpretable domain, monotone, faithful, robust."""

from dataclasses import replace

import numpy as np
import pandas as pd
from scipy.stats import rankdata
from sklearn.linear_model import RidgeCV

from .. import statistics
from ..ecg import require_beats, to_eight_leads
from ..factors import aligned, known_names
from ..measurements.edits import EDITS
from ..measurements.perturbations import PERTURBATIONS, perturb
from ..measurements.values import measure
from ..statistics import bootstrap_weights, estimate_known, weighted_auroc, weighted_mean, weighted_median, weighted_r2
from .published import PUBLISHED_SIGNS
from .readers import decide, own_explanation
from .surrogate import AdditiveSurrogate
from .verdicts import CEILING, LOWER_IS_BETTER, VERDICT, Figure, average_models, named_controls, verdict_table
from .waves import GROUPS, all_correlations, group_masks, reference_beats

SINGLY = np.eye(len(GROUPS), dtype=bool)  # subsets of one group each
FEWEST_BEATS = 10
N_OTHER_SUBSETS = 400  # to which the best additive explanation is fitted
N_SHUFFLES = 20
PENALTIES = np.logspace(-3, 3, 7)  # of that fit, chosen by leave-one-out for each ECG
AT_ONCE = 64  # subsets whose beats are made together: bounds memory
STRANGER, EVENLY = "measurements of another person", "its sum spread evenly"


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
       if it has one, else by occlusion: what the logit loses if one group is replaced, which is exact for a linear model.
       ``subset correlation, occlusion`` is the latter for every model; ``subset correlation, ceiling`` is that of the best
       additive explanation there is, a ridge regression on 400 other subsets.
    4. *Robust*: ``change of logit``, the median absolute one under each of `measurements.PERTURBATIONS`; ``rank correlation of
       explanation`` (Spearman, over groups) before and after; ``auroc when perturbed``.

    A control breaks the one thing that a requirement is about. Accuracy and monotone: models that know nothing. Domain:
    measurements of another person. Explanations: that of another person (mean over the others), the same with its groups
    shuffled and, if groups are summed, its sum spread evenly. Change of logit has none. A metric is void for a model if the
    interval of the model minus a control, paired over ECGs and over permutations if several, does not lie above zero.

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
        Factors to score, default all but age; models that know nothing, default those named "constant" or "permuted", of which
        no explanation is asked.
    reference : tuple of (BeatSet, DataFrame), optional
        Beats and their factors from which reference beats are averaged; default the beats themselves.
    n_explained, n_subsets, n_resamples, seed : int
        ECGs to explain, subsets of groups, bootstrap resamples of ECGs (95 % intervals), and the seed of everything drawn.

    Returns
    -------
    DataFrame
        One row per requirement, metric, detail (edit, perturbation or latent), model and factor: ``value`` with ``low`` and
        ``high``, ``n`` ECGs, ``auroc`` of the model, ``explanation`` ("own", "occlusion" or "ridge"), ``better`` ("higher" or
        "lower"). The rest is about metric and model, averaged over what all models answer: ``against``, the control that comes
        nearest, ``gain`` over it with ``gain_low`` and ``gain_high``, and ``void`` (None: no control). A void metric must
        not be used to praise that model. NaN is what is not defined: a logit that never varies has no R2. Its change is 0: a
        constant is perfectly robust, which is why that metric alone says nothing.
    """
    figures, controls = measure_requirements(
        models, beats, factors, edits=edits, names=names, signs=signs, reference=reference, controls=controls,
        n_explained=n_explained, n_subsets=n_subsets, n_resamples=n_resamples, seed=seed,
    )  # fmt: skip
    return _table(figures, controls)


def _table(figures, controls):
    """One row per figure, with the AUROC of the model and the verdict of the controls beside it."""
    ends = [(f.estimate.value, *f.estimate.percentiles()) for f in figures]
    rows = [(f.requirement, f.metric, f.detail, f.model, f.factor, *e, f.n, f.explanation) for f, e in zip(figures, ends)]
    columns = ["requirement", "metric", "detail", "model", "factor", "value", "low", "high", "n", "explanation"]
    table = pd.DataFrame(rows, columns=columns)
    auroc = table[table["metric"] == "auroc"].set_index(["model", "factor"])["value"]
    table.insert(9, "auroc", auroc.reindex(pd.MultiIndex.from_frame(table[["model", "factor"]])).to_numpy())
    table["better"] = np.where(table["metric"].isin(LOWER_IS_BETTER), "lower", "higher")
    verdicts = verdict_table([average_models(figures, controls)], controls).set_index(["metric", "model"])[VERDICT]
    table = table.join(verdicts, on=["metric", "model"])
    return table.assign(void=table["void"].astype(object).where(table["void"].notna(), None))


def measure_requirements(models, beats, factors, **settings):
    """Measure what `requirements`, with these settings, puts into a table: its `Figure`s, and the names of controls."""
    setting = _Setting(models, beats, factors, **requirements.__kwdefaults__ | settings)
    return [*setting.accuracy(), *setting.domain(), *setting.monotone(), *setting.explanations()], setting.controls


class _Setting:
    """Beats, labels and logits that the four parts share; each part yields figures."""

    def __init__(
        self, models, beats, factors, *, edits, names, signs, reference, controls, n_explained, n_subsets, n_resamples, seed
    ):
        if not isinstance(models, dict) or not models:
            raise ValueError(f"models must be a dict of name to model, with at least one; got {type(models).__name__}.")
        self.beats, self.factors = _usable(require_beats(beats), factors)
        if len(self.beats) < FEWEST_BEATS:
            raise ValueError(f"at least {FEWEST_BEATS} usable beats are needed; got {len(self.beats)} of {len(beats)}.")
        scored = [name for name in self.factors if name != "age_years"] if names is None else names
        self.names = known_names(scored, self.factors, "factors to score")
        if not self.names:
            raise ValueError(f"names ask for nothing; factors have {', '.join(self.factors)}.")
        self.models, self.n_subsets, self.seed = models, n_subsets, seed
        self.edits, self.signs = _checked_edits(edits, signs)
        controls = named_controls(models) if controls is None else controls
        self.controls = known_names(controls, models, "controls among the models")
        self.explainable = {name: model for name, model in models.items() if name not in self.controls}
        self.weights = bootstrap_weights(len(self.beats), n_resamples, seed)
        self.logits = {name: decide(name, model, self.beats, self.names) for name, model in models.items()}
        self.sd = {name: logits.std(ddof=0).where(lambda sd: sd > 1e-9) for name, logits in self.logits.items()}
        self.explained = np.sort(np.random.default_rng(seed).permutation(len(self.beats))[:n_explained])
        known = (self.beats, self.factors) if reference is None else _usable(*reference)
        self.reference = reference_beats(self.beats, self.factors, *known)[self.explained]

    def accuracy(self):
        """AUROC of every model."""
        for model, logits in self.logits.items():
            for factor in logits:
                estimate = estimate_known(weighted_auroc, self.factors[factor], logits[factor], weights=self.weights)
                yield Figure("accuracy", "auroc", "", model, factor, *estimate)

    def domain(self):
        """Measure requirement 1: how well named measurements reproduce logits and latents, and those of another person."""
        measured, asked = measure(self.beats), []
        for name, model in self.explainable.items():
            asked += [("additive R2", "", name, factor, logits) for factor, logits in self.logits[name].items()]
            if hasattr(model, "latents"):
                latents = np.asarray(model.latents(self.beats), dtype=float).T
                asked += [("latent R2", f"latent {i}", name, "", latent) for i, latent in enumerate(latents)]
        if not asked:
            return
        y = np.column_stack([row[-1] for row in asked])
        own, other = (AdditiveSurrogate(table, self.seed).predict(y) for table in (measured, _of_others(measured, self.seed)))
        for (*place, _), logits, *predicted in zip(asked, y.T, own.T, other.T):
            r2, control = (estimate_known(weighted_r2, logits, part, weights=self.weights) for part in predicted)
            yield Figure("interpretable domain", *place, *r2, against={STRANGER: control[0]})

    def monotone(self):
        """Measure requirement 2: the share of ECGs whose logit moves in the published sign at every step."""
        signs = self.signs
        for edit in dict.fromkeys(edit for factor, edit in signs if factor in self.names):
            series = self.edits[edit].series(self.beats)
            possible = np.logical_and.reduce([edited.usable for edited in series])
            if not possible.any():
                continue
            weights, series = self.weights[:, possible], [edited[possible] for edited in series]
            for name, model in self.models.items():
                steps = [decide(name, model, edited, self.names) for edited in series]
                for factor in [factor for factor in self.logits[name] if (factor, edit) in signs]:
                    change = np.diff([step[factor] for step in steps], axis=0) * signs[factor, edit]
                    least = 1e-6 * self.sd[name].fillna(1)[factor]  # less than this is rounding
                    always = (change > least).all(axis=0)
                    never_against = (change > -least).all(axis=0) & (change.sum(axis=0) > least)
                    for metric, kept in (("share in the published sign", always), ("share never against it", never_against)):
                        share = estimate_known(weighted_mean, kept, weights=weights)
                        yield Figure("monotone", metric, edit, name, factor, *share)

    def explanations(self):
        """Measure requirements 3 and 4, which share the explanations."""
        beats, rng = self.beats[self.explained], np.random.default_rng(self.seed)
        subsets, others = (rng.random((n, len(GROUPS))) < 0.5 for n in (self.n_subsets, N_OTHER_SUBSETS))
        perturbed = {how: perturb(self.beats, how, self.seed) for how in PERTURBATIONS}
        for name, model in self.models.items():
            own = None
            if name in self.explainable:
                kind = "own" if hasattr(model, "contributions") else "occlusion"
                occluded, lost, to_fit = (self._replaced(name, beats, some) for some in (SINGLY, subsets, others))
                own = self._own(name, beats) if kind == "own" else occluded
                for f in lost:
                    yield self._agreement("faithful", "subset correlation", "", name, f, own[f], lost[f], kind, subsets)
                    occlusion = "subset correlation, occlusion", "", name, f, occluded[f], lost[f], "occlusion", subsets
                    yield self._agreement("faithful", *occlusion)
                    best = RidgeCV(PENALTIES, alpha_per_target=True).fit(others, to_fit[f].T).predict(subsets).T
                    best = self._mean(statistics.row_correlation(best.reshape(lost[f].shape), lost[f]))
                    yield Figure("faithful", CEILING, "", name, f, *best, "ridge")
            for how, changed in perturbed.items():
                yield from self._robust(name, how, changed, own)

    def _robust(self, name, how, perturbed, before):
        """Measure requirement 4 of one model and perturbation; `before` is its explanation without that, or None."""
        logits = decide(name, self.models[name], perturbed, self.names)
        for factor in logits:
            change = np.abs(logits[factor] - self.logits[name][factor]) / self.sd[name].fillna(1)[factor]
            moved = estimate_known(weighted_median, change, weights=self.weights)
            yield Figure("robust", "change of logit", how, name, factor, *moved)
            auroc = estimate_known(weighted_auroc, self.factors[factor], logits[factor], weights=self.weights)
            yield Figure("robust", "auroc when perturbed", how, name, factor, *auroc)
        if before is None:
            return
        beats, own = perturbed[self.explained], hasattr(self.models[name], "contributions")
        after = self._own(name, beats) if own else self._replaced(name, beats, SINGLY)
        for factor in logits:
            ranks = [rankdata(parts[factor], axis=1) for parts in (before, after)]
            kind = "own" if own else "occlusion"
            yield self._agreement("robust", "rank correlation of explanation", how, name, factor, *ranks, kind)

    def _agreement(self, requirement, metric, detail, name, factor, parts, truth, kind, subsets=SINGLY):
        """Correlate explanations, summed over subsets, with the truth (n, n_subsets), and those of the controls."""
        rng = np.random.default_rng(self.seed)
        pairs = all_correlations(parts @ subsets.T, truth)  # [j, i]: the explanation of person j, what happens to i
        orders = (rng.permutation(len(GROUPS)) for _ in range(N_SHUFFLES))
        shuffled = [statistics.row_correlation(parts[:, order] @ subsets.T, truth) for order in orders]
        own = np.diag(pairs)
        others = pd.DataFrame(np.where(np.eye(len(pairs), dtype=bool), np.nan, pairs)).mean()
        controls = {"explanation of another person": others, "its groups shuffled": pd.DataFrame(shuffled).mean()}
        if requirement == "faithful":  # where nothing is summed, an even share has no order
            controls[EVENLY] = statistics.row_correlation(parts.sum(axis=1, keepdims=True) * subsets.sum(axis=1), truth)
        against = {name: self._mean(np.where(np.isfinite(own), control, np.nan))[0] for name, control in controls.items()}
        return Figure(requirement, metric, detail, name, factor, *self._mean(own), kind, against)

    def _replaced(self, name, beats, subsets):
        """f(x) - f(x with each subset of groups taken from the reference beat): dict of factor to (n_beats, n_subsets)."""
        masks = group_masks(beats).reshape(len(GROUPS), -1).astype(float)
        whole, lost = decide(name, self.models[name], beats, self.names), []
        for start in range(0, len(subsets), AT_ONCE):
            some = subsets[start : start + AT_ONCE]
            inside = (some.astype(float) @ masks > 0).reshape(len(some), *beats.signals.shape[1:])
            copies = beats[np.repeat(np.arange(len(beats)), len(some))]
            signals = np.where(inside, self.reference[:, None], beats.signals[:, None]).reshape(copies.signals.shape)
            rest = decide(name, self.models[name], replace(copies, signals=signals), self.names)
            lost.append({f: whole[f].to_numpy()[:, None] - rest[f].to_numpy().reshape(len(beats), -1) for f in whole})
        return {f: np.hstack([part[f] for part in lost]) for f in whole}

    def _own(self, name, beats):
        """Ask for the explanations that a model gives of itself: dict of factor to (n_beats, n_groups)."""
        return {f: own_explanation(name, self.models[name], beats, f, self.reference) for f in self.logits[name]}

    def _mean(self, values):
        """Mean over the explained ECGs, and their number."""
        return estimate_known(weighted_mean, values, weights=self.weights[:, self.explained])


def _of_others(measured, seed):
    """Hand every ECG the measurements of another one."""
    order = np.random.default_rng(seed).permutation(len(measured))
    rows = np.empty_like(order)
    rows[order] = np.roll(order, 1)
    return measured.iloc[rows].set_axis(measured.index)


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
