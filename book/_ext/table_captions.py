"""Sphinx extension: a cell's metadata ``{"table": {"caption": ...}}`` becomes the caption of the table that it gives.

As with figures, whose captions stand in ``mystnb``, the words travel with the cell and need no line of its code.
"""

import json
import re
from html import escape

LABEL = re.compile(r'(<div class="vl-table"[^>]*aria-label=")[^"]*("[^>]*><table>)(<caption>)?')


def captioned(html, caption):
    """Put a caption into a table of `plots.table_html`, before the words on rows that are left out, and make it its name."""

    def head(match):
        ends = "<caption>" + escape(caption) + (" " if match[3] else "</caption>")
        return match[1] + escape(caption, quote=True) + match[2] + ends

    return LABEL.sub(head, html, count=1)


def with_captions(text):
    """Put the captions into the tables of an executed chapter, JSON in and out."""
    notebook = json.loads(text)
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

    app.connect("source-read", read)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
