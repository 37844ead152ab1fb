"""Figures of the results page: sizes, pairs, worlds and costs stand where the table says."""

import matplotlib
import pandas as pd
import pytest

matplotlib.use("Agg")
import matplotlib.pyplot as plt

from bench import figures


@pytest.fixture(autouse=True)
def closed_figures():
    yield
    plt.close("all")


def test_a_learning_curve_has_its_sizes_and_a_line_for_each_pair():
    table = pd.DataFrame(
        {"n_training": [100, 50, 50, 100], "representation": ["a", "a", "b", "b"], "model": "m", "auroc": [0.8, 0.7, 0.6, 0.65]}
    )
    ax = figures.plot_learning_curve(table.assign(low=table["auroc"] - 0.1, high=table["auroc"] + 0.1))
    assert [text.get_text() for text in ax.get_xticklabels()] == ["50", "100"]
    assert [list(line.get_ydata()) for line in ax.lines] == [[0.7, 0.8], [0.6, 0.65]]


def test_worlds_have_a_panel_each_and_costs_that_are_told_from_zero_a_colour():
    rows = [("a", 0, "first", 0.2, 0.1, 0.3), ("a", 0, "second", 0.0, -0.1, 0.1), ("b", 0, "first", -0.2, -0.3, -0.1)]
    table = pd.DataFrame(rows, columns=["world", "seed", "step", "cost", "low", "high"]).assign(task="t")
    axes = figures.plot_worlds(table)
    assert [ax.get_title() for ax in axes] == ["a\nt", "b\nt"]
    assert [text.get_text() for text in axes[0].get_yticklabels()] == ["first", "second"] and axes[0].yaxis_inverted()
    colors = [line.lines[0].get_color() for ax in axes for line in ax.containers]
    assert colors[0] != colors[1] != colors[2] != colors[0]
