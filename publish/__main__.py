"""``python -m publish``: the book as a PDF, as a bundle for a classroom without a network, or built by Sphinx alone."""

import argparse
import logging
import os
import sys
from pathlib import Path

from publish.bundle import make_bundle
from publish.pdf import make_pdf
from publish.sphinx import build_with_sphinx
from vaescan_lite.cli import main as vaescan_lite

SOURCE = Path(__file__).resolve().parent.parent
BUILD = SOURCE / "_build"


def main(arguments=None):
    """Run a command; 0, or 1 after an error that was explained on stderr."""
    parser = argparse.ArgumentParser(prog="python -m publish", description=__doc__)
    parser.add_argument("what", choices=("pdf", "bundle", "sphinx"))
    parser.add_argument(
        "--profile", choices=("smoke", "workshop", "full"), default="workshop", help="of the chapters that are run"
    )
    options = parser.parse_args(arguments)
    logging.basicConfig(format="%(message)s", stream=sys.stderr)
    try:
        print({"pdf": _pdf, "bundle": _bundle, "sphinx": _sphinx}[options.what](options.profile))
    except (ValueError, OSError, RuntimeError) as error:
        print(f"publish: {error}", file=sys.stderr)
        return 1
    return 0


def _pdf(profile):
    if not (BUILD / "html/index.html").exists():
        _book(profile, "auto")
    return make_pdf(BUILD / "html", SOURCE, BUILD / "book.pdf")


def _bundle(profile):
    cache = BUILD / "bundle" / "cache"  # of its own, so that pages and what training made belong together
    os.environ["VAESCAN_CACHE"] = str(cache)
    _book(profile, "simulated")
    return make_bundle(SOURCE, BUILD / "html", cache, BUILD / "bundle")


def _sphinx(profile):
    if not (BUILD / "html/index.html").exists():
        _book(profile, "auto")
    return build_with_sphinx(BUILD / "staged", BUILD / "sphinx" / "html")


def _book(profile, database):
    if vaescan_lite(["book", "--source", str(SOURCE), "--profile", profile, "--database", database]):
        raise RuntimeError("the book was not built; the reason stands above.")


if __name__ == "__main__":
    sys.exit(main())
