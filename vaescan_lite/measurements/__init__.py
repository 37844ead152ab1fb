"""What a cardiologist would measure on a beat, and beats changed by a known amount."""

from ..ecg import angle_difference_deg, subtract_measurements
from .boundaries import delineate, interpolate
from .edits import EDITS, audit
from .perturbations import PERTURBATIONS, perturb
from .values import DEFINITIONS, measure

__all__ = [
    "DEFINITIONS", "EDITS", "PERTURBATIONS", "angle_difference_deg", "audit", "delineate", "interpolate", "measure", "perturb",
    "subtract_measurements",
]  # fmt: skip
