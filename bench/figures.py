"""Figures that the results page alone shows."""

import matplotlib.pyplot as plt
import numpy as np

from vaescan_lite.plots import name_of
from vaescan_lite.plots.tables import GAIN, LOSS, spans

PANELS_A_ROW = 3


def plot_learning_curve(table):
    """Draw scores over the number of training ECGs, with a band for the interval; a table of `studies.learning_curve`."""
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


def plot_worlds(table):
    """Draw what each step costs in simulated worlds, with every seed and its interval, a panel for each world and task."""
    groups = table.groupby(["world", "task"], sort=False)
    n_rows = -(-len(groups) // PANELS_A_ROW)
    _, grid = plt.subplots(
        n_rows, PANELS_A_ROW, figsize=(9.4, 0.4 + 3.1 * n_rows), sharey=True, squeeze=False, layout="constrained"
    )
    axes, spare = np.split(grid.ravel(), [len(groups)])
    for ax in spare:
        ax.remove()
    steps = list(dict.fromkeys(table["step"]))
    for ax, ((world, task), rows) in zip(axes, groups, strict=True):
        seeds = list(dict.fromkeys(rows["seed"]))
        places = np.linspace(-0.3, 0.3, len(seeds)) if len(seeds) > 1 else np.zeros(1)
        alpha = 1 if len(seeds) < 8 else 0.4  # of many intervals the dots tell more
        for row in rows.itertuples():
            color = LOSS if row.low > 0 else GAIN if row.high < 0 else "0.45"
            height = steps.index(row.step) + places[seeds.index(row.seed)]
            ends = spans(row.cost, row.low, row.high)
            ax.errorbar(row.cost, height, xerr=ends, fmt="o", ms=3, elinewidth=0.8 * alpha, color=color, alpha=alpha)
        ax.axvline(0, color="0.5", lw=1, ls="--", zorder=0)
        ax.set(title=f"{world}\n{name_of(task)}", xlabel="cost (AUROC)")
        ax.title.set_fontsize(9)
    axes[0].set_yticks(range(len(steps)), steps)
    axes[0].invert_yaxis()
    return axes
