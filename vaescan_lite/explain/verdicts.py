"""What a table of requirements says: averages, comparisons, and which metrics the controls make void."""

import numpy as np
import pandas as pd

BETTER = {
    "auroc": "higher",
    "additive R2": "higher",
    "latent R2": "higher",
    "share in the published sign": "higher",
    "share never against it": "higher",
    "subset correlation": "higher",
    "subset correlation, occlusion": "higher",
    "change of logit": "lower",
    "rank correlation of explanation": "higher",
    "auroc when perturbed": "higher",
}


def summary(table):
    """Average a table of `requirements` over the factors and details that all models answer.

    Parameters
    ----------
    table : DataFrame
        From `requirements`.

    Returns
    -------
    DataFrame
        One row per requirement and metric, one column per model, then ``better`` and ``void``.
    """
    metrics = table.drop_duplicates("metric").set_index(["requirement", "metric"])
    means = [_shared_means(table[table["metric"] == metric]) for _, metric in metrics.index]
    means = pd.DataFrame(means, index=metrics.index, columns=list(dict.fromkeys(table["model"])))
    return means.join(metrics[["better", "void"]])


def trade_off(table, metric):
    """Put what a requirement measured beside what the models know, and find those that no other beats in both.

    Parameters
    ----------
    table : DataFrame
        From `requirements`.
    metric : str
        One of its metrics.

    Returns
    -------
    DataFrame
        One row per model that answers: metric, model, value with low and high, auroc with auroc_low and auroc_high, all of them
        means over the same pairs of factor and detail (those that every model but the controls answers; ``n_pairs``); better
        ("higher" or "lower"), void, control, and front: whether no other model that learnt from true labels is at least as good
        in both and better in one. A control is never on the front.

    Raises
    ------
    ValueError
        If the metric is not in the table.

    Notes
    -----
    The interval of a mean is the mean of the intervals, as if all factors erred together: too wide rather than too narrow.
    """
    if metric not in set(table["metric"]):
        raise ValueError(f"metric must be one of {', '.join(dict.fromkeys(table['metric']))}; got {metric!r}.")
    some, accuracy = table[table["metric"] == metric], table[table["metric"] == "auroc"]
    values = some.pivot_table("value", ["factor", "detail"], "model", sort=False)
    models, controls = list(values.columns), named_controls(values.columns)
    shared = values.drop(columns=controls).dropna().index
    rows = []
    for model in models:
        mine = some[some["model"] == model].set_index(["factor", "detail"])[["value", "low", "high"]].reindex(shared).mean()
        known = accuracy[accuracy["model"] == model].set_index("factor")[["value", "low", "high"]]
        known = known.reindex(shared.get_level_values("factor")).mean().set_axis(["auroc", "auroc_low", "auroc_high"])
        rows.append({"metric": metric, "model": model, **mine, **known, "n_pairs": len(shared)})
    found = pd.DataFrame(rows)
    better, void = BETTER[metric], some["void"].iloc[0]
    found = found.assign(better=better, void=void, control=found["model"].isin(controls))
    goodness = found[["value", "auroc"]].to_numpy() * [1 if better == "higher" else -1, 1]
    rivals = goodness[~found["control"]]
    beaten = [((rivals >= one).all(axis=1) & (rivals > one).any(axis=1)).any() for one in goodness]
    return found.assign(front=~np.array(beaten) & ~found["control"].to_numpy())


def named_controls(models):
    """Names with "constant" or "permuted" in them: models that know nothing."""
    return [name for name in models if "constant" in name.lower() or "permuted" in name.lower()]


def compare_matched(table, metric, within=0.05):
    """Compare models pairwise where they know about equally much.

    Parameters
    ----------
    table : DataFrame
        From `requirements`.
    metric : str
        One of its metrics.
    within : float
        Largest difference of AUROC for which a factor counts.

    Returns
    -------
    DataFrame
        One row per pair of models: ``difference`` of the metric (first minus second, mean over ``n_factors`` factors), mean
        difference of ``auroc``.

    Raises
    ------
    ValueError
        If the metric is not in the table.
    """
    if metric not in set(table["metric"]):
        raise ValueError(f"metric must be one of {', '.join(dict.fromkeys(table['metric']))}; got {metric!r}.")
    some = table[table["metric"] == metric]
    values = some.pivot_table("value", "factor", "model", sort=False)
    auroc = some.pivot_table("auroc", "factor", "model", sort=False).reindex_like(values)
    rows = []
    names = list(values.columns)
    for i, first in enumerate(names):
        for second in names[i + 1 :]:
            gap, difference = auroc[first] - auroc[second], values[first] - values[second]
            near = (gap.abs() <= within) & difference.notna()
            rows.append((first, second, difference[near].mean(), gap[near].mean(), int(near.sum())))
    return pd.DataFrame(rows, columns=["first", "second", "difference", "auroc", "n_factors"])


def void_metrics(table, controls):
    """Say for each metric whether a control does at least as well in it as the median of the other models.

    Parameters
    ----------
    table : DataFrame
        Rows of `requirements`.
    controls : list of str
        Models that know nothing. Those whose names differ by a number only count as one, by their mean.

    Returns
    -------
    dict of str to bool or None
        None where no control, or no other model, has a value.
    """
    void = {}
    for metric in dict.fromkeys(table["metric"]):
        values = _shared_means(table[table["metric"] == metric]) * (1 if BETTER[metric] == "higher" else -1)
        kinds = {name: name.rstrip("0123456789 ") for name in controls if name in values}
        control = values[list(kinds)].groupby(kinds).mean()
        others = values.drop(list(kinds))
        void[metric] = bool(control.max() >= others.median()) if len(control) and len(others) else None
    return void


def _shared_means(some):
    """Mean of one metric by model, over the pairs of factor and detail that all models answer (if there are none, all)."""
    values = some.pivot_table("value", ["factor", "detail"], "model", sort=False)  # drops models that are never defined
    shared = values.dropna()
    return (shared if len(shared) else values).mean()
