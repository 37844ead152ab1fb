"""The chapters as a book: run each with Papermill, measure what it costs, build the pages from the results."""

import ast
import json
import logging
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd

from ..cache import written_whole
from ..factors import require_whole

log = logging.getLogger(__name__)

DATABASE_WORDS = ("auto", "simulated", "ptbxl")
CHILD = "import sys; from vaescan_lite.book.chapters import _child; _child(sys.argv[1])"
REPORT_COLUMNS = ["chapter", "seconds", "memory_mb", "budget_s", "budget_mb", "error"]
# Seconds from an empty cache, and MB of the largest process. Binder gives 1 GB for certain; "full" has no promise.
BUDGETS = {"smoke": (30, 1024), "workshop": (240, 1024), "full": (None, None)}


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
    lines = source.split("\n")
    assigned = set()
    for node in ast.parse(source).body:
        if not (isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.lineno == node.end_lineno):
            continue
        name, value = node.targets[0].id, node.value
        if name in parameters:
            text = json.dumps(parameters[name], ensure_ascii=False)  # of texts and whole numbers: valid Python, double quotes
            line = lines[node.lineno - 1].encode()  # ast counts columns in bytes
            lines[node.lineno - 1] = (line[: value.col_offset] + text.encode() + line[value.end_col_offset :]).decode()
            assigned.add(name)
    if set(parameters) - assigned:
        raise ValueError(f"the parameters cell assigns no {', '.join(sorted(set(parameters) - assigned))}; it reads:\n{source}")
    return "\n".join(lines)


def run_chapters(
    notebooks, output_folder, *, profile="workshop", database="auto", seed=0, only=None, cell_timeout_s=1800, progress=True
):
    """Run chapters one after another, each in a process of its own, and write down what each cost.

    Parameters
    ----------
    notebooks, output_folder : str or Path
        Folder of the chapters, their working directory; and the one that gets the executed chapters, ``report.json`` and
        ``report.csv``, and what each cell printed (``<chapter>.log``).
    profile, database, seed : for the parameters cell of every chapter
    only : sequence of str, optional, begins of file names, such as ``["04"]``
    cell_timeout_s, progress : float, bool, a cell that takes longer fails

    Returns
    -------
    DataFrame, one row per chapter
        ``chapter``, ``seconds``, ``memory_mb`` (peak resident memory of the largest process), ``budget_s``, ``budget_mb`` and
        ``error`` (None where it ran). Where one failed, `ChaptersFailed` is raised instead, after all are run and the report is
        written.
    """
    if profile not in BUDGETS:
        raise ValueError(f"profile must be one of {', '.join(BUDGETS)}; got {profile!r}.")
    parameters = {"profile": profile, "database": resolve_database(database), "seed": require_whole(seed, "seed")}
    paths = chapter_paths(notebooks, only)
    output = Path(output_folder).resolve()
    output.mkdir(parents=True, exist_ok=True)
    report = pd.DataFrame(columns=REPORT_COLUMNS)
    for path in paths:
        log.info("%s: running (profile %s, database %s)", path.stem, profile, database)
        row = _run_chapter(path.resolve(), output, parameters, cell_timeout_s, progress)
        report.loc[len(report)] = [path.stem, row["seconds"], row["memory_mb"], *BUDGETS[profile], row["error"]]
        _write_report(report, output, parameters)
        log.info("%s: %s", path.stem, row["error"] or f"{row['seconds']:.1f} s, {_mb(row['memory_mb'])} at the peak")
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
        costs = (row.seconds, row.budget_s, "s"), (row.memory_mb, row.budget_mb, "MB")
        costs = [cost for cost in costs if pd.notna(cost[0]) and pd.notna(cost[1])]
        over = [f"over its {most:g} {unit}" for value, most, unit in costs if value > most]
        note = "failed" if row.error else ", ".join(over)
        lines.append(f"{row.chapter:<28}{row.seconds:>9.1f}{_mb(row.memory_mb)[:-3]:>9}  {note}".rstrip())
    peak = report["memory_mb"].astype(float).max()
    lines.append(f"{'all':<28}{report['seconds'].sum():>9.1f}{_mb(peak)[:-3]:>9}")
    return "\n".join(lines)


def _run_chapter(path, output, parameters, cell_timeout_s, progress):
    """Run one chapter in a child process; the result says what it cost and which error it met."""
    import nbformat

    notebook = nbformat.read(path, as_version=4)
    cells = [cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", [])]
    if len(cells) != 1:
        raise ValueError(f"{path.name}: expected one cell tagged 'parameters', found {len(cells)}.")
    cells[0].source = with_parameters(cells[0].source, parameters)
    executed = output / path.name
    executed.unlink(missing_ok=True)
    with tempfile.TemporaryDirectory(prefix="vaescan-") as folder:
        chapter, result_file = Path(folder) / path.name, Path(folder) / "result.json"
        papermill = {"input_path": str(chapter), "output_path": str(executed), "cwd": str(path.parent)}
        papermill |= {"execution_timeout": cell_timeout_s, "progress_bar": progress}
        job = {"papermill": papermill, "log": str(output / f"{path.stem}.log"), "result": str(result_file)}
        nbformat.write(notebook, chapter)
        environment = environment_for_child(**_own_jupyter(Path(folder)))
        start = time.perf_counter()
        command = [sys.executable, "-c", CHILD, json.dumps(job)]
        run = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, check=False)
        seconds = time.perf_counter() - start
        if result_file.exists():
            return {"seconds": seconds, **json.loads(result_file.read_text(encoding="utf-8"))}
    return {"seconds": seconds, "memory_mb": None, "error": f"the process ended with code {run.returncode} and no result"}


def _own_jupyter(folder):
    """Write a set-up of Jupyter and matplotlib of this interpreter's own, and give the environment that names it."""
    argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    files = {
        "kernels/python3/kernel.json": json.dumps({"argv": argv, "display_name": "Python 3", "language": "python"}),
        "profile_default/ipython_kernel_config.py": "c.IPKernelApp.log_level = 40\n",  # errors: not how sockets are protected
        "matplotlibrc": "",
    }
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    kernels = os.pathsep.join(filter(None, [str(folder), os.environ.get("JUPYTER_PATH")]))  # the first counts
    own = dict.fromkeys(("IPYTHONDIR", "JUPYTER_RUNTIME_DIR"), str(folder))
    return own | {"MATPLOTLIBRC": str(folder / "matplotlibrc"), "JUPYTER_PATH": kernels}


def _child(job):
    """Execute one chapter with Papermill and write the error and peak memory (of the kernel, its only child) to a file."""
    import papermill
    from papermill.exceptions import PapermillExecutionError

    job = json.loads(job)
    logging.basicConfig(filename=job["log"], filemode="w", level=logging.INFO, format="%(message)s", encoding="utf-8")
    error = None
    try:
        papermill.execute_notebook(**job["papermill"], kernel_name="python3", log_output=True)
    except PapermillExecutionError as failure:
        first_line = next((line for line in failure.source.splitlines() if line.strip()), "")
        error = f"cell {failure.exec_count} ({first_line.strip()}): {failure.ename}: {failure.evalue}"
    except Exception as failure:  # a dead kernel, a cell over its time, no kernel at all: the report names it
        error = f"{type(failure).__name__}: {failure}"
    result = {"memory_mb": _peak_memory_of_children_mb(), "error": error}
    Path(job["result"]).write_text(json.dumps(result), encoding="utf-8")


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


def _write_report(report, output, parameters):
    with written_whole(output / "report.csv") as path:
        report.to_csv(path, index=False)
    with written_whole(output / "report.json") as path:
        chapters = json.loads(report.to_json(orient="records"))
        path.write_text(json.dumps({**parameters, "chapters": chapters}, indent=1) + "\n", encoding="utf-8")


def _mb(value):
    return "? MB" if value is None or pd.isna(value) else f"{value:.0f} MB"
