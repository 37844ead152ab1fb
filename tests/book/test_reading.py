"""What a reader is promised: short cells, an answer, a verdict after every audit, honest minutes."""

import re
import sys
from statistics import median

import nbformat
import pytest
from chapter_cells import ROOT
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

sys.path.insert(0, str(ROOT / "book/_ext"))
import reading_time

CHAPTERS = sorted((ROOT / "notebooks").glob("*.ipynb"))
AUDIT = re.compile(
    r"\b(audit|requirements|randomised|randomised_scan|truth_table|agreement|repeatability|stability|paired_beats"
    r"|compare_matched|permuted|permutation|controls?)\b"
)
each_chapter = pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)


def read(path):
    return nbformat.read(path, as_version=4)


def code_of(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def tagged(cell, *tags):
    return bool({*tags} & {*cell.metadata.get("tags", [])})


def without_verdict(notebook):
    """Cells that audit or control something while no computed sentence follows in this section or the next."""
    story = []
    for cell in notebook.cells:
        if cell.cell_type == "markdown" and cell.source.startswith("## Exercises"):
            break
        story.append(cell)
    missing = []
    for i, cell in enumerate(story):
        if cell.cell_type == "code" and not tagged(cell, "finding", "answer") and AUDIT.search(called(cell.source)):
            rest = story[i + 1 :]
            heads = [j for j, later in enumerate(rest) if re.search("^## ", later.source, flags=re.MULTILINE)]
            rest = rest[: heads[1]] if len(heads) > 1 else rest
            missing += [] if any(tagged(later, "finding", "answer") for later in rest) else [cell.source]
    return missing


def called(source):
    """Code without its imports and definitions, which audit nothing yet."""
    source = re.sub(r"^from .* import (\([^)]*\)|.*)$", "", source, flags=re.MULTILINE)
    return "\n".join(re.split(r"^(?:def|class) .*\n(?:(?: .*)?\n)*", source + "\n", flags=re.MULTILINE))


@each_chapter
def test_an_audit_or_control_is_followed_by_its_verdict(path):
    assert without_verdict(read(path)) == []


def test_the_test_of_verdicts_would_notice_one_that_is_missing():
    audit = new_code_cell("from vaescan_lite.measurements import audit\n\naudit(beats)")
    only_import = new_code_cell("from vaescan_lite.measurements import (\n    audit)\ndef f():\n    audit(1)")
    head, verdict = new_markdown_cell("## Next"), new_code_cell("say()", metadata={"tags": ["finding"]})
    end = new_markdown_cell("## Exercises")
    assert without_verdict(new_notebook(cells=[audit, head, verdict, end])) == []
    assert without_verdict(new_notebook(cells=[only_import, end])) == []
    assert without_verdict(new_notebook(cells=[audit, head, new_markdown_cell("## Then"), verdict, end])) == [audit.source]
    assert without_verdict(new_notebook(cells=[audit, end, verdict])) == [audit.source]


@each_chapter
def test_cells_are_short_and_lines_fit_the_page(path):
    sources = [cell.source for cell in code_of(read(path))]
    lines = [[line for line in source.splitlines() if line.strip() and not line.strip().startswith("#")] for source in sources]
    assert median(map(len, lines)) <= 8
    assert max(len(line) for source in sources for line in source.splitlines()) <= 79


@each_chapter
def test_the_story_ends_in_one_computed_answer_and_writes_an_algorithm_out(path):
    cells = code_of(read(path))
    assert sum(tagged(cell, "answer") for cell in cells) == 1 and any(tagged(cell, "from-scratch") for cell in cells)


@each_chapter
def test_the_minutes_that_a_chapter_states_are_those_of_the_rule(path):
    notebook = read(path)
    stated = int(re.search(r"(\d+) minutes to read", notebook.cells[1].source)[1])
    assert stated == pytest.approx(reading_time.minutes(notebook), rel=0.15)


def test_the_rule_counts_words_cells_and_figures(tmp_path):
    figure = new_code_cell("plot()", metadata={"mystnb": {"figure": {"name": "fig-01-a"}}})
    caption = new_markdown_cell("**Figure.** " + "word " * 99 + "word.", metadata={"tags": ["caption"]})  # is not counted
    chapter = new_notebook(cells=[new_markdown_cell("word " * 400), new_code_cell("x = 1"), figure, caption])
    assert reading_time.minutes(chapter) == 2 + 2 * 0.5 + 0.75
    assert reading_time.minutes(chapter, cells=False) == 2 + 0.75
    for name in ("01_one", "10_ten", "A1_more"):
        nbformat.write(chapter, tmp_path / f"{name}.ipynb")
    assert reading_time.total(tmp_path, "1 A1") == 7.5 and reading_time.total(tmp_path, "all") == 11.25
    assert reading_time.total(tmp_path, "text 10") == 2.75
    with pytest.raises(ValueError, match="no chapter 2; there are 1, 10, A1"):
        reading_time.total(tmp_path, "1 2")


def test_minutes_are_said_as_people_say_them():
    said = {12: "10 minutes", 57: "55 minutes", 58: "1 hour", 70: "1¼ hours", 155: "2½ hours", 187: "3 hours", 614: "10 hours"}
    assert {n: reading_time.in_words(n).replace("\N{NO-BREAK SPACE}", " ") for n in said} == said


def test_the_walk_and_the_ways_of_the_first_page_lead_to_chapters_that_exist():
    intro = (ROOT / "book/intro.md").read_text(encoding="utf-8")
    walk = re.findall(r'<li><a href="\.\./notebooks/(\w+)\.html">.*?<span>(\w+)\. \w', intro)
    chapters = [path.stem for path in CHAPTERS if not path.stem.startswith("A")]
    assert walk == [(chapter, chapter[:2].lstrip("0")) for chapter in chapters]
    counted = [reading_time.total(ROOT / "notebooks", text) for text in re.findall(r"\{minutes\}`([^`]+)`", intro)]
    assert len(counted) == len(CHAPTERS) + 5 and max(counted) == counted[-1]
