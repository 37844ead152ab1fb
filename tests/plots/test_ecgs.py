"""Figures: paper is paper, curves are the data, intervals stand where the table says."""

import matplotlib
import numpy as np
import pandas as pd
import pytest

matplotlib.use("Agg")
import matplotlib.pyplot as plt

from vaescan_lite import plots
from vaescan_lite.ecg import LEADS_12, BeatSet, EcgSet, to_twelve_leads


@pytest.fixture(autouse=True)
def closed_figures():
    yield
    plt.close("all")


@pytest.fixture
def ecgs():
    rng = np.random.default_rng(0)
    return to_twelve_leads(
        EcgSet(rng.normal(0, 0.2, (2, 8, 1000)).astype(np.float32), 100, LEADS_12[:2] + LEADS_12[6:], [7, 8])
    )


@pytest.fixture
def beats():
    rng = np.random.default_rng(0)
    return BeatSet(rng.normal(0, 0.2, (3, 8, 96)).astype(np.float32), 100, r_index=40)


def mm_per_unit(ax):
    """Millimetres on paper per second and per millivolt."""
    box = ax.get_window_extent()
    scale = 25.4 / ax.figure.dpi
    return box.width * scale / np.ptp(ax.get_xlim()), box.height * scale / np.ptp(ax.get_ylim())


def test_the_printed_ecg_has_the_proportions_of_25_mm_a_second_and_10_mm_a_millivolt(ecgs):
    figure = plots.plot_ecg(ecgs, 1)
    figure.canvas.draw()
    horizontal, vertical = mm_per_unit(figure.axes[0])
    assert horizontal / vertical == pytest.approx(2.5, rel=0.12)
    assert "8" in figure.axes[0].get_title(loc="left") + figure.axes[0].get_title()


def test_every_lead_is_named_on_the_printed_ecg(ecgs):
    texts = [text.get_text() for text in plots.plot_ecg(ecgs).axes[0].texts]
    assert set(LEADS_12) <= set(texts) and texts.count("II") == 2


def test_r_peaks_are_drawn_at_their_times_and_only_those_in_view(ecgs):
    ax = plots.plot_leads(ecgs, 0, leads=("II",), start_s=1, stop_s=3, r_peaks=np.array([50, 150, 250, 350]))
    (dots,) = [line for line in ax.lines if line.get_marker() == "o"]
    np.testing.assert_allclose(dots.get_xdata(), [1.5, 2.5])


def test_beats_are_drawn_as_they_are_in_all_twelve_leads(beats):
    figure = plots.plot_beats({"some": beats[[0]]})
    twelve = to_twelve_leads(beats[[0]])
    drawn = {ax.texts[0].get_text() if ax.texts else ax.get_title(loc="left"): ax for ax in figure.axes}
    assert set(LEADS_12) <= set(drawn)
    for lead in ("V2", "aVF"):
        values = [line.get_ydata() for line in drawn[lead].lines if len(line.get_ydata()) == 96]
        np.testing.assert_allclose(values[0], twelve.signals[0, twelve.leads.index(lead)], atol=1e-6)


def test_intervals_stand_at_the_values_of_the_table_from_the_top_downwards():
    table = pd.DataFrame({"auroc": [0.9, 0.7], "low": [0.85, 0.6], "high": [0.92, 0.8]}, index=["good", "poor"])
    ax = plots.plot_intervals(table, reference=0.5)
    (container,) = ax.containers
    np.testing.assert_allclose(np.asarray(container[0].get_xdata(), dtype=float), table["auroc"].to_numpy())
    ends = container[2][0].get_segments()
    np.testing.assert_allclose(
        np.array([segment[:, 0] for segment in ends], dtype=float), table[["low", "high"]].to_numpy(float)
    )
    labels = [label.get_text() for label in ax.get_yticklabels()]
    heights = dict(zip(labels, ax.get_yticks()))
    assert heights["good"] > heights["poor"]


def test_the_waterfall_ends_where_the_costs_lead():
    steps = pd.DataFrame(
        {
            "step": ["one", "two"], "before": ["a with x", "b with x"], "after": ["b with x", "c with x"],
            "auroc_before": [0.9, 0.85], "auroc_after": [0.85, 0.87], "cost": [0.05, -0.02],
            "low": [0.03, -0.03], "high": [0.07, -0.01],
        }
    )  # fmt: skip
    ax = plots.plot_cost(steps)
    tops = sorted({round(bar.get_y() + bar.get_height(), 4) for bar in ax.patches})
    assert 0.9 in tops and 0.87 in tops


def test_a_map_of_associations_is_symmetric_around_zero():
    table = pd.DataFrame([[0.5, -2.0], [np.nan, 1.0]], index=["LBBB", "AF"], columns=["qrs_ms", "pr_ms"])
    (image,) = plots.plot_associations(table).images
    assert image.get_clim() == (-2.0, 2.0)
    assert plots.plot_associations(table, limit=1).images[0].get_clim() == (-1, 1)


def test_functions_draw_where_they_are_told(ecgs):
    _, ax = plt.subplots()
    table = pd.DataFrame({"auroc": [0.9], "low": [0.8], "high": [1.0]}, index=["a"])
    assert plots.plot_intervals(table, ax=ax) is ax
    assert plots.plot_leads(ecgs, 0, ax=ax) is ax


def test_the_style_of_the_book_can_be_used():
    with plt.style.context(plots.STYLE):
        assert plt.rcParams["axes.spines.top"] is False


def trade_off_table():
    rows = [
        ("additive R2", "open", 0.9, 0.80, False, True, False, "higher"),
        ("additive R2", "closed", 0.2, 0.95, False, True, False, "higher"),
        ("additive R2", "worse", 0.5, 0.70, False, False, False, "higher"),
        ("change of logit", "open", 0.1, 0.80, False, True, True, "lower"),
        ("change of logit", "constant", 0.0, 0.50, True, False, True, "lower"),
    ]
    columns = ["metric", "model", "value", "auroc", "control", "front", "void", "better"]
    table = pd.DataFrame(rows, columns=columns)
    ends = {f"{end}": table["value"] + 0.05 * sign for end, sign in (("low", -1), ("high", 1))}
    return table.assign(**ends, auroc_low=table["auroc"] - 0.05, auroc_high=table["auroc"] + 0.05)


def test_the_front_runs_through_its_models_and_lower_is_better_to_the_right():
    axes = plots.plot_trade_off(trade_off_table())
    front = next(line for line in axes[0].lines if line.get_label() == "front")
    assert list(zip(*front.get_data())) == [(0.2, 0.95), (0.9, 0.80)]
    assert not axes[0].xaxis_inverted() and axes[1].xaxis_inverted()
    faces = [{dots.get_label(): dots.lines[0].get_mfc() for dots in ax.containers} for ax in axes]
    assert faces[1]["open"] == faces[1]["control"] == "white" != faces[0]["open"]  # void for that model, and a control
    names = [text.get_text() for text in axes[1].get_legend().get_texts()]
    assert names.count("open") == 1 and {"closed", "worse", "control", "front"} <= set(names)
