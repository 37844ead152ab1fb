"""Figures: paper is paper, curves are the data, intervals stand where the table says."""

import os
import subprocess
import sys

import matplotlib
import numpy as np
import pandas as pd
import pytest

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.collections import LineCollection
from matplotlib.lines import Line2D
from matplotlib.offsetbox import AnchoredOffsetbox

from vaescan_lite import plots
from vaescan_lite.ecg import LEADS_12, BeatSet, EcgSet, to_twelve_leads
from vaescan_lite.plots.tables import colors_of


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


def test_curves_that_coincide_are_all_seen(beats):
    one = beats[[0]]
    for ax in plots.plot_beats({"before": one, "after": one, "later": one}).axes:
        widths = [line.get_linewidth() for line in ax.lines]
        assert len(widths) == 3 and min(-np.diff(widths)) >= 0.5  # points: a rim of the line below stays


def test_the_name_of_a_lead_stands_above_its_curve(ecgs):
    spike = 2 * np.isin(np.arange(ecgs.signals.shape[-1]), (4, 5, 6))  # where the name begins
    high = EcgSet(ecgs.signals + spike, ecgs.fs, ecgs.leads, ecgs.ids)
    ax = plots.plot_leads(high, 0, leads=("II",), stop_s=4)
    ax.figure.canvas.draw()
    (name,) = (text for text in ax.texts if text.get_text() == "II")
    (curve,) = (line for line in ax.lines if len(line.get_xdata()) > 4)
    start = curve.get_xydata()[curve.get_xdata() < 0.3]
    assert name.get_window_extent().y0 > ax.transData.transform(start)[:, 1].max()


def test_a_legend_begins_at_the_left_where_a_phone_sees_it(beats):
    table = pd.DataFrame({"auroc": 0.9, "low": 0.8, "high": 1.0, "group": ["a", "b"]}, index=["x", "y"])
    drawn = [plots.plot_intervals(table, group="group"), plots.plot_frontal_plane({"a": (1, 1), "b": (0, 1)})]
    drawn += [plots.plot_beats({"a": beats, "b": beats}).axes[0], plots.plot_trade_off(trade_off_table())[0]]
    for ax in drawn:
        ax.figure.canvas.draw()
        (legend,) = ax.figure.legends
        assert legend.get_window_extent().x0 < 0.1 * ax.figure.bbox.width


def big_squares(figure, ax):
    figure.canvas.draw()
    box = ax.get_window_extent()
    return box.height / np.ptp(ax.get_ylim()) * 0.5 / (box.width / np.ptp(ax.get_xlim()) * 0.2)


def test_squares_of_paper_are_square_in_every_figure_and_one_pulse_gives_the_scale_where_no_numbers_do(ecgs, beats):
    maps = {"one": beats.signals, "two": -beats.signals}
    by_chapter, axes = plt.subplots(1, 3, figsize=(9, 3.2), sharey=True)
    for ax in axes:
        ax.plot(beats.time_s, beats.signals[0, 0])
        plots.draw_paper(ax)
    figures = [plots.plot_ecg(ecgs), plots.plot_leads(ecgs, stop_s=4).figure, plots.plot_beats(beats), by_chapter]
    figures += [plots.plot_attributions(beats, maps), plots.plot_traversal(beats, [1, 2, 3])]
    figures += [plots.plot_beats(beats, leads=("II",))]
    for figure in figures:
        for ax in figure.axes:
            assert ax.get_label() == "<colorbar>" or big_squares(figure, ax) == pytest.approx(1, abs=0.02)
        pulses = [artist for ax in figure.axes for artist in ax.artists if isinstance(artist, AnchoredOffsetbox)]
        assert len(pulses) == (figure is not by_chapter)
        if not pulses:  # its axes have numbers
            continue
        pulse = pulses[0].findobj(Line2D)[0]  # as high and as wide as 1 mV and 0.2 s of its panel
        drawn, (start, end) = pulse.get_window_extent(), pulses[0].axes.transData.transform([(0, 0), (0.2, 1)])
        assert np.allclose([drawn.width, drawn.height], end - start, rtol=0.02)


def test_lines_of_paper_stand_at_the_squares_of_the_view_that_is_drawn():
    figure, ax = plt.subplots()
    plots.draw_paper(ax)
    for left, right, bottom, top in ((-0.41, 0.56, -1.03, 2.0), (0, 1, 0, 1)):
        ax.set(xlim=(left, right), ylim=(bottom, top))
        figure.canvas.draw()
        (paper,) = (artist for artist in ax.get_children() if isinstance(artist, LineCollection))
        lines, is_large = np.array(paper.get_segments()), np.greater(paper.get_linewidths(), 0.5)
        is_vertical = lines[:, 0, 0] == lines[:, 1, 0]
        drawn = ((lines[is_vertical, 0, 0], is_large[is_vertical]), (lines[~is_vertical, 0, 1], is_large[~is_vertical]))
        for (at, large), low, high, per_unit in zip(drawn, (left, bottom), (right, top), (25, 10), strict=True):
            squares = np.array([i for i in range(-100, 100) if low - 1e-9 <= i / per_unit <= high + 1e-9])
            np.testing.assert_allclose(at, squares / per_unit, atol=1e-9)
            np.testing.assert_array_equal(large, squares % 5 == 0)


def contrasts():
    """Least distances (CIE76) of colours of the cycle to normal, deuteran, protan and tritan eyes (Machado 2009)."""
    sight = np.array([
        np.eye(3),
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
    ])  # fmt: skip
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    rgb = np.array([matplotlib.colors.to_rgb(color) for color in plt.rcParams["axes.prop_cycle"].by_key()["color"]])
    linear = np.where(rgb > 0.04045, ((rgb + 0.055) / 1.055) ** 2.4, rgb / 12.92)
    x, y, z = np.cbrt(np.maximum(np.clip(sight @ linear.T, 0, 1).transpose(0, 2, 1) @ to_xyz.T / (0.9505, 1, 1.089), 1e-3)).T
    lab = np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)])
    return np.linalg.norm(lab[:, :, None] - lab[:, None], axis=0).min(axis=-1)


def test_colours_of_the_cycle_are_told_apart_by_the_colour_blind():
    with plt.style.context(plots.STYLE):
        distances = contrasts()
    assert len(distances) == 9 and distances[~np.eye(9, dtype=bool)].min() >= 15


def test_a_model_keeps_its_colour_whatever_stands_beside_it():
    few, many = (
        colors_of(names) for names in (["beat CNN", "mine"], ["EBM on latents", "VAE-SCAN", "beat CNN", "rule", "mine"])
    )
    assert few["beat CNN"] == many["beat CNN"] and len(set(many.values())) == 5
    seen = ["measurements", "age + sex", "median beat", "ten seconds", "VAE latents", "PCA", "rules", "latents + rhythm"]
    assert len(set(colors_of(seen).values())) == len(seen)


def test_what_is_undecided_is_hatched_and_clipped_colours_are_marked():
    table = pd.DataFrame([[np.nan, 3.0], [0.0, 1.0]], index=["LBBB", "AF"], columns=["r_peak_time_V5_ms", "qrs_ms"])
    ax = plots.plot_associations(table, limit=2)
    assert [text.get_text() for text in ax.get_xticklabels()] == ["R peak time V5, ms", "QRS, ms"]
    bar = ax.images[0].colorbar
    assert bar.extend == "both" and "hatched: undecided" in bar.ax.get_ylabel() and ax.patch.get_hatch()
    assert plots.plot_associations(table.fillna(0.0)).images[0].colorbar.extend == "neither"


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
    assert "front" not in [line.get_label() for line in axes[1].lines]  # of models that are void, all of them
    assert not axes[0].xaxis_inverted() and axes[1].xaxis_inverted()
    faces = [{dots.get_label(): dots.lines[0].get_mfc() for dots in ax.containers} for ax in axes]
    assert faces[1]["open"] == faces[1]["control"] == "white" != faces[0]["open"]  # void for that model, and a control
    names = [text.get_text() for text in axes[1].figure.legends[0].get_texts()]
    assert names.count("open") == 1 and {"closed", "worse", "control", "front"} <= set(names)


def test_figures_of_a_notebook_show_after_one_was_drawn_in_the_style_of_the_book():
    """The backend of notebooks turns interactive when it is loaded, which a style that ends must not take back."""
    code = (
        "import matplotlib as m, matplotlib.pyplot as plt\nfrom IPython.core.interactiveshell import InteractiveShell\n"
        "InteractiveShell.instance()\nfrom vaescan_lite.plots.ecgs import in_style\n"
        "with in_style():\n    plt.close(plt.figure())\nprint(m.is_interactive())"
    )
    environment = os.environ | {"MPLBACKEND": "module://matplotlib_inline.backend_inline"}
    said = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True).stdout
    assert said.split()[-1] == "True"
