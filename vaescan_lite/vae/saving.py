"""One safetensors file for a fitted model: its arrays, and as JSON beside them what else it knows. For `vae` and `scan`."""

import json
from pathlib import Path

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save_file

from ..cache import written_whole

KEY = "vaescan_lite"  # of the JSON in the file's metadata


def save_tensors(path, kind, about, tensors):
    """Write arrays or tensors by name and `about`, a dict that JSON can hold, whole or not at all; `kind` names the class."""
    arrays = {name: np.asarray(value, order="C") for name, value in tensors.items()}
    with written_whole(path) as temporary:
        save_file(arrays, temporary, metadata={KEY: json.dumps({"kind": kind, **about})})


def load_tensors(path, kind):
    """Return `about` and the arrays by name of a file that `save_tensors` wrote for the class `kind`."""
    if not Path(path).is_file():
        raise FileNotFoundError(f"no {kind} at {path}.")
    try:
        with safe_open(path, framework="np") as file:
            about = json.loads((file.metadata() or {}).get(KEY, "{}"))
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
    except Exception as error:
        raise ValueError(f"{path} cannot be read as a safetensors file: {error}") from error
    # The weights that come with the package were written as "class": "BeatVAE" and "kind": "vaescan_lite.Scan".
    saved = (about.get("kind") or about.get("class") or "no model of this package").removeprefix("vaescan_lite.")
    if saved != kind:
        raise ValueError(f"{path} holds {saved}, not a {kind}.")
    return about, arrays
