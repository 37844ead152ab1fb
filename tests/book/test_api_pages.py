"""The API pages, the links of names to them, and from them to the source."""

import inspect
import re
import sys
from types import SimpleNamespace

import nbformat
import pytest
import yaml
from chapter_cells import ROOT

import vaescan_lite as vl

sys.path.insert(0, str(ROOT / "book/_ext"))
import api_pages
import linked_code

CHAPTERS = sorted((ROOT / "notebooks").glob("*.ipynb"))
ROOMS = sorted(set(vl._ROOMS) - {"cache", "cpus"})
LINK = re.compile(r"\[`([^`]+)`\]\(#vaescan_lite\.([\w.]+)\)")


def prose(chapter):
    notebook = nbformat.read(chapter, as_version=4)
    return "\n\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")


def home_of(name):
    """The API entry of a name that begins with ``vl.`` or is one that the package offers itself; None for other code."""
    parts = re.match(r"[\w.]+", name.removeprefix("vl."))[0].split(".")
    if parts[0] in vl._HOME:
        return ".".join([vl._HOME[parts[0]], *parts])
    return ".".join(parts) if name.startswith("vl.") else None


def unlinked(text):
    """Names in a chapter's prose that are not linked to their API entry where they first appear."""
    seen, missing = set(), []
    for found in re.finditer(r"(\[?)`([^`\n]+)`(\]\(([^)]*)\))?", re.sub(r"^(```+).*?^\1", "", text, flags=re.M | re.S)):
        entry = home_of(found[2]) if re.match(r"vl\.\w|\w+$|[A-Z]\w+\.\w", found[2]) else None
        if entry and entry not in seen:
            seen.add(entry)
            missing += [] if found[4] == f"#vaescan_lite.{entry}" else [found[2]]
    return missing


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda path: path.stem)
def test_every_name_of_the_package_in_prose_is_linked_to_its_api_entry_where_it_first_appears(chapter):
    assert unlinked(prose(chapter)) == []


def test_the_test_of_links_would_notice_one_that_is_missing_or_leads_elsewhere():
    linked = "[`vl.measure`](#vaescan_lite.measurements.measure) and later `vl.measure`, `vl.measure(beats)`"
    assert unlinked(linked) == [] and unlinked(f"`vl.measure`, {linked}") == ["vl.measure"]
    assert unlinked("[`vl.Scan`](../book/api.md) and `Workspace`") == ["vl.Scan", "Workspace"]
    assert unlinked("[`vl.simulator`](#vaescan_lite.simulator), `np.diff`, `vl.explain.audit`") == ["vl.explain.audit"]


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda path: path.stem)
def test_links_to_the_api_lead_to_something_that_a_page_documents(chapter):
    for name, entry in LINK.findall(prose(chapter)):
        room, *names = entry.split(".")
        found = getattr(vl, room)
        assert not names or names[0] in api_pages.offered(found), name
        for part in names:
            found = getattr(found, part)
        assert inspect.getdoc(found), name


def test_every_room_has_a_page_in_the_table_of_contents_and_a_place_on_the_first_api_page():
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    (entry,) = (entry for part in toc["parts"] for entry in part["chapters"] if entry["file"] == "book/api")
    assert sorted(section["file"] for section in entry["sections"]) == [f"book/api/{room}" for room in ROOMS]
    index = (ROOT / "book/api.md").read_text(encoding="utf-8")
    assert sorted(" ".join(re.findall(r"\{api-list\} (.+)", index)).split()) == ROOMS
    for room in ROOMS:
        page = (ROOT / f"book/api/{room}.md").read_text(encoding="utf-8")
        assert page == f"# `vl.{room}`\n\n```{{api-room}} {room}\n```\n"


@pytest.mark.parametrize("room", ROOMS)
def test_links_to_the_source_lead_to_the_lines_of_what_is_documented(room):
    module = getattr(vl, room)
    assert api_pages.offered(module)
    for name in api_pages.offered(module):
        path, (first, last) = api_pages.source_of({"module": module.__name__, "fullname": name})
        text = path.read_text(encoding="utf-8").splitlines()
        assert re.match(rf"(@.*|(def|class) {getattr(module, name).__name__}\b.*)", text[first - 1]) and last <= len(text), name


def test_a_method_a_value_and_something_of_another_package_have_their_place_or_none():
    path, (first, _) = api_pages.source_of({"module": "vaescan_lite.book", "fullname": "Workspace.cnns"})
    assert "def cnns" in path.read_text().splitlines()[first - 1]
    for module, name in (("vaescan_lite.book", "PROFILES"), ("vaescan_lite.book", "nothing"), ("pandas", "DataFrame")):
        assert api_pages.source_of({"module": module, "fullname": name}) is None
    options = {"repository_url": "https://github.com/a/b", "repository_branch": "v1"}
    address = api_pages.address(SimpleNamespace(html_theme_options=options), path, (3, 5))
    assert address == "https://github.com/a/b/blob/v1/vaescan_lite/book/workspace.py#L3-L5"


def test_names_in_the_code_of_a_page_lead_to_the_api():
    from pygments import highlight
    from pygments.formatters import HtmlFormatter
    from pygments.lexers import PythonLexer

    code = (
        "from vaescan_lite.vae import (\n    BeatPCA,\n    dci)\nvl.measure(beats).loc[0]; vl.plots.STYLE\n"
        "vl.explain.traversal(beats); vl.nothing(1)\nBeatPCA(3); other.dci(2); dci(3)"
    )
    page = highlight(code, PythonLexer(), HtmlFormatter()).replace("</pre></div>\n", "</pre></div>")
    made = linked_code.linked(page, "../book/api/{}.html".format)
    links = [(address, re.sub(r"<.+?>", "", text)) for address, text in re.findall(r'<a .*?href="(.+?)">(.+?)</a>', made)]
    assert links == [
        ("../book/api/measurements.html#vaescan_lite.measurements.measure", "vl.measure"),
        ("../book/api/plots.html#module-vaescan_lite.plots", "vl.plots"),
        ("../book/api/explain.html#vaescan_lite.explain.traversal", "vl.explain.traversal"),
        ("../book/api/vae.html#vaescan_lite.vae.BeatPCA", "BeatPCA"),
        ("../book/api/vae.html#vaescan_lite.vae.dci", "dci"),
    ]
    bare = re.compile(r'<span class="[npw]">([^<]*)</span>')
    assert bare.sub(r"\1", re.sub(r"</?a\b.*?>", "", made)) == bare.sub(r"\1", page), "nothing but links was added"
    assert not bare.search(re.sub(r"<a .*?</a>", "", made))  # of the colour of all text; in a link they keep it
    assert re.sub(r"<.+?>", "", made) == re.sub(r"<.+?>", "", page) and '<span class="n">vl</span>' in made
