"""Work on the machines of a Dask cluster."""

from contextlib import contextmanager

import joblib


@contextmanager
def cluster(address):
    """Run what is inside on the Dask cluster of a scheduler, such as ``tcp://host:8786``; None: on this machine."""
    if address is None:
        yield
        return
    try:
        from dask.distributed import Client
    except ImportError as error:
        raise ValueError('a scheduler needs Dask: pip install "vaescan-lite[dask]".') from error
    with Client(address), joblib.parallel_config("dask"):
        yield
