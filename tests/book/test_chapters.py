"""Running chapters, the report and the pages, on a small book of three chapters."""

import base64
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path
from urllib.parse import urlparse

import nbformat
import pandas as pd
import psutil
import pytest
import yaml
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from PIL import Image

from publish.sphinx import build_with_sphinx
from vaescan_lite.book import chapters as book
from vaescan_lite.book import kernels, pages

ROOT = Path(__file__).resolve().parents[2]

SETTINGS = {"profile": "smoke", "database": "simulated", "seed": 7, "progress": False}
PARAMETERS = 'profile = "workshop"  # smoke, workshop or full\ndatabase = "auto"\nseed = 0'
GOOD = [
    "from pathlib import Path\nimport sys, warnings\nfrom matplotlib import pyplot as plt\nfrom tqdm.auto import tqdm",
    '[profile, database, seed, Path.cwd().name, sys.executable, Path("beside.txt").read_text()]',
    "for _ in tqdm(range(3), leave=False):\n    pass",
    "for _ in tqdm(range(3), leave=True):\n    pass",
    'for piece in ("a ", "mess", "age\\n"):\n    print(piece, end="", flush=True, file=sys.stderr)',
    "import threadpoolctl\n{pool['num_threads'] for pool in threadpoolctl.threadpool_info()}",
]
FIGURE = {
    "mystnb": {
        "image": {"alt": "A straight line that rises from nought to two."},
        "figure": {"name": "fig-01-line"},
    }
}


def write_chapter(path, codes, *, parameters=PARAMETERS, figure=False):
    cells = [new_markdown_cell(f"# {int(path.stem[:2])}. A chapter\n\nIt has $x^2$ in it.")]
    cells.append(new_code_cell(parameters, metadata={"tags": ["parameters"]}))
    cells += [new_code_cell(code) for code in codes]
    if figure:
        cells.append(new_code_cell("plt.plot([0, 1, 2]);", metadata=FIGURE))
        cells.append(new_markdown_cell("**Figure.** A line.", metadata={"tags": ["caption"]}))
    metadata = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    nbformat.write(new_notebook(cells=cells, metadata=metadata), path)


def write_book(folder):
    """The real configuration and style around a first page and one chapter."""
    (folder / "notebooks").mkdir(parents=True)
    (folder / "book").mkdir()
    shutil.copy(ROOT / "_config.yml", folder)
    for name in ("_static", "_ext"):
        shutil.copytree(ROOT / "book" / name, folder / "book" / name)
    (folder / "book/references.bib").write_text("")
    (folder / "book/intro.md").write_text("# A book\n\nSee [the chapter](../notebooks/01_good.ipynb).\n")
    toc = {"format": "jb-book", "root": "book/intro", "chapters": [{"file": "notebooks/01_good"}]}
    (folder / "_toc.yml").write_text(yaml.safe_dump(toc))
    (folder / "notebooks/beside.txt").write_text("beside the chapter")
    write_chapter(folder / "notebooks/01_good.ipynb", GOOD, figure=True)
    return folder


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    return write_book(tmp_path_factory.mktemp("site"))


@pytest.fixture(scope="module")
def run(site, tmp_path_factory):
    """Five chapters run once, two at a time, three of them to an error; with a backend that would swallow figures."""
    folder = tmp_path_factory.mktemp("run")
    notebooks, output = folder / "notebooks", folder / "executed"
    shutil.copytree(site / "notebooks", notebooks)
    write_chapter(notebooks / "02_fails.ipynb", ["first = 1", "first = 2\nraise KeyError('the lead V9')", "never = 3"])
    write_chapter(notebooks / "03_large.ipynb", ['kept = b"x" * 400_000_000', "len(kept)"])
    write_chapter(notebooks / "04_killed.ipynb", ["import os, signal", "os.kill(os.getpid(), signal.SIGKILL)"])
    write_chapter(notebooks / "05_floods.ipynb", ["while True:\n    print('x' * 1_000)"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MPLBACKEND", "agg")
        with pytest.raises(book.ChaptersFailed) as failure:
            book.run_chapters(notebooks, output, n_at_once=2, **SETTINGS)
    return output, failure.value


@pytest.fixture(scope="module")
def html(site, run):
    """The pages of the small book."""
    executed = site / "_build" / "executed"
    executed.mkdir(parents=True)
    shutil.copy(run[0] / "01_good.ipynb", executed)
    assert pages.build_book(site, executed) == site / "_build/html/index.html"
    return site / "_build/html"


def result_of(notebook, i_code):
    """The value of a code cell; cell 0 is the parameters cell."""
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    return cells[i_code].outputs[0]["data"]["text/plain"]


def test_jupyter_book_is_of_version_1():
    assert version("jupyter-book").split(".")[0] == "1"


def test_parameters_are_put_into_the_cell_and_comments_stay():
    values = {"profile": "smoke", "database": '/a "quoted" folder/of Anna\'s/ecgs é', "seed": 3}
    changed = book.with_parameters(PARAMETERS, values)
    names = {}
    exec(changed, names)
    assert {name: names[name] for name in values} == values
    assert changed.splitlines()[0] == 'profile = "smoke"  # smoke, workshop or full'


def test_a_parameter_that_the_cell_does_not_assign_is_an_error():
    with pytest.raises(ValueError, match="assigns no seed"):
        book.with_parameters('profile = "smoke"', {"profile": "full", "seed": 1})


def test_a_chapter_needs_exactly_one_parameters_cell(tmp_path):
    write_chapter(tmp_path / "01_two.ipynb", [])
    notebook = nbformat.read(tmp_path / "01_two.ipynb", as_version=4)
    notebook.cells.append(new_code_cell("seed = 1", metadata={"tags": ["parameters"]}))
    nbformat.write(notebook, tmp_path / "01_two.ipynb")
    with pytest.raises(ValueError, match=r"01_two.ipynb: expected one cell tagged 'parameters', found 2"):
        book.run_chapters(tmp_path, tmp_path / "out", progress=False)


def test_chapters_are_the_numbered_notebooks_in_reading_order(tmp_path):
    for name in ("A1_more", "10_ten", "02_two", "scratch", "2_short", "B1_other"):
        (tmp_path / f"{name}.ipynb").touch()
    assert [path.stem for path in book.chapter_paths(tmp_path)] == ["02_two", "10_ten", "A1_more"]
    assert [path.stem for path in book.chapter_paths(tmp_path, ["10"])] == ["10_ten"]
    with pytest.raises(FileNotFoundError, match="no chapter begins with '03'; there are 02_two, 10_ten, A1_more"):
        book.chapter_paths(tmp_path, ["03"])
    with pytest.raises(FileNotFoundError, match="no chapters"):
        book.chapter_paths(tmp_path / "elsewhere")


def test_a_relative_database_starts_at_the_working_directory_then_at_the_caller(tmp_path, monkeypatch):
    for folder in ("repository/both", "caller/both", "caller/only"):
        (tmp_path / folder).mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "repository")
    assert book.resolve_database("both", tmp_path / "caller") == str(tmp_path / "repository/both")
    assert book.resolve_database("only", tmp_path / "caller") == str(tmp_path / "caller/only")
    assert book.resolve_database("ptbxl") == "ptbxl"
    with pytest.raises(FileNotFoundError, match="database 'nowhere': no folder .*repository/nowhere"):
        book.resolve_database("nowhere")


def test_a_chapter_gets_its_parameters_folder_and_this_python(run):
    notebook = nbformat.read(run[0] / "01_good.ipynb", as_version=4)
    expected = ["smoke", "simulated", 7, "notebooks", sys.executable, "beside the chapter"]
    assert eval(result_of(notebook, 2)) == expected


def test_a_chapter_draws_figures_whatever_backend_the_caller_uses_two_pixels_for_one_of_the_page(run):
    notebook = nbformat.read(run[0] / "01_good.ipynb", as_version=4)
    figure = notebook.cells[-2].outputs[0]
    with Image.open(io.BytesIO(base64.b64decode(figure["data"]["image/png"]))) as picture:
        assert figure["metadata"]["image/png"] == {"width": picture.width // 2}  # two pixels for one of the page
        assert picture.mode == "P"


def test_a_failing_chapter_is_named_with_its_cell_and_error_and_the_others_still_run(run):
    output, failure = run
    assert "3 of 5 chapters failed" in str(failure)
    assert re.search(r"02_fails: cell 3 \(first = 2\): KeyError: .*the lead V9", str(failure))
    assert list(failure.report["chapter"]) == ["01_good", "02_fails", "03_large", "04_killed", "05_floods"]
    assert list(failure.report["error"].isna()) == [True, False, True, False, False]
    assert (output / "03_large.ipynb").exists()


def test_a_kernel_that_the_system_killed_and_a_chapter_that_floods_its_output_are_named_and_leave_no_notebook(run):
    output, failure = run
    assert re.search(r"04_killed: DeadKernelError", str(failure))
    assert re.search(r"05_floods: stopped: it gave more than 20 MB of output", str(failure))
    assert sorted(path.name for path in output.glob("*.ipynb")) == ["01_good.ipynb", "02_fails.ipynb", "03_large.ipynb"]
    assert not [path for path in output.iterdir() if path.name.startswith(".")]


def test_a_chapter_has_one_thread_whatever_runs_beside_it(run):
    assert result_of(nbformat.read(run[0] / "01_good.ipynb", as_version=4), 6) == "{1}"


def started(monkeypatch, notebooks, output, **settings):
    """Chapters that `run_chapters` would start, and the report it gives where there are none."""
    begun = []

    def start(run):
        begun.append(run.path.stem)
        raise InterruptedError

    monkeypatch.setattr(book.Run, "start", start)
    try:
        return begun, book.run_chapters(notebooks, output, n_at_once=1, **SETTINGS | settings)
    except InterruptedError:
        return begun, None


def test_chapters_that_have_not_changed_are_kept_with_what_they_cost_and_the_others_run_again(run, tmp_path, monkeypatch):
    output, failure = shutil.copytree(run[0], tmp_path / "executed"), run[1]
    notebooks = run[0].parent / "notebooks"
    begun, report = started(monkeypatch, notebooks, output, only=["01", "03"])
    assert not begun
    pd.testing.assert_frame_equal(report, failure.report.iloc[[0, 2]].reset_index(drop=True))
    shutil.copytree(notebooks, tmp_path / "notebooks")
    write_chapter(tmp_path / "notebooks/03_large.ipynb", ["1"])
    assert started(monkeypatch, tmp_path / "notebooks", output, only=["01", "03"])[0] == ["03_large"]
    assert started(monkeypatch, notebooks, output)[0] == ["02_fails"]
    for change in ({"fresh": True}, {"seed": 8}):
        assert started(monkeypatch, notebooks, output, only=["01"], **change)[0] == ["01_good"]
    monkeypatch.setattr(book, "code_hash", lambda: "of another package")
    assert started(monkeypatch, notebooks, output, only=["01"])[0] == ["01_good"]


def test_an_executed_chapter_that_was_damaged_runs_again(run, tmp_path, monkeypatch):
    text = (run[0] / "01_good.ipynb").read_text(encoding="utf-8")
    for damaged in ("", text[: len(text) // 2], "{}", "[]"):
        (tmp_path / "01_good.ipynb").write_text(damaged)
        assert started(monkeypatch, run[0].parent / "notebooks", tmp_path, only=["01"])[0] == ["01_good"]


def test_what_others_wait_for_starts_first_where_several_run_and_the_report_keeps_their_order(tmp_path, monkeypatch):
    for name in ("02_a", "04_b", "10_c", "12_d"):
        write_chapter(tmp_path / f"{name}.ipynb", [])
    begun = []
    monkeypatch.setattr(book.Run, "start", lambda run: begun.append(run.path.stem))
    monkeypatch.setattr(book.Run, "has_ended", lambda run, timeout_s: len(begun) == 4)
    monkeypatch.setattr(book.Run, "row", lambda run: {"seconds": 1.0, "memory_mb": 1.0, "error": None})
    report = book.run_chapters(tmp_path, tmp_path / "out", n_at_once=4, **SETTINGS)
    assert begun == ["04_b", "02_a", "10_c", "12_d"] and list(report["chapter"]) == sorted(begun)


def test_a_chapter_without_end_is_stopped(tmp_path):
    write_chapter(tmp_path / "01_endless.ipynb", ["import time\nwhile True:\n    time.sleep(1)"])
    with pytest.raises(book.ChaptersFailed, match="01_endless: stopped: it took more than 2 s, the limit for a chapter"):
        book.run_chapters(tmp_path, tmp_path / "out", chapter_timeout_s=2, **SETTINGS)


def test_of_two_runs_in_one_folder_the_second_waits_and_finds_what_the_first_made(tmp_path):
    write_chapter(tmp_path / "01_once.ipynb", ["print('ran', file=open('runs.txt', 'a'))"])
    with ThreadPoolExecutor() as pool:
        runs = [pool.submit(book.run_chapters, tmp_path, tmp_path / "out", **SETTINGS) for _ in range(2)]
    pd.testing.assert_frame_equal(runs[0].result(), runs[1].result())
    assert (tmp_path / "runs.txt").read_text() == "ran\n"


def soon(condition):
    """Wait for something that takes seconds on a free machine."""
    for _ in range(1200):
        if condition():
            return True
        time.sleep(0.1)
    return False


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGKILL])  # SIGTERM, which nothing handles, ends it as the second does
def test_no_kernel_outlives_a_run_that_is_stopped_and_the_next_run_ends(tmp_path, sent):
    code = "import os, time\nfrom pathlib import Path\nPath('pid').write_text(str(os.getpid()))\n"
    write_chapter(tmp_path / "01_slow.ipynb", [code + "time.sleep(0 if Path('go').exists() else 900)\n'done'"])
    heeds = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"  # what runs in the background ignores it
    call = f"{heeds}; from vaescan_lite.book import run_chapters; run_chapters({str(tmp_path)!r}, 'out', **{SETTINGS})"
    first = subprocess.Popen([sys.executable, "-c", call], cwd=tmp_path, stderr=subprocess.DEVNULL)
    assert soon(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text())
    family = psutil.Process(first.pid).children(recursive=True)
    assert int((tmp_path / "pid").read_text()) in [process.pid for process in family]
    first.send_signal(sent)
    assert first.wait(timeout=120) != 0
    assert soon(lambda: not any(process.is_running() for process in family))
    assert not list((tmp_path / "out").glob("*.ipynb"))
    (tmp_path / "go").touch()
    assert book.run_chapters(tmp_path, tmp_path / "out", **SETTINGS)["error"].isna().all()


@pytest.mark.skipif(not kernels.CAN_FORK, reason="there is no server")
def test_ctrl_c_does_not_interrupt_what_the_server_imports_and_can_interrupt_what_it_forks():
    code = """
import os, signal, time
from vaescan_lite.book import kernels
signal.signal(signal.SIGINT, lambda *_: print("heard", flush=True))
kernels.start_server()
time.sleep(0.5)  # it has begun, and imports for seconds
os.killpg(0, signal.SIGINT)
says = "import signal; print(signal.pthread_sigmask(signal.SIG_BLOCK, []), flush=True)"
kernels.started(exec, says, environment=dict(os.environ)).join()
print(signal.pthread_sigmask(signal.SIG_BLOCK, []))
"""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    run = subprocess.run(
        [sys.executable, "-c", code], env=environment, start_new_session=True, capture_output=True, text=True, timeout=120
    )
    assert (run.stdout.split("\n"), run.stderr, run.returncode) == (["heard", "set()", "set()", ""], "", 0)


@pytest.mark.skipif(not kernels.CAN_FORK, reason="kernels have ports")
def test_a_kernel_has_no_ports_which_another_process_could_take_before_it(tmp_path):
    code = (
        "import ipykernel, json\nabout = json.load(open(ipykernel.get_connection_file()))\n[about['transport'], about['ip'][0]]"
    )
    write_chapter(tmp_path / "01_meets.ipynb", [code])
    book.run_chapters(tmp_path, tmp_path / "out", **SETTINGS)
    assert eval(result_of(nbformat.read(tmp_path / "out/01_meets.ipynb", as_version=4), 1)) == ["ipc", "@"]  # no file either


def test_a_script_without_a_guard_runs_chapters_and_is_run_once(tmp_path):
    write_chapter(tmp_path / "01_short.ipynb", ["1"])
    call = f"run_chapters({str(tmp_path)!r}, 'out', **{SETTINGS})"
    text = f"from vaescan_lite.book import run_chapters\nprint('begun', file=open('runs.txt', 'a'))\n{call}\n"
    (tmp_path / "script.py").write_text(text)
    environment = {**os.environ, "PYTHONPATH": str(Path(book.__file__).parents[2])}
    subprocess.run([sys.executable, "script.py"], cwd=tmp_path, env=environment, check=True, capture_output=True)
    assert (tmp_path / "runs.txt").read_text() == "begun\n"


def test_chapters_have_the_environment_of_now_our_modules_as_they_are_now_and_pandas_of_a_notebook(tmp_path, monkeypatch):
    assert "vaescan_lite" not in kernels.PRELOADED
    code = "import os\nimport pandas as pd\n[os.environ['VAESCAN_WORD'], pd.get_option('display.max_columns')]"
    write_chapter(tmp_path / "01_word.ipynb", [code])
    for word in ("first", "second"):
        monkeypatch.setenv("VAESCAN_WORD", word)
        book.run_chapters(tmp_path, tmp_path / "out", fresh=True, **SETTINGS)
        assert eval(result_of(nbformat.read(tmp_path / "out/01_word.ipynb", as_version=4), 1)) == [word, 20]


def test_the_report_is_written_although_a_chapter_failed(run):
    output, failure = run
    table = pd.read_csv(output / "report.csv")
    assert list(table.columns) == book.REPORT_COLUMNS
    assert list(table["chapter"]) == ["01_good", "02_fails", "03_large", "04_killed", "05_floods"]
    assert (table["seconds"] > 0).all()
    pd.testing.assert_series_equal(table["seconds"], failure.report["seconds"].astype(float))
    assert "KeyError" in table["error"][1]


def test_peak_memory_is_that_of_the_chapter(run):
    memory_mb = run[1].report.set_index("chapter")["memory_mb"]
    kept_mb = 400_000_000 / 1024**2
    assert kept_mb + 30 < memory_mb["03_large"] < memory_mb["02_fails"] + kept_mb + 100
    assert 30 < memory_mb["02_fails"] < 500


def test_the_report_for_the_terminal_says_what_failed_and_what_was_over_its_budget(run):
    report = run[1].report.copy()
    report["budget_s"], report["budget_mb"] = 1e-3, 1e6
    first, good, fails, *_, total = book.report_text(report).splitlines()
    assert first.split() == ["chapter", "seconds", "peak", "MB"]
    assert good.startswith("01_good") and good.endswith("over its 0.001 s alone")
    assert fails.endswith("failed") and total.startswith("all")
    report["memory_mb"] = None
    assert "?" in book.report_text(report)


def test_progress_bars_do_not_reach_the_page_and_messages_do(run):
    notebook = nbformat.read(run[0] / "01_good.ipynb", as_version=4)
    assert sum(bool(cell.get("outputs")) for cell in notebook.cells) == 6
    text = re.sub(r'"image/png": "[^"]*"', "", json.dumps(pages.publishable(notebook)))  # a picture may spell 3/3
    assert "widget-view" not in text and "3/3" not in text and "papermill" not in text and '"vaescan"' not in text
    assert [bool(cell.get("outputs")) for cell in notebook.cells[3:-1]] == [True, False, False, True, True, True]
    assert "a message" in text


def test_what_is_printed_is_one_piece_again_and_stays_where_it_is_among_other_outputs():
    pieces = [("stdout", "a"), ("stdout", "b"), ("stderr", "c"), None, ("stdout", "d"), ("stdout", "\n"), None, None]
    outputs = [new_output("stream", name=p[0], text=p[1]) if p else new_output("display_data") for p in pieces]
    joined = [output.get("text") for output in book._joined(outputs)]
    assert joined == ["ab", "c", None, "d\n", None, None]


def notebook_with_widget(**forms):
    view = {"version_major": 2, "version_minor": 0, "model_id": "abc"}
    data = {pages.WIDGET: view, "text/plain": "Explorer", **forms}
    cell = new_code_cell("explorer", outputs=[new_output("display_data", data=data)])
    return new_notebook(cells=[cell], metadata={"widgets": {"state": {"abc": {}}}})


def test_a_widget_that_is_not_a_progress_bar_stays():
    notebook = pages.publishable(notebook_with_widget())
    assert pages.WIDGET in notebook.cells[0].outputs[0]["data"] and "widgets" in notebook.metadata


def test_what_is_said_beside_a_bar_stays():
    bar = "\rreading:  50%|###   | 1/2 [00:01<00:01]\rreading: 100%|######| 2/2 [00:02<00:00]\n"
    outputs = [new_output("stream", name="stderr", text=text) for text in (bar, f"a warning\n{bar}another\n")]
    outputs.append(new_output("stream", name="stderr", text="\n"))  # what a bar leaves behind where it ends
    notebook = pages.publishable(new_notebook(cells=[new_code_cell("read()", outputs=outputs)]))
    assert [output.text for output in notebook.cells[0].outputs] == ["a warning\nanother\n"]


def test_of_a_figure_with_an_html_form_the_page_keeps_that_and_not_the_widgets_state():
    forms = {"text/html": "<p>100%|###| 3/3</p>", "image/png": "iVBO"}
    notebook = pages.publishable(notebook_with_widget(**forms))
    assert set(notebook.cells[0].outputs[0]["data"]) == {"text/html", "image/png", "text/plain"}
    assert "widgets" not in notebook.metadata


def test_an_unfinished_chapter_is_not_built_into_a_book(site, run, tmp_path):
    shutil.copy(run[0] / "02_fails.ipynb", tmp_path)
    with pytest.raises(RuntimeError, match="02_fails.ipynb stopped with an error"):
        pages.build_book(site, tmp_path, tmp_path)


def test_the_page_shows_one_parameters_cell_with_the_values_used(html):
    page = (html / "notebooks/01_good.html").read_text(encoding="utf-8")
    assert page.count("tag_parameters") == 1 and "tag_injected-parameters" not in page
    text = re.sub(r"<[^>]+>", "", page)
    assert 'profile = "smoke"  # smoke, workshop or full' in text.replace("&quot;", '"')


def test_the_page_shows_figures_with_number_caption_and_alt_text(html):
    page = (html / "notebooks/01_good.html").read_text(encoding="utf-8")
    assert 'alt="A straight line that rises from nought to two."' in page
    assert re.search(r'caption-number">Fig. 1 </span><span class="caption-text">A line\.', page)
    assert page.count("A line.") == 1 and "Figure." not in page


def test_sphinx_without_jupyter_book_builds_the_same_page(site, html, tmp_path):
    assert build_with_sphinx(site / "_build/staged", tmp_path / "sphinx/html") == tmp_path / "sphinx/html/index.html"
    articles = []
    for folder in (html, tmp_path / "sphinx/html"):
        page = (folder / "notebooks/01_good.html").read_text(encoding="utf-8")
        articles.append(re.sub(r"<[^>]+>|\s+", " ", page[page.index("<article") : page.index("</article>")]))
    assert articles[0] == articles[1] and "a message" in articles[0]
    assert not (site / "_build/staged/conf.py").exists()


def test_no_page_loads_anything_from_another_host(html):
    assert loaded_from_elsewhere(html) == []


def test_the_test_for_other_hosts_would_notice_one(tmp_path):
    (tmp_path / "page.html").write_text('<a href="https://a.org">x</a><script src="https://cdn.org/x.js"></script>')
    (tmp_path / "style.css").write_text("@font-face { src: url(//fonts.org/x.woff) }")
    assert loaded_from_elsewhere(tmp_path) == ["page.html: https://cdn.org/x.js", "style.css: //fonts.org/x.woff"]


def test_thebe_is_taken_out_and_launch_buttons_lead_to_the_chapter(html):
    page = (html / "notebooks/01_good.html").read_text(encoding="utf-8")
    assert "THEBE_JS_URL" not in page and "x-thebe-config" not in page and "kernelName" not in page
    repository = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))["repository"]
    owner, tag = repository["url"].removeprefix("https://github.com/"), repository["branch"]
    assert f"https://mybinder.org/v2/gh/{owner}/{tag}?urlpath=lab/tree/notebooks/01_good.ipynb" in page
    assert f"https://colab.research.google.com/github/{owner}/blob/{tag}/notebooks/01_good.ipynb" in page


def test_mathematics_is_drawn_by_the_copy_in_the_book(html):
    page = (html / "notebooks/01_good.html").read_text(encoding="utf-8")
    assert re.search(r'<script[^>]* src="\.\./_static/mathjax/tex-chtml\.js', page)
    assert list((html / "_static/mathjax/output/chtml/fonts/woff-v2").glob("*.woff"))


def test_a_warning_stops_the_build_and_leaves_no_page_that_looks_finished(site, html, run, tmp_path):
    shutil.copytree(site, tmp_path / "site", ignore=shutil.ignore_patterns("_build"))
    intro = tmp_path / "site/book/intro.md"
    intro.write_text(intro.read_text() + "\nA {term}`word` that no glossary has.\n")
    executed = tmp_path / "executed"
    executed.mkdir()
    shutil.copy(run[0] / "01_good.ipynb", executed)
    with pytest.raises(RuntimeError, match=r"(?s)warned.*intro\.md.*word"):
        pages.build_book(tmp_path / "site", executed)


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_what_draws_the_first_page_beside_sphinx_is_there_when_asked_for_and_ends_with_it(tmp_path):
    (tmp_path / "intro.md").write_text("```{explorer}\n```\n")
    (tmp_path / "draws.py").write_text(
        "import os, time, types, explorer_figure\n"
        "from pathlib import Path\n"
        "from vaescan_lite.book import kernels\n"
        "def figure():\n"
        "    Path('drawing').write_text(str(os.getpid()))\n"
        "    return 'x' * 10**7  # more than a pipe takes that nobody reads\n"
        "explorer_figure.figure = figure\n"
        "def sphinx(asks):\n"
        "    explorer_figure._begin(None, types.SimpleNamespace(doc2path=lambda name: name), ['intro.md'])\n"
        "    if asks:\n"
        "        Path('got').write_text(str(len(explorer_figure.ExplorerFigure.drawn.recv())))\n"
        "    else:\n"
        "        time.sleep(900)\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "book/_ext"), str(tmp_path)])}
    call = "import os; from draws import kernels, sphinx; kernels.started(sphinx, %d, environment={**os.environ}).join()"
    subprocess.run([sys.executable, "-c", call % 1], cwd=tmp_path, env=environment, check=True)
    assert (tmp_path / "got").read_text() == str(10**7)
    (tmp_path / "drawing").unlink()
    book_itself = subprocess.Popen([sys.executable, "-c", call % 0], cwd=tmp_path, env=environment)
    assert soon(lambda: (tmp_path / "drawing").exists() and (tmp_path / "drawing").read_text())
    family = psutil.Process(book_itself.pid).children(recursive=True)
    assert int((tmp_path / "drawing").read_text()) in [process.pid for process in family]
    book_itself.kill()
    book_itself.wait()
    assert soon(lambda: not any(process.is_running() for process in family))


def test_pages_are_built_again_only_where_something_changed(site, html, tmp_path, monkeypatch):
    def build(*args, **kwargs):
        raise InterruptedError

    shutil.copytree(site, tmp_path / "site")
    copy, executed = tmp_path / "site", tmp_path / "site/_build/executed"
    monkeypatch.setattr(kernels, "started", build)
    assert pages.build_book(copy, executed) == copy / "_build/html/index.html"
    intro = copy / "book/intro.md"
    intro.write_text(intro.read_text() + "\nOne more line.\n")
    for _ in range(2):  # nor after a build that was interrupted
        with pytest.raises(InterruptedError):
            pages.build_book(copy, executed)
    assert not (copy / "_build/html").exists()


def test_a_folder_that_is_not_the_book_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"is not the folder of the book: no _config.yml, _toc.yml, book"):
        pages.build_book(tmp_path, tmp_path)


def test_another_jupyter_book_is_refused(site, monkeypatch):
    monkeypatch.setattr(pages, "version", lambda name: "2.0.1")
    with pytest.raises(RuntimeError, match=r"needs Jupyter Book 1; found 2\.0\.1"):
        pages.require_book(site)


def test_relative_settings_of_the_environment_hold_in_the_chapters_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VAESCAN_CACHE", "my cache")
    monkeypatch.setenv("VAESCAN_DATABASE", "simulated")
    environment = book.environment_for_child(X="1")
    assert environment["VAESCAN_CACHE"] == str(tmp_path / "my cache")
    assert environment["VAESCAN_DATABASE"] == "simulated" and environment["X"] == "1"
    assert "MPLBACKEND" not in environment


def test_a_foreign_set_up_of_jupyter_and_matplotlib_does_not_reach_a_chapter(tmp_path, monkeypatch):
    foreign = tmp_path / "foreign/kernels/python3"
    foreign.mkdir(parents=True)
    (foreign / "kernel.json").write_text(json.dumps({"argv": ["false"], "display_name": "Python 3", "language": "python"}))
    (tmp_path / "matplotlibrc").write_text("text.usetex: True\n")
    (tmp_path / "start.py").write_text("raise SystemExit('not mine')")
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "foreign"))
    monkeypatch.setenv("MATPLOTLIBRC", str(tmp_path / "matplotlibrc"))
    monkeypatch.setenv("PYTHONSTARTUP", str(tmp_path / "start.py"))
    (tmp_path / "own").mkdir()
    environment = book.environment_for_child(**book._own_jupyter(tmp_path / "own"))
    code = (
        "import json, sys, jupyter_client.kernelspec, matplotlib as mpl\n"
        "argv = jupyter_client.kernelspec.get_kernel_spec('python3').argv\n"
        "print(argv[0] == sys.executable, argv[2], mpl.rcParams['text.usetex'])"
    )
    run = subprocess.run([sys.executable, "-c", code], env=environment, cwd=tmp_path / "own", capture_output=True, text=True)
    assert run.stdout.split() == ["True", "ipykernel_launcher", "False"], run.stderr
    assert "PYTHONSTARTUP" not in environment and str(tmp_path / "foreign") in environment["JUPYTER_PATH"]


@pytest.mark.parametrize("settings", [{"database": ""}, {"database": " "}, {"seed": -1}, {"seed": 0.5}])
def test_settings_without_sense_are_refused_before_a_chapter_begins(tmp_path, settings):
    write_chapter(tmp_path / "01_good.ipynb", ["1"])
    with pytest.raises(ValueError, match="database is empty|seed must be a whole number"):
        book.run_chapters(tmp_path, tmp_path / "out", profile="smoke", **settings)
    assert not (tmp_path / "out").exists()


def loaded_from_elsewhere(html):
    """What pages and styles below a folder would fetch from another host; links to follow are not counted."""
    found = []
    fetched = (
        r'<(?:script|img|iframe|source|embed|video|audio)\b[^>]*?\bsrc="([^"]+)"',
        r'<link\b(?![^>]*rel="(?:canonical|next|prev|index|search|author)")[^>]*?\bhref="([^"]+)"',
    )
    for path in sorted(html.rglob("*.html")):
        text = path.read_text(encoding="utf-8")
        addresses = [address for pattern in fetched for address in re.findall(pattern, text)]
        addresses += re.findall(r"""(?:import\s*\(?|from|fetch\()\s*["'](https?://[^"']+)["']""", text)
        found += [f"{path.name}: {address}" for address in addresses if urlparse(address).netloc]
    for path in sorted(html.rglob("*.css")):
        addresses = re.findall(r"""(?:url\(|@import)\s*["']?((?:https?:)?//[^"')\s;]+)""", path.read_text(encoding="utf-8"))
        found += [f"{path.name}: {address}" for address in addresses]
    return found
