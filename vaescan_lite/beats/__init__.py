"""From ten seconds to one clean beat: the band, R peaks, alignment, medians, faults."""

from .detection import r_peaks
from .filters import BAND_HZ, band_pass
from .medians import beat_noise, median_beats, quality, split_median_beats

__all__ = ["BAND_HZ", "band_pass", "beat_noise", "median_beats", "quality", "r_peaks", "split_median_beats"]
