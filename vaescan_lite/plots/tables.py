"""Figures of tables: training, associations, scores with intervals, costs."""

import matplotlib.pyplot as plt
import numpy as np

from ..factors import FACTOR_LABELS
from .ecgs import INK


def plot_history(history):
    """Draw the loss terms of a training run over its epochs, information (``kl``) in a panel of its own.

    Parameters
    ----------
    history : DataFrame
        One row per epoch, one column per term, as `training.train` gives it.

    Returns
    -------
    Figure
    """
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


def plot_associations(table, *, value_label="effect (SD)", limit=None, ax=None):
    """Draw a table of effects as a heat map, red for up and blue for down.

    Parameters
    ----------
    table : DataFrame
        Factors as rows, latents or measurements as columns.
    value_label : str
        What the colours mean.
    limit : float, optional
        Effect at which the colours end; default: the largest effect.
    ax : Axes, optional
        Where to draw.

    Returns
    -------
    Axes
    """
    if ax is None:
        _, ax = plt.subplots(figsize=(1.5 + 0.42 * table.shape[1], 1.2 + 0.36 * table.shape[0]))
    limit = np.nanmax(np.abs(table.to_numpy(float))) if limit is None else limit
    image = ax.imshow(table.to_numpy(float), cmap="RdBu_r", vmin=-limit, vmax=limit, aspect="auto")
    ax.set_xticks(range(table.shape[1]), [str(name) for name in table.columns], rotation=60, ha="right")
    ax.set_yticks(range(table.shape[0]), [FACTOR_LABELS.get(name, name) for name in table.index])
    ax.tick_params(length=0)
    for spine in ax.spines.values():
        spine.set_visible(False)
    ax.figure.colorbar(image, ax=ax, label=value_label, shrink=0.9)
    return ax


def plot_intervals(table, *, value="auroc", low="low", high="high", group=None, reference=None, xlabel="AUROC", ax=None):
    """Draw estimates with their intervals, one row each.

    Parameters
    ----------
    table : DataFrame
        Its index names the rows; from the top downwards.
    value, low, high : str
        Columns that hold the estimate and the ends of its interval.
    group : str, optional
        Column whose values get colours of their own.
    reference : float, optional
        A vertical line: chance, or no difference.
    xlabel : str
        What the estimates are.
    ax : Axes, optional
        Where to draw.

    Returns
    -------
    Axes
    """
    if ax is None:
        _, ax = plt.subplots(figsize=(7, 0.8 + 0.3 * len(table)))
    colors = plt.rcParams["axes.prop_cycle"].by_key()["color"]
    groups = list(dict.fromkeys(table[group])) if group else [None]
    heights = np.arange(len(table))[::-1]
    for number, name in enumerate(groups):
        chosen = np.ones(len(table), bool) if group is None else (table[group] == name).to_numpy()
        rows = table[chosen]
        spans = np.stack([rows[value] - rows[low], rows[high] - rows[value]]).clip(min=0)
        ax.errorbar(rows[value], heights[chosen], xerr=spans, fmt="o", ms=5, color=colors[number % len(colors)], label=name)
    if reference is not None:
        ax.axvline(reference, color="0.5", lw=1, ls="--", zorder=0)
    labels = [" · ".join(map(str, name)) if isinstance(name, tuple) else str(name) for name in table.index]
    ax.set_yticks(heights, labels)
    ax.set_xlabel(xlabel)
    ax.grid(True, axis="x", color="0.9")
    if group:
        ax.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return ax


def plot_cost(table, *, ax=None):
    """Draw what each step costs as a waterfall, from the score before the first step down to the score after the last.

    Parameters
    ----------
    table : DataFrame
        One task of `benchmark.cost`: successive steps with columns step, auroc_before, auroc_after, cost, low, high.
    ax : Axes, optional
        Where to draw.

    Returns
    -------
    Axes
    """
    if ax is None:
        _, ax = plt.subplots(figsize=(1.8 + 1.35 * (len(table) + 2), 3.8))
    first, last = table.iloc[0]["auroc_before"], table.iloc[-1]["auroc_after"]
    ax.bar(0, first, color="#1b4f8a")
    for place, step in enumerate(table.itertuples(), start=1):
        color = "#c4402f" if step.cost > 0 else "#2d8a6a"
        ax.bar(place, step.auroc_after - step.auroc_before, bottom=step.auroc_before, color=color)
        span = [[step.cost - step.low], [step.high - step.cost]]
        ax.errorbar(place, step.auroc_after, yerr=span[::-1], color=INK, capsize=3, lw=1)
        # The gain or loss stands above the bar, clear of its interval.
        top = max(step.auroc_before, step.auroc_after + step.cost - step.low)
        ax.annotate(f"{-step.cost:+.3f}", (place, top), (0, 3), textcoords="offset points", ha="center", fontsize=9)
    ax.bar(len(table) + 1, last, color="#1b4f8a")
    for place, value in ((0, first), (len(table) + 1, last)):
        ax.annotate(f"{value:.3f}", (place, value), (0, 3), textcoords="offset points", ha="center", fontsize=9)
    labels = [table.iloc[0]["before"], *table["step"], table.iloc[-1]["after"]]
    ax.set_xticks(range(len(table) + 2), [label.replace(" with ", "\nwith ") for label in labels])
    ax.set(ylim=(max(0.5, min(first, last) - 0.12), max(first, last) + 0.06), ylabel="AUROC")
    return ax


def plot_learning_curve(table, *, ax=None):
    """Draw scores over the number of training ECGs, with a band for the interval.

    Parameters
    ----------
    table : DataFrame
        As `studies.learning_curve` gives it.
    ax : Axes, optional
        Where to draw.

    Returns
    -------
    Axes
    """
    if ax is None:
        _, ax = plt.subplots(figsize=(7, 4))
    for (representation, model), part in table.groupby(["representation", "model"], sort=False):
        part = part.sort_values("n_training")
        (line,) = ax.plot(part["n_training"], part["auroc"], marker="o", ms=4, label=f"{representation}, {model}")
        ax.fill_between(part["n_training"], part["low"], part["high"], color=line.get_color(), alpha=0.12, lw=0)
    ax.set_xscale("log")
    sizes = sorted(table["n_training"].unique())
    ax.set_xticks(sizes, [str(size) for size in sizes])
    ax.minorticks_off()
    ax.set(xlabel="training ECGs", ylabel="macro-AUROC of the superclasses")
    ax.legend(loc="lower right")
    return ax


def plot_trade_off(table, *, axes=None):
    """Draw what models know against a measured requirement, with the front of those that no other beats in both.

    Parameters
    ----------
    table : DataFrame
        Rows of `requirements.trade_off`, of one metric or several: a panel each. Right and up is better.
    axes : sequence of Axes, optional
        As many as metrics.

    Returns
    -------
    ndarray of Axes
    """
    metrics = list(dict.fromkeys(table["metric"]))
    if axes is None:
        _, axes = plt.subplots(
            1, len(metrics), figsize=(1.8 + 3.2 * len(metrics), 3.6), sharey=True, squeeze=False, layout="constrained"
        )
    axes = np.ravel(axes)
    colors = plt.rcParams["axes.prop_cycle"].by_key()["color"]
    models = list(dict.fromkeys(table.loc[~table["control"], "model"]))
    for ax, metric in zip(axes, metrics, strict=True):
        some = table[table["metric"] == metric]
        for row in some.itertuples():
            spans = np.clip([[row.value - row.low], [row.high - row.value]], 0, None)
            heights = np.clip([[row.auroc - row.auroc_low], [row.auroc_high - row.auroc]], 0, None)
            style = {"color": "0.6", "mfc": "white", "label": "control"}
            if not row.control:
                style = {"color": colors[models.index(row.model) % len(colors)], "label": row.model}
            ax.errorbar(row.value, row.auroc, xerr=spans, yerr=heights, fmt="o", ms=6, elinewidth=0.8, **style)
        front = some[some["front"]].sort_values("value")
        ax.plot(front["value"], front["auroc"], color=INK, lw=1, ls="--", zorder=0, label="front")
        ax.set(xlabel=metric, title="void: a control does as well" if some["void"].eq(True).any() else "")
        if some["better"].iloc[0] == "lower":
            ax.invert_xaxis()
    axes[0].set_ylabel("AUROC, mean over factors")
    entries = {}
    for ax in axes:
        for handle, label in zip(*ax.get_legend_handles_labels()):
            entries.setdefault(label, handle)
    axes[-1].legend(entries.values(), entries, loc="center left", bbox_to_anchor=(1, 0.5))
    return axes


def plot_worlds(table, *, axes=None):
    """Draw what each step costs in simulated worlds, with every seed and its interval, a panel for each world and task.

    Parameters
    ----------
    table : DataFrame
        As `worlds.world_costs` gives it, one world or several.
    axes : sequence of Axes, optional
        As many as worlds and tasks.

    Returns
    -------
    ndarray of Axes
    """
    panels = list(table.groupby(["world", "task"], sort=False))
    if axes is None:
        _, axes = plt.subplots(
            1, len(panels), figsize=(1.4 + 2.3 * len(panels), 3.4), sharey=True, squeeze=False, layout="constrained"
        )
    axes = np.ravel(axes)
    steps = list(dict.fromkeys(table["step"]))
    for ax, ((world, task), some) in zip(axes, panels, strict=True):
        seeds = list(dict.fromkeys(some["seed"]))
        places = np.linspace(-0.3, 0.3, len(seeds)) if len(seeds) > 1 else np.zeros(1)
        for row in some.itertuples():
            color = "#c4402f" if row.low > 0 else "#2d8a6a" if row.high < 0 else "0.45"
            height = steps.index(row.step) + places[seeds.index(row.seed)]
            spans = np.clip([[row.cost - row.low], [row.high - row.cost]], 0, None)
            ax.errorbar(row.cost, height, xerr=spans, fmt="o", ms=3, elinewidth=0.8, color=color)
        ax.axvline(0, color="0.5", lw=1, ls="--", zorder=0)
        ax.set(title=f"{world}\n{task}", xlabel="cost (AUROC)")
        ax.title.set_fontsize(9)
    axes[0].set_yticks(range(len(steps)), steps)
    axes[0].invert_yaxis()
    return axes
