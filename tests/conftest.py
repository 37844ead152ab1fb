"""Fixtures that several test modules share."""

import gc
import os
from pathlib import Path

if "PYTEST_XDIST_WORKER" in os.environ:  # before NumPy is imported: each worker has one CPU, on which threads would jostle
    os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")

gc.set_threshold(50_000, 20, 20)  # three thousand tests are many objects, none of them garbage

import pytest

from vaescan_lite.cpus import available_cpus


def pytest_xdist_auto_num_workers(config):
    """As many worker processes for ``-n auto`` as there are CPUs, a quota included."""
    return available_cpus()


def pytest_configure(config):
    """Keep files in the order below; give each worker a CPU of its own: what it starts takes its threads from what it has."""
    config.option.loadscopereorder = False
    worker = getattr(config, "workerinput", {}).get("workerid", "")
    if worker and hasattr(os, "sched_setaffinity"):
        cpus = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {cpus[int(worker.removeprefix("gw")) % len(cpus)]})


NEEDS = {
    "real_data": "real",
    "smoke": "chapter",
    "html": "book",
    "site": "book",
    "browser": "browser",
    "functions": "browser",
    "made_results": "slow",
    "pause": "slow",
    "interaction": "slow",
}  # what a fixture stands for


def pytest_collection_modifyitems(items):
    """Mark each test by what it needs, so that ``make check`` can leave out what takes minutes or is not everywhere."""
    for item in items:
        for fixture in set(getattr(item, "fixturenames", ())) & set(NEEDS):
            item.add_marker(NEEDS[fixture])
    long = [{item.path for item in items if item.get_closest_marker(name)} for name in ("chapter", "slow", "browser", "real")]
    # The longest files first, so that no worker begins with a minute of work when others end.
    items.sort(key=lambda item: [item.path not in paths for paths in long])


def pytest_collection_finish():
    gc.freeze()  # what was imported and collected is not looked at again


@pytest.fixture(scope="session")
def real_data():
    """Folder of real ECGs (``ptbxl``, ``ludb-dev``, ``chapman-ningbo``), from ``$VAESCAN_TEST_DATA``."""
    where = os.environ.get("VAESCAN_TEST_DATA")
    if not where:
        pytest.skip("real ECGs: set VAESCAN_TEST_DATA to a folder that holds ptbxl, ludb-dev and chapman-ningbo")
    return Path(where).resolve()


@pytest.fixture(autouse=True, scope="session")
def own_cache(tmp_path_factory):
    """Keep the tests' cache apart from the user's; workers share it, so that none trains what another has trained."""
    before, folder = os.environ.get("VAESCAN_CACHE"), tmp_path_factory.getbasetemp()
    cache = (folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder) / "cache"
    cache.mkdir(mode=0o700, exist_ok=True)
    os.environ["VAESCAN_CACHE"] = str(cache)
    yield
    os.environ.pop("VAESCAN_CACHE") if before is None else os.environ.update(VAESCAN_CACHE=before)
