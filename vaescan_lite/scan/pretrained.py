"""Weights that come with the package; how they were made is in ``bench/pretraining.py``."""

from pathlib import Path

from ..vae.beat_vae import BeatVAE
from .scan import Scan

WEIGHTS = Path(__file__).with_name("weights")


def load_pretrained(folder=None):
    """Load a VAE and a Scan trained on PTB-XL, to use without training.

    They were trained on the part of PTB-XL 1.0.3 that ``scan/weights/README.md`` names, folds 1-8, stopped by fold 9; fold 10
    was not seen. That model card holds scores on fold 10, limits and licence. Not a medical device.

    Parameters
    ----------
    folder : str or Path, optional, where ``bench/pretraining.py`` wrote them; default: those that come with the package

    Returns
    -------
    vae : BeatVAE, for median beats as ``median_beats(ecgs, fs=100)`` makes them; those of another rate or window are refused
    scan : Scan, sex, age and diagnoses on the latents of `vae`

    Examples
    --------
    >>> import numpy as np
    >>> vae, scan = load_pretrained()
    >>> vae.inverse_transform(np.zeros((1, vae.n_latents))).shape
    (1, 8, 96)
    """
    folder = WEIGHTS if folder is None else Path(folder)
    vae = BeatVAE.load(folder / "vae.safetensors")
    return vae, Scan.load(folder / "scan.safetensors", vae)


def load_trainings(folder=None):
    """Load every training of a model, a list of (vae, scan), the pair of `load_pretrained` first.

    The others differ in their seed alone, and lie in folders ``training_1`` and so on in `folder`, which is as in
    `load_pretrained`.
    """
    folder = WEIGHTS if folder is None else Path(folder)
    return [load_pretrained(place) for place in (folder, *sorted(folder.glob("training_*")))]
