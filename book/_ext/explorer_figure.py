"""Directive ``{explorer}``: the explorer with the weights that come with the package, on a page that is not executed.

It starts from a few simulated people, each made for the diagnosis that the page names: no recorded ECG is in the book.
"""

import multiprocessing
from pathlib import Path

import pandas as pd
from docutils import nodes
from sphinx.util.docutils import SphinxDirective

import vaescan_lite as vl
from vaescan_lite.book.kernels import end_with_parent

PEOPLE = pd.DataFrame(
    {
        "sex_female": [1, 0, 1, 0],
        "age_years": [34, 71, 66, 58],
        "LBBB": [0, 1, 0, 0],
        "AVB1": [0, 0, 1, 0],
        "LVH": [0, 0, 0, 1],
    },
    index=[f"simulated person {number}" for number in (1, 2, 3, 4)],
)
SEED = 8


def figure():
    """Give the HTML of the figure."""
    vae, scan = vl.load_pretrained()
    beats = vl.median_beats(vl.simulate(PEOPLE, seed=SEED))
    return vl.Explorer(vae, scan, beats=beats, known_factors=PEOPLE).html()


class ExplorerFigure(SphinxDirective):
    """The figure in its static form, and below it the text of the directive; other formats than HTML get the text alone."""

    has_content = True
    drawn = None  # the end of a pipe through which the figure comes

    def run(self):
        """Give the figure and its caption."""
        caption = nodes.container()
        self.state.nested_parse(self.content, self.content_offset, caption)
        return [nodes.raw("", self.drawn.recv(), format="html"), *caption.children]


def _begin(app, env, docnames):
    """Draw the figure in another process while pages are read, if one asks for it: a tenth of the time that all pages take."""
    paths = [Path(env.doc2path(name)) for name in docnames]
    if any("{explorer}" in path.read_text(encoding="utf-8") for path in paths if path.suffix == ".md"):
        ExplorerFigure.drawn, sender = multiprocessing.Pipe(duplex=False)
        multiprocessing.Process(target=_draw, args=(figure, sender), daemon=True).start()
        sender.close()


def _draw(figure, sender):
    end_with_parent()
    sender.send(figure())


def setup(app):
    """Register the directive."""
    app.add_directive("explorer", ExplorerFigure)
    app.connect("env-before-read-docs", _begin)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
