"""Cells of chapters, run by themselves: tests of what a chapter writes out and of its exercises share this."""

from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parents[1]


def cells(chapter, tag):
    notebook = nbformat.read(ROOT / "notebooks" / f"{chapter}.ipynb", as_version=4)
    return [cell.source for cell in notebook.cells if tag in cell.metadata.get("tags", [])]


def run(sources, names):
    for source in sources:
        exec(compile(source, "<chapter>", "exec"), names)
    return names


def hint(check, answer):
    return repr(check(answer))
