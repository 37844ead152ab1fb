"""The chapters as a book: run each with Papermill, measure what it costs, build the pages from the results."""

import hashlib
import json
import logging
import os
import re
import signal
import sys
import tempfile
import time
from contextlib import suppress
from importlib.metadata import distributions
from itertools import groupby
from pathlib import Path

import pandas as pd

from ..cache import PACKAGE, alone, content_hash, written_whole
from ..cpus import available_cpus, available_memory_mb
from ..factors import known_names, require_whole
from .pictures import lighter
from .workspace import Workspace

log = logging.getLogger(__name__)

DATABASE_WORDS = ("auto", "simulated", "ptbxl")
REPORT_COLUMNS = ["chapter", "seconds", "memory_mb", "budget_s", "budget_mb", "error"]
# Seconds from an empty cache, and MB of the largest process. Binder gives 1 GB for certain; "full" has no promise.
BUDGETS = {"smoke": (30, 1024), "workshop": (240, 1024), "full": (None, None)}
MOST_OUTPUT_MB = 20  # of a chapter; the largest takes 2
# Where several run at once, these start first, in this order: what others wait for, what waits for nothing, then the longest.
FIRST = ("04", "01", "02", "03", "A1", "10", "09", "12", "11", "08")


class ChaptersFailed(RuntimeError):
    """Chapters stopped with an error; the message names them, `report` is the table of the whole run."""

    def __init__(self, message, report):
        super().__init__(message)
        self.report = report


def chapter_paths(notebooks, only=None):
    """List the chapters (``NN_slug.ipynb``, appendices ``A1_slug.ipynb``) of a folder; `only` has begins of file names."""
    folder = Path(notebooks)
    paths = sorted(path for path in folder.glob("*.ipynb") if re.fullmatch(r"(\d|A)\d_\w+", path.stem))
    if not paths:
        raise FileNotFoundError(f"no chapters (files named NN_slug.ipynb) in {folder.resolve()}.")
    for start in only or ():
        if not any(path.stem.startswith(start) for path in paths):
            raise FileNotFoundError(f"no chapter begins with {start!r}; there are {', '.join(path.stem for path in paths)}.")
    return [path for path in paths if not only or path.stem.startswith(tuple(only))]


def resolve_database(database, relative_to=None):
    """Make the path of a database absolute, from here or `relative_to`, since chapters run in a folder of their own."""
    if not str(database).strip():
        raise ValueError(f"the database is empty; give a folder of ECGs, or one of {', '.join(DATABASE_WORDS)}.")
    if str(database) in DATABASE_WORDS:
        return str(database)
    folder = Path(database).expanduser()
    candidates = [folder.resolve()] if relative_to is None else [folder.resolve(), (Path(relative_to) / folder).resolve()]
    for candidate in candidates:
        if candidate.is_dir():
            return str(candidate)
    tried = f"database {str(database)!r}: no folder {' or '.join(map(str, candidates))}"
    raise FileNotFoundError(f"{tried}; give a folder of ECGs, or one of {', '.join(DATABASE_WORDS)}.")


def with_parameters(source, parameters):
    """Put values into the parameters cell of a chapter, where Papermill would add a second one; comments stay."""
    for name, value in parameters.items():  # texts and whole numbers, of which JSON is valid Python
        text, line = json.dumps(value, ensure_ascii=False), re.compile(rf"""(?m)^({name} = )("[^"\n]*"|'[^'\n]*'|[\w.]+)""")
        if not line.search(source):
            raise ValueError(f"the parameters cell assigns no {name}; it reads:\n{source}")
        source = line.sub(lambda match, text=text: match[1] + text, source)
    return source


def run_chapters(
    notebooks, output_folder, *, profile="workshop", database="auto", seed=0, only=None, cell_timeout_s=1800,
    chapter_timeout_s=7200, n_at_once=None, fresh=False, progress=True,
):  # fmt: skip
    """Run chapters side by side, each in a process of its own with one thread, and write down what each cost.

    A chapter that ran before with the same source, parameters, ECGs, package and versions is kept as it is.

    Parameters
    ----------
    notebooks, output_folder : str or Path
        Folder of the chapters, their working directory; and the one that gets the executed chapters, ``report.csv``, and what
        each cell printed (``<chapter>.log``).
    profile, database, seed : for the parameters cell of every chapter
    only : sequence of str, optional, begins of file names, such as ``["04"]``
    cell_timeout_s, chapter_timeout_s : float, a cell or chapter that takes longer fails
    n_at_once : int, optional, chapters at once; default one a CPU, as far as each has 1 GB of memory and 1 GB is left
    fresh, progress : bool, run every chapter; a bar, where one runs at a time

    Returns
    -------
    DataFrame, one row per chapter
        ``chapter``, ``seconds``, ``memory_mb`` (peak resident memory of the largest process), ``budget_s``, ``budget_mb`` and
        ``error`` (None where it ran). Where one failed, `ChaptersFailed` is raised instead, after all are run and the report is
        written.
    """
    from . import kernels

    known_names([profile], BUDGETS, "profile")
    parameters = {"profile": profile, "database": resolve_database(database), "seed": require_whole(seed, "seed")}
    chapters = {path: _prepared(path, parameters) for path in chapter_paths(notebooks, only)}
    n_at_once = n_at_once or min(available_cpus(), max(1, int(available_memory_mb() / 1024 - 1)))
    output = Path(output_folder).resolve()
    output.mkdir(parents=True, exist_ok=True)
    rows, waiting = {}, []
    if not all((output / path.name).exists() for path in chapters):
        kernels.start_server()  # while the ECGs are looked at
    with alone(output):  # of two runs in one folder the second waits, and finds what the first made
        shared = code_hash(), Workspace(**parameters).database().fingerprint
        for path, notebook in chapters.items():
            key = hashlib.sha256(json.dumps([*shared, notebook]).encode()).hexdigest()
            rows[path.stem] = None if fresh else _kept(output / path.name, key)
            if rows[path.stem] is None:
                waiting.append(Run(path.resolve(), notebook, key, output, cell_timeout_s, progress and n_at_once == 1))
        if len(chapters) > len(waiting):
            log.info("%d of %d chapters are unchanged and not run again", len(chapters) - len(waiting), len(chapters))
        for name, row in _finished(waiting, n_at_once, chapter_timeout_s):
            rows[name] = row
            log.info("%s: %s", name, row["error"] or f"{row['seconds']:.1f} s, {_whole(row['memory_mb'])} MB at the peak")
            _report(rows, output, profile)
        report = _report(rows, output, profile)
    failed = report[report["error"].notna()]
    if len(failed):
        reasons = "\n".join(f"{row.chapter}: {row.error}" for row in failed.itertuples())
        counts = f"{len(failed)} of {len(report)} chapters failed"
        raise ChaptersFailed(f"{counts} (report: {output / 'report.csv'}).\n{reasons}", report)
    return report


def report_text(report):
    """Lay the report of `run_chapters` out for a terminal: a line per chapter and one for the whole."""
    lines = [f"{'chapter':<28}{'seconds':>9}{'peak MB':>9}  "]
    for row in report.itertuples():
        costs = (row.seconds, row.budget_s, "s alone"), (row.memory_mb, row.budget_mb, "MB")
        costs = [cost for cost in costs if pd.notna(cost[0]) and pd.notna(cost[1])]
        over = [f"over its {most:g} {unit}" for value, most, unit in costs if value > most]
        note = "failed" if row.error else ", ".join(over)
        lines.append(f"{row.chapter:<28}{row.seconds:>9.1f}{_whole(row.memory_mb):>9}  {note}".rstrip())
    peak = report["memory_mb"].astype(float).max()
    lines.append(f"{'all':<28}{report['seconds'].sum():>9.1f}{_whole(peak):>9}")
    return "\n".join(lines)


def _prepared(path, parameters):
    """Read a chapter and put values into its parameters cell."""
    import nbformat

    notebook = nbformat.read(path, as_version=4)
    cells = [cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", [])]
    if len(cells) != 1:
        raise ValueError(f"{path.name}: expected one cell tagged 'parameters', found {len(cells)}.")
    cells[0].source = with_parameters(cells[0].source, parameters)
    return notebook


def code_hash():
    """Hash the package, with its data, and the versions of Python and everything installed."""
    versions = sorted(f"{package.name} {package.version}" for package in distributions())
    return hashlib.sha256("\n".join([content_hash(PACKAGE), sys.version, *versions]).encode()).hexdigest()[:16]


def _kept(executed, key):
    """Return what it cost to run a chapter, if it ran to its end with this key."""
    try:
        row = json.loads(executed.read_text(encoding="utf-8"))["metadata"]["vaescan"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return {**row, "error": None} if row.pop("key") == key else None


def _finished(waiting, n_at_once, timeout_s):
    """Run chapters, `n_at_once` at a time; give the name of each, as soon as it ends, and its row of the report."""
    ranks = {start: rank for rank, start in enumerate(FIRST)}
    if n_at_once > 1:
        waiting = sorted(waiting, key=lambda run: ranks.get(run.path.stem[:2], len(ranks)))
    running = []
    try:
        while waiting or running:
            while waiting and len(running) < n_at_once:
                waiting[0].start()
                running.append(waiting.pop(0))
            time.sleep(0.1)
            for run in [run for run in running if run.has_ended(timeout_s)]:
                running.remove(run)
                yield run.path.stem, run.row()
    finally:
        for run in running:
            run.stop()


class Run:
    """A chapter that runs in a child process."""

    def __init__(self, path, notebook, key, output, cell_timeout_s, progress):
        self.path, self.notebook, self.key, self.output = path, notebook, key, output
        self.papermill = {"cwd": str(path.parent), "execution_timeout": cell_timeout_s, "progress_bar": progress}
        self.papermill["start_timeout"] = 600  # of a kernel: a minute is not enough where much else runs
        self.papermill["request_save_on_cell_execute"] = False  # twice a cell: seconds a chapter
        self.log, self.stopped = output / f"{path.stem}.log", None

    def start(self):
        """Begin; what an earlier run left is taken away first."""
        import nbformat

        from . import kernels

        log.info("%s: running", self.path.stem)
        self.folder = tempfile.TemporaryDirectory(prefix="vaescan-", ignore_cleanup_errors=True)
        folder = Path(self.folder.name)
        self.executed, self.result = folder / "executed.ipynb", folder / "result.json"
        for old in (self.output / self.path.name, self.log):
            old.unlink(missing_ok=True)
        nbformat.write(self.notebook, folder / self.path.name)
        papermill = {"input_path": str(folder / self.path.name), "output_path": str(self.executed), **self.papermill}
        environment = environment_for_child(**_own_jupyter(folder), **kernels.ONE_THREAD)
        self.started = time.perf_counter()
        self.process = kernels.started(_child, papermill, self.log, self.result, environment=environment)

    def has_ended(self, timeout_s):
        """Tell whether it has, and stop it where it takes too long or gives too much."""
        output_mb = sum(path.stat().st_size for path in (self.log, self.executed) if path.exists()) / 1024**2
        if output_mb > MOST_OUTPUT_MB:
            self.stop(f"stopped: it gave more than {MOST_OUTPUT_MB} MB of output (log: {self.log})")
        elif time.perf_counter() - self.started > timeout_s:
            self.stop(f"stopped: it took more than {timeout_s:g} s, the limit for a chapter")
        return self.process.exitcode is not None

    def stop(self, reason="stopped"):
        """End the child, its kernel and the kernel's workers."""
        import psutil

        self.stopped, family = reason, []
        with suppress(psutil.NoSuchProcess):
            family = psutil.Process(self.process.pid).children(recursive=True)
        for process in (self.process, *family):
            with suppress(psutil.NoSuchProcess):
                process.kill()
        self.process.join()
        self.folder.cleanup()

    def row(self):
        """Say what the chapter cost and which error it met, and move the executed notebook to its place."""
        import nbformat

        row = {"seconds": time.perf_counter() - self.started, "memory_mb": None, "error": self.stopped}
        if self.stopped is None and self.result.exists():
            row |= json.loads(self.result.read_text(encoding="utf-8"))
            if self.executed.exists():
                notebook = nbformat.read(self.executed, as_version=4)
                if row["error"] is None:
                    notebook.metadata["vaescan"] = {"key": self.key, "seconds": row["seconds"], "memory_mb": row["memory_mb"]}
                with written_whole(self.output / self.path.name) as temporary:
                    nbformat.write(notebook, temporary)
        elif self.stopped is None:
            code = self.process.exitcode
            how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"
            row["error"] = f"the process {how} and left no result"
        self.folder.cleanup()
        return row


def _own_jupyter(folder):
    """Write a kernel of this interpreter's own into a folder, and give the environment in which it is that of the chapters."""
    # That its end interrupts it is no error; figures have two pixels where a page shows one; `lighter` packs them tightly.
    drawn = {"bbox_inches": "tight", "pil_kwargs": {"compress_level": 1}}
    inline = ["--InlineBackend.figure_formats=retina", f"--InlineBackend.print_figure_kwargs={drawn}"]
    argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}", "--IPKernelApp.log_level=50", *inline]
    kernel = folder / "kernels/python3/kernel.json"
    kernel.parent.mkdir(parents=True)
    kernel.write_text(json.dumps({"argv": argv, "display_name": "Python 3", "language": "python"}), encoding="utf-8")
    kernels = os.pathsep.join(filter(None, [str(folder), os.environ.get("JUPYTER_PATH")]))  # the first counts
    return {"IPYTHONDIR": str(folder), "JUPYTER_RUNTIME_DIR": str(folder), "MATPLOTLIBRC": os.devnull, "JUPYTER_PATH": kernels}


def _child(settings, log, result):
    """Execute one chapter with Papermill and write the error and peak memory (of the kernel, its only child) to a file."""
    import nbformat
    import papermill
    from papermill.exceptions import PapermillExecutionError

    logging.basicConfig(filename=log, filemode="w", level=logging.INFO, format="%(message)s", encoding="utf-8")
    error = None
    try:
        notebook = papermill.execute_notebook(**settings, kernel_name="python3", log_output=True)
        for cell in [cell for cell in notebook.cells if cell.get("outputs")]:
            cell.outputs = _joined(cell.outputs)
        nbformat.write(lighter(notebook), settings["output_path"])
    except PapermillExecutionError as failure:
        first_line = next((line for line in failure.source.splitlines() if line.strip()), "")
        error = f"cell {failure.exec_count} ({first_line.strip()}): {failure.ename}: {failure.evalue}"
    except Exception as failure:  # a dead kernel, a cell over its time, no kernel at all: the report names it
        error = f"{type(failure).__name__}: {failure}"
        Path(settings["output_path"]).unlink(missing_ok=True)  # no error on it says that it is unfinished
    result.write_text(json.dumps({"memory_mb": _peak_memory_of_children_mb(), "error": error}), encoding="utf-8")


def _joined(outputs):
    """Make one piece of what was printed at once: where the machine is busy it arrives in several."""
    pieces = [list(group) for _, group in groupby(outputs, lambda output: output.get("name", id(output)))]
    for first, *others in pieces:
        first.update({"text": "".join(piece["text"] for piece in [first, *others])} if others else {})
    return [first for first, *_ in pieces]


def _peak_memory_of_children_mb():
    """Resident memory of the largest process among those that were waited for; None where the system does not say."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return peak / (1024**2 if sys.platform == "darwin" else 1024)  # bytes on macOS, KB elsewhere


def environment_for_child(**extra):
    """Environment for a child: paths absolute, this environment's kernel, figures inline whatever the caller's backend."""
    environment = {name: value for name, value in os.environ.items() if name not in ("MPLBACKEND", "PYTHONSTARTUP")}
    for name in ("VAESCAN_CACHE", "VAESCAN_DATABASE"):
        if environment.get(name) and environment[name] not in DATABASE_WORDS:
            environment[name] = str(Path(environment[name]).expanduser().resolve())
    return {**environment, "JUPYTER_PREFER_ENV_PATH": "1", "PYDEVD_DISABLE_FILE_VALIDATION": "1", **extra}


def _report(rows, output, profile):
    """Lay rows by name, of chapters that ran, out as a table, and write it down."""
    done = [(name, row["seconds"], row["memory_mb"], *BUDGETS[profile], row["error"]) for name, row in rows.items() if row]
    report = pd.DataFrame(done, columns=REPORT_COLUMNS).astype({"error": object})
    with written_whole(output / "report.csv") as path:
        report.to_csv(path, index=False)
    return report


def _whole(value):
    return "?" if pd.isna(value) else f"{value:.0f}"
