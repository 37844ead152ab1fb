"""Figures of ECGs, beats and tables, in one style."""

from .ecgs import (
    INK,
    STYLE,
    draw_paper,
    plot_attributions,
    plot_beats,
    plot_contributions,
    plot_ecg,
    plot_frontal_plane,
    plot_leads,
    plot_traversal,
)
from .reading import as_text, name_of, table_html
from .tables import plot_associations, plot_cost, plot_history, plot_intervals, plot_trade_off

__all__ = [
    "INK", "STYLE", "as_text", "draw_paper", "name_of", "plot_associations", "plot_attributions",
    "plot_beats", "plot_contributions", "plot_cost", "plot_ecg", "plot_frontal_plane", "plot_history", "plot_intervals",
    "plot_leads", "plot_trade_off", "plot_traversal", "table_html",
]  # fmt: skip
