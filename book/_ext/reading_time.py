"""Role ``{minutes}``: how long chapters take to read, counted when the page is built.

200 words a minute, half a minute for a cell of code, three quarters of a minute for a figure; captions are not counted.
``{minutes}`4``` is chapter 4, ``{minutes}`1 4 6``` their sum, ``{minutes}`all``` every chapter, and ``{minutes}`text 1 4 6```
leaves the cells of code out.
"""

import re
from pathlib import Path

import nbformat
from captions import placed
from docutils import nodes
from sphinx.util.docutils import SphinxRole

WORDS_PER_MINUTE, MINUTES_PER_CELL, MINUTES_PER_FIGURE = 200, 0.5, 0.75


def minutes(notebook, cells=True):
    """Minutes to read a chapter, with its cells of code or without."""
    notebook = placed(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    words = sum(len(cell.source.split()) for cell in notebook.cells if cell.cell_type == "markdown")
    n_figures = sum("mystnb" in cell.metadata for cell in code)
    return words / WORDS_PER_MINUTE + MINUTES_PER_FIGURE * n_figures + MINUTES_PER_CELL * len(code) * cells


def in_words(n_minutes):
    """Write minutes as people say them: to five below an hour, to a quarter of an hour above, to half an hour above three."""
    if n_minutes < 57.5:
        return f"{5 * round(n_minutes / 5)}\N{NO-BREAK SPACE}minutes"
    quarters = round(n_minutes / 15) if n_minutes < 180 else 2 * round(n_minutes / 30)
    hours = f"{quarters // 4 or ''}{['', '¼', '½', '¾'][quarters % 4]}"
    return f"{hours}\N{NO-BREAK SPACE}hour{'' if hours == '1' else 's'}"


def total(folder, text):
    """Sum what the text of the role names."""
    wanted = text.split()
    cells = "text" not in wanted
    paths = {re.match(r"0?(\w+?)_", path.name)[1]: path for path in folder.glob("*.ipynb")}
    names = [name for name in wanted if name != "text"]
    names = sorted(paths) if names == ["all"] else names
    if unknown := set(names) - set(paths):
        raise ValueError(f"no chapter {', '.join(sorted(unknown))}; there are {', '.join(sorted(paths))}.")
    return sum(minutes(nbformat.read(paths[name], as_version=4), cells) for name in names)


class Minutes(SphinxRole):
    """The role."""

    def run(self):
        """Give the time in words."""
        folder = Path(self.env.srcdir) / "notebooks"
        for path in folder.glob("*.ipynb"):
            self.env.note_dependency(str(path))
        try:
            return [nodes.Text(in_words(total(folder, self.text)))], []
        except ValueError as error:
            return [], [self.inliner.reporter.error(f"minutes: {error}", line=self.lineno)]


def setup(app):
    """Register the role."""
    app.add_role("minutes", Minutes())
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
