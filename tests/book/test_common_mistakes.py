"""The page of common mistakes is what the checks say."""

import re
import sys

import nbformat
import pytest
from chapter_cells import ROOT
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

sys.path.insert(0, str(ROOT / "book/_ext"))
import common_mistakes

CHAPTERS = sorted((ROOT / "notebooks").glob("*.ipynb"))

OPENED = """```{exercise-start} Leads
:label: ex-01-leads
```
*Hard.* How many?"""
CHECK = """pairs = [("a", "b c"), (lots, "Twelve are drawn; how many [of them] are * free?")]
check = Check(
    (lambda a: a == int(a), "A whole number, please."),
    (lambda a: a != 3, "Three electrodes, "
     "two differences."),
    *pairs,
)
"""


def chapter(*cells):
    check = {"tags": ["exercise-check"]}
    made = [new_code_cell(cell, metadata=check) if "check" in cell else new_markdown_cell(cell) for cell in cells]
    return new_notebook(cells=made)


def test_hints_are_read_in_order_and_those_about_the_form_of_an_answer_left_out(tmp_path):
    nbformat.write(chapter("# 1. Leads", OPENED, CHECK), tmp_path / "01_leads.ipynb")
    assert common_mistakes.written(tmp_path) == [
        "**[1. Leads](../notebooks/01_leads.ipynb)**", "",
        "{ref}`ex-01-leads`: Leads (hard)", "",
        r": - Twelve are drawn; how many \[of them] are \* free?",
        "  - Three electrodes, two differences.", "",
    ]  # fmt: skip


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_every_exercise_of_a_chapter_has_its_mistakes_on_the_page(path):
    notebook = nbformat.read(path, as_version=4)
    title, exercises = common_mistakes.exercises_of(notebook)
    text = "\n".join(cell.source for cell in notebook.cells)
    assert [exercise.label for exercise in exercises] == re.findall(r"^:label: (ex-\S+)$", text, flags=re.MULTILINE)
    assert [exercise.level for exercise in exercises] == ["easy", "medium", "hard"]
    for exercise in exercises:
        assert len(exercise.hints) >= 2 and all(re.match("[A-Z0-9`(a-z]", hint) for hint in exercise.hints), exercise
