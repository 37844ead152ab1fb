"""Directives of the results page: show a table or figure of ``book/results`` as `make results` wrote it, and say what was run.

A copy of the book in which a part was not computed says so in place of it, and builds.
"""

import csv
import re
from html import escape
from pathlib import Path

import pandas as pd
from docutils import nodes
from docutils.parsers.rst import directives
from docutils.statemachine import StringList
from findings import findings
from PIL import Image
from sphinx.util.docutils import SphinxDirective

from vaescan_lite.plots import as_text, name_of

FOLDER = "book/results"
PIXELS = 2  # of a figure where a page shows one
NAMES = ("factor", "interval", "label", "learnt", "measurement", "metric", "task")  # columns of names of the code
WORDS = {"True": "yes", "False": "no"}


class _FromResults(SphinxDirective):
    has_content = True
    required_arguments = 1

    def rows(self, name):
        """Rows of ``<name>.csv`` as dicts; None where it was not written."""
        path = Path(self.env.srcdir) / FOLDER / f"{name}.csv"
        self.env.note_dependency(str(path))
        if not path.exists():
            return None
        with path.open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))

    def parsed(self, lines):
        node = nodes.container()
        self.state.nested_parse(StringList(lines, source=self.get_source_info()[0]), self.content_offset, node)
        return node.children

    def missing(self, file):
        return self.parsed([f"*Not in this copy of the book: `make results DATABASE=<folder>` writes `{FOLDER}/{file}`.*"])

    def what_was_run(self):
        """Say from ``about.csv`` what was run for this table or figure."""
        part = self.options.get("part", self.arguments[0])
        for row in self.rows("about") or ():
            if row["part"] == part:
                usable = re.sub(r"^(\d+) of (\d+) ECGs$", _counted, f"{row['usable']} ECGs")
                single = "seed" if "," not in row["seeds"] else "seeds"
                used = {"test folds": row["test folds"], single: row["seeds"], "": row["budget"] and f"{row['budget']} budget"}
                said = [f"{row['database'].split(':')[0]}, {usable}"]
                said += [f"{name} {value}".strip() for name, value in used.items() if value]
                return "; ".join([*said, row["date"], *filter(None, [row.get("note")])]) + "."
        return ""

    def caption(self):
        return " ".join([*self.content, self.what_was_run()]).strip()


class ResultsTable(_FromResults):
    """``{results-table} name``: columns of ``name.csv``; ``auroc:low:high`` puts an interval behind its value.

    A column that the file of an older run lacks is left out.
    """

    option_spec = {
        "columns": directives.unchanged_required,
        "heads": directives.unchanged,
        "where": directives.unchanged,
        "part": directives.unchanged,
    }

    def run(self):
        """Give the table, or what is missing."""
        rows = self.rows(self.arguments[0])
        if rows is None:
            return self.missing(f"{self.arguments[0]}.csv")
        if not rows:
            return self.parsed([f"{self.caption()} None."])
        if "where" in self.options:
            column, value = (text.strip() for text in self.options["where"].split("="))
            rows = [row for row in rows if row[column] == value]
        columns = [[name] for name in rows[0]]
        if "columns" in self.options:
            columns = [text.strip().split(":") for text in self.options["columns"].split(",")]
        heads = [text.strip() for text in self.options.get("heads", "").split("|") if text.strip()]
        heads = heads or [name_of(column[0]) for column in columns]
        shown = [(head, column) for head, column in zip(heads, columns, strict=True) if column[0] in rows[0]]
        text = pd.concat([as_text(_as_frame(rows, column)) for _, column in shown], axis=1)
        is_text = [text.iloc[:, place].str.contains("[A-Za-z]{2}").any() for place in range(text.shape[1])]
        lines = [f":::{{table}} {self.caption()}", ":align: left", "", "| " + " | ".join(head for head, _ in shown) + " |"]
        lines += ["|" + "|".join(":---" if is_left else "---:" for is_left in is_text) + "|"]
        lines += ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in text.itertuples(index=False)]
        label = escape(f"Table: {name_of(self.arguments[0])}", quote=True)
        opened = nodes.raw("", f'<div class="vl-table" role="group" tabindex="0" aria-label="{label}">', format="html")
        return [opened, *self.parsed([*lines, ":::"]), nodes.raw("", "</div>", format="html")]


class ResultsFigure(_FromResults):
    """``{results-figure} name``: ``name.png`` with its caption."""

    option_spec = {"alt": directives.unchanged_required, "name": directives.unchanged, "part": directives.unchanged}

    def run(self):
        """Give the figure, or what is missing."""
        file = f"{self.arguments[0]}.png"
        path = Path(self.env.srcdir) / FOLDER / file
        if not path.exists():
            return self.missing(file)
        with Image.open(path) as picture:
            width = picture.width // PIXELS
        lines = [f":::{{figure}} /{FOLDER}/{file}", f":alt: {self.options['alt']}", f":width: {width}px"]
        lines += [f":name: {self.options['name']}"] if "name" in self.options else []
        return self.parsed([*lines, "", self.caption(), ":::"])


class ResultsFindings(_FromResults):
    """``{results-findings}``: what the tables say, in sentences."""

    required_arguments = 0

    def run(self):
        """Give a list of findings, or what is missing."""
        folder = Path(self.env.srcdir) / FOLDER
        for path in sorted(folder.glob("*.csv")):
            self.env.note_dependency(str(path))
        return self.parsed([line for text in findings(folder) for line in (f"- {text}",)]) or self.missing("macro.csv")


def _counted(match):
    usable, n = (f"{int(text):,}" for text in match.groups())
    return f"{n} ECGs ({usable} usable)"


def _as_frame(rows, columns):
    """Take a value and, where the page asks for them, the ends of its interval, as numbers where all of them are."""
    frame = pd.DataFrame({name: [row[column] for row in rows] for name, column in zip(("x", "low", "high"), columns)})
    try:
        frame = frame.replace("", None).astype(float)
    except ValueError:
        frame = frame.replace(r"0?(1?\.\d+) \(0?(1?\.\d+) to 0?(1?\.\d+)\)", r"\1 [\2, \3]", regex=True)
        if columns[0] in NAMES:
            frame = frame.map(name_of)
        return frame.replace(WORDS).replace(r"\bauroc\b", "AUROC", regex=True)
    is_whole = len(columns) == 1 and not any("." in row[columns[0]] or "inf" in row[columns[0]] for row in rows)
    return frame.astype("Int64") if is_whole else frame


def setup(app):
    """Register the directives."""
    app.add_directive("results-findings", ResultsFindings)
    app.add_directive("results-table", ResultsTable)
    app.add_directive("results-figure", ResultsFigure)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
