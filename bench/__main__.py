"""``python -m bench``: the tables of the results page, the worlds, the weights of the package."""

import argparse
import logging
import sys
from pathlib import Path

from bench.cluster import cluster
from bench.devices import differences, measure_grid, measure_steps
from bench.pretraining import pretrain
from bench.results import make_results, make_worlds
from bench.scale import SIZES, measure_scaling
from vaescan_lite.book.chapters import resolve_database

SCHEDULER = "address of a Dask scheduler, such as tcp://host:8786, whose workers see the same folders (default: this machine)"


def main(arguments=None):
    """Run a command; 0, or 1 after an error that was explained on stderr."""
    logging.basicConfig(format="%(message)s", stream=sys.stderr, level=logging.INFO)
    options = _parser().parse_args(arguments)
    try:
        with cluster(getattr(options, "scheduler", None)):
            options.command(options)
    except (ValueError, OSError, RuntimeError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    return 0


def _parser():
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="command")

    results = commands.add_parser(
        "results", help="run the whole benchmark and write the tables of the results page; goes on where it was interrupted"
    )
    results.add_argument("--database", default="auto", help="a folder of ECGs, auto, simulated or ptbxl (default: auto)")
    results.add_argument("--folder", type=Path, default=Path("book/results"), help="where to write (default: book/results)")
    results.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="training seeds (default: 0 1 2)")
    results.add_argument("--parts", nargs="+", default=None, metavar="part", help="such as grid or age (default: all)")
    results.add_argument("--rotations", type=int, default=5, help="pairs of test folds, 1 to 5 (default: 5)")
    results.add_argument("--budget", choices=("smoke", "workshop", "full"), default="workshop", help="training budget")
    results.add_argument("--n-jobs", type=int, default=-1, help="processes (default: one for each CPU)")
    results.add_argument("--hospitals", nargs="*", default=[], metavar="folder", help="other hospitals, for that part")
    results.add_argument("--scheduler", help=SCHEDULER)
    results.add_argument("--caller", help=argparse.SUPPRESS)
    results.set_defaults(command=_results)

    worlds = commands.add_parser("worlds", help="measure the cost in simulated worlds where its parts are known")
    worlds.add_argument("--folder", type=Path, default=Path("book/results"), help="where to write (default: book/results)")
    worlds.add_argument("--names", nargs="+", default=None, metavar="world", help="such as rhythm (default: all)")
    worlds.add_argument("--n-jobs", type=int, default=-1, help="processes (default: one for each CPU)")
    worlds.add_argument("--scheduler", help=SCHEDULER)
    worlds.set_defaults(command=_worlds)

    scale = commands.add_parser("scale", help="time and memory of each stage, from 500 ECGs to all of a database")
    scale.add_argument("database", help="a folder of ECGs")
    scale.add_argument("--folder", type=Path, default=Path("book/results"), help="where to write (default: book/results)")
    scale.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="numbers of ECGs (default: 500 to 21,799)")
    scale.set_defaults(command=_scale)

    devices = commands.add_parser("devices", help="a GPU beside the CPU: steps a second, and one rotation of the grid")
    devices.add_argument("database", nargs="?", help="a folder of ECGs for the grid (default: steps alone)")
    devices.add_argument("--folder", type=Path, default=Path("book/results"), help="where to write (default: book/results)")
    devices.add_argument("--no-steps", action="store_true", help="the grid alone")
    devices.add_argument("--budget", choices=("smoke", "workshop", "full"), default="full", help="of the grid's training")
    devices.add_argument("--n-jobs", type=int, default=-1, help="processes of the grid on the CPU (default: one for each CPU)")
    devices.set_defaults(command=_devices)

    pretrained = commands.add_parser("pretrained", help="train the weights that come with the package on PTB-XL")
    pretrained.add_argument("database", help="a folder of PTB-XL")
    pretrained.add_argument("--caller", help=argparse.SUPPRESS)
    pretrained.set_defaults(command=_pretrained)
    return parser


def _results(options):
    database = resolve_database(options.database, options.caller)
    settings = {name: getattr(options, name) for name in ("parts", "rotations", "budget", "n_jobs")}
    settings["hospitals"] = tuple(resolve_database(folder, options.caller) for folder in options.hospitals)
    for path in make_results(database, options.folder, seeds=tuple(options.seeds), **settings):
        print(path)


def _pretrained(options):
    pretrain(resolve_database(options.database, options.caller))


def _scale(options):
    print(measure_scaling(options.database, options.folder, options.sizes).round(2).to_string(index=False))


def _devices(options):
    if not options.no_steps:
        print(measure_steps(options.folder).round(1).to_string(index=False))
    if options.database:
        table = measure_grid(options.database, options.folder, budget=options.budget, n_jobs=options.n_jobs)
        print(table.round(4).to_string(index=False))
        if "GPU" in set(table["device"]):
            print(differences(table).round(4).to_string())


def _worlds(options):
    for path in make_worlds(options.folder, names=options.names, n_jobs=options.n_jobs):
        print(path)


if __name__ == "__main__":
    sys.exit(main())
