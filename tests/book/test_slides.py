"""Slides: every figure of an executed chapter, with the sentence that the run computed after it."""

import re
import sys

import pytest
from chapter_cells import ROOT
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

sys.path.insert(0, str(ROOT / "book/_ext"))
import slides

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNk+A8AAQUBAScY42YAAAAASUVORK5CYII=\n"


def figure(name, *forms):
    metadata = {"mystnb": {"image": {"alt": f"The <alt> of {name}."}, "figure": {"name": name}}}
    outputs = [new_output("display_data", data={form: PIXEL for form in forms})]
    caption = new_markdown_cell("**Figure.** A *caption*.", metadata={"tags": ["caption"]})
    return new_code_cell("plot()", metadata=metadata, outputs=outputs), caption


def said(tag, text):
    return new_code_cell(
        "say()", metadata={"tags": [tag]}, outputs=[new_output("execute_result", data={"text/markdown": text})]
    )


CHAPTER = new_notebook(
    cells=[
        new_markdown_cell("# 4. Who is <well>?\n\nA question."),
        *figure("fig-04-first", "image/png"),
        new_markdown_cell("In [the figure above](#fig-04-first) a [lead](#term-lead) rises. Look up. What was counted:"),
        *figure("fig-04-pair", "text/html", "image/png"),
        new_markdown_cell("And a sentence."),
        said("finding", "In this run **7 of 9** people ([chapter 1](01_x.ipynb)) are."),
        new_markdown_cell("## Another section"),
        *figure("fig-04-last", "image/png"),
        new_markdown_cell("[The figure above](#fig-04-last) falls."),
        new_markdown_cell("## The answer"),
        said("answer", ":::{admonition} Answer\n:class: important\nSeven.\n:::"),
        *figure("fig-04-not-drawn"),
    ]
)


def test_each_figure_has_its_slide_with_the_finding_of_its_section_or_what_the_prose_says():
    made = slides.slides_of(CHAPTER, "04_well")
    assert [slide.name for slide in made] == [
        "04_well", "fig-04-first", "fig-04-pair", "fig-04-last", "04_well-answer"
    ]  # fmt: skip
    finding = "In this run **7 of 9** people ([chapter 1](01_x.ipynb)) are."
    assert [slide.text for slide in made[1:4]] == [finding, finding, "[The figure above](#fig-04-last) falls."]
    assert {slide.picture[2] for slide in made[1:4]} == {"A *caption*."}
    assert made[4].text == "**Who is <well>?**\n\nSeven."


def test_prose_stands_in_where_nothing_was_computed_without_the_lead_in_to_the_next_cell():
    cells = [cell for cell in CHAPTER.cells if "finding" not in cell.metadata.get("tags", [])]
    said = slides.slides_of(new_notebook(cells=cells), "04_well")[1].text
    assert said == "In [the figure above](#fig-04-first) a [lead](#term-lead) rises. Look up."
    assert slides.as_html(said) == "<p>In the figure above a lead rises. Look up.</p>\n"


def test_the_file_stands_alone_and_escapes_what_it_shows():
    page = slides.page("A book", [slides.slides_of(CHAPTER, "04_well")])
    assert page.count("<section") == 6 and page.count("data:image/png;base64,") == 3
    assert "4. Who is &lt;well&gt;?" in page and 'alt="The &lt;alt&gt; of fig-04-pair."' in page
    assert "<strong>7 of 9</strong> people (chapter 1) are." in page and "<p>The figure above falls.</p>" in page
    assert not re.search(r"""(src|href)=["'](?!#|data:)""", page) and "2 of 5" in page


@pytest.mark.browser
def test_arrow_keys_turn_the_slides(tmp_path):
    from browser import Browser

    path = tmp_path / "slides.html"
    path.write_text(slides.page("A book", [slides.slides_of(CHAPTER, "04_well")]), encoding="utf-8")
    browser = Browser(tmp_path / "profile")
    try:
        page = browser.open(path)
        for keys, shown in (
            (("ArrowRight", 39), "04_well"),
            (("End", 35), "04_well-answer"),
            (("ArrowLeft", 37), "fig-04-last"),
        ):
            page.key(*keys)
            assert page.run("location.hash") == f"#{shown}"
            assert abs(page.run(f"document.getElementById('{shown}').getBoundingClientRect().top")) < 2
        assert not page.requests and not page.complaints
    finally:
        browser.close()
