"""The command ``vaescan-lite``: fetch PTB-XL, simulate a database, train a model, run the chapters, build the book."""

import argparse
import logging
import os
import sys
import warnings
from pathlib import Path

from . import __version__


def main(arguments=None):
    """Run the command line: 0; 1 after an error that was explained on stderr; 130 when interrupted."""
    logging.basicConfig(format="%(message)s", stream=sys.stderr)
    logging.getLogger("vaescan_lite").setLevel(logging.INFO)
    options = _parser().parse_args(arguments)
    try:
        options.command(options)
    except (ValueError, OSError, RuntimeError) as error:
        print(f"vaescan-lite: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("vaescan-lite: interrupted", file=sys.stderr)
        return 130
    return 0


def _parser():
    about = "The helpers behind an executable book on explainable ECG analysis."
    parser = argparse.ArgumentParser(prog="vaescan-lite", description=about)
    parser.add_argument("--version", action="version", version=f"vaescan-lite {__version__}")
    commands = parser.add_subparsers(required=True, metavar="command")

    simulate = commands.add_parser("simulate", help="write a simulated database in the layout of PTB-XL")
    simulate.add_argument("folder", type=Path, help="the folder to make")
    simulate.add_argument("-n", type=_positive, default=2000, help="number of ECGs (default: 2000)")
    simulate.add_argument("--fs", type=int, default=100, help="sampling frequency in Hz (default: 100)")
    simulate.add_argument("--seed", type=int, default=0, help="same seed, same ECGs (default: 0)")
    simulate.set_defaults(command=_simulate)

    download = commands.add_parser("download", help="fetch PTB-XL, or go on with a download that was stopped")
    download.add_argument("folder", type=Path, nargs="?", help="where to (default: where the book looks for it)")
    download.add_argument("--n", type=_positive, help="so many ECGs, folds and superclasses as in the whole (default: all)")
    download.add_argument("--rate", type=int, choices=(100, 500), default=100, help="Hz of the records (default: 100)")
    download.add_argument("--source", action="append", help="a mirror or a folder to take it from (default: PhysioNet)")
    download.set_defaults(command=_download)

    explain = commands.add_parser("explain", help="write a page that explains an ECG")
    explain.add_argument("file", type=Path, help="a WFDB record, a text table, MUSE XML or DICOM")
    explain.add_argument("--fs", type=float, help="sampling frequency in Hz of a text table without a column of times")
    explain.add_argument("--model", type=Path, help="folder of a model (default: the weights that come with the package)")
    explain.add_argument("-o", "--output", type=Path, help="where to write (default: the name of the file with .html)")
    explain.set_defaults(command=_explain)

    settings = argparse.ArgumentParser(add_help=False)
    profiles = ("smoke", "workshop", "full")
    settings.add_argument("--profile", choices=profiles, default="workshop", help="data and time to use (default: workshop)")
    settings.add_argument("--seed", type=int, default=0, help="goes to everything that is drawn or trained (default: 0)")

    train = commands.add_parser("train", parents=[settings], help="train a model for targets of your own")
    train.add_argument("folder", help="a folder of ECGs, or ptbxl")
    train.add_argument("--labels", help="CSV: a column of ids, and one for each target (default: labels.csv in the folder)")
    train.add_argument("--split", help="CSV: a column of ids, and one with folds 1-10 or train, validation, test (default: "
                       "split.csv in the folder, else folds drawn by a hash)")  # fmt: skip
    train.add_argument("-o", "--output", type=Path, required=True, metavar="MODEL", help="the folder to write")
    train.add_argument("--n-trainings", type=_positive, default=1, help="trainings that differ in their seed (default: 1)")
    train.add_argument("--device", default="cpu", help="where to train: cpu, cuda or auto, a GPU if there is (default: cpu)")
    train.set_defaults(command=_train)

    run = argparse.ArgumentParser(add_help=False, parents=[settings])
    run.add_argument("--source", type=Path, default=Path("."), help="folder of the book (default: the working directory)")
    run.add_argument("--database", default="auto", help="a folder of ECGs, auto, simulated or ptbxl (default: auto)")
    run.add_argument("--fresh", action="store_true", help="run chapters and build pages again that have not changed, too")
    run.add_argument("--at-once", type=_positive, metavar="N", help="chapters at once (default: one a CPU, memory permitting)")
    run.add_argument("--caller", help=argparse.SUPPRESS)  # make -C: where a relative --database may also start

    chapters = commands.add_parser("chapters", parents=[run], help="run chapters and report seconds and memory")
    chapters.add_argument("only", nargs="*", metavar="chapter", help="begin of a file name, such as 04 (default: all)")
    chapters.set_defaults(command=_chapters)

    book = commands.add_parser("book", parents=[run], help="run every chapter and build the HTML book")
    book.add_argument("--edition", choices=("complete", "student"), default="complete", help="student: without solutions")
    book.set_defaults(command=_book)

    return parser


def _download(options):
    from .databases import download_ptbxl, open_database

    folder = download_ptbxl(options.folder, n=options.n, rate=options.rate, source=options.source)
    print(f"{len(open_database(folder)):,} ECGs of PTB-XL, compared with their checksums, in {folder}")
    if options.folder:
        print(f"To use them: make book DATABASE={folder}, or set VAESCAN_DATABASE={folder}")
    else:
        print("To use them: make book. They are taken wherever no other database is named.")


def _explain(options):
    from . import explain, read_record

    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        ecg = read_record(options.file, options.fs)
    for warning in said:
        print(f"note: {warning.message}", file=sys.stderr)
    page = explain.report(ecg, folder=options.model)
    print(page.save(options.output or Path(f"{options.file.stem}.html")))
    for fault in page.faults:
        if not any(fault in str(warning.message) for warning in said):
            print(f"fault: {fault}", file=sys.stderr)


def _train(options):
    from .databases import open_database
    from .own_model import train_model

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*see the table .issues")  # train_model says what is amiss
        db = open_database(options.folder, labels=options.labels, split=options.split)
    settings = {"budget": options.profile, "seed": options.seed, "n_trainings": options.n_trainings, "device": options.device}
    scores = train_model(db, options.output, **settings, progress=sys.stderr.isatty())
    print(scores.round(3).to_string(index=False, na_rep=""))
    print(f"To use it: vaescan-lite explain FILE --model {options.output}, or vl.load_pretrained({str(options.output)!r})")


def _simulate(options):
    from .simulator import write_simulated_database

    write_simulated_database(options.folder, options.n, seed=options.seed, fs=options.fs)
    print(f"{options.n} simulated ECGs at {options.fs} Hz in {options.folder.resolve()}")


def _chapters(options):
    from .book.chapters import ChaptersFailed, report_text, resolve_database, run_chapters

    try:
        report = run_chapters(
            options.source / "notebooks", options.source / "_build" / "executed", profile=options.profile, seed=options.seed,
            database=resolve_database(options.database, options.caller), only=options.only, progress=sys.stderr.isatty(),
            n_at_once=options.at_once, fresh=options.fresh,
        )  # fmt: skip
    except ChaptersFailed as failure:
        print(report_text(failure.report))
        raise
    print(report_text(report))


def _book(options):
    from .book.pages import build_book, require_book
    from .cache import alone

    require_book(options.source)
    options.only, build = None, options.source / "_build"
    build.mkdir(exist_ok=True)
    with alone(build / "book"):  # a second `make book` waits, and finds everything done
        _chapters(options)
        first_page = build_book(options.source, build / "executed", edition=options.edition, fresh=options.fresh)
    print(f"The first page of the book: {os.path.relpath(first_page)}")


def _positive(text):
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, got {number}")
    return number
