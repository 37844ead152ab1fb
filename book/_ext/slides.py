"""Sphinx extension: ``slides.html``, every figure of the executed chapters with the sentence that the run computed after it.

One file that needs nothing else. Arrow keys turn the slides; ``#fig-04-scale`` in the address opens one.
nbconvert's own slides load reveal.js from another host and show cells, not findings, so they are not used.
"""

import re
from html import escape
from pathlib import Path
from typing import NamedTuple

import nbformat
from captions import placed
from markdown_it import MarkdownIt

STYLE = """
html { scroll-snap-type: y proximity; font: clamp(15px, 1.05vw + 0.65rem, 26px)/1.4 system-ui, sans-serif; }
html { color: #1b2733; background: #fff; }
body { margin: 0; }
section { box-sizing: border-box; min-height: 100vh; padding: 3vh 5vw 6vh; scroll-snap-align: start; position: relative;
  display: flex; flex-direction: column; justify-content: center; gap: 2vh; }
section > * { margin: 0; }
section p { margin: 0 0 0.6em; max-width: 60em; }
img { display: block; max-width: 100%; max-height: 60vh; margin: 0 auto; object-fit: contain; }
h1 { font-size: 2em; } h2 { font-size: 1.6em; max-width: 24em; }
.finding { border-left: 0.25em solid #1f5fa8; padding-left: 0.8em; }
.caption { font-size: 0.75em; color: #46545f; }
.place { position: absolute; right: 5vw; bottom: 2vh; font-size: 0.7em; color: #46545f; }
a { color: #174a86; }
@media print { section { break-after: page; height: 100vh; } html { font-size: 14px; } }
"""
SCRIPT = """
const slides = [...document.querySelectorAll("section")];
const here = () => slides.reduce((best, slide, i) =>
  Math.abs(slide.getBoundingClientRect().top) < Math.abs(slides[best].getBoundingClientRect().top) ? i : best, 0);
addEventListener("keydown", event => {
  const back = event.shiftKey ? -1 : 1;
  const steps = {ArrowRight: 1, ArrowDown: 1, PageDown: 1, " ": back, ArrowLeft: -1, ArrowUp: -1, PageUp: -1};
  const step = steps[event.key];
  const end = {Home: 0, End: slides.length - 1}[event.key];
  if (event.ctrlKey || event.altKey || event.metaKey || (step === undefined && end === undefined)) return;
  event.preventDefault();
  const slide = slides[Math.min(slides.length - 1, Math.max(0, end ?? here() + step))];
  slide.scrollIntoView();
  history.replaceState(null, "", "#" + slide.id);
});
"""


class Slide(NamedTuple):
    """A slide: its anchor, its heading, its picture as ``(base64, alt, caption)`` or None, and its text in Markdown."""

    name: str
    heading: str
    picture: tuple
    text: str


def slides_of(notebook, name):
    """Make the slides of an executed chapter: its title, its figures, and its answer."""
    notebook = placed(notebook)
    title = notebook.cells[0].source.split("\n")[0].removeprefix("# ")
    slides = [Slide(name, title, None, "")]
    for i, cell in enumerate(notebook.cells):
        if figure := cell.metadata.get("mystnb", {}).get("figure"):
            pictures = [data["image/png"] for data in _data(cell) if "image/png" in data]
            if pictures:
                alt = cell.metadata["mystnb"]["image"]["alt"]
                slides.append(Slide(figure["name"], "", (pictures[0], alt, figure["caption"]), _said_after(notebook, i)))
        elif "answer" in cell.metadata.get("tags", []):
            text = "\n".join(data.get("text/markdown", "") for data in _data(cell))
            text = "\n".join(line for line in text.split("\n") if not re.match(r":::|:class:", line))
            slides.append(Slide(f"{name}-answer", "", None, f"**{title.split('. ', 1)[-1]}**\n\n{text}"))
    return slides


def _said_after(notebook, i):
    """Give the first finding after a figure, in its section; where there is none, what the prose says right after it."""
    prose = ""
    for cell in notebook.cells[i + 1 :]:
        if "finding" in cell.metadata.get("tags", []):
            return "\n".join(data.get("text/markdown", "") for data in _data(cell))
        if cell.cell_type == "markdown":
            if re.search(r"^## |^:::|^```", cell.source, flags=re.MULTILINE) and prose:
                break
            prose = prose or cell.source.split("\n\n")[0]
    return re.split(r"\s*:$|(?<=[.?!])\s+(?=[^.?!]*:$)", prose, maxsplit=1)[0]


def _data(cell):
    return [output.get("data", {}) for output in cell.get("outputs", ())]


def as_html(text):
    """Turn Markdown of a chapter into HTML that stands alone: links become their text."""
    return MarkdownIt("commonmark").enable("table").render(re.sub(r"\[([^\]]+)\]\([^)]*\)", r"\1", text))


def page(title, chapters):
    """Write the whole file from the slides of each chapter."""
    listed = "".join(f'<li><a href="#{slides[0].name}">{escape(slides[0].heading)}</a></li>' for slides in chapters)
    help_text = '<p class="caption">Arrow keys turn the slides.</p>'
    first = f'<section id="start"><h1>{escape(title)}</h1><ul>{listed}</ul>{help_text}</section>'
    made, shown = [first], [slide for slides in chapters for slide in slides]
    for number, slide in enumerate(shown, start=1):
        parts = [f"<h2>{escape(slide.heading)}</h2>"] if slide.heading else []
        if slide.picture:
            png, alt, caption = slide.picture
            parts.append(f'<img src="data:image/png;base64,{png.strip()}" alt="{escape(alt)}">')
            parts.append(f'<div class="caption">{as_html(caption)}</div>')
        if slide.text:
            parts.append(f'<div class="finding">{as_html(slide.text)}</div>')
        parts.append(f'<div class="place"><a href="#start">{number} of {len(shown)}</a></div>')
        made.append(f'<section id="{slide.name}">{"".join(parts)}</section>')
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{escape(title)}: figures</title>'
    body = f"<main>{''.join(made)}</main><script>{SCRIPT}</script>"
    return f'<!doctype html><html lang="en"><head>{head}<style>{STYLE}</style></head><body>{body}</body></html>\n'


def _write(app, exception):
    """Write the slides beside the finished pages."""
    if exception or app.builder.format != "html":
        return
    paths = sorted((Path(app.srcdir) / "notebooks").glob("*.ipynb"))
    chapters = [slides_of(nbformat.read(path, as_version=4), path.stem) for path in paths]
    Path(app.outdir, "slides.html").write_text(page(app.config.html_title, chapters), encoding="utf-8")


def setup(app):
    """Register with Sphinx."""
    app.connect("build-finished", _write)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
