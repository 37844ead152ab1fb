"""Explainable AI for the electrocardiogram: the helpers behind the chapters of the book.

``import vaescan_lite as vl`` offers the public names; each is imported when first used, so that the import is light.
"""

from importlib import import_module
from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("vaescan-lite")
except PackageNotFoundError:  # a source tree that was not installed
    __version__ = "0"

_HOME = {
    "EcgSet": "ecg", "BeatSet": "ecg", "to_twelve_leads": "ecg", "to_eight_leads": "ecg",
    "read_record": "databases", "simulate": "simulator", "write_simulated_database": "simulator",
    "open_database": "databases", "Database": "databases", "r_peaks": "beats", "median_beats": "beats",
    "measure": "measurements", "BeatVAE": "vae", "Scan": "scan", "combine": "scan", "load_pretrained": "scan",
    "Explorer": "web", "Workspace": "book",
}  # fmt: skip
_ROOMS = (
    "beats", "benchmark", "book", "cache", "cpus", "databases", "decisions", "ecg", "explain", "factors", "hospitals",
    "measurements", "models", "own_model", "plots", "saliency", "scan", "simulator", "statistics", "training", "vae", "web",
)  # fmt: skip

__all__ = [*_HOME, *_ROOMS]


def __getattr__(name):
    if name in _HOME:
        return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    if name in _ROOMS:
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted({*globals(), *__all__})
