"""What a table of requirements says: averages, paired comparisons with the controls, and the verdict in words."""

import itertools
from dataclasses import dataclass, field

import pandas as pd

from ..factors import known_names
from ..statistics import Estimate, interval_over_trainings, mean_estimate, over_trainings

LOWER_IS_BETTER = ("change of logit",)  # of all other metrics, more is better
ABOUT_KNOWLEDGE = ("accuracy", "monotone")  # requirements whose controls are models that know nothing
HEADLINES = {
    "accuracy": "auroc", "interpretable domain": "additive R2", "monotone": "share in the published sign",
    "faithful": "subset correlation", "robust": "rank correlation of explanation",
}  # fmt: skip
IN_ADDITION = {
    "faithful": "A model that is linear in the beat keeps it by construction.",
    "robust": "The change of the logit has no control: a constant wins, so read it beside the AUROC.",
}
CEILING = "subset correlation, ceiling"
TEST_SHARE = 0.25  # test ECGs per training ECG in a rotation
PAIR = ["factor", "detail"]
VALUES = ["value", "low", "high"]
VERDICT = ["against", "gain", "gain_low", "gain_high", "void"]


@dataclass(frozen=True, eq=False)
class Figure:
    """What was measured of a model, with its resamples; `against` holds the same measured of controls, by their names."""

    requirement: str
    metric: str
    detail: str
    model: str
    factor: str
    estimate: Estimate
    n: int
    explanation: str = ""
    against: dict = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Average:
    """Mean of one metric of one model over factors and details, the mean AUROC beside it, and its gains over controls."""

    requirement: str
    value: Estimate
    auroc: Estimate | None
    gains: dict


def average_models(figures, controls):
    """Average each metric over what all models but controls answer: `Average` by (metric, model or kind of control)."""
    kinds, defined = _kinds(controls), {}
    for figure in figures:
        if figure.estimate.value == figure.estimate.value:
            by_pair = defined.setdefault(figure.metric, {}).setdefault(figure.model, {})
            by_pair[figure.factor, figure.detail] = figure
    averages, accuracy = {}, defined.get("auroc", {})
    for metric, of_model in defined.items():
        answers = [set(of_pair) for model, of_pair in of_model.items() if model not in kinds]
        shared = set.intersection(*answers) if answers else set()
        means = {}
        for model, of_pair in of_model.items():
            chosen = [pair for pair in of_pair if not shared or pair in shared]
            aurocs = [accuracy.get(model, {}).get((factor, "")) for factor, _ in chosen]
            means.setdefault(kinds.get(model, model), []).append(([of_pair[pair] for pair in chosen], aurocs))
        averages |= {(metric, name): _average(parts) for name, parts in means.items() if all(part[0] for part in parts)}
        known = {model: average for (name, model), average in averages.items() if name == metric}
        for model, average in known.items():  # what is about knowledge is held against the models that know nothing
            if average.requirement in ABOUT_KNOWLEDGE and model not in kinds.values():
                average.gains.update({name: average.value - known[name].value for name in known if name in kinds.values()})
    return averages


def _average(trainings):
    """`Average` of the figures of one model, or of several trainings of a control."""
    values, aurocs, gains = [], [], {}
    for figures, known in trainings:
        values.append(mean_estimate([figure.estimate for figure in figures]))
        aurocs += [mean_estimate([auroc.estimate for auroc in known])] if known and all(known) else []
    for name in figures[0].against:
        gains[name] = mean_estimate([figure.estimate - figure.against[name] for figure in figures])
    return Average(figures[0].requirement, over_trainings(values), over_trainings(aurocs) if aurocs else None, gains)


def verdict_table(rotations, controls):
    """Put averages of rotations, whose people and resamples are their own, into a table as `trade_off` gives it, with verdicts.

    ``against`` is the control that comes nearest, ``gain`` what is above it, with the interval over other people and other
    permutations, and ``training_low`` and ``training_high`` over other trainings (infinite below three rotations).
    """
    kinds, rows = set(_kinds(controls).values()), []
    for metric, model in dict.fromkeys(key for averages in rotations for key in averages):
        parts = [averages[metric, model] for averages in rotations if (metric, model) in averages]
        row = {"requirement": parts[0].requirement, "metric": metric, "model": model}
        row |= mean_estimate([part.value for part in parts]).named(*VALUES)
        if all(part.auroc for part in parts):
            row |= mean_estimate([part.auroc for part in parts]).named("auroc", "auroc_low", "auroc_high")
        better = "lower" if metric in LOWER_IS_BETTER else "higher"
        rows.append(row | _nearest_control(parts) | {"better": better, "control": model in kinds})
    columns = ["requirement", "metric", "model", *VALUES, "auroc", "auroc_low", "auroc_high", *VERDICT[:-1]]
    table = pd.DataFrame(rows, columns=[*columns, "training_low", "training_high", "void", "better", "control"])
    fronts = [pd.Series(_on_the_front(part), part.index) for _, part in table.groupby("metric")]
    return table.assign(void=table["void"].astype(object), front=pd.concat(fronts))


def _nearest_control(parts):
    """Gain over the control that a model beats by least, and whether the metric is void: not above zero for some control."""
    gains = {}
    for name in dict.fromkeys(name for part in parts for name in part.gains):
        of_rotations = [part.gains[name] for part in parts if name in part.gains]
        ends = mean_estimate(of_rotations).named(*VERDICT[1:4])
        over = interval_over_trainings([gain.value for gain in of_rotations], TEST_SHARE)
        if ends["gain"] == ends["gain"]:
            gains[name] = {"against": name, **ends, "training_low": over[0], "training_high": over[1]}
    if not gains:
        return {"against": "", "void": None}
    nearest = min(gains.values(), key=lambda row: row["gain_low"])
    return nearest | {"void": not nearest["gain_low"] > 0}


def say_verdicts(table):
    """Say who keeps which requirement in a table of `requirements`, by how much, against which control: Series by requirement.

    One sentence about its first metric: the gain over the control that comes nearest, with its interval of 95 %. A model keeps
    the requirement if that interval lies above zero.
    """
    sentences = {}
    for requirement, metric in HEADLINES.items():
        rows = table[(table["metric"] == metric) & table["void"].notna()].drop_duplicates("model")
        controls = dict.fromkeys(rows["against"])
        over = ", over " + rows["against"] if len(controls) > 1 else ""
        gains = rows[VERDICT[1:4]].to_numpy()  # an end near zero gets a third digit: its side must be seen
        gains = [f" ({x:+z.2f}, {' to '.join(f'{end:z.{2 + (abs(end) < 0.005)}f}' for end in ends)}" for x, *ends in gains]
        words = rows["model"] + gains + over + ")"
        kept, equalled = (", ".join(words[rows["void"].eq(void)]) for void in (False, True))
        parts = [f"kept by {kept or 'nobody'}", *([f"not shown above a control: {equalled}"] if equalled else [])]
        said = "; ".join([*parts, f"control: {', '.join(controls)}"]) if len(rows) else "no control answered"
        sentence = [f"{requirement.capitalize()} ({metric}): {said}.", IN_ADDITION.get(requirement, "")]
        sentences[requirement] = " ".join(filter(None, sentence))
    return pd.Series(sentences, name="verdict").rename_axis("requirement")


def summary(table):
    """Average a table of `requirements` over the factors and details that all models answer.

    A DataFrame with one row per requirement and metric, one column per model (controls that differ by a number share one), then
    ``better`` and ``void for``: models that do no better than a control.
    """
    metrics = table.drop_duplicates("metric").set_index(["requirement", "metric"])
    rows = [table[table["metric"] == metric] for _, metric in metrics.index]
    models = list(dict.fromkeys(table["model"]))
    means = pd.DataFrame([_shared_means(part) for part in rows], index=metrics.index, columns=models)
    means = means.T.rename(_kinds(named_controls(models))).groupby(level=0, sort=False).mean().T
    void = [", ".join(dict.fromkeys(part.loc[part["void"].eq(True), "model"])) for part in rows]
    return means.join(metrics[["better"]]).assign(**{"void for": void})


def trade_off(table, metric):
    """Put what a metric of a table of `requirements` measured beside what the models know, and find the front of both.

    A DataFrame, one row per model that answers: metric, model, value with low and high, auroc with auroc_low and auroc_high,
    all of them means over the same pairs of factor and detail (those that every model but the controls answers; ``n_pairs``);
    better ("higher" or "lower"), void, control, and front: whether no other model that learnt from true labels is at least as
    good in both and better in one. A control is never on the front. The interval of a mean is the mean of the intervals, as if
    all factors erred together: too wide rather than too narrow.
    """
    rows, accuracy = _rows_of(table, metric), table[table["metric"] == "auroc"]
    values = rows.pivot_table("value", PAIR, "model", sort=False)
    controls = named_controls(values.columns)
    shared = values.drop(columns=controls).dropna().index
    means = []
    for model in values.columns:
        measured = rows[rows["model"] == model].set_index(PAIR)[VALUES].reindex(shared).mean()
        known = accuracy[accuracy["model"] == model].set_index("factor")[VALUES]
        known = known.reindex(shared.get_level_values("factor")).mean().set_axis(["auroc", "auroc_low", "auroc_high"])
        means.append({"metric": metric, "model": model, **measured, **known, "n_pairs": len(shared)})
    void = rows.drop_duplicates("model").set_index("model")["void"]
    means = pd.DataFrame(means).assign(better=rows["better"].iloc[0])
    means = means.assign(void=void.reindex(means["model"]).to_numpy(), control=means["model"].isin(controls))
    return means.assign(front=_on_the_front(means))


def compare_matched(table, metric, within=0.05):
    """Compare models in a metric of a table of `requirements`, pairwise where they know about equally much.

    A DataFrame with one row per pair of models: ``difference`` of the metric (first minus second, mean over ``n_factors``
    factors whose AUROC differs by at most `within`), mean difference of ``auroc``.
    """
    measured = _rows_of(table, metric)
    values = measured.pivot_table("value", "factor", "model", sort=False)
    auroc = measured.pivot_table("auroc", "factor", "model", sort=False).reindex_like(values)
    rows = []
    for first, second in itertools.combinations(values.columns, 2):
        gap, difference = auroc[first] - auroc[second], values[first] - values[second]
        near = (gap.abs() <= within) & difference.notna()
        rows.append((first, second, difference[near].mean(), gap[near].mean(), int(near.sum())))
    return pd.DataFrame(rows, columns=["first", "second", "difference", "auroc", "n_factors"])


def named_controls(models):
    """Names with "constant" or "permuted" in them: models that know nothing."""
    return [name for name in models if "constant" in name.lower() or "permuted" in name.lower()]


def _kinds(controls):
    """Map controls to their names less a number."""
    return {name: name.rstrip("0123456789 ") for name in controls}


def _rows_of(table, metric):
    known_names([metric], dict.fromkeys(table["metric"]), "metric")
    return table[table["metric"] == metric]


def _shared_means(rows):
    """Mean of one metric by model, over the pairs of factor and detail that all models answer (if there are none, all)."""
    values = rows.pivot_table("value", PAIR, "model", sort=False)  # drops models that are never defined
    shared = values.dropna()
    return (shared if len(shared) else values).mean()


def _on_the_front(means):
    """Models that no other one but a control equals in both columns and beats in one, ndarray of bool."""
    is_control = means["control"].to_numpy()
    goodness = means[["value", "auroc"]].to_numpy() * [1 if means["better"].iloc[0] == "higher" else -1, 1]
    rivals = goodness[~is_control]
    at_least = (rivals >= goodness[:, None]).all(axis=-1)  # (model, rival)
    return ~(at_least & (rivals > goodness[:, None]).any(axis=-1)).any(axis=1) & ~is_control
