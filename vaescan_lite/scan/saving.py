"""One safetensors file for a Scan and the VAE it was fitted on."""

import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from ..vae.beat_vae import BeatVAE
from ..vae.saving import load_tensors, save_tensors
from .associations import FactorCoding

SETTINGS = ("factors", "decoder", "beta_y", "lam", "unspecified", "grounded", "continuous", "seed")
FITTED = ("n_fitted_", "n_left_out_", "fs_", "r_index_", "leads_")


def save_scan(scan, path, with_vae=True):
    """Write a fitted Scan, and as bytes of its own file the VAE unless `with_vae` is False."""
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
        "settings": {name: getattr(scan, name) for name in SETTINGS},
        "fitted": {name: getattr(scan, name) for name in FITTED},
        "effects": scan.effects_.to_dict("list"),
        "history": scan.history_.to_dict("list"),
    }
    save_tensors(path, "Scan", about, tensors)


def load_scan(kind, path, vae=None):
    """Read a Scan (the class `kind`) that `save_scan` wrote, on the VAE in the file or another object of the same."""
    about, tensors = load_tensors(path, "Scan")
    if vae is None and "vae" not in tensors:
        raise ValueError(f"{path} holds no VAE (it was saved without); give load(path, vae=...) the one it was fitted on.")
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
