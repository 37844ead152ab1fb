"""What a table of requirements says: averages, comparisons, and which metrics the controls make void."""

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
