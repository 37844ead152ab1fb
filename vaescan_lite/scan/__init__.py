"""SCAN: factors and latents tied together in both directions, and the weights that come with the package."""

from .network import compromise
from .operators import combine
from .pretrained import load_pretrained, load_trainings
from .scan import Scan

__all__ = ["Scan", "combine", "compromise", "load_pretrained", "load_trainings"]
