"""What an explorer needs in the page, as it travels: weights, matrices, a few people. Its reader is explorer_model.js."""

import base64
import json

import numpy as np

from ..ecg import LEADS_12, require_beats, to_eight_leads
from ..factors import FACTOR_LABELS, aligned
from ..leads import TWELVE_FROM_EIGHT
from ..measurements import measure
from ..vae.augmentation import QRS_HALF_S
from ..vae.network import MOST_STRETCH
from .readout import READOUTS, fit_readout, is_measurable

MAX_WEIGHTS_KB = 400
AGE_RANGE_YEARS = (20, 90)
MOST_PEOPLE = 8


class People:
    """A few people of a set, and where other factors would move them: `Scan.change`, in latents."""

    def __init__(self, vae, scan, beats, known):
        rows = np.flatnonzero(require_beats(beats).usable & np.isfinite(beats.signals).all(axis=(1, 2)))
        if not len(rows):
            raise ValueError(f"none of the {len(beats)} beats is usable; the explorer needs one person to start from.")
        if len(rows) > MOST_PEOPLE:
            rows = rows[np.linspace(0, len(rows) - 1, MOST_PEOPLE).round().astype(int)]
        self.scan, self.beats = scan, to_eight_leads(beats[rows])
        self.ids = [name.item() if isinstance(name, np.generic) else name for name in self.beats.ids]
        self.mu = vae.posterior(self.beats)[0].astype(float)
        self.drawn = vae.inverse_transform(self.mu)
        names = [] if scan is None else list(scan.coding_.names)
        if known is not None:
            known = aligned(known, self.beats.ids, [name for name in names if name in known], "known_factors")
        self.known, self.present = known, None if scan is None else scan.present_factors(self.beats, names, known)
        self.measured = measure(self.beats)[list(READOUTS)] if is_measurable(vae) else None

    def latents(self, place, to):
        """Latents of the person at a place with factors changed to those of a dict."""
        if self.scan is None:
            return self.mu[place]
        coding = self.scan.coding_
        columns = [coding.names.index(name) for name in to]
        scores = (np.array([to[name] for name in to], dtype=float) - self.present[place, columns]) / coding.sd[columns]
        return self.mu[place] + self.scan.encoder_.weight.detach().numpy()[:, columns] @ scores

    def label(self, place):
        """Say who it is: the id, and what is known."""
        texts = []
        for name, value in ({} if self.known is None else self.known.iloc[place].dropna()).items():
            if name == "sex_female":
                texts.append("female" if value else "male")
            elif name == "age_years" or value == 1:
                texts.append(f"{value:.0f} years" if name == "age_years" else FACTOR_LABELS.get(name, name))
        return ": ".join(filter(None, [str(self.ids[place]), ", ".join(texts)]))

    def state(self):
        """Return what travels of each person; their beats travel beside it."""
        n = len(self.ids)
        present = [None] * n if self.present is None else plain(self.present)
        measured = [{}] * n if self.measured is None else [dict(zip(READOUTS, row)) for row in plain(self.measured.to_numpy())]
        columns = zip(self.ids, map(self.label, range(n)), plain(self.mu), present, measured)
        return [dict(zip(("id", "label", "mu", "present", "measured"), row)) for row in columns]


def network_state(vae, scan, people):
    """Weights of the decoder, places of the latents, matrices of the Scan, people of a `People`."""
    fs, r_index = vae._timing()
    mean = np.zeros(vae.n_latents) if scan is None else scan.aggregated_mean_
    sd = np.ones(vae.n_latents) if scan is None else scan.aggregated_sd_
    beats, parts = packed({str(i): signals for i, signals in enumerate(people.beats.signals)} if people else {})
    return decoder_state(vae.network_.decoder) | {
        "fs": float(fs), "r_index": int(r_index), "n_leads": len(vae.leads_), "n_times": int(vae.n_times_),
        "border": QRS_HALF_S * float(fs), "most_stretch": MOST_STRETCH,
        "leads": list(LEADS_12), "twelve": plain(TWELVE_FROM_EIGHT), "ranges_mv": plain(ranges_mv(vae, mean, sd, people)),
        "active": [int(latent) for latent in vae.active_latents_], "mean": plain(mean), "sd": plain(sd),
        "scan": None if scan is None else scan_state(scan), "readout": readout_state(vae, mean, sd),
        "people": people.state() if people else [], "beats": {"values": beats, "parts": parts},
    }  # fmt: skip


def packed(matrices):
    """Matrices by name as float16 in base 64, and their names and shapes."""
    with np.errstate(over="ignore"):
        halves = [np.asarray(matrix).ravel().astype("<f2") for matrix in matrices.values()]
    text = base64.b64encode(b"".join(half.tobytes() for half in halves)).decode()
    return text, [[name, *np.atleast_2d(matrix).shape] for name, matrix in matrices.items()]


def decoder_state(decoder):
    """Weights of the decoder; as float16 they move a beat by less than 5 uV."""
    matrices = {}
    for name in ("hidden", "head", "skip", "back", "stretch"):
        layer = getattr(decoder, name)
        matrices[name] = layer.weight.detach().numpy()
        if layer.bias is not None:
            matrices[f"{name}_bias"] = layer.bias.detach().numpy()[:, np.newaxis]
    if max(np.abs(matrix).max() for matrix in matrices.values()) > np.finfo(np.float16).max:
        raise ValueError("a weight of the decoder is too large for float16; train it again with weight decay.")
    text, parts = packed(matrices)
    if len(text) > MAX_WEIGHTS_KB * 1024:
        size = f"{len(text) / 1024:.0f} KB in the page, more than {MAX_WEIGHTS_KB} KB"
        raise ValueError(f"the decoder's weights take {size}; train a BeatVAE with a smaller n_components or n_hidden.")
    return {"half_floats": text, "parts": parts}


def readout_state(vae, mean, sd):
    """Return the regressions of a `Readout`, their errors and spreads; None where the window is too short for them."""
    if not is_measurable(vae):
        return None
    readout = fit_readout(vae, mean, sd)
    text, parts = packed({"weights": readout.weights, "bias": readout.bias})
    error, sd = (dict(zip(READOUTS, plain(values))) for values in (readout.error, readout.sd))
    return {"values": text, "parts": parts, "n": readout.n_beats, "error": error, "sd": sd}


def scan_state(scan):
    """Matrices of the symbol encoder, in the names of `scan.network.SymbolEncoder`, and of an affine decoder."""
    coding, is_affine = scan.coding_, scan.decoder == "affine"
    matrices = ("m0", "weight", "log_variance", "variance_weight", "correlation", "mean", "sd")
    return {
        "names": list(coding.names), "labels": [FACTOR_LABELS.get(name, name) for name in coding.names],
        "continuous": [bool(is_continuous) for is_continuous in coding.continuous],
        "ranges": [slider_range(coding, j) for j in range(len(coding.names))],
        "lam": float(scan.lam), "beta_y": float(scan.beta_y),
        "weights": plain(scan.weights_) if is_affine else None, "bias": plain(scan.bias_) if is_affine else None,
    } | {name: plain(getattr(scan.encoder_, name).detach().numpy()) for name in matrices}  # fmt: skip


def slider_range(coding, j):
    """Return the ends of the slider of a continuous factor, None for a binary one."""
    if not coding.continuous[j]:
        return None
    if coding.names[j] == "age_years":
        return list(AGE_RANGE_YEARS)
    return [float(coding.mean[j] - 3 * coding.sd[j]), float(coding.mean[j] + 3 * coding.sd[j])]


def ranges_mv(vae, mean, sd, people):
    """Lowest and highest potential of each of the twelve leads, (12, 2): nine of ten beats of this VAE, all of the people."""
    z = mean + sd * np.random.default_rng(0).normal(size=(200, vae.n_latents))
    beats = vae.inverse_transform(z) if vae.n_latents else np.zeros((1, 8, 1))
    twelve = np.einsum("ij,njt->nit", TWELVE_FROM_EIGHT, beats)
    ranges = [np.percentile(twelve.min(axis=2), 10, axis=0), np.percentile(twelve.max(axis=2), 90, axis=0)]
    if people:
        own = np.einsum("ij,njt->nit", TWELVE_FROM_EIGHT, people.beats.signals)
        ranges = [np.minimum(ranges[0], own.min(axis=(0, 2))), np.maximum(ranges[1], own.max(axis=(0, 2)))]
    return np.stack(ranges, axis=1)


def plain(array):
    """Nested lists of numbers with nine digits, enough for float32; None for what is not a finite number."""
    listed = np.where(np.isfinite(array), array, None).tolist()
    return json.loads(json.dumps(listed), parse_float=lambda text: float(f"{float(text):.9g}"))
