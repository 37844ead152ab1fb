"""What a reader's browser shows of a page with everything that a chapter may hold: nothing cut, nothing pale, nothing lost.

``VAESCAN_TEST_BOOK`` may name the folder of a built book, whose pages are then looked at, too.
"""

import base64
import io
import os
import shutil
from pathlib import Path

import matplotlib.pyplot as plt
import nbformat
import numpy as np
import page_checks
import pandas as pd
import pytest
import yaml
from browser import Browser
from chapter_cells import ROOT
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from PIL import Image

import vaescan_lite as vl
from vaescan_lite.book import pages
from vaescan_lite.book.pictures import lighter

LEAST_SCALE = 0.64  # of a figure: 9 points at 100 dots an inch are 12.5 px, and shall not be less than 8 on the page
CODE = "value = 1" + " + 1" * 16 + "  #"
LINE = "x" * 79
BEFORE = """# 1. A chapter

:::{{admonition}} You will learn
:class: tip
That $x^2 + y^2 = z^2$, and [where](https://example.org) to read on.
:::

{}
"""
EXERCISE = """```{exercise-start} A sum
:label: ex-01-sum
```
How much is it?
"""
QUIZ = """## Quiz

**1. Which?**

<details class="quiz right"><summary>this</summary>

Right.
</details>
<details class="quiz wrong"><summary>that</summary>

Not quite.
</details>

:::{caution}
Not a cause.
:::
"""


def figure_output():
    """The output of a cell that draws twelve leads in the style of the book."""
    signals = np.sin(np.linspace(0, 12, 97)) * np.ones((1, 8, 1))
    beats = vl.BeatSet(signals.astype(np.float32), 100.0, vl.ecg.LEADS_8, r_index=40)
    stream = io.BytesIO()
    with plt.style.context(vl.plots.STYLE):
        vl.plots.plot_beats(beats).savefig(stream, dpi=200, bbox_inches="tight")
    plt.close("all")
    with Image.open(stream) as picture:  # two pixels where a page shows one, as chapters are run
        size = {"width": picture.width // 2, "height": picture.height // 2}
    data = {"image/png": base64.b64encode(stream.getvalue()).decode(), "text/plain": "Figure"}
    return new_output("display_data", data=data, metadata={"image/png": size})


def write_chapter(path):
    """An executed chapter: long lines, a wide and long table, a figure, boxes, an exercise with its solution, a quiz."""
    wide = pd.DataFrame(
        np.random.default_rng(0).normal(size=(30, 14)), columns=[f"a_long_name_of_column_{i}_ms" for i in range(14)]
    )
    html = vl.plots.table_html(wide, "A table of many columns.")
    shown = {
        "image": {"alt": "Twelve panels of ECG paper with a wave each."},
        "figure": {"name": "fig-01-waves"},
    }
    code = f"{CODE}  # {'y' * (79 - len(CODE) - 4)}\nprint({'LINE'})"
    cells = [
        new_markdown_cell(BEFORE.format("A sentence with `code` in it.")),
        new_code_cell(code, outputs=[new_output("stream", text=LINE + "\n")]),
        new_markdown_cell("## A table"), new_code_cell("wide", outputs=[new_output("display_data", data={"text/html": html})]),
        new_markdown_cell("As [the figure below](#fig-01-waves) shows."),
        new_code_cell("plot()", metadata={"mystnb": shown}, outputs=[figure_output()]),
        new_markdown_cell("**Figure.** Waves.", metadata={"tags": ["caption"]}),
        new_markdown_cell("So:"),
        new_code_cell(code, metadata={"tags": ["finding", "hide-input"]}, outputs=[
            new_output("display_data", data={"text/markdown": "It is **so**."})]),
        new_markdown_cell(EXERCISE), new_code_cell(code, metadata={"tags": ["exercise-check", "hide-input"]}),
        new_markdown_cell("```{exercise-end}\n```"),
        new_markdown_cell("```{solution-start} ex-01-sum\n:class: dropdown\n```\nLike this."),
        new_code_cell(code, metadata={"tags": ["solution"]}), new_markdown_cell("```{solution-end}\n```"),
        new_markdown_cell(QUIZ),
    ]  # fmt: skip
    metadata = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    nbformat.write(lighter(new_notebook(cells=cells, metadata=metadata)), path)


@pytest.fixture(scope="module")
def html(tmp_path_factory):
    """Pages of a book of one chapter, under the real configuration and style."""
    folder = tmp_path_factory.mktemp("site")
    for name in ("_static", "_ext"):
        shutil.copytree(ROOT / "book" / name, folder / "book" / name)
    shutil.copy(ROOT / "_config.yml", folder)
    (folder / "book/references.bib").write_text("")
    (folder / "book/intro.md").write_text("# A book\n\nSee [the chapter](../notebooks/01_all.ipynb).\n")
    contents = {"format": "jb-book", "root": "book/intro", "chapters": [{"file": "notebooks/01_all"}]}
    (folder / "_toc.yml").write_text(yaml.safe_dump(contents))
    (folder / "executed").mkdir()
    write_chapter(folder / "executed/01_all.ipynb")
    return pages.build_book(folder, folder / "executed").parent


@pytest.fixture(scope="module")
def looked_at(html, tmp_path_factory):
    """What the browser says of each page: ``{(page, width): {check: result}}``; each is loaded once for each width."""
    paths = [html / "notebooks/01_all.html"]
    if os.environ.get("VAESCAN_TEST_BOOK"):
        paths += sorted(Path(os.environ["VAESCAN_TEST_BOOK"]).glob("[nb]*o*/**/*.html"))
    checks = {name: value for name, value in vars(page_checks).items() if name.isupper() and name not in ("UNFOLD", "TEXTS")}
    browser, seen = Browser(tmp_path_factory.mktemp("chromium")), {}
    try:
        for path in paths:
            for width in (1280, 390):
                browser.width(width)
                page = browser.open(path)
                page.run(page_checks.UNFOLD)
                page.run("new Promise(done => setTimeout(done, 100))")
                said = {name: page.run(expression) for name, expression in checks.items()}
                page.run(page_checks.theme("dark"))
                page.run("new Promise(done => setTimeout(done, 400))")  # colours fade over
                said["LOW_CONTRAST_DARK"] = page.run(page_checks.LOW_CONTRAST)
                said["FILTER_DARK"] = page.run("getComputedStyle(document.querySelector('figure img') ?? document.body).filter")
                said["REQUESTS"], said["COMPLAINTS"] = page.requests, page.complaints
                seen[path.name, width] = said
    finally:
        browser.close()
    return seen


def results(looked_at, name, width=None):
    """Results of a check by page and width."""
    return {key: said[name] for key, said in looked_at.items() if width in (None, key[1])}


@pytest.mark.browser
def test_no_line_of_code_or_output_is_cut_on_a_screen_and_no_page_is_wider_than_its_window(looked_at):
    assert not any(results(looked_at, "CUT", 1280).values()), results(looked_at, "CUT", 1280)
    assert not any(results(looked_at, "OVERFLOW").values()), results(looked_at, "OVERFLOW")
    assert not any(results(looked_at, "LOOSE_TABLES").values()), results(looked_at, "LOOSE_TABLES")


@pytest.mark.browser
def test_what_scrolls_sideways_takes_the_keyboard(looked_at):
    assert not any(results(looked_at, "UNREACHABLE").values()), results(looked_at, "UNREACHABLE")


@pytest.mark.browser
def test_text_of_pages_and_figures_has_8_px_at_least(looked_at):
    assert min(results(looked_at, "SMALLEST_TEXT_PX").values()) >= 8
    scales = {key: min(scales, default=1) for key, scales in results(looked_at, "IMAGE_SCALES").items()}
    assert min(scales.values()) >= LEAST_SCALE, scales
    assert not any(results(looked_at, "STRETCHED").values()), results(looked_at, "STRETCHED")


@pytest.mark.browser
def test_text_stands_out_from_its_ground_light_and_dark(looked_at):
    for name in ("LOW_CONTRAST", "LOW_CONTRAST_DARK"):
        assert not any(results(looked_at, name).values()), results(looked_at, name)


@pytest.mark.browser
def test_figures_are_dark_in_the_dark_and_pages_ask_nobody_for_anything(looked_at):
    assert "invert" in looked_at["01_all.html", 1280]["FILTER_DARK"]
    assert not any(results(looked_at, "REQUESTS").values()) and not any(results(looked_at, "COMPLAINTS").values())
