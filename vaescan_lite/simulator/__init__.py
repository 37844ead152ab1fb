"""Twelve-lead ECGs of a heart whose truth is known."""

from .ecgs import simulate, simulate_with_truth, true_effects
from .files import write_simulated_database
from .people import PREVALENCE, Population, draw_factors

__all__ = [
    "PREVALENCE", "Population", "draw_factors", "simulate", "simulate_with_truth", "true_effects",
    "write_simulated_database",
]  # fmt: skip
