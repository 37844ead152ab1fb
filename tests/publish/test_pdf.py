"""The pages on paper: joined, unfolded, and printed with nothing cut."""

import re

import pytest
import yaml
from browser import Browser
from bs4 import BeautifulSoup

from publish import pdf

FIRST = """<h1>A book<a class="headerlink" href="#a-book">#</a></h1>
<p id="x">See <a href="../notebooks/01_one.html#x">the chapter</a>,
<a href="https://a.org">a site</a>, <a href="gone.html">gone</a>.</p>
<div class="vaescan-static" id="vaescan-explorer-1"><img alt="A beat." src="data:image/png;base64,AA"></div>
<script>draw()</script>"""
CHAPTER = """<h1>1. One</h1><p id="x">A target, and <a href="#x">itself</a>.</p>
<div class="figure"><img alt="A figure." src="../_images/a.png"></div>
<iframe srcdoc="&lt;style&gt;h1 {{color: red}}&lt;/style&gt;&lt;main&gt;&lt;h1&gt;A report&lt;/h1&gt;&lt;/main&gt;"></iframe>
<details class="admonition hide above-input"><summary>Show code</summary><pre>{long}</pre></details>
<table>{row}</table>
<table>{numbers}</table>
<p>Which?</p>
<details class="quiz wrong"><summary>this one</summary><p>Not quite.</p></details>
<details class="quiz right"><summary>that <em>one</em></summary><p>Right: since <em>it</em> is.</p></details>
<h2>{title}</h2>
<p style="box-shadow: 1px 1px 9px black">And now?</p>
<details class="quiz right"><summary>only this</summary><p>Right.</p></details>"""
NUMBERS = "<tr>" + 8 * '<td style="text-align: right">0.912 [.901, .920]</td>' + "</tr>"
TITLE = "A heading of more words than a line of the page has room for, so that it goes on in the one below, and is whole"
LONG = "word = " + "+".join(f"another_{i}" for i in range(60))
READY = """new Promise(done => { const look = () =>
  'ready' in document.documentElement.dataset ? done() : setTimeout(look, 20); look(); })"""
ROW = "<tr>" + "".join(f"<td>column&nbsp;{i}&nbsp;of&nbsp;many</td>" for i in range(15)) + "</tr>"


@pytest.fixture
def built(tmp_path):
    """The source and the built pages of a book of two pages."""
    contents = {"root": "book/intro", "parts": [{"caption": "Chapters", "chapters": [{"file": "notebooks/01_one"}]}]}
    (tmp_path / "_toc.yml").write_text(yaml.safe_dump(contents))
    about = {"author": "Somebody", "copyright": "2026", "repository": {"url": "https://a.org"}}
    (tmp_path / "_config.yml").write_text(yaml.safe_dump(about))
    for name, body in (
        ("book/intro", FIRST),
        ("notebooks/01_one", CHAPTER.format(long=LONG, row=ROW, numbers=NUMBERS, title=TITLE)),
    ):
        path = tmp_path / f"html/{name}.html"
        path.parent.mkdir(parents=True)
        head = '<link rel="stylesheet" href="../_static/book.css"><title>One — A book of two pages</title>'
        path.write_text(f"<html><head>{head}</head><body><article class='bd-article'>{body}</article></body></html>")
    return tmp_path / "html", tmp_path


@pytest.fixture
def soup(built):
    return BeautifulSoup(pdf.printable(*built), "html.parser")


def test_pages_stand_in_the_order_of_the_contents_and_sections_after_their_page(tmp_path):
    chapters = [{"file": "a"}, {"file": "b", "sections": [{"file": "c"}]}]
    (tmp_path / "_toc.yml").write_text(yaml.safe_dump({"root": "i", "parts": [{"caption": "P", "chapters": chapters}]}))
    assert pdf.page_names(tmp_path) == [("i", None, 0), ("a", "P", 0), ("b", None, 0), ("c", None, 1)]


def test_the_contents_have_the_numbers_of_pages(built):
    soup = BeautifulSoup(pdf.printable(*built, {"notebooks-01_one": 17}), "html.parser")
    assert [line.get_text() for line in soup.select(".contents li")] == ["A book", "Chapters", "1. One17"]


def test_page_numbers_follow_the_tree_of_pages_and_not_the_order_of_objects():
    kids = b"7 0 obj\n<</Type /Pages\n/Kids [9 0 R 8 0 R]>>\nendobj\n8 0 obj\n<</Type /Pages\n/Kids [2 0 R]>>\nendobj\n"
    pages = b"2 0 obj\n<</Type /Page>>\nendobj\n9 0 obj\n<</Type /Page>>\nendobj\n"
    names = b"3 0 obj\n<</a--x [9 0 R /XYZ 0 8.5 0]\n/b [2 0 R /XYZ 0 1 0]>>\nendobj\n"
    last = b"4 0 obj\n<</Type /Catalog\n/Pages 7 0 R\n/Dests 3 0 R>>\nendobj\n"
    assert pdf.page_numbers(b"%PDF-1.4\n" + pages + names + kids + last) == {"a--x": 1, "b": 2}
    assert pdf.page_numbers(b"%PDF-1.4\n4 0 obj\n<</Type /Catalog\n/Pages 7 0 R>>\nendobj\n") == {}


def test_a_heading_stands_once_in_the_outline_and_nothing_after_it_moves():
    data = b"<</Title (QuizQuiz)\n/A 1>><</Title (One ECG)\n>><</Title <FEFF004900202019004900202019>\n/B 2>>"
    mended = pdf._with_titles_once(data)
    assert re.findall(rb"/Title [(<](.*?)[)>]", mended) == [b"Quiz", b"One ECG", b"FEFF004900202019"]
    assert len(mended) == len(data) and mended.index(b"/B 2") == data.index(b"/B 2")


def test_links_lead_to_where_their_target_is_printed(soup):
    ids = [element["id"] for element in soup.select("[id]")]
    assert len(ids) == len(set(ids))
    links = [link.get("href") for link in soup.select("article .chapter a") if link.get_text() != "#"]
    assert links == ["#notebooks-01_one--x", "https://a.org", None, "#notebooks-01_one--x"]
    assert all(link[1:] in ids for link in links if link and link.startswith("#"))
    assert [line.get_text() for line in soup.select(".contents li")] == ["A book", "Chapters", "1. One"]


def test_nothing_is_folded_and_of_what_moves_the_picture_stays(soup):
    assert not soup.select("article details, article script") and soup.select_one("article pre").get_text() == LONG
    assert soup.select_one(".vaescan-static img")["alt"] == "A beat."
    assert "sliders and switches" in soup.select_one(".vaescan-static").get_text()
    assert not soup.select("iframe") and soup.select_one("main h4").get_text() == "A report" and "color: red" not in str(soup)
    assert soup.select_one(".figure img")["src"] == "../html/_images/a.png"


def test_a_quiz_becomes_a_list_and_its_answers_stand_below(soup):
    questions = [[item.get_text() for item in question.select("li")] for question in soup.select("ol.quiz")]
    assert questions == [["this one", "that one"], ["only this"]]
    assert [answer.get_text().strip() for answer in soup.select("p.answers")] == ["b. Right: since it is.", "a. Right."]


@pytest.mark.browser
def test_on_paper_nothing_is_cut(built, tmp_path):
    document = tmp_path / "print/book.html"
    document.parent.mkdir()
    document.write_text(pdf.printable(*built), encoding="utf-8")
    browser = Browser(tmp_path / "chromium")
    try:
        page = browser.open(document)
        page.run(READY)  # here, too, on the screen, before it is printed
        browser.send("Emulation.setEmulatedMedia", media="print")
        right = "document.querySelector('article').getBoundingClientRect().right + 1"
        cut = f"[...document.querySelectorAll('article *')].filter(e => e.getBoundingClientRect().right > {right}).length"
        assert page.run(cut) == 0
        letters = "[...document.querySelectorAll('table')].map(e => e.style.zoom === '')"
        assert page.run(letters) == [False, True]  # lines are broken before letters shrink: not in names that do not wrap,
        assert page.run("document.querySelectorAll('table')[1].innerText").count("[.901,\xa0.920]") == 8  # nor in intervals
        shadows = "[...document.querySelectorAll('article *')].filter(e => getComputedStyle(e).boxShadow !== 'none').length"
        assert page.run(shadows) == 0  # in a PDF each is two pictures
        assert page.run("[...document.querySelectorAll('pre')].filter(e => e.scrollWidth > e.clientWidth + 1).length") == 0
    finally:
        browser.close()
    path = pdf.make_pdf(*built, tmp_path / "book.pdf")
    data = path.read_bytes()
    assert data.startswith(b"%PDF") and len(re.findall(rb"/Type\s*/Page\b", data)) == 4  # title, contents, two pages
    numbers = pdf.page_numbers(data)
    assert (numbers["book-intro"], numbers["notebooks-01_one"]) == (3, 4)
    contents = BeautifulSoup(document.read_text(encoding="utf-8"), "html.parser").select(".contents li span")
    assert [number.get_text() for number in contents] == ["3", "4"]
    titles = re.findall(rb"/Title \(([^)]*)\)", data)
    assert TITLE.encode() in titles  # with the space at which it wraps


def test_without_a_browser_the_error_says_what_to_install(built, tmp_path, monkeypatch):
    monkeypatch.setattr(pdf, "BROWSERS", ("no-such-browser",))
    with pytest.raises(RuntimeError, match="a PDF needs Chromium or Chrome .*no-such-browser.*apt install chromium"):
        pdf.make_pdf(*built, tmp_path / "book.pdf")
