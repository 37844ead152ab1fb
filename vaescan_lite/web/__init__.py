"""What runs in a page: the explorer of the latents and the reading study."""

from .explorer import Explorer
from .reading_study import ReadingStudy

__all__ = ["Explorer", "ReadingStudy"]
