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
    "EcgSet": "ecg",
    "BeatSet": "ecg",
    "to_twelve_leads": "ecg",
    "to_eight_leads": "ecg",
    "read_record": "records",
    "simulate": "simulator",
    "write_simulated_database": "simulator",
    "open_database": "databases",
    "Database": "databases",
    "r_peaks": "beats",
    "median_beats": "beats",
    "measure": "measurements",
    "BeatVAE": "vae",
    "Scan": "scan",
    "combine": "scan",
    "load_pretrained": "pretraining",
    "Explorer": "explorer",
    "Workspace": "workspace",
}
_MODULES = (
    "beats", "benchmark", "book", "cache", "cnn", "cpus", "databases", "decisions", "disentanglement", "ecg", "edits",
    "exercises", "explain", "explorer", "factors", "hybrid", "measurements", "perturbations", "plots", "pretraining",
    "readers", "records", "requirements", "saliency", "scan", "simulator", "studies", "training", "vae", "workspace", "worlds",
)  # fmt: skip

__all__ = [*_HOME, *_MODULES]


def __getattr__(name):
    if name in _HOME:
        return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    if name in _MODULES:
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted({*globals(), *__all__})
