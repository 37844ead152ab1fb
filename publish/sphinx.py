"""The book built by Sphinx alone: the way out of Jupyter Book 1, kept open."""

import subprocess
import sys
from pathlib import Path

JUPYTER_BOOK = "from jupyter_book.cli.main import main; main()"
EXTENSIONS = """import sys
from pathlib import Path

sys.path.insert(0, str(Path("book/_ext").resolve()))  # Jupyter Book's local_extensions
extensions.remove("jupyter_book")  # it turns _config.yml into these settings, and is not needed once they are here
"""


def build_with_sphinx(staged, output):
    """Build the pages of a staged book, as `build_book` leaves it, by Sphinx with a ``conf.py``; the first page."""
    staged, output = Path(staged).resolve(), Path(output).resolve()
    if not (staged / "_config.yml").exists():
        raise FileNotFoundError(f"{staged} holds no book; run make book first.")
    output.parent.mkdir(parents=True, exist_ok=True)
    _run([sys.executable, "-c", JUPYTER_BOOK, "config", "sphinx", str(staged)], staged)
    with (staged / "conf.py").open("a", encoding="utf-8") as conf:
        conf.write(EXTENSIONS)
    try:
        _run([sys.executable, "-m", "sphinx", "-b", "html", "-W", "-n", "--keep-going", "-q", ".", str(output)], staged)
    finally:
        (staged / "conf.py").replace(output.parent / "conf.py")  # beside the pages: Jupyter Book would take it for its own
    return output / "index.html"


def _run(command, folder):
    run = subprocess.run(command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if run.returncode:
        raise RuntimeError(f"{' '.join(command[1:])} failed or warned:\n{(run.stderr + run.stdout)[-3000:]}")
