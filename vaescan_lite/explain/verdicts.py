"""What a table of requirements says: averages, comparisons, and which metrics the controls make void."""

import itertools

import pandas as pd

from ..factors import known_names

LOWER_IS_BETTER = ("change of logit",)  # of all other metrics, more is better
PAIR = ["factor", "detail"]
VALUES = ["value", "low", "high"]


def summary(table):
    """Average a table of `requirements` over the factors and details that all models answer.

    Parameters
    ----------
    table : DataFrame from `requirements`

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
    table : DataFrame from `requirements`
    metric : str

    Returns
    -------
    DataFrame
        One row per model that answers: metric, model, value with low and high, auroc with auroc_low and auroc_high, all of them
        means over the same pairs of factor and detail (those that every model but the controls answers; ``n_pairs``); better
        ("higher" or "lower"), void, control, and front: whether no other model that learnt from true labels is at least as good
        in both and better in one. A control is never on the front.

    Notes
    -----
    The interval of a mean is the mean of the intervals, as if all factors erred together: too wide rather than too narrow.
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
    means = pd.DataFrame(means)
    means = means.assign(**rows.iloc[0][["better", "void"]], control=means["model"].isin(controls))
    return means.assign(front=_on_the_front(means))


def compare_matched(table, metric, within=0.05):
    """Compare models pairwise where they know about equally much.

    Parameters
    ----------
    table : DataFrame from `requirements`
    metric : str
    within : float
        Largest difference of AUROC for which a factor counts.

    Returns
    -------
    DataFrame
        One row per pair of models: ``difference`` of the metric (first minus second, mean over ``n_factors`` factors), mean
        difference of ``auroc``.
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


def void_metrics(table, controls):
    """For each metric, whether a control does at least as well as the median of the other models: dict of bool or None.

    Controls whose names differ by a number only count as one, by their mean. None where no control, or no other model, has a
    value.
    """
    void = {}
    for metric in dict.fromkeys(table["metric"]):
        values = _shared_means(table[table["metric"] == metric]) * (-1 if metric in LOWER_IS_BETTER else 1)
        kinds = {name: name.rstrip("0123456789 ") for name in controls if name in values}
        of_controls = values[list(kinds)].groupby(kinds).mean()
        of_models = values.drop(list(kinds))
        void[metric] = bool(of_controls.max() >= of_models.median()) if len(of_controls) and len(of_models) else None
    return void


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
    better_in_one = (rivals > goodness[:, None]).any(axis=-1)
    return ~(at_least & better_in_one).any(axis=1) & ~is_control
