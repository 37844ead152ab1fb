"""Figures of tables: training, associations, scores with intervals, costs."""

import matplotlib.pyplot as plt
import numpy as np

from ..factors import FACTOR_LABELS
from .ecgs import INK
from .reading import name_of

LOSS, GAIN = "#c4402f", "#2d8a6a"
MOST_INCH = 9.4  # wider figures are scaled down on a page until their text is too small
# Models and what they see, by the place of their colour in the cycle: the same in every figure of the book.
FAMILIES = (
    ("VAE-SCAN", "VAE latents", "affine"), ("beat CNN", "median beat", "CNN"), ("EBM on latents", "measurements", "EBM"),
    ("boosting on latents", "latents + measurements", "boosting"), ("latents + rhythm", "affine + capped CNN"),
    ("rule", "rules"), ("PCA", "logistic"), ("ten seconds", "sparse logistic"), ("age + sex",),
)  # fmt: skip


def plot_history(history):
    """Draw the loss terms of `training.train` (a row per epoch, a column per term), ``kl`` in a panel of its own; a Figure."""
    panels = [[name for name in history.columns if name != "kl"], [name for name in history.columns if name == "kl"]]
    panels = [names for names in panels if names]
    figure, axes = plt.subplots(1, len(panels), figsize=(4.4 * len(panels), 3), squeeze=False)
    for ax, names in zip(axes[0], panels, strict=True):
        for name in names:
            ax.plot(history.index + 1, history[name], label=name, ls="--" if name == "validation" else "-")
        ax.set(xlabel="epoch", ylabel="KL (nats per beat)" if names == ["kl"] else "loss (nats per beat)")
        if names != ["kl"]:
            ax.legend()
    return figure


def plot_associations(table, *, value_label="effect (SD)", limit=None):
    """Draw a table of effects as a heat map, red for up and blue for down; returns the Axes.

    `table` has factors as rows, latents or measurements as columns; the colours mean `value_label` and end at the effect
    `limit`, by default the largest one.
    """
    _, ax = plt.subplots(figsize=(min(1.5 + 0.42 * table.shape[1], MOST_INCH), 1.2 + 0.36 * table.shape[0]))
    values = table.to_numpy(float)
    limit = np.nanmax(np.abs(values)) if limit is None else limit
    ax.patch.set(fc="0.96", ec="0.75", hatch="////")  # behind what is not known or not decided, in the dark too
    image = ax.imshow(values, cmap="RdBu_r", vmin=-limit, vmax=limit, aspect="auto")
    ax.set_xticks(range(table.shape[1]), [name_of(name) for name in table.columns], rotation=90)
    ax.set_yticks(range(table.shape[0]), [FACTOR_LABELS.get(name) or name_of(name) for name in table.index])
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    value_label += "; hatched: undecided" if np.isnan(values).any() else ""
    extend = "both" if (np.abs(values) > limit).any() else "neither"  # arrows: some effects lie beyond the last colour
    ax.figure.colorbar(image, ax=ax, label=value_label, shrink=0.9, extend=extend)
    return ax


def plot_intervals(table, *, value="auroc", group=None, reference=None, xlabel="AUROC", ax=None):
    """Draw estimates with their intervals, one row each; returns the Axes.

    The index of `table` names the rows, from the top downwards; it has the columns `value` (called `xlabel`), low and high.
    Values of the column `group` get colours of their own; `reference` is where a vertical line stands, such as chance or no
    difference.
    """
    if ax is None:
        _, ax = plt.subplots(figsize=(7, 0.8 + 0.3 * len(table)), layout="constrained")
    groups = list(dict.fromkeys(table[group])) if group else [None]
    heights = np.arange(len(table))[::-1]
    colors = colors_of(groups)
    for name in groups:
        chosen = np.ones(len(table), bool) if group is None else (table[group] == name).to_numpy()
        rows = table[chosen]
        ends = spans(rows[value], rows["low"], rows["high"])
        ax.errorbar(rows[value], heights[chosen], xerr=ends, fmt="o", ms=5, color=colors[name], label=name)
    if reference is not None:
        ax.axvline(reference, color="0.5", lw=1, ls="--", zorder=0)
    ax.set_yticks(heights, [name_of(name) for name in table.index])
    ax.set(xlabel=xlabel, ylim=(-0.7, len(table) - 0.3))
    ax.grid(True, axis="x", color="0.9")
    if group:
        ax.figure.legend(loc="outside upper left", ncols=3)
    return ax


def plot_cost(table):
    """Draw what each step costs as a waterfall, from the score before the first step down to the score after the last; an Axes.

    `table` holds one task of `benchmark.cost`: successive steps with columns step, auroc_before, auroc_after, cost, low, high.
    """
    _, ax = plt.subplots(figsize=(min(1.8 + 1.35 * (len(table) + 2), MOST_INCH), 3.8))
    first, last = table.iloc[0]["auroc_before"], table.iloc[-1]["auroc_after"]
    for place, step in enumerate(table.itertuples(), start=1):
        color = LOSS if step.cost > 0 else GAIN
        ax.bar(place, step.auroc_after - step.auroc_before, bottom=step.auroc_before, color=color)
        span = [[step.high - step.cost], [step.cost - step.low]]
        ax.errorbar(place, step.auroc_after, yerr=span, color=INK, capsize=3, lw=1)
        # The cost stands above the bar, clear of its interval; as in the tables a loss is positive.
        top = max(step.auroc_before, step.auroc_after + step.cost - step.low)
        _annotate(ax, f"cost {round(step.cost, 3) + 0:.3f}".replace("-", "−"), place, top)
    for place, value in ((0, first), (len(table) + 1, last)):
        ax.bar(place, value, color="#1b4f8a")
        _annotate(ax, f"{value:.3f}", place, value)
    labels = [table.iloc[0]["before"], *table["step"], table.iloc[-1]["after"]]
    ax.set_xticks(range(len(table) + 2), [label.replace(" with ", "\nwith ") for label in labels])
    ax.set(ylim=(max(0.5, min(first, last) - 0.12), max(first, last) + 0.06), ylabel="AUROC")
    return ax


def plot_trade_off(table):
    """Draw what models know against a measured requirement, with the front of those that no other beats in both.

    `table` has rows of `explain.trade_off`, of one metric or several: each gets one of the Axes (an ndarray) that are returned.
    Right and up is better. Hollow dots: a metric that is void for that model, and, in grey, controls; where the whole front is
    void, no front is drawn.
    """
    metrics = list(dict.fromkeys(table["metric"]))
    axes = panels(len(metrics), min(1.8 + 3.2 * len(metrics), MOST_INCH), 3.6)
    colors = colors_of(table.loc[~table["control"], "model"])
    for ax, metric in zip(axes, metrics, strict=True):
        rows = table[table["metric"] == metric]
        for row in rows.itertuples():
            style = {"color": "0.6", "mfc": "white", "label": "control"}
            if not row.control:
                style = {"color": colors[row.model], "mfc": colors[row.model], "label": row.model}
                style |= {"mfc": "white"} if row.void is True else {}
            ends = {"xerr": spans(row.value, row.low, row.high), "yerr": spans(row.auroc, row.auroc_low, row.auroc_high)}
            ax.errorbar(row.value, row.auroc, **ends, fmt="o", ms=6, elinewidth=0.8, **style)
        front = rows[rows["front"]].sort_values("value")
        if not front["void"].eq(True).all():
            ax.plot(front["value"], front["auroc"], color=INK, lw=1, ls="--", zorder=0, label="front")
        ax.set(xlabel=metric)
        ax.locator_params(axis="x", nbins=3)
        if rows["better"].iloc[0] == "lower":
            ax.invert_xaxis()
            ax.set_xlabel(f"{metric}\n(less is better: reversed)")
    axes[0].set_ylabel("AUROC, mean over factors")
    entries = {}
    for ax in axes:
        for handle, label in zip(*ax.get_legend_handles_labels()):
            entries.setdefault(label, handle)
    ax.figure.legend(entries.values(), entries, loc="outside upper left", ncols=4)  # at the left, where a phone begins
    return axes


def panels(n, width_inch, height_inch):
    """Axes beside each other with one scale of heights."""
    _, axes = plt.subplots(1, n, figsize=(width_inch, height_inch), sharey=True, squeeze=False, layout="constrained")
    return axes[0]


def colors_of(names):
    """Colours by name: those of the book for what it knows, the others of the cycle for the rest."""
    cycle = plt.rcParams["axes.prop_cycle"].by_key()["color"]
    known = {name: cycle[place % len(cycle)] for place, family in enumerate(FAMILIES) for name in family if name in set(names)}
    free = [color for color in cycle if color not in known.values()] or cycle
    others = [name for name in dict.fromkeys(names) if name not in known]
    return known | {name: free[place % len(free)] for place, name in enumerate(others)}


def spans(value, low, high):
    """Distances from a value, or from each of many, to the ends of its interval, as `errorbar` takes them."""
    return np.stack([np.atleast_1d(value - low), np.atleast_1d(high - value)]).clip(min=0)


def _annotate(ax, text, place, height):
    ax.annotate(text, (place, height), (0, 3), textcoords="offset points", ha="center", fontsize=9)
