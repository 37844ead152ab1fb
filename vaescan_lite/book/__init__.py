"""What chapters pass on to each other, and how they are run, checked and built."""

from .chapters import ChaptersFailed, run_chapters
from .exercises import Check
from .pages import build_book
from .workspace import PROFILES, Workspace

__all__ = ["ChaptersFailed", "Check", "PROFILES", "Workspace", "build_book", "run_chapters"]
