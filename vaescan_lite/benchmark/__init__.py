"""Representations times models, scored in rotations of folds, and what explainability costs."""

from .costs import STEPS, agreement, cost
from .hybrids import won_back
from .representations import Recordings, standard_representations
from .result import BASELINE, MACRO, Result
from .running import run

__all__ = [
    "BASELINE", "MACRO", "Recordings", "Result", "STEPS", "agreement", "cost", "run",
    "standard_representations", "won_back",
]  # fmt: skip
