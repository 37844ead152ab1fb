"""Figures of the book: ECG paper, beats, latents, associations, scores. Each function returns a Figure or Axes."""

import io
from contextlib import contextmanager
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.offsetbox import AnchoredOffsetbox, AuxTransformBox, TextArea, VPacker
from matplotlib.ticker import MultipleLocator, NullLocator
from PIL import Image

from ..ecg import LEADS_12, SEGMENTS_S, in_segment, to_twelve_leads

STYLE = str(Path(__file__).with_name("book.mplstyle"))

PAPER_GRID = "#e7a3a3"
# Grey in the middle: a wave that adds nothing has to be seen on paper too.
FOR_AND_AGAINST = LinearSegmentedColormap.from_list("for and against", ["#1553b0", "#84898f", "#b8150f"])
INK = "#1c2733"
# Where the twelve leads stand on a printed ECG: one column a group of leads, read downwards.
PRINTED_ROWS = (("I", "aVR", "V1", "V4"), ("II", "aVL", "V2", "V5"), ("III", "aVF", "V3", "V6"))
# Directions of the limb leads in the frontal plane, degrees clockwise from lead I (the hexaxial reference system).
FRONTAL_LEADS_DEG = {"I": 0, "II": 60, "aVF": 90, "III": 120, "aVR": -150, "aVL": -30}
PRINTED_PIECE_S, RHYTHM_LEAD = 2.5, "II"
ATTRIBUTION_LEADS = ("II", "V1", "V6")
TRAVERSAL_LEADS = ("I", "II", "V1", "V2", "V5", "V6")
MM_PER_S, MM_PER_MV = 25, 10
SMALL_SQUARE = 0.04, 0.1  # s, mV: 1 mm by 1 mm; a large one is five a side
TALLEST_MV = 120  # of a printed ECG: 1.2 m of paper
INCH_PER_MM = 1 / 25.4


@contextmanager
def in_style():
    """Draw in the book's style for a while; the backend is loaded before, since one that turns interactive has to stay so."""
    plt.close(plt.figure())
    with plt.style.context(STYLE):
        yield


def png_of(figure, dpi, n_colors, **palette):
    """Bytes of a PNG with a palette, a third as large as one of all colours or less; the figure is closed."""
    stream, small = io.BytesIO(), io.BytesIO()
    figure.savefig(stream, format="png", dpi=dpi)
    plt.close(figure)
    Image.open(stream).convert("RGB").quantize(n_colors, **palette).save(small, "png", optimize=True)
    return small.getvalue()


class _Squares(LineCollection):
    """The lines of ECG paper, as far as its Axes shows; ticks of matplotlib, several artists a line, take seconds."""

    def __init__(self, ax):
        super().__init__([], colors=PAPER_GRID, zorder=0.5)
        self.set(in_layout=False, transform=ax.transData, clip_path=ax.patch)

    def draw(self, renderer):
        x, y = (np.sort(limits) for limits in (self.axes.get_xlim(), self.axes.get_ylim()))
        of_x, of_y = (np.arange(np.ceil(low / mm), np.floor(high / mm) + 1) for (low, high), mm in zip((x, y), SMALL_SQUARE))
        vertical = [[(i * SMALL_SQUARE[0], end) for end in y] for i in of_x]
        self.set_segments(vertical + [[(end, i * SMALL_SQUARE[1]) for end in x] for i in of_y])
        is_large = np.r_[of_x, of_y] % 5 == 0
        self.set(linewidths=np.where(is_large, 0.6, 0.25), alpha=np.where(is_large, 1, 0.6))
        super().draw(renderer)


def draw_paper(ax, *, labels=True):
    """Draw ECG paper behind an Axes (x in s, y in mV) and return it: small squares 40 ms x 0.1 mV, large ones 200 ms x 0.5 mV.

    Squares are square. Without `labels` only the grid stays, and a figure's first panel gets a calibration pulse for its scale.
    """
    ax.add_artist(_Squares(ax))
    for axis, small in zip((ax.xaxis, ax.yaxis), SMALL_SQUARE):
        axis.set_major_locator(MultipleLocator(5 * small) if labels else NullLocator())
    ax.tick_params(which="both", length=0)
    ax.spines[:].set_visible(False)
    ax.set_aspect(MM_PER_MV / MM_PER_S)
    figure = ax.figure.figure
    if isinstance(figure.get_layout_engine(), ConstrainedLayoutEngine):
        figure.set_layout_engine("compressed")
    if not labels and not any(isinstance(artist, AnchoredOffsetbox) for panel in figure.axes for artist in panel.artists):
        _calibrate(ax)
    return ax


def plot_ecg(ecgs, row=0):
    """Draw an ECG of a set as it is printed, 25 mm/s and 10 mm/mV: 3 x 4 leads of 2.5 s and a rhythm strip of II; a Figure.

    Of an ECG that is shorter than ten seconds each lead gets a quarter.
    """
    ecgs = to_twelve_leads(ecgs[[row]])
    signals = dict(zip(ecgs.leads, ecgs.signals[0] - np.median(ecgs.signals[0], axis=1, keepdims=True), strict=True))
    duration_s = min(4 * PRINTED_PIECE_S, ecgs.signals.shape[-1] / ecgs.fs)
    n_shown = round(duration_s * ecgs.fs)
    n_piece = n_shown // 4
    rows = [*(np.concatenate([signals[lead] for lead in row_leads]) for row_leads in PRINTED_ROWS), signals[RHYTHM_LEAD]]
    levels, top, bottom = _stacked(rows)
    if not top - bottom <= TALLEST_MV:
        raise ValueError(f"ECG {ecgs.ids[0]}: its rows span {top - bottom:.4g} mV, more than paper of {TALLEST_MV} mV holds.")
    figure, ax = plt.subplots(figsize=np.array([MM_PER_S * duration_s + 6, MM_PER_MV * (top - bottom) + 10]) * INCH_PER_MM)
    draw_paper(ax, labels=False)
    for level, row_leads in zip(levels, PRINTED_ROWS, strict=False):
        for column, lead in enumerate(row_leads):  # the four pieces of a row follow each other in time, as on paper
            piece = slice(column * n_piece, min((column + 1) * n_piece, n_shown))
            _draw_strip(ax, signals[lead], piece, ecgs.fs, level, lead)
    _draw_strip(ax, signals[RHYTHM_LEAD], slice(0, n_shown), ecgs.fs, levels[-1], RHYTHM_LEAD)
    ax.set(xlim=(0, duration_s), ylim=(bottom, top), title=f"ECG {ecgs.ids[0]}")
    ax.text(1, -0.01, "25 mm/s   10 mm/mV   1 mm: a small square", transform=ax.transAxes, ha="right", va="top", color=INK)
    return figure


def plot_leads(ecgs, row=0, *, leads=("II", "V1", "V5"), start_s=0.0, stop_s=None, r_peaks=None, ax=None):
    """Draw some leads of one ECG below each other on ECG paper, with R peaks marked if they are given; returns the Axes.

    `ecgs` has 8 or 12 leads in mV, `row` is which of its ECGs; `leads` go from the top downwards, from `start_s` to `stop_s`
    (None: to the end); `r_peaks` are sample indices, as `r_peaks` gives them for this ECG.
    """
    ecg = to_twelve_leads(ecgs[[row]])
    stop_s = ecg.signals.shape[-1] / ecg.fs if stop_s is None else stop_s
    window = slice(round(start_s * ecg.fs), round(stop_s * ecg.fs))
    signals = [signal - np.median(signal) for signal in (ecg.signals[0, ecg.leads.index(lead)] for lead in leads)]
    levels, top, bottom = _stacked([signal[window] for signal in signals])
    if ax is None:
        paper_ratio = MM_PER_MV * (top - bottom) / (MM_PER_S * (stop_s - start_s))
        width_inch = min(9.5, 5.5 / paper_ratio)
        _, ax = plt.subplots(figsize=(width_inch, width_inch * paper_ratio + 0.2))
    draw_paper(ax, labels=False)
    for lead, signal, level in zip(leads, signals, levels, strict=True):
        _draw_strip(ax, signal, window, ecg.fs, level, lead)
        if r_peaks is not None:
            inside = np.asarray([peak for peak in r_peaks if window.start <= peak < window.stop], dtype=int)
            label = "R peak" if lead == leads[0] else None
            ax.plot(inside / ecg.fs, signal[inside] + level, "o", ms=4, color="#c4402f", label=label)
    ax.set(xlim=(start_s, stop_s), ylim=(bottom, top))
    if r_peaks is not None:
        ax.legend(loc="lower left", bbox_to_anchor=(0, 1))
    return ax


def plot_beats(beats, *, leads=LEADS_12, colors=None, alpha=1.0, title=None):
    """Draw one or more sets of beats over each other, one panel of ECG paper per lead; returns the Figure.

    `beats` is a BeatSet or a dict of them, whose keys become the legend; every beat is a line, `colors` has one for each set,
    `alpha` is opacity. Twelve `leads` are laid out as on a printed ECG. Where every set is one beat, lines get thinner from set
    to set, so that all are seen where they coincide.
    """
    sets = beats if isinstance(beats, dict) else {None: beats}
    sets = {label: to_twelve_leads(part[part.usable]) for label, part in sets.items()}
    colors = plt.rcParams["axes.prop_cycle"].by_key()["color"] if colors is None else colors
    is_stacked = len(sets) > 1 and all(len(part) == 1 for part in sets.values())
    widths = np.linspace(2.2, 1.1, len(sets)) if is_stacked else [1.3] * len(sets)
    grid = [list(row) for row in PRINTED_ROWS] if len(leads) == 12 else [list(leads)]
    figure, panels = plt.subplot_mosaic(grid, figsize=(2.35 * len(grid[0]), 4), sharex=True, sharey=True)
    for lead, ax in panels.items():
        draw_paper(ax, labels=False)
        for (label, part), color, width in zip(sets.items(), colors, widths, strict=False):
            lines = ax.plot(part.time_s, part.signals[:, part.leads.index(lead)].T, color=color, alpha=alpha, lw=width)
            if lead == grid[0][0] and lines:
                lines[0].set_label(label)
        _name_lead(ax, lead)
    signals = [part.signals for part in sets.values() if len(part)]
    first = next(iter(panels.values()))
    heights = (min(map(np.min, signals)) - 0.15, max(map(np.max, signals)) + 0.25) if signals else (-1, 1)
    first.set(xlim=tuple(next(iter(sets.values())).time_s[[0, -1]]), ylim=heights)
    _fit_height(figure, first)
    if isinstance(beats, dict) or title:
        handles, labels = first.get_legend_handles_labels()
        head = {"title": title, "title_fontproperties": {"weight": "bold", "size": 11}, "alignment": "left"}
        for handle in figure.legend(handles, labels, loc="outside upper left", ncols=len(labels), **head).legend_handles:
            handle.set_alpha(1)
    return figure


def plot_attributions(beats, maps, *, title=None):
    """Draw the first beat once for each attribution map, its line red where the map speaks for the task and blue where against.

    `beats` have 8 leads in mV; `maps` of them, (n_beats, 8, n_times), come by name, a column each of the Figure returned.
    Every column has colours of its own, which end at the 99th percentile of the map's size over all eight leads.
    """
    leads = ATTRIBUTION_LEADS
    size_inch = min(9.4, 2.9 * len(maps)), 4
    figure, panels = plt.subplots(len(leads), len(maps), figsize=size_inch, sharex=True, sharey=True, squeeze=False)
    for axes, (label, values) in zip(panels.T, maps.items(), strict=True):
        limit = max(float(np.percentile(np.abs(values[0]), 99)), 1e-12)
        for ax, lead in zip(axes, leads, strict=True):
            draw_paper(ax, labels=False)
            column = beats.leads.index(lead)
            _draw_coloured(ax, beats.time_s, beats.signals[0, column], values[0, column], limit)
            ax.set_xlim(*beats.time_s[[0, -1]])
            _name_lead(ax, lead)
        axes[0].set_title(label, fontsize=9)
    shown = beats.signals[0, [beats.leads.index(lead) for lead in leads]]
    ax.set_ylim(shown.min() - 0.15, shown.max() + 0.25)
    _fit_height(figure, ax, title_inch=0.15)
    if title:
        figure.suptitle(title, x=0.01, ha="left", fontweight="bold", fontsize=11)
    return figure


def plot_contributions(beats, contributions):
    """Draw the first beat of 8 leads, each wave of each lead in the colour of what it adds to an answer; returns the Figure.

    `contributions` is a row of `explain.wave_contributions`, by (segment, lead), whose unit the colour bar has; red speaks for
    the answer, blue against.
    """
    figure, panels = plt.subplots(2, 4, figsize=(9.4, 4.2), sharex=True, sharey=True)
    limit = max(float(contributions.abs().max()), 1e-12)
    for ax, lead, signal in zip(panels.flat, beats.leads, beats.signals[0], strict=True):
        draw_paper(ax, labels=False)
        values = sum(in_segment(beats.time_s, segment) * contributions[segment, lead] for segment in SEGMENTS_S)
        drawn = _draw_coloured(ax, beats.time_s, signal, values, limit)
        _name_lead(ax, lead)
    ax.set(xlim=tuple(beats.time_s[[0, -1]]), ylim=(beats.signals[0].min() - 0.15, beats.signals[0].max() + 0.25))
    _fit_height(figure, ax)
    figure.colorbar(drawn, ax=panels, label="log odds", shrink=0.8)
    return figure


def plot_traversal(beats, values, *, label="value"):
    """Draw a BeatSet with one decoded beat per value while one number moves, from blue (low) to red (high); returns the Figure.

    `values` (n_beats,) are those of the number, and `label`, beside the colour bar, says what it is.
    """
    beats = to_twelve_leads(beats)
    values = np.asarray(values, dtype=float)
    norm, colors = plt.Normalize(values.min(), values.max()), plt.get_cmap("coolwarm")
    figure, panels = plt.subplots(2, 3, figsize=(8.6, 4.2), sharex=True, sharey=True)
    for lead, ax in zip(TRAVERSAL_LEADS, panels.flat, strict=True):
        draw_paper(ax, labels=False)
        for value, signal in zip(values, beats.signals[:, beats.leads.index(lead)], strict=True):
            ax.plot(beats.time_s, signal, color=colors(norm(value)), lw=1.3)
        _name_lead(ax, lead)
    ax.set_xlim(*beats.time_s[[0, -1]])
    _fit_height(figure, ax)
    figure.colorbar(plt.cm.ScalarMappable(norm, colors), ax=panels, label=label, shrink=0.8)
    return figure


def plot_frontal_plane(vectors):
    """Draw heart vectors among the six limb leads, seen from the front: degrees clockwise from lead I, as cardiologists count.

    `vectors` has by label (potential in lead I, potential in lead aVF), both in mV. Returns the Axes.
    """
    _, ax = plt.subplots(figsize=(4.4, 4.4), layout="constrained", subplot_kw={"projection": "polar"})
    ax.set_theta_direction(-1)
    around = range(0, 360, 30)
    ax.set_thetagrids(around, [f"{degrees}°" if degrees <= 180 else f"−{360 - degrees}°" for degrees in around])
    # On a vector (I, aVF) the length along aVF is 2/sqrt(3) of the augmented potential (Goldberger's leads are shorter).
    points = {label: (lead_1, 2 / np.sqrt(3) * avf) for label, (lead_1, avf) in vectors.items()}
    radius = 1.15 * max(np.hypot(*point) for point in points.values())
    box = {"fc": "white", "ec": "none", "pad": 1}
    for lead, degrees in FRONTAL_LEADS_DEG.items():
        ax.plot(np.deg2rad([degrees, degrees + 180]), [radius, radius], color="0.75", lw=0.8, zorder=1)
        ax.text(np.deg2rad(degrees), 0.88 * radius, lead, ha="center", va="center", fontsize=9, color=INK, bbox=box)
    for (label, point), color in zip(points.items(), plt.rcParams["axes.prop_cycle"].by_key()["color"], strict=False):
        angle = np.arctan2(point[1], point[0])
        ax.annotate("", (angle, np.hypot(*point)), (angle, 0), arrowprops={"arrowstyle": "-|>", "color": color, "lw": 2})
        ax.plot([], [], color=color, lw=2, label=label)
    ax.set(rlim=(0, radius), rticks=[])
    ax.figure.legend(loc="outside upper left", ncols=2)
    return ax


def _draw_coloured(ax, time_s, signal, values, limit):
    """Draw a lead as a line whose colour tells a value at each sample, from blue at -limit to red at limit."""
    points = np.column_stack([time_s, signal])
    pieces = np.stack([points[:-1], points[1:]], axis=1)  # (n_times - 1, 2 ends, time and potential)
    colors = {"array": 0.5 * (values[1:] + values[:-1]), "cmap": FOR_AND_AGAINST, "norm": plt.Normalize(-limit, limit)}
    return ax.add_collection(LineCollection(pieces, **colors, linewidths=2.2, capstyle="round"))


def _calibrate(ax):
    """Stand a calibration pulse of 1 mV and 0.2 s to the left of a panel."""
    pulse = AuxTransformBox(ax.transData)
    pulse.add_artist(Line2D([0, 0, 0.2, 0.2], [0, 1, 1, 0], color=INK, lw=1))
    key = VPacker(children=[pulse, TextArea("1 mV\n0.2 s", textprops={"fontsize": 9, "color": INK})], align="center", sep=2)
    place = {"bbox_to_anchor": (0, 0), "bbox_transform": ax.transAxes, "frameon": False}
    ax.add_artist(AnchoredOffsetbox("lower right", child=key, **place))


def _fit_height(figure, ax, title_inch=0.0, most_inch=3.5):
    """Make a figure of panels like `ax` as high as square squares want it."""
    rows, columns = ax.get_gridspec().get_geometry()
    ratio = MM_PER_MV * np.ptp(ax.get_ylim()) / (MM_PER_S * np.ptp(ax.get_xlim()))
    figure.set_figheight(rows * (min(ratio * figure.get_figwidth() / columns, most_inch) + title_inch) + 0.4)


def _name_lead(ax, lead):
    ax.text(0.02, 0.97, lead, transform=ax.transAxes, va="top", fontweight="bold", fontsize=9, color=INK)


def _stacked(signals):
    """Levels in mV at which signals stand below each other without touching, and the top and bottom of the sheet."""
    highs = [max(0.5, float(np.nanpercentile(signal, 99.9))) for signal in signals]
    lows = [min(-0.3, float(np.nanpercentile(signal, 0.1))) for signal in signals]
    levels = np.cumsum([0.0, *(low - high - 0.35 for low, high in zip(lows[:-1], highs[1:], strict=True))])
    return levels, highs[0] + 0.5, levels[-1] + lows[-1] - 0.2


def _draw_strip(ax, signal, piece, fs, level, lead):
    time_s = np.arange(piece.start, piece.stop) / fs
    ax.plot(time_s, signal[piece] + level, color=INK, lw=0.9)
    top = level + np.fmax.reduce(signal[piece][: round(0.4 * fs)], initial=0.0)  # of what the name stands above
    ax.annotate(lead, (time_s[0], top), (2, 3), textcoords="offset points", fontsize=9, fontweight="bold", color=INK)
