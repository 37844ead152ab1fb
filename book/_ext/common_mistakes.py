"""Directive ``{common-mistakes}``: what the checks of the exercises look out for, read from the chapters at each build."""

import ast
import re
from pathlib import Path
from typing import NamedTuple

import nbformat
from docutils import nodes
from docutils.statemachine import StringList
from sphinx.util.docutils import SphinxDirective

OF_THE_FORM = re.compile(r"please\W*$|please, |gives nothing back")  # nothing that a student misunderstood


class Exercise(NamedTuple):
    """An exercise of a chapter: its title, its label, how hard it is, and its check's hints as they are tried."""

    title: str
    label: str
    level: str
    hints: list


def hints_of(source):
    """Hints in a cell of a check: the text of each pair (condition, text), in the order of the cell."""
    pairs = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Tuple) and len(node.elts) == 2]
    pairs = [
        pair
        for pair in sorted(pairs, key=lambda node: (node.lineno, node.col_offset))
        if isinstance(pair.elts[0], (ast.Lambda, ast.Name, ast.Call))
        and isinstance(pair.elts[1], ast.Constant)
        and " " in str(pair.elts[1].value)
    ]
    return [pair.elts[1].value for pair in pairs]


def exercises_of(notebook):
    """Return the title of a chapter and its exercises."""
    title, exercises = "", []
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            title = title or cell.source.split("\n")[0].removeprefix("# ")
            if start := re.search(r"\{exercise-start\} *(.*)\n:label: (\S+)\n```\s*(?:\*(\w+)\.\*)?", cell.source):
                exercises.append(Exercise(start[1], start[2], (start[3] or "").lower(), []))
        elif exercises and "exercise-check" in cell.metadata.get("tags", []):
            exercises[-1].hints.extend(hint for hint in hints_of(cell.source) if not OF_THE_FORM.search(hint))
    return title, exercises


def written(folder):
    """Write the page, in Markdown: for every chapter its exercises, for each what its check looks out for."""
    lines = []
    for path in sorted(folder.glob("*.ipynb")):
        title, exercises = exercises_of(nbformat.read(path, as_version=4))
        lines += [f"**[{title}](../notebooks/{path.name})**", ""]
        for exercise in exercises:
            level = f" ({exercise.level})" if exercise.level else ""
            hints = [re.sub(r"([*\[])", r"\\\1", hint) for hint in exercise.hints]  # signs of Markdown
            items = [f"{'  ' if i else ': '}- {hint}" for i, hint in enumerate(hints)]
            lines += [f"{{ref}}`{exercise.label}`: {exercise.title}{level}", "", *items, ""]
    return lines


class CommonMistakes(SphinxDirective):
    """The page's list."""

    def run(self):
        """Parse what `written` gives."""
        folder = Path(self.env.srcdir) / "notebooks"
        for path in folder.glob("*.ipynb"):
            self.env.note_dependency(str(path))
        node = nodes.container()
        self.state.nested_parse(StringList(written(folder), source=self.get_source_info()[0]), self.content_offset, node)
        return node.children


def setup(app):
    """Register the directive."""
    app.add_directive("common-mistakes", CommonMistakes)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
