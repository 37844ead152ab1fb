"""One safetensors file for a Scan and the VAE it was fitted on."""

import json
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from safetensors import safe_open
from safetensors.numpy import save_file

from ..cache import written_whole
from ..vae.beat_vae import BeatVAE
from .associations import FactorCoding

KIND = "vaescan_lite.Scan"
SETTINGS = ("factors", "decoder", "beta_y", "lam", "unspecified", "grounded", "continuous", "seed")
FITTED = ("n_fitted_", "n_left_out_", "fs_", "r_index_", "leads_")


def save_scan(scan, path, with_vae=True):
    """Write a fitted Scan.

    Parameters
    ----------
    scan : Scan
        Fitted.
    path : str or Path
        The file; written whole or not at all.
    with_vae : bool
        Whether the VAE's own file goes inside.
    """
    tensors = {f"encoder.{name}": value.numpy() for name, value in scan.encoder_.state_dict().items()}
    tensors |= {f"decoder.{name}": value.numpy() for name, value in scan.decoder_.state_dict().items()}
    tensors |= {"mean": scan.coding_.mean, "sd": scan.coding_.sd, "correlation": scan.coding_.correlation}
    tensors |= {"aggregated_mean": scan.aggregated_mean_, "aggregated_sd": scan.aggregated_sd_, "bootstrap": scan.bootstrap_}
    tensors |= {"people_latents": scan.people_[0], "people_factors": scan.people_[1]}
    if with_vae:
        with tempfile.TemporaryDirectory() as folder:
            scan.vae.save(Path(folder) / "vae")
            tensors["vae"] = np.frombuffer((Path(folder) / "vae").read_bytes(), dtype=np.uint8)
    about = {
        "kind": KIND,
        "settings": {name: getattr(scan, name) for name in SETTINGS},
        "fitted": {name: getattr(scan, name) for name in FITTED},
        "effects": scan.effects_.to_dict("list"),
        "history": scan.history_.to_dict("list"),
    }
    tensors = {name: np.ascontiguousarray(value) for name, value in tensors.items()}
    with written_whole(path) as temporary:
        save_file(tensors, temporary, metadata={"vaescan_lite": json.dumps(about)})


def load_scan(kind, path, vae=None):
    """Read a Scan that `save_scan` wrote.

    Parameters
    ----------
    kind : type
        The class to make: Scan.
    path : str or Path
        The file.
    vae : BeatVAE, optional
        The VAE to use; default the one in the file.

    Returns
    -------
    Scan

    Raises
    ------
    FileNotFoundError, ValueError
        If there is no such file, it is not a saved Scan, or no VAE is at hand.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no saved Scan at {path}.")
    try:
        with safe_open(path, framework="np") as file:
            about = json.loads((file.metadata() or {}).get("vaescan_lite", "{}"))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
    except Exception as error:
        raise ValueError(f"{path} is not a saved Scan: {error}") from error
    if about.get("kind") != KIND:
        raise ValueError(f"{path} is not a saved Scan; it holds {about.get('kind') or about.get('class') or 'something else'}.")
    if vae is None and "vae" not in tensors:
        raise ValueError(
            f"{path} holds no VAE (it was saved with with_vae=False); give load(path, vae=...) the one it was fitted on."
        )
    if vae is None:
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "vae").write_bytes(tensors["vae"].tobytes())
            vae = BeatVAE.load(Path(folder) / "vae")
    scan = kind(vae, **about["settings"])
    for name, value in about["fitted"].items():
        setattr(scan, name, tuple(value) if isinstance(value, list) else value)
    scan.aggregated_mean_, scan.aggregated_sd_ = tensors["aggregated_mean"], tensors["aggregated_sd"]
    scan.bootstrap_, scan.people_ = tensors["bootstrap"], (tensors["people_latents"], tensors["people_factors"])
    continuous = np.array([name in scan.continuous for name in scan.factors])
    scan.build(FactorCoding(tuple(scan.factors), continuous, tensors["mean"], tensors["sd"], tensors["correlation"]))
    for part, network in (("encoder.", scan.encoder_), ("decoder.", scan.decoder_)):
        state = {name.removeprefix(part): torch.tensor(value) for name, value in tensors.items() if name.startswith(part)}
        network.load_state_dict(state)
        network.eval()
    scan.effects_ = pd.DataFrame(about["effects"])
    scan.history_ = pd.DataFrame(about["history"]).rename_axis("epoch")
    return scan
