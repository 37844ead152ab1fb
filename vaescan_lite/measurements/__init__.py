"""What a cardiologist would measure on a beat, and beats changed by a known amount."""

from .boundaries import delineate, interpolate
from .edits import EDITS, audit
from .perturbations import PERTURBATIONS, perturb
from .values import DEFINITIONS, measure

__all__ = [
    "DEFINITIONS", "EDITS", "PERTURBATIONS", "audit", "delineate", "interpolate", "measure", "perturb",
]  # fmt: skip
