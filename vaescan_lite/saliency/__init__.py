"""Attribution maps of networks, and what tells good ones from bad ones."""

from .maps import agreement, by_wave, paired_beats, repeatability, sanity_table, share_inside, truth_region, truth_table
from .methods import METHODS, attribute
from .networks import n_weight_layers, randomised, randomised_scan

__all__ = [
    "METHODS", "agreement", "attribute", "by_wave", "n_weight_layers", "paired_beats", "randomised",
    "randomised_scan", "repeatability", "sanity_table", "share_inside", "truth_region", "truth_table",
]  # fmt: skip
