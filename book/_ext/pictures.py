"""Sphinx extension: a picture of a chapter gets a palette, and is a third as large with twice the pixels that a page shows."""

import io
import json
from base64 import b64decode, b64encode
from functools import cache

from PIL import Image


@cache  # pages and slides show the same
def with_palette(png):
    """Give a PNG, as text in base 64, the 256 colours that it needs most."""
    small = io.BytesIO()
    with Image.open(io.BytesIO(b64decode(png))) as picture:
        picture.convert("RGB").quantize(256).save(small, "png", optimize=True)
    return b64encode(small.getvalue()).decode()


def lighter(notebook):
    """Do so with the pictures of an executed chapter, but for those in place of which a page shows HTML."""
    for cell in notebook["cells"]:
        for output in cell.get("outputs", ()):
            data = output.get("data", {})
            if "image/png" in data and "text/html" not in data:
                data["image/png"] = with_palette("".join(data["image/png"]))
                output.get("metadata", {}).get("image/png", {}).pop("height", None)  # it follows from the width that there is
    return notebook


def setup(app):
    """Register with Sphinx."""

    def read(app, docname, source):
        if str(app.env.doc2path(docname)).endswith(".ipynb"):
            source[0] = json.dumps(lighter(json.loads(source[0])))

    app.connect("source-read", read, priority=300)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
