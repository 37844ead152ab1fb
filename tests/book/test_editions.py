"""The edition for students: every chapter without its solutions, and nothing else left out."""

import symtable

import nbformat
import pytest
from chapter_cells import ROOT

from vaescan_lite.book import pages

CHAPTERS = sorted((ROOT / "notebooks").glob("*.ipynb"))


def names(cells, how):
    """Names of the session that cells bind (``is_assigned``) or use (``is_referenced``)."""
    tables = [symtable.symtable(cell.source, "cell", "exec") for cell in cells if cell.cell_type == "code"]
    found = {name for table in tables for name in table.get_identifiers() if getattr(table.lookup(name), how)()}
    if how == "is_referenced":
        inner = [table for outer in tables for table in outer.get_children()]
        while inner:
            table = inner.pop()
            inner += table.get_children()
            found |= {name for name in table.get_identifiers() if table.lookup(name).is_global()}
    return found


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_solutions_are_left_out_and_every_other_cell_stays_as_it_was(path):
    whole = nbformat.read(path, as_version=4)
    ids = [cell.id for cell in whole.cells]
    left = pages.without_solutions(nbformat.read(path, as_version=4))
    assert not any("solution" in cell.metadata.get("tags", []) or "{solution" in cell.source for cell in left.cells)
    out = [cell for cell in whole.cells if cell.id not in {cell.id for cell in left.cells}]
    assert [cell for cell in whole.cells if cell not in out] == left.cells and len(ids) == len(out) + len(left.cells)
    for cell in out:  # what goes is a solution: its gates, its text and its code
        assert not any(gate in cell.source for gate in ("{exercise-", "\n## ", "\n# ")), cell.source
        assert cell.cell_type == "markdown" or "solution" in cell.metadata.tags
    tags = [tag for cell in left.cells for tag in cell.metadata.get("tags", [])]
    assert tags.count("exercise") >= 2 and tags.count("exercise-check") >= 2


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_no_cell_that_stays_needs_a_name_that_a_solution_gives(path):
    whole = nbformat.read(path, as_version=4)
    left = pages.without_solutions(nbformat.read(path, as_version=4)).cells
    solutions = [cell for cell in whole.cells if "solution" in cell.metadata.get("tags", [])]
    assert not (names(solutions, "is_assigned") - names(left, "is_assigned")) & names(left, "is_referenced")


@pytest.fixture
def stage(tmp_path):
    source, staged = tmp_path / "source", tmp_path / "staged"
    for folder in (source / "notebooks", staged / "notebooks", staged / "book"):
        folder.mkdir(parents=True)
    (staged / "book/intro.md").write_text("# A book\n\nIts first sentence.\n")
    for folder in (source, staged):
        (folder / "notebooks" / CHAPTERS[0].name).write_bytes(CHAPTERS[0].read_bytes())
    return source, staged


def test_the_first_page_says_which_edition_it_is_and_a_folder_has_the_chapters_to_run(stage, tmp_path):
    pages._leave_solutions_out(*stage, tmp_path / "notebooks")
    first_page = (stage[1] / "book/intro.md").read_text()
    assert first_page.startswith("# A book\n\n:::{admonition} Edition for students\n")
    assert first_page.endswith(":::\n\nIts first sentence.\n")
    for folder in (stage[1] / "notebooks", tmp_path / "notebooks"):
        text = (folder / CHAPTERS[0].name).read_text()
        assert "exercise-start" in text and "solution-start" not in text
        nbformat.validate(nbformat.reads(text, as_version=4))
    assert (stage[0] / "notebooks" / CHAPTERS[0].name).read_bytes() == CHAPTERS[0].read_bytes(), "the source stays"


def test_an_edition_that_does_not_exist_is_named():
    with pytest.raises(ValueError, match="unknown edition 'teacher'; known are complete, student"):
        pages.build_book(ROOT, ROOT / "nowhere", edition="teacher")
