"""The pages of the book: a staged copy with executed chapters, built by Jupyter Book."""

import gc
import os
import re
import shutil
from importlib.metadata import version
from pathlib import Path

from ..cache import content_hash
from ..factors import known_names
from .chapters import chapter_paths, code_hash, environment_for_child, log

WIDGET = "application/vnd.jupyter.widget-view+json"
EDITIONS = ("complete", "student")
FOR_STUDENTS = """
:::{admonition} Edition for students
The exercises of this edition have their checks and hints, and no solutions. Everything else is as in the complete book.
:::
"""


def publishable(notebook):
    """Take out of an executed chapter what is of the run: Papermill's metadata, bars, widgets of figures that offer HTML."""
    for name in ("papermill", "vaescan"):
        notebook.metadata.pop(name, None)
    models = set()
    for cell in notebook.cells:
        cell.metadata.pop("papermill", None)
        if cell.cell_type != "code":
            continue
        cell.outputs = [output for output in cell.outputs if not _belongs_to_the_run(output)]
        for output in cell.outputs:
            data = output.get("data", {})
            if "text/html" in data:
                data.pop(WIDGET, None)
            models |= {data[WIDGET]["model_id"]} if WIDGET in data else set()
    if not models:
        notebook.metadata.pop("widgets", None)
    return notebook


def without_solutions(notebook):
    """Take the solutions out of a chapter: every cell from the gate that opens one to the gate that ends it."""
    inside, kept = False, []
    for cell in notebook.cells:
        inside = inside or "{solution-start}" in cell.source
        if not inside:
            kept.append(cell)
        inside = inside and "{solution-end}" not in cell.source
    notebook.cells = kept
    return notebook


def build_book(source, executed, build_folder=None, edition="complete", fresh=False):
    """Build the HTML book from executed chapters; return its first page, ``_build/html/index.html``.

    `source` holds ``_config.yml``, ``_toc.yml`` and ``book``, `executed` the chapters as `run_chapters` writes them.
    `build_folder` (default: `source`) gets ``_build/html``, whose old content is removed first, and the staged sources. Where
    these, package and versions are those of the pages that stand there, nothing is built (unless `fresh`). A RuntimeError
    says that Jupyter Book warned, failed, or is not of version 1 (2 ignores ``_config.yml`` and builds nothing).
    """
    from . import kernels

    require_book(source)
    known_names([edition], EDITIONS, "edition")
    build = Path(build_folder or source).resolve() / "_build"
    staged = build / "staged"
    for old in (staged, build / "notebooks"):
        shutil.rmtree(old, ignore_errors=True)
    _stage(Path(source).resolve(), Path(executed).resolve(), staged)
    if edition == "student":
        _leave_solutions_out(Path(source).resolve(), staged, build / "notebooks")
    first_page, seal = build / "html" / "index.html", build / ".pages.sha256"
    key = f"{content_hash(staged)} {code_hash()}"
    if not fresh and first_page.exists() and seal.exists() and seal.read_text() == key:
        log.info("the pages are unchanged")
        return first_page
    seal.unlink(missing_ok=True)
    for old in (build / "html", build / ".doctrees"):
        shutil.rmtree(old, ignore_errors=True)
    arguments = ["build", str(staged), "--path-output", str(build.parent), "--all", "-W", "-n", "--keep-going", "-q"]
    log.info("building the pages")
    (build / "pages.log").write_text("")
    process = kernels.started(_jupyter_book, arguments, build / "pages.log", environment=environment_for_child())
    try:
        process.join()
    finally:
        process.kill()  # where this process is interrupted, which does not reach that one
    output = re.sub(r"\x1b\[[\d;]*m", "", (build / "pages.log").read_text(encoding="utf-8"))  # colours
    if process.exitcode or not first_page.exists():
        lines = dict.fromkeys(line for line in output.splitlines() if re.search(r"WARNING|ERROR|rror:", line))
        text = "\n".join(list(lines)[:40]) or output[-3000:]
        raise RuntimeError(f"Jupyter Book failed or warned (log: {build / 'pages.log'}).\n{text}")
    seal.write_text(key)
    return first_page


def _jupyter_book(arguments, printed):
    """Run Jupyter Book in this process; what it prints goes to a file."""
    with open(printed, "w", encoding="utf-8") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    gc.set_threshold(20_000, 20, 20)  # looked for less often: a quarter of the time, 50 MB more
    from jupyter_book.cli.main import main

    main(arguments)


def require_book(source):
    """Make sure that a folder holds the book and that Jupyter Book 1 can build it."""
    missing = [name for name in ("_config.yml", "_toc.yml", "book") if not (Path(source) / name).exists()]
    if missing:
        advice = "Run this from a clone of the repository, or give its folder."
        raise FileNotFoundError(f"{Path(source).resolve()} is not the folder of the book: no {', '.join(missing)}. {advice}")
    try:
        installed = version("jupyter-book")
    except ModuleNotFoundError as error:
        raise RuntimeError('the book needs Jupyter Book: pip install "vaescan-lite[book]".') from error
    if installed.split(".")[0] != "1":
        raise RuntimeError(f'the book needs Jupyter Book 1; found {installed}. Install it with: pip install "jupyter-book<2".')


def _stage(source, executed, staged):
    """Copy configuration, prose and executed chapters into a folder that Jupyter Book need not execute."""
    import nbformat
    import yaml

    (staged / "notebooks").mkdir(parents=True)
    shutil.copytree(source / "book", staged / "book", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(source / "_toc.yml", staged)
    config = yaml.safe_load((source / "_config.yml").read_text(encoding="utf-8"))
    config["execute"]["execute_notebooks"] = "off"
    (staged / "_config.yml").write_text(yaml.safe_dump(config, sort_keys=False, allow_unicode=True), encoding="utf-8")
    for path in chapter_paths(executed):
        notebook = publishable(nbformat.read(path, as_version=4))
        if any(output.output_type == "error" for cell in notebook.cells for output in cell.get("outputs", ())):
            raise RuntimeError(f"{path} stopped with an error; run the chapter again before building the book.")
        nbformat.write(notebook, staged / "notebooks" / path.name)


def _leave_solutions_out(source, staged, folder):
    """Take the solutions out of staged chapters, say so on the first page, and write the chapters to run without them."""
    import nbformat

    shutil.copytree(source / "notebooks", folder, ignore=shutil.ignore_patterns(".*", "__pycache__"))
    for path in [*(staged / "notebooks").glob("*.ipynb"), *folder.glob("*.ipynb")]:
        nbformat.write(without_solutions(nbformat.read(path, as_version=4)), path)
    first_page = staged / "book" / "intro.md"
    title, text = first_page.read_text(encoding="utf-8").split("\n", 1)
    first_page.write_text(f"{title}\n{FOR_STUDENTS}{text}", encoding="utf-8")


def _belongs_to_the_run(output):
    """Whether an output is an explorer that is live, or a tqdm bar: a widget alone, or lines on stderr, which are taken out."""
    if output.get("metadata", {}).get("vaescan") == "live":  # its static form is the output before it
        return True
    bar = r"\d+%\|.*\||\d+\w* \[\d\d:\d\d"
    if output.get("output_type") == "stream" and output.get("name") == "stderr" and re.search(rf"{bar}|^\s*$", output["text"]):
        parts = [part for part in re.split(r"[\r\n]+", output["text"]) if part.strip() and not re.search(bar, part)]
        output["text"] = "".join(f"{part}\n" for part in parts)
        return not parts
    data = output.get("data", {})
    return WIDGET in data and "text/html" not in data and bool(re.search(bar, data.get("text/plain", "")))
