"""Every chapter: its fixed parts, and that it runs. What the parts are is written down in CONTRIBUTING.md."""

import ast
import json
import os
import re
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

import expected_numbers
import nbformat
import pytest
import yaml
from pybtex.database import parse_file

from vaescan_lite.book import chapters as book
from vaescan_lite.book import pages

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "book/_ext"))
import captions
import plain_references

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = ROOT / "notebooks"
CHAPTERS = sorted(path.stem for path in NOTEBOOKS.glob("*.ipynb"))
SECTIONS = ["Quiz", "On real ECGs", "Take-aways", "References"]
MOST_LINES = 12
OF_THE_SESSION = (
    r"plt\.show\(", r"random\.seed\(", r"(?<!torch\.Generator\(\)\.)manual_seed\(", r"^\s*[%!]", r"pip install",
    r"filterwarnings\(",
)  # fmt: skip

each_chapter = pytest.mark.parametrize("chapter", CHAPTERS)


def stored(chapter):
    return nbformat.read(NOTEBOOKS / f"{chapter}.ipynb", as_version=4)


def read(chapter, folder=NOTEBOOKS):
    """A chapter as its page has it: captions in the metadata of their cells."""
    return captions.placed(nbformat.read(Path(folder) / f"{chapter}.ipynb", as_version=4))


def tags(cell):
    return cell.metadata.get("tags", [])


def code_cells(notebook, tag=None):
    return [cell for cell in notebook.cells if cell.cell_type == "code" and (tag is None or tag in tags(cell))]


def prose(notebook):
    return "\n\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")


def section(notebook, title):
    """Text below an H2 up to the next one."""
    return re.search(rf"^## {re.escape(title)}\s*$(.*?)(?=^## |\Z)", prose(notebook), flags=re.MULTILINE | re.DOTALL)[1]


def boxes(notebook):
    """Kind, title and text of every box between colon fences."""
    return re.findall(r"^:::+\{(\w+)\}[ ]*(.*?)$(.*?)^:::+\s*$", prose(notebook), flags=re.MULTILINE | re.DOTALL)


def lines_of_code(source):
    return [line for line in source.splitlines() if line.strip() and not line.strip().startswith("#")]


def text_of(output):
    data = output.get("data", {})
    return output.get("text", "") + data.get("text/plain", "") + data.get("text/html", "")


# ---- all chapters together


def test_the_five_chapters_that_the_book_promises_exist():
    assert {"01_reading_ecgs", "02_median_beats", "04_vae", "06_scan", "10_trade_off"} <= set(CHAPTERS)


def test_the_table_of_contents_has_every_chapter_in_order_and_pages_that_exist():
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    files = [toc["root"], *(entry["file"] for part in toc["parts"] for entry in part["chapters"])]
    assert [file for file in files if file.startswith("notebooks/")] == [f"notebooks/{chapter}" for chapter in CHAPTERS]
    for file in files:
        assert (ROOT / f"{file}.ipynb").exists() or (ROOT / f"{file}.md").exists(), file


def test_the_introduction_lists_every_chapter():
    intro = (ROOT / "book/intro.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| \[(\w+)\]\(\.\./notebooks/(\w+)\.ipynb\)", intro, flags=re.MULTILINE)
    assert [slug for _, slug in listed] == CHAPTERS
    assert all(number == slug[:2].lstrip("0") for number, slug in listed)


def test_labels_of_figures_and_exercises_occur_once_in_the_book():
    labels = []
    for chapter in CHAPTERS:
        notebook = read(chapter)
        labels += re.findall(r"^:label: (\S+)$", prose(notebook), flags=re.MULTILINE)
        labels += [cell.metadata["mystnb"]["figure"]["name"] for cell in code_cells(notebook) if "mystnb" in cell.metadata]
    assert labels and len(labels) == len(set(labels))


def test_captions_of_tables_are_sentences_that_end_and_stand_at_code():
    texts = [
        cell.metadata["table"]["caption"]
        for chapter in CHAPTERS
        for cell in read(chapter).cells
        if "table" in cell.metadata and cell.cell_type == "code"
    ]
    assert len(texts) > 100 and not [text for text in texts if not re.fullmatch(r"[A-Z].{10,110}\.", text)]


# ---- each chapter as it is stored


@each_chapter
def test_it_is_a_valid_notebook_without_outputs_and_leftovers(chapter):
    notebook = stored(chapter)
    nbformat.validate(notebook)
    assert (notebook.nbformat, notebook.nbformat_minor) >= (4, 5)
    ids = [cell.id for cell in notebook.cells]
    assert len(set(ids)) == len(ids)
    assert notebook.metadata.kernelspec.name == "python3"
    assert "papermill" not in json.dumps(notebook.metadata) and "widgets" not in notebook.metadata
    for cell in code_cells(notebook):
        assert cell.outputs == [] and cell.execution_count is None


def test_nbstripout_finds_nothing_to_strip():
    paths = [str(NOTEBOOKS / f"{chapter}.ipynb") for chapter in CHAPTERS]
    run = subprocess.run([sys.executable, "-m", "nbstripout", "--verify", *paths], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr


@each_chapter
def test_it_has_one_title_with_the_number_of_its_file(chapter):
    notebook = read(chapter)
    titles = re.findall(r"^# (.+)$", prose(notebook), flags=re.MULTILINE)
    assert len(titles) == 1 and notebook.cells[0].source.startswith("# ")
    assert re.match(rf"{chapter[:2].lstrip('0')}\. \S", titles[0])


@each_chapter
def test_it_says_what_one_will_learn_and_what_it_takes(chapter):
    first = boxes(read(chapter))[0]
    assert first[0] == "admonition" and first[1].strip() == "You will learn"
    assert 3 <= len(re.findall(r"^- ", first[2], flags=re.MULTILINE)) <= 5
    assert "**Prerequisites:**" in first[2]
    time_and_memory = re.search(r"\*\*Time and memory\*\* \(workshop profile\): (.*)", first[2])[1]
    assert re.search("minute|second", time_and_memory) and re.search(r"\d (MB|GB)", time_and_memory)


@each_chapter
def test_it_has_one_parameters_cell_with_the_three_defaults(chapter):
    notebook = read(chapter)
    (cell,) = code_cells(notebook, "parameters")
    assert cell is code_cells(notebook)[0], "the parameters come before all other code"
    names = {}
    for node in ast.parse(cell.source).body:
        names[node.targets[0].id] = ast.literal_eval(node.value)
    assert names == {"profile": "workshop", "database": "auto", "seed": 0}


@each_chapter
def test_it_shows_the_database_before_anything_is_drawn(chapter):
    cells = code_cells(read(chapter))
    (shown,) = (i for i, cell in enumerate(cells) if "database" in tags(cell))
    assert isinstance(ast.parse(cells[shown].source).body[-1], ast.Expr)
    assert not any("mystnb" in cell.metadata for cell in cells[:shown])


@each_chapter
def test_prose_comes_before_every_cell_of_code(chapter):
    notebook = read(chapter)
    for before, cell in zip(notebook.cells, notebook.cells[1:], strict=False):
        if cell.cell_type == "code":
            assert before.cell_type == "markdown" or "exercise-check" in tags(before), cell.source


@each_chapter
def test_cells_are_short_and_use_no_state_of_the_whole_session(chapter):
    for cell in code_cells(read(chapter)):
        assert len(lines_of_code(cell.source)) <= MOST_LINES, cell.source
        for pattern in OF_THE_SESSION:
            assert not re.search(pattern, cell.source, flags=re.MULTILINE), cell.source


@each_chapter
def test_figures_have_captions_and_alt_text_and_prose_follows_them(chapter):
    notebook = read(chapter)
    for cell, after in zip(notebook.cells, notebook.cells[1:], strict=False):
        if "mystnb" in cell.metadata:
            assert after.cell_type == "markdown" and not after.source.startswith(("#", "`")), cell.source
    figures = [cell.metadata["mystnb"] for cell in code_cells(notebook) if "mystnb" in cell.metadata]
    assert figures
    for figure in figures:
        alt, caption, name = figure["image"]["alt"], figure["figure"]["caption"], figure["figure"]["name"]
        assert len(alt) >= 30 and len(caption) >= 10 and alt != caption, name
        assert name.startswith(f"fig-{chapter[:2]}-"), name


@each_chapter
def test_it_has_two_exercises_with_a_check_and_a_folded_solution_each(chapter):
    notebook = read(chapter)
    opened = re.findall(r"^```\{exercise-start\}.*\n:label: (\S+)\n```\s*$", prose(notebook), flags=re.MULTILINE)
    solved = re.findall(r"^```\{solution-start\} (\S+)\n:class: dropdown\n```\s*$", prose(notebook), flags=re.MULTILINE)
    assert len(opened) >= 2 and opened == solved
    assert all(label.startswith(f"ex-{chapter[:2]}-") for label in opened)
    assert prose(notebook).count("```{exercise-end}") == prose(notebook).count("```{solution-end}") == len(opened)
    for tag in ("exercise-check", "exercise", "solution"):
        assert len(code_cells(notebook, tag)) >= len(opened), tag
    for cell in code_cells(notebook, "exercise-check"):
        assert "hide-input" in tags(cell) and cell.metadata["jupyter"]["source_hidden"], "an open check gives the answer away"
    for cell in code_cells(notebook, "solution"):
        assert cell.metadata["jupyter"]["source_hidden"] and cell.metadata["jupyter"]["outputs_hidden"]


@each_chapter
def test_code_of_solutions_stands_inside_solutions(chapter):
    inside = False
    for cell in read(chapter).cells:
        if cell.cell_type == "markdown":
            for gate in re.findall(r"^```\{solution-(start|end)\}", cell.source, flags=re.MULTILINE):
                assert inside == (gate == "end")
                inside = gate == "start"
        else:
            assert ("solution" in tags(cell)) == inside, cell.source
    assert not inside


@each_chapter
def test_it_has_a_quiz_that_needs_neither_kernel_nor_script(chapter):
    quiz = section(read(chapter), "Quiz")
    questions = re.split(r"^\*\*\d+\. .+\*\*\s*$", quiz, flags=re.MULTILINE)[1:]
    assert len(questions) >= 2
    for question in questions:
        answers = re.findall(
            r'<details class="quiz (right|wrong)"><summary>.+?</summary>\n\n.+?\n</details>', question, flags=re.DOTALL
        )
        assert len(answers) == question.count("<details") >= 2 and answers.count("right") == 1
    assert "<script" not in quiz and "onclick" not in quiz


@each_chapter
def test_every_answer_of_the_quiz_is_closed_in_jupyterlab_too(chapter):
    assert "</details>\n<details" not in prose(read(chapter)), "without a blank line between them, the second stands open"


@each_chapter
def test_references_can_be_read_where_citations_are_shown_as_keys(chapter):
    for line in re.findall(r"^- \[.*$", section(read(chapter), "References"), flags=re.MULTILINE):
        assert re.search(r"\[.{15,}\]\(https?://|\*.{15,}\*", line), line  # the title


@each_chapter
def test_a_reader_without_sphinx_sees_words_not_roles(chapter):
    for cell in stored(chapter).cells:
        if cell.cell_type == "markdown":
            assert not re.findall(r"\{[\w:-]+\}`[^`]*`", cell.source), "CONTRIBUTING.md says how links stand for roles"


@pytest.fixture(scope="module")
def bare(tmp_path_factory):
    """Run code in an interpreter without the package; give what it asked pip for. `pip` is a stub that writes that down."""
    folder = tmp_path_factory.mktemp("bare")
    venv.create(folder / "env", with_pip=False)
    stub = 'import os, sys\nopen(os.environ["ASKED"], "w").write("\\n".join(sys.argv[1:]))\n'
    for place, text in {"pip/__init__.py": "", "pip/__main__.py": stub}.items():
        (folder / "lib" / place).parent.mkdir(parents=True, exist_ok=True)
        (folder / "lib" / place).write_text(text)

    def run(source, *modules):
        site, asked = Path(tempfile.mkdtemp(dir=folder)), folder / "asked"
        asked.unlink(missing_ok=True)
        for module in modules:
            (site / module).mkdir()
            (site / module / ("METADATA" if module.endswith("info") else "__init__.py")).write_text(
                "Metadata-Version: 2.1\nName: numpy\nVersion: 2.0.2\n" if module.endswith("info") else ""
            )
        environment = {"PYTHONPATH": os.pathsep.join(map(str, (folder / "lib", site))), "ASKED": str(asked)}
        python = folder / "env" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
        subprocess.run([python, "-c", source], check=True, env=os.environ | environment, cwd=folder)
        return asked.read_text().split("\n") if asked.exists() else None

    return run


@each_chapter
def test_the_install_cell_comes_before_every_import_and_is_the_same_everywhere(chapter):
    cells = code_cells(read(chapter))
    assert "install" in tags(cells[1]) and cells[1].source == code_cells(read(CHAPTERS[0]), "install")[0].source


def test_the_install_cell_installs_the_release_where_the_package_is_missing_and_keeps_numpy(bare):
    (cell,) = code_cells(read(CHAPTERS[0]), "install")
    tag = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))["repository"]["branch"]
    asked = bare(cell.source)
    assert asked[:1] == ["install"] and asked[-1].startswith("vaescan-lite @ https://") and f"/{tag}.zip" in asked[-1]
    assert bare(cell.source, "numpy-2.0.2.dist-info")[-1] == "numpy==2.0.2"
    assert bare(cell.source, "vaescan_lite") is None


@each_chapter
def test_it_warns_where_a_method_is_easily_misread(chapter):
    assert any(kind in ("caution", "warning") or "could go wrong" in title for kind, title, _ in boxes(read(chapter)))


@each_chapter
def test_it_ends_with_real_ecgs_take_aways_and_references_in_this_order(chapter):
    notebook = read(chapter)
    titles = [title.strip() for title in re.findall(r"^## (.+)$", prose(notebook), flags=re.MULTILINE)]
    assert [title for title in titles if title in SECTIONS] == SECTIONS
    assert titles[-4:] == SECTIONS
    assert "PTB-XL" in section(notebook, "On real ECGs")
    assert 3 <= len(re.findall(r"^[-*] ", section(notebook, "Take-aways"), flags=re.MULTILINE)) <= 7
    assert re.search(r"^- \[.*?\]\(#[a-z]+\d{4}", section(notebook, "References"), flags=re.MULTILINE)


@each_chapter
def test_citations_terms_and_links_lead_somewhere(chapter):
    text = prose(read(chapter))
    bibliography = parse_file(ROOT / "book/references.bib")
    figures = [cell.metadata["mystnb"]["figure"]["name"] for cell in code_cells(read(chapter)) if "mystnb" in cell.metadata]
    terms = plain_references.anchors((ROOT / "book/glossary.md").read_text(encoding="utf-8"))
    for words, target in plain_references.LINK.findall(text):
        if target.startswith("fig-"):
            assert target in figures and words.lower().startswith(("the figure", "that of")), (words, target)
        elif target.startswith("term-"):
            assert target.removeprefix("term-") in terms, (words, target)
        else:
            cited = [in_words(bibliography.entries[key], words.startswith("(")) for key in target.split(",")]
            assert words in (f"({'; '.join(cited)})", " and ".join(cited)), (words, target)
    for target in re.findall(r"\]\((?!https?:|#)([^)#\s]+)", text):
        assert (NOTEBOOKS / target).exists(), target
    newest = None
    for cell in read(chapter).cells:
        newest = cell.metadata["mystnb"]["figure"]["name"] if "mystnb" in cell.metadata else newest
        assert set(re.findall(r"\[the figure above\]\(#([\w-]+)\)", cell.source, flags=re.IGNORECASE)) <= {newest}
    assert not re.findall(r"\]\(#(?:fig-|term-|[a-z]+\d{4})[^)]*\)", plain_references.LINK.sub("", text))


def in_words(entry, in_brackets):
    """Authors and year of a work, as text cites it."""
    people = [" ".join([*person.prelast_names, *person.last_names]) for person in entry.persons["author"]]
    many = len(people) > 2 or people[-1] == "others"
    who = f"{people[0]} et al." if many else " and ".join(people)
    return f"{who}, {entry.fields['year']}" if in_brackets else f"{who} ({entry.fields['year']})"


def test_links_become_roles_and_a_term_that_no_glossary_has_is_refused():
    terms = plain_references.anchors(":::{glossary}\nBayes' rule\n  One.\n\nbundle branch block\n  A delay.\n:::\n\nno term\n")
    assert terms == {"Bayes'-rule": "Bayes' rule", "bundle-branch-block": "bundle branch block"}
    links = (
        "[The figure above](#fig-A1-dipole) shows [blocks](#term-bundle-branch-block)s, say [A et al. (2018)](#a2018x) and "
        "others [(B, 2019; C, 2020)](#b2019,c2020y). [`vl.x`](#vaescan_lite.y.x), [2](02_z.ipynb), [i](#i)"
    )
    assert plain_references.with_roles(links, terms) == (
        "{numref}`fig-A1-dipole` shows {term}`blocks <bundle branch block>`s, say {cite:t}`a2018x` and "
        "others {cite:p}`b2019,c2020y`. [`vl.x`](#vaescan_lite.y.x), [2](02_z.ipynb), [i](#i)"
    )
    with pytest.raises(ValueError, match="glossary has no 'word'; there are .*bundle-branch-block"):
        plain_references.with_roles("[a word](#term-word)", terms)


# ---- each chapter as it runs


@pytest.fixture(scope="session")
def smoke(tmp_path_factory):
    """Run a chapter on simulated ECGs in the smoke profile, once: a function of its name, giving its row of the report."""
    folder = tmp_path_factory.mktemp("smoke")
    reports = {}

    def run(chapter):
        if chapter not in reports:
            reports[chapter] = None
            table = book.run_chapters(
                NOTEBOOKS, folder / chapter, profile="smoke", database="simulated", only=[chapter], progress=False
            )
            reports[chapter] = table.iloc[0]
        if reports[chapter] is None:
            pytest.fail(f"{chapter} did not run; see the test that ran it first")
        return reports[chapter], folder / chapter

    return run


@each_chapter
def test_it_runs_on_simulated_ecgs_within_the_memory_of_binder(chapter, smoke):
    row, _ = smoke(chapter)
    assert row["seconds"] < 120, "the aim is 30 s on two free cores"
    assert row["memory_mb"] is None or row["memory_mb"] < 1024


@each_chapter
def test_it_says_that_the_ecgs_are_simulated_and_how_many(chapter, smoke):
    (cell,) = code_cells(read(chapter, smoke(chapter)[1]), "database")
    text = "".join(text_of(output) for output in cell.outputs)
    assert "simulated" in text and re.search(r"\d\d+", text)


@each_chapter
def test_it_leaves_no_warning_on_the_page(chapter, smoke):
    notebook = pages.publishable(read(chapter, smoke(chapter)[1]))
    for cell in code_cells(notebook):
        for output in cell.outputs:
            assert output.get("name") != "stderr", f"{cell.source}\n{output.text}"


@each_chapter
def test_its_page_keeps_no_widget_that_needs_a_kernel(chapter, smoke):
    notebook = pages.publishable(read(chapter, smoke(chapter)[1]))
    for cell in code_cells(notebook):
        assert not any(pages.WIDGET in output.get("data", {}) for output in cell.outputs), cell.source
    assert "widgets" not in notebook.metadata


@each_chapter
def test_every_picture_it_draws_is_a_figure_with_alt_text(chapter, smoke):
    n_pictures = 0
    for cell in code_cells(read(chapter, smoke(chapter)[1])):
        pictures = [output for output in cell.outputs if "image/png" in output.get("data", {})]
        n_pictures += len(pictures)
        assert len(pictures) <= 1, cell.source
        assert bool(pictures) == ("mystnb" in cell.metadata), cell.source
    assert n_pictures >= 2


@each_chapter
def test_every_table_it_shows_has_a_caption_and_no_other_cell_has_one(chapter, smoke):
    for cell in code_cells(read(chapter, smoke(chapter)[1])):
        n_tables = sum('class="vl-table"' in output.get("data", {}).get("text/html", "") for output in cell.outputs)
        assert n_tables == ("table" in cell.metadata), cell.source


@each_chapter
def test_its_exercises_wait_for_an_answer_and_its_solutions_are_right(chapter, smoke):
    notebook = read(chapter, smoke(chapter)[1])
    for cell in code_cells(notebook, "exercise"):
        assert any(re.search("Your turn|Not yet", text_of(output)) for output in cell.outputs), cell.source
        assert not any("Right." in text_of(output) for output in cell.outputs), cell.source
    n_right = sum("Right." in text_of(output) for cell in code_cells(notebook, "solution") for output in cell.outputs)
    assert n_right >= prose(notebook).count("```{solution-start}")


@each_chapter
def test_its_numbers_are_those_of_the_table(chapter, smoke):
    lines = list(expected_numbers.differences(read(chapter, smoke(chapter)[1]), chapter))
    advice = "tests/expected_numbers.py says how to renew the table."
    assert len(lines) <= expected_numbers.allowed(chapter), "\n".join([*lines, advice])


# ---- the book of all chapters


@pytest.fixture(scope="session")
def html(smoke, tmp_path_factory):
    """The pages of the whole book, from the chapters as they ran."""
    executed = tmp_path_factory.mktemp("executed")
    for chapter in CHAPTERS:
        source = smoke(chapter)[1] / f"{chapter}.ipynb"
        (executed / source.name).write_bytes(source.read_bytes())
    return pages.build_book(ROOT, executed, tmp_path_factory.mktemp("book")).parent


def test_the_book_builds_without_a_warning_and_has_every_page(html):
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    entries = [entry for part in toc["parts"] for entry in part["chapters"]]
    sections = [section["file"] for entry in entries for section in entry.get("sections", [])]
    for file in [toc["root"], *(entry["file"] for entry in entries), *sections]:
        assert (html / f"{file}.html").exists(), file


@each_chapter
def test_its_page_has_every_figure_with_alt_text(chapter, html):
    page = (html / f"notebooks/{chapter}.html").read_text(encoding="utf-8")
    article = page[page.index("<article") : page.index("</article>")]
    n_figures = sum("mystnb" in cell.metadata for cell in code_cells(read(chapter)))
    assert article.count("<figcaption>") == n_figures >= 2
    for image in re.findall(r"<img[^>]*>", article):
        alt = re.search(r'alt="([^"]*)"', image)
        assert alt and len(alt[1]) >= 30 and "/" not in alt[1].split(" ")[0], image
    assert not [raw for raw in ("Traceback", "{numref}", "{cite", ":::{", "the figure above") if raw in article]


@each_chapter
def test_its_page_has_no_raw_table_and_no_name_that_hides_what_a_screen_reader_should_read(chapter, html):
    page = (html / f"notebooks/{chapter}.html").read_text(encoding="utf-8")
    assert 'class="dataframe"' not in page
    assert 'role="list" class="citation-list"' not in page and "Toggle hidden content" not in page
    assert all('tabindex="0"' in box for box in re.findall(r'<div class="vl-table"[^>]*>', page))


@each_chapter
def test_its_page_loads_nothing_from_another_host(chapter, html):
    page = (html / f"notebooks/{chapter}.html").read_text(encoding="utf-8")
    for address in re.findall(r'<(?:script|img|iframe|video|source)\b[^>]*\bsrc="([^"]+)"', page):
        assert not re.match(r"(https?:)?//", address), address
    for address in re.findall(r'<link\b[^>]*rel="(?:stylesheet|preload|icon)"[^>]*href="([^"]+)"', page):
        assert not re.match(r"(https?:)?//", address), address


@each_chapter
def test_its_page_weighs_700_kb_at_most(chapter, html):
    assert (html / f"notebooks/{chapter}.html").stat().st_size <= 700 * 1024


@pytest.mark.browser
def test_the_explorer_of_chapter_5_answers_in_the_built_page(html, tmp_path):
    from browser import Browser

    browser = Browser(tmp_path)
    try:
        path = html / "notebooks/05_latent_space.html"
        page = browser.open(path)
        n_figures = path.read_text(encoding="utf-8").count('"half_floats":')
        assert n_figures == 1, "the weights of the explorer are in the page once"
        assert page.run("document.querySelectorAll('.vaescan-explorer path.beat').length") == 12 * n_figures
        line = "document.querySelector('.vaescan-explorer path.beat').getAttribute('d')"
        before = page.run(line)
        page.drag("input[data-latent]", 0.9)
        assert page.run(line) != before
        assert not page.requests and not page.complaints
    finally:
        browser.close()


@pytest.mark.browser
def test_the_first_page_has_an_explorer_that_answers_and_keeps_to_700_kb(html, tmp_path):
    from browser import Browser

    browser = Browser(tmp_path)
    try:
        path = html / "book/intro.html"
        page = browser.open(path)
        assert path.stat().st_size < 700 * 1024
        lead = "document.querySelector('path.beat[data-lead=V1]').getAttribute('d')"
        before = page.run(lead)
        page.run("document.querySelector('input[aria-label=\"Left bundle branch block: yes\"]').click()")
        assert page.run(lead) != before and page.run("document.querySelectorAll('path.beat').length") == 12
        assert not page.requests and not page.complaints
    finally:
        browser.close()
