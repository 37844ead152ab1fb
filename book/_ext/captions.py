"""Sphinx extension: in chapters a caption is a Markdown cell, so that a notebook reads well without Sphinx.

Tagged ``caption``, directly after the cell it is about, it reads ``**Figure.** A wave.`` or ``**Table.** All.``
JupyterLab, Colab and GitHub show it as it stands, a page makes it a caption. `placed` alone knows the rule: whoever reads
captions, or order and words of a chapter without them, calls it first.
"""

import json
import re
from copy import deepcopy
from html import escape

SAID = re.compile(r"\*\*(Figure|Table)\.\*\* (\S.*)")
LABEL = re.compile(r'(<div class="vl-table"[^>]*aria-label=")[^"]*("[^>]*><table>)(<caption>)?')


def placed(notebook):
    """Copy a chapter, each caption in the metadata of the cell before it (``mystnb.figure`` or ``table``), not in a cell."""
    notebook = deepcopy(notebook)
    kept = []
    for cell in notebook["cells"]:
        if "caption" not in cell["metadata"].get("tags", ()):
            kept.append(cell)
        elif wrong := _place("".join(cell["source"]), kept[-1] if kept else {}):
            chapter, source = ("".join(some["source"]).split("\n")[0] for some in (notebook["cells"][0], cell))
            raise ValueError(f"{chapter.lstrip('# ')}, cell {cell.get('id')}, {source!r}: {wrong}.")
    notebook["cells"] = kept
    return notebook


def _place(source, before):
    """Put what a cell says into the metadata of the one before it, or say what is wrong."""
    if not (said := SAID.fullmatch(source)):
        return "a caption is one line that begins with '**Figure.** ' or '**Table.** '"
    if before.get("cell_type") != "code":
        return "a caption stands directly after the code that gives what it is about"
    kind, caption = said.groups()
    metadata = before["metadata"]
    place = metadata.get("mystnb", {}).get("figure") if kind == "Figure" else metadata.setdefault("table", {})
    if place is None:
        return "the cell before it gives no figure; alt text and name stand in its metadata"
    if "caption" in place:
        return "the cell before it has a caption already"
    place["caption"] = caption
    return None


def captioned(html, caption):
    """Put a caption into a table of `plots.table_html`, before the words on rows that are left out, and make it its name."""

    def head(match):
        ends = "<caption>" + escape(caption) + (" " if match[3] else "</caption>")
        return match[1] + escape(caption, quote=True) + match[2] + ends

    return LABEL.sub(head, html, count=1)


def with_captions(text):
    """Place the captions of an executed chapter, and put those of tables into them, JSON in and out."""
    notebook = placed(json.loads(text))
    for cell in notebook["cells"]:
        caption = cell["metadata"].get("table", {}).get("caption")
        for output in cell.get("outputs", []) if caption else []:
            data = output.get("data", {})
            if "vl-table" in "".join(data.get("text/html", "")):
                data["text/html"] = captioned("".join(data["text/html"]), caption)
    return json.dumps(notebook)


def setup(app):
    """Register with Sphinx."""

    def read(app, docname, source):
        if str(app.env.doc2path(docname)).endswith(".ipynb"):
            source[0] = with_captions(source[0])

    app.connect("source-read", read, priority=400)  # before links become references: captions keep their words
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
