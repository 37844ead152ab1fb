"""The built pages as one PDF: joined in the order of the contents, what was folded opened, and printed by Chromium."""

import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from posixpath import normpath

import yaml
from bs4 import BeautifulSoup

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
PAPER = (
    "ECGs are printed as wide as the page allows: measure them by their squares, not by a ruler. "
    "A small square is 0.04 s wide and 0.1 mV high, a large one 0.2 s and 0.5 mV."
)
PRINT_STYLE = Path(__file__).with_name("print.css")
# Once the formulas are drawn, whatever is still wider than the page is made smaller, so that nothing is cut. In a table lines
# are broken before that, between a number and its interval.
FIT = r"""<script>addEventListener("load", async () => {
  await window.MathJax?.startup?.promise;
  const most = document.querySelector("article").clientWidth;
  for (const e of document.querySelectorAll("article :is(table, mjx-container, pre, svg, img)")) {
    const left = e.getBoundingClientRect().left - document.querySelector("article").getBoundingClientRect().left;
    const wide = () => Math.max(e.scrollWidth ?? 0, e.getBoundingClientRect().width);
    if (e.tagName === "TABLE" && wide() > most - left + 1) {
      e.classList.add("wraps");
      for (const cell of e.querySelectorAll("td")) cell.innerHTML = cell.innerHTML.replace(/(\[[−+]?\d*\.\d+,) /g, "$1&nbsp;");
    }
    if (wide() > most - left + 1) e.style.zoom = (most - left) / wide();
  }
  document.documentElement.dataset.ready = "";
});</script>"""


def page_names(source):
    """Pages in the order of the contents, first page first: name, part that it opens (None: it goes on), depth in its part."""
    contents = yaml.safe_load((Path(source) / "_toc.yml").read_text(encoding="utf-8"))
    named = [(contents["root"], None, 0)]
    for part in contents.get("parts", [contents]):
        caption = part.get("caption")
        for chapter in part["chapters"]:
            for page in (chapter, *chapter.get("sections", ())):
                named.append((page["file"], caption, int(page is not chapter)))
                caption = None
    return named


def printable(html, source, numbers=None):
    """Join the pages of a folder of built pages into one document for paper, a text; its files are named from beside `html`.

    `numbers` are those of `page_numbers`, for the contents.
    """
    html, named = Path(html), page_names(source)
    first = BeautifulSoup((html / f"{named[0][0]}.html").read_text(encoding="utf-8"), "html.parser")
    articles, lines = [], []
    for page, part, depth in named:
        whole = BeautifulSoup((html / f"{page}.html").read_text(encoding="utf-8"), "html.parser")
        article = whole.select_one("article.bd-article")
        lines += [f'<li class="part">{part}</li>'] if part else []
        link = f'<a href="#{_key(page)}">{article.h1.get_text().removesuffix("#")}</a>'
        lines.append(f'<li class="depth-{depth}">{link}<span>{(numbers or {}).get(_key(page), "")}</span></li>')
        _for_paper(article, page, {name for name, *_ in named}, html.name)
        articles.append(f'<div class="chapter" id="{_key(page)}">{article.decode_contents()}</div>')
    head = [str(link) for link in first.head.select('link[rel="stylesheet"]')]
    scripts = [str(script) for script in first.select("script") if re.search(r"mathjax", str(script), re.IGNORECASE)]
    head = [re.sub(r'(href|src)="\.\./', rf'\1="../{html.name}/', text) for text in head + scripts]
    title = first.select_one("title").get_text().split(" — ")[-1]
    logo = next(html.glob("_static/logo.*"), None)
    picture = f'<img alt="" src="../{html.name}/_static/{logo.name}">' if logo else ""
    rights = yaml.safe_load((Path(source) / "_config.yml").read_text(encoding="utf-8"))
    about = f"<p>{rights['author']}<br>{rights['copyright']}<br><a>{rights['repository']['url']}</a></p><p>{PAPER}</p>"
    return "\n".join([
        '<!doctype html><html lang="en" data-theme="light" data-mode="light"><head><meta charset="utf-8">',
        f"<title>{title}</title>", *head, f"<style>{PRINT_STYLE.read_text(encoding='utf-8')}</style>", FIT, "</head>",
        '<body><main class="bd-main"><div class="bd-content"><div class="bd-article-container"><article class="bd-article">',
        f'<div class="title-page">{picture}<h1>{title}</h1>{about}</div>',
        f'<nav class="contents"><h2>Contents</h2><ol>{"".join(lines)}</ol></nav>', *articles,
        "</article></div></div></main></body></html>",
    ])  # fmt: skip


def _key(page, anchor=""):
    return re.sub(r"\W", "-", page) + (f"--{anchor}" if anchor else "")


def _for_paper(article, page, pages, folder):
    """Open what is folded, keep of a figure that moves its picture, and lead links to where their target is printed."""
    for frame in article.select("iframe[srcdoc]"):  # on paper nothing scrolls
        inside = BeautifulSoup(frame["srcdoc"], "html.parser")
        inside = inside.main or inside
        for heading in inside.select("h1, h2"):
            heading.name = "h4"
        frame.replace_with(inside)
    for figure in article.select(".vaescan-static"):
        figure.append(BeautifulSoup('<p class="print-only">On the screen this has sliders and switches.</p>', "html.parser"))
    for script in article.select("script"):
        script.decompose()
    while quiz := article.select_one("details.quiz"):
        _list_answers(quiz)
    for folded in article.select("details"):
        if folded.select_one("table.parameters-table"):  # how scikit-learn shows an estimator
            continue
        folded.name = "div"
        summary = folded.find("summary", recursive=False)
        if summary and "above-input" in _classes(folded):
            summary.decompose()
    for element in article.select("[id]"):
        element["id"] = _key(page, element["id"])
    for element in article.select("[src]"):
        if not re.match(r"\w+:", element["src"]):
            element["src"] = f"../{folder}/{normpath(f'{Path(page).parent.as_posix()}/' + element['src'])}"
    for link in article.select("a[href]"):
        target, _, anchor = link["href"].partition("#")
        if re.match(r"\w+:", target):
            continue
        name = normpath(f"{Path(page).parent.as_posix()}/{target}").removesuffix(".html") if target else page
        if name in pages:
            link["href"] = f"#{_key(name, anchor)}"
        else:
            del link["href"]


def _classes(tag):
    return [] if tag is None else tag.get("class", [])


def _list_answers(quiz):
    """Turn the answers of one question, from the first on, into a list, and say below it what is right and why."""
    answers = [quiz]
    while "quiz" in _classes(answers[-1].find_next_sibling(True)):
        answers.append(answers[-1].find_next_sibling(True))
    soup = BeautifulSoup('<ol class="quiz"></ol><p class="answers"></p>', "html.parser")
    listed, below = soup.ol.extract(), soup.p.extract()
    for letter, answer in zip("abcdefgh", answers):
        item = BeautifulSoup("<li></li>", "html.parser").li
        summary = answer.find("summary").extract()
        item.extend(list(summary.contents))
        listed.append(item)
        if "right" in answer["class"]:
            below.append(f"{letter}. ")
            for paragraph in answer.select("p") or [answer]:
                below.extend([*paragraph.contents, " "])
    quiz.insert_before(listed, below)
    for answer in answers:
        answer.decompose()


def make_pdf(html, source, path):
    """Print the pages of a folder; a RuntimeError says that there is no Chromium, or what it answered.

    Chromium cannot say in a list on which page a target comes, so it prints twice: the first print is read for that.
    """
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        raise RuntimeError(
            f"a PDF needs Chromium or Chrome (looked for {', '.join(BROWSERS)}); on Debian: apt install chromium"
        )
    document = Path(html).resolve().parent / "print" / "book.html"
    document.parent.mkdir(exist_ok=True)
    path, numbers = Path(path).resolve(), None
    for _ in range(2):
        document.write_text(printable(html, source, numbers), encoding="utf-8")
        _print(program, document, path)
        numbers = page_numbers(path.read_bytes())
    path.write_bytes(_with_titles_once(path.read_bytes()))
    return path


def _with_titles_once(data):
    """Mend the outline, where Chromium writes the title twice of a heading that it moved to the next page; lengths stay."""
    twice = rb"(/Title (?:\(|<FEFF))(.{3,})\2([)>])(?=\n)"
    return re.sub(twice, lambda match: b"".join(match.groups()).ljust(len(match[0])), data)


def _print(program, document, path):
    path.unlink(missing_ok=True)
    with tempfile.TemporaryDirectory() as profile:
        command = [program, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        command += [f"--user-data-dir={profile}", "--no-pdf-header-footer", "--generate-pdf-document-outline"]
        command += ["--virtual-time-budget=60000", f"--print-to-pdf={path}", document.as_uri()]
        run = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=900)
    if not path.exists():
        raise RuntimeError(f"Chromium printed nothing (code {run.returncode}): {run.stderr[-500:]}")


def page_numbers(data):
    """Page, counted from 1, of every named target of a PDF as Chromium writes it: objects in the clear, streams compressed."""
    objects = dict(re.findall(rb"(?:^|\n)(\d+) 0 obj\n(<<.*?)(?:\nendobj|stream\r?\n)", data, flags=re.DOTALL))

    def leaves(number):
        below = re.search(rb"/Kids \[([^\]]*)\]", objects[number])
        return [leaf for kid in re.findall(rb"(\d+) 0 R", below[1]) for leaf in leaves(kid)] if below else [number]

    root = re.search(rb"/Type /Catalog\b.*?/Pages (\d+) 0 R.*?/Dests (\d+) 0 R", data, flags=re.DOTALL)
    if root is None:  # nothing in it is linked
        return {}
    places = {page: place for place, page in enumerate(leaves(root[1]), start=1)}
    targets = re.findall(rb"/([^\s\[]+) \[(\d+) 0 R /XYZ", objects[root[2]])
    return {name.decode(): places[page] for name, page in targets}
