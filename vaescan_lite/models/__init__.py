"""Networks on beats and on ten seconds, and hybrids of a network with an explained model."""

from .cnn import EcgCNN
from .hybrid import BeatsWithLatents, CappedHybrid, explained_share, explained_table
from .joint_vae import JointVAE
from .tables import standard_models

__all__ = ["BeatsWithLatents", "CappedHybrid", "EcgCNN", "JointVAE", "explained_share", "explained_table", "standard_models"]
