"""Pictures of an executed chapter get a palette: they are a third as large, with two pixels for one that a page shows."""

import io
from base64 import b64decode, b64encode


def lighter(notebook):
    """Give pictures the 256 colours that each needs most, but for those in place of which a page shows HTML."""
    from PIL import Image

    for output in [output for cell in notebook.cells for output in cell.get("outputs", ())]:
        if "image/png" in (data := output.get("data", {})) and "text/html" not in data:
            picture, small = Image.open(io.BytesIO(b64decode(data["image/png"]))), io.BytesIO()
            picture.convert("RGB").quantize(256, Image.Quantize.MAXCOVERAGE).save(small, "png")
            data["image/png"] = b64encode(small.getvalue()).decode()
            output.metadata.get("image/png", {}).pop("height", None)  # it follows from the width that there is
    return notebook
