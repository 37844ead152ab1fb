"""The interactive figure: sliders for latents, switches for factors, the ECG that answers. Its script is explorer.js."""

import base64
import html
import io
import itertools
import json
from pathlib import Path

import anywidget
import numpy as np
import torch
import traitlets
from sklearn.utils.validation import check_is_fitted

from ..ecg import LEADS_12, BeatSet
from ..factors import FACTOR_LABELS
from ..leads import TWELVE_FROM_EIGHT
from ..vae.augmentation import UNSTRETCHED_S
from ..vae.network import MOST_STRETCH

SOURCE = Path(__file__).with_name("explorer.js")
MAX_WEIGHTS_KB = 400
AGE_RANGE_YEARS = (20, 90)
_numbers = itertools.count(1)  # of the explorers of this process, for ids that a page holds once


class Explorer(anywidget.AnyWidget):
    """Sliders for the latents, switches for the factors, and the 12-lead ECG that they make.

    The decoder runs in the page. In Jupyter this is a widget: Python reads and sets `z` and `factors`. A static page needs
    neither a kernel nor another host, and where no JavaScript runs there is a picture. Explained in chapter 5.

    Parameters
    ----------
    vae : BeatVAE
        Fitted. Its active latents get sliders, the most informative first.
    scan : Scan, optional
        Fitted on latents of this `vae`. Adds switches (yes, no, unknown; age: a slider) that move the latents to
        ``scan.factors_to_latents``, and, if its decoder is affine, the probabilities of the factors and what each latent
        adds to their log odds.

    Attributes
    ----------
    z : ndarray of float64, shape (n_latents,)
        The latents that are shown. May be set, for example to ``vae.transform(beats)[0]``.
    factors : dict
        What the switches say, such as ``{"LBBB": 1}``; a factor that is not named is unknown. May be set, and moves `z`.
    unspecified : {"observe", "average"}
        What unknown factors are taken to be, as in `Scan`.
    """

    _esm = SOURCE.read_text(encoding="utf-8")
    z = traitlets.Any().tag(sync=True, to_json=lambda z, _: np.asarray(z).tolist(), from_json=lambda z, _: np.asarray(z, float))
    factors = traitlets.Dict().tag(sync=True)
    unspecified = traitlets.Enum(("observe", "average"), "observe").tag(sync=True)
    _network = traitlets.Dict().tag(sync=True)

    def __init__(self, vae, scan=None):
        check_is_fitted(vae, "network_")
        if scan is not None and not _same_network(vae, scan.vae):
            raise ValueError("scan was fitted on the latents of another VAE; give Explorer(scan.vae, scan).")
        self.vae, self.scan = vae, scan
        mean = np.zeros(vae.n_latents) if scan is None else scan.factors_to_latents({})[0].astype(float)
        super().__init__(
            z=mean, unspecified="observe" if scan is None else scan.unspecified, _network=_network_state(vae, scan)
        )

    def __repr__(self):
        known = "" if self.scan is None else f", factors={self.factors}"
        return f"Explorer({len(self.vae.active_latents_)} latents{known})"

    @property
    def beat(self):
        """The beat that is shown, a BeatSet with one row, as PyTorch decodes it."""
        fs, r_index = self.vae._timing()
        return BeatSet(self.vae.inverse_transform(self.z[np.newaxis]), fs, self.vae.leads_, r_index=r_index)

    def html(self, picture=None):
        """Return the figure for a page without a kernel: an element with a picture, and the script that puts the figure there.

        `picture` is a PNG in bytes for where scripts do not run; default: `picture`.
        """
        state = {"z": self.z.tolist(), "factors": self.factors, "unspecified": self.unspecified, "_network": self._network}
        text = json.dumps(state, separators=(",", ":")).replace("<", "\\u003c")
        name = f"vaescan-explorer-{next(_numbers)}"
        picture = base64.b64encode(self.picture() if picture is None else picture).decode()
        return (
            f'<div id="{name}"><img alt="{html.escape(self.description())}" style="max-width:100%" '
            f'src="data:image/png;base64,{picture}"></div>\n'
            f'<script type="module">\n{self._esm}\n'
            f'render({{ model: standIn({text}), el: document.getElementById("{name}") }});\n</script>'
        )

    def picture(self):
        """Draw the beat that is shown, for where no JavaScript runs; the bytes of a PNG."""
        import matplotlib.pyplot as plt

        from ..plots.ecgs import plot_beats

        figure = plot_beats(self.beat, title=self.description())
        stream = io.BytesIO()
        figure.savefig(stream, format="png", dpi=80)
        plt.close(figure)
        return stream.getvalue()

    def description(self):
        """Return a sentence on what is shown: the alt text of the picture."""
        named = ", ".join(f"{name} = {value:g}" for name, value in self.factors.items() if value is not None)
        known = f"Twelve-lead median beat given {named or 'nothing'}" if self.scan else "Twelve-lead median beat"
        return f"{known}, decoded from {len(self.vae.active_latents_)} latents."

    def _repr_mimebundle_(self, **kwargs):
        """Return the three forms: widget, HTML that needs no kernel, PNG with alt text."""
        data, metadata = super()._repr_mimebundle_(**kwargs)
        picture = self.picture()
        data["text/html"] = self.html(picture)
        data["image/png"] = base64.b64encode(picture).decode()
        metadata["image/png"] = {"alt": self.description()}
        return data, metadata

    @traitlets.validate("z")
    def _check_z(self, proposal):
        z = np.array(proposal["value"], dtype=float)
        if z.shape != (self.vae.n_latents,) or not np.isfinite(z).all():
            raise ValueError(f"z must hold {self.vae.n_latents} finite numbers; got shape {z.shape}.")
        return z

    @traitlets.validate("factors")
    def _check_factors(self, proposal):
        factors = {name: value for name, value in proposal["value"].items() if value is not None}
        if factors and self.scan is None:
            raise ValueError("factors need a Scan: Explorer(vae, scan).")
        if factors:
            self.scan.factors_to_latents(factors)
        return {name: int(value) if value == int(value) else float(value) for name, value in factors.items()}

    @traitlets.observe("factors", "unspecified")
    def _move(self, change):
        if self.scan is not None and change["old"] is not traitlets.Undefined:
            self.z = self.scan.factors_to_latents(self.factors, unspecified=self.unspecified)[0]


def _same_network(vae, vae_of_scan):
    """Whether two VAEs have the same weights."""
    if vae is vae_of_scan:
        return True
    weights, weights_of_scan = (model.network_.state_dict() for model in (vae, vae_of_scan))
    return weights.keys() == weights_of_scan.keys() and all(map(torch.equal, weights.values(), weights_of_scan.values()))


def _decoder_state(decoder):
    """Weights of the decoder as they travel: float16 in base 64 (moves a beat by less than 5 uV), and names and shapes."""
    matrices = {}
    for name in ("hidden", "head", "skip", "back", "stretch"):
        layer = getattr(decoder, name)
        matrices[name] = layer.weight.detach().numpy()
        if layer.bias is not None:
            matrices[f"{name}_bias"] = layer.bias.detach().numpy()[:, np.newaxis]
    with np.errstate(over="ignore"):
        halves = np.concatenate([matrix.ravel() for matrix in matrices.values()]).astype("<f2")
    if not np.isfinite(halves).all():
        raise ValueError("a weight of the decoder is too large for float16; train it again with weight decay.")
    text = base64.b64encode(halves.tobytes()).decode()
    if len(text) > MAX_WEIGHTS_KB * 1024:
        raise ValueError(
            f"the decoder's weights take {len(text) / 1024:.0f} KB in the page, more than {MAX_WEIGHTS_KB} KB; "
            "train a BeatVAE with a smaller n_components or n_hidden."
        )
    return {"half_floats": text, "parts": [[name, *matrix.shape] for name, matrix in matrices.items()]}


def _network_state(vae, scan):
    """Everything the page needs, as it travels: weights of the decoder, places of the latents, matrices of the Scan."""
    fs, r_index = vae._timing()
    mean = np.zeros(vae.n_latents) if scan is None else scan.aggregated_mean_
    sd = np.ones(vae.n_latents) if scan is None else scan.aggregated_sd_
    return _decoder_state(vae.network_.decoder) | {
        "fs": float(fs),
        "r_index": int(r_index),
        "n_leads": len(vae.leads_),
        "n_times": int(vae.n_times_),
        "border": UNSTRETCHED_S * float(fs),
        "most_stretch": MOST_STRETCH,
        "leads": list(LEADS_12),
        "twelve": np.asarray(TWELVE_FROM_EIGHT, dtype=float).tolist(),
        "height_mv": _height_mv(vae, mean, sd),
        "active": [int(latent) for latent in vae.active_latents_],
        "mean": _plain(mean),
        "sd": _plain(sd),
        "scan": None if scan is None else _scan_state(scan),
    }


def _scan_state(scan):
    """Matrices of the symbol encoder, in the names of `scan.network.SymbolEncoder`, and of an affine decoder."""
    coding, is_affine = scan.coding_, scan.decoder == "affine"
    matrices = ("m0", "weight", "log_variance", "variance_weight", "correlation", "mean", "sd")
    return {
        "names": list(coding.names),
        "labels": [FACTOR_LABELS.get(name, name) for name in coding.names],
        "short": [{"sex_female": "female", "age_years": "age"}.get(name, name) for name in coding.names],
        "continuous": [bool(is_continuous) for is_continuous in coding.continuous],
        "ranges": [_range(coding, j) for j in range(len(coding.names))],
        "lam": float(scan.lam),
        "beta_y": float(scan.beta_y),
        "weights": _plain(scan.weights_.to_numpy()) if is_affine else None,
        "bias": _plain(scan.bias_.to_numpy()) if is_affine else None,
    } | {name: _plain(getattr(scan.encoder_, name).detach().numpy()) for name in matrices}


def _range(coding, j):
    """Return the ends of the slider of a continuous factor, None for a binary one."""
    if not coding.continuous[j]:
        return None
    if coding.names[j] == "age_years":
        return list(AGE_RANGE_YEARS)
    return [float(coding.mean[j] - 3 * coding.sd[j]), float(coding.mean[j] + 3 * coding.sd[j])]


def _height_mv(vae, mean, sd):
    """Lowest and highest potential of the panels, in half millivolts: what nearly all beats of this VAE need."""
    z = mean + sd * np.random.default_rng(0).normal(size=(200, vae.n_latents))
    beats = vae.inverse_transform(z) if vae.n_latents else np.zeros((1, 8, 1))
    twelve = np.einsum("ij,njt->nit", TWELVE_FROM_EIGHT, beats)
    low, high = np.percentile(twelve.min(axis=(1, 2)), 10), np.percentile(twelve.max(axis=(1, 2)), 90)
    return [min(-1.0, float(np.floor(2 * low)) / 2), max(1.5, float(np.ceil(2 * high)) / 2)]


def _plain(array):
    """Nested lists of numbers with nine digits, enough for float32."""
    return json.loads(json.dumps(np.asarray(array, dtype=float).tolist()), parse_float=lambda text: float(f"{float(text):.9g}"))
