"""The interactive figure: sliders for latents, switches for factors, the ECG that answers. Its scripts lie beside this file."""

import base64
import html
import itertools
import json
import re
from dataclasses import replace
from pathlib import Path

import anywidget
import numpy as np
import torch
import traitlets
from sklearn.utils.validation import check_is_fitted

from ..ecg import BeatSet
from .payload import People, network_state

FOLDER = Path(__file__).parent
SCRIPTS = ("explorer_model.js", "explorer_paper.js", "explorer_state.js", "explorer.js")
WIDGET = "application/vnd.jupyter.widget-view+json"
_numbers = itertools.count(1)  # of the explorers of this process, for ids that a page holds once


def front_end():
    """Return the style and the scripts, without their indents and comments, as one module that needs no other file."""
    texts = ((FOLDER / name).read_text(encoding="utf-8") for name in ("explorer.css", *SCRIPTS))
    style, *scripts = (re.sub(r"(?m)^ *(//.*\n)?", "", text) for text in texts)
    return "\n".join([f"const STYLE = {json.dumps(style)};", *scripts])


class Explorer(anywidget.AnyWidget):
    """Sliders for the latents, switches for the factors, and the 12-lead ECG that they make. Explained in chapter 5.

    The decoder runs in the page. In Jupyter this is a widget: Python reads and sets `z`, `factors` and `person`, and
    ``traitlets.link`` ties them to other widgets. A static page needs neither a kernel nor another host, and where no script
    runs there is a picture.

    Parameters
    ----------
    vae : BeatVAE, fitted; its active latents get sliders, the most informative first
    scan : Scan, optional
        Fitted on latents of this `vae`. Adds switches (yes, no, unknown; age: a slider) that move the latents to
        ``scan.factors_to_latents``, and, if its decoder is affine, the probabilities of the factors and what each latent adds
        to their log odds.
    beats, known_factors : BeatSet, DataFrame by id, optional
        People to start from, the first of them at first: their own beat is shown, with what the VAE cannot say of it, and
        factors move it as `Scan.change` does. Up to 8 of the usable ones, evenly spread, are offered (`people`). And what is
        known of them; what is not known is taken as the Scan reads it.

    Attributes
    ----------
    people, person : list, and int, str or None
        Ids of the people that are offered; of the one that is shown, None: the mean of the training ECGs. May be set.
    z : ndarray of float64, shape (n_latents,), the latents that are shown; may be set, as to ``vae.transform(beats)[0]``
    factors : dict
        What the switches say, such as ``{"LBBB": 1}``; a factor that is not named is unknown (of a person: left as it is). May
        be set, and moves `z`; what sliders added to `z` stays.
    unspecified : {"observe", "average"}, what unknown factors are taken to be where there is no person, as in `Scan`
    """

    _esm = front_end()
    z = traitlets.Any().tag(sync=True, to_json=lambda z, _: np.asarray(z).tolist(), from_json=lambda z, _: np.asarray(z, float))
    factors = traitlets.Dict().tag(sync=True)
    person = traitlets.Any(None, allow_none=True).tag(sync=True)
    unspecified = traitlets.Enum(("observe", "average"), "observe").tag(sync=True)
    _network = traitlets.Dict().tag(sync=True)

    def __init__(self, vae, scan=None, *, beats=None, known_factors=None):
        check_is_fitted(vae, "network_")
        if scan is not None and scan.vae is not vae:
            own, of_scan = (model.network_.state_dict() for model in (vae, scan.vae))
            if own.keys() != of_scan.keys() or not all(map(torch.equal, own.values(), of_scan.values())):
                raise ValueError("scan was fitted on the latents of another VAE; give Explorer(scan.vae, scan).")
        if known_factors is not None and (beats is None or scan is None):
            raise ValueError("known_factors describe people: give beats and a Scan with them.")
        self.vae, self.scan = vae, scan
        self._people = None if beats is None else People(vae, scan, beats, known_factors)
        self._moves = True  # whether a new factor or person moves z
        unspecified, person = "observe" if scan is None else scan.unspecified, self.people[0] if self.people else None
        self._base = self._base_of(person, {}, unspecified)
        super().__init__(z=self._base, person=person, unspecified=unspecified, _network=network_state(vae, scan, self._people))

    def __repr__(self):
        known = "" if self.scan is None else f", factors={self.factors}"
        who = f", person={self.person!r} of {len(self.people)}" if self.people else ""
        return f"Explorer({len(self.vae.active_latents_)} latents{known}{who})"

    @property
    def people(self):
        """Ids of the people that are offered."""
        return [] if self._people is None else list(self._people.ids)

    @property
    def beat(self):
        """The beat that is shown, a BeatSet with one row, as PyTorch decodes it; of a person: their own, moved as `z` was."""
        fs, r_index = self.vae._timing()
        signals = self.vae.inverse_transform(self.z[np.newaxis])
        if self.person is None:
            return BeatSet(signals, fs, self.vae.leads_, r_index=r_index)
        place = self.people.index(self.person)
        own = self._people.beats[[place]]  # its rhythm and noise, too, which calipers need
        return replace(own, signals=signals + own.signals - self._people.drawn[[place]])

    def html(self, picture=None):
        """Return an element with a picture (default: `picture`; bytes of a PNG) and the script that puts the figure there."""
        name = f"vaescan-explorer-{next(_numbers)}"
        state = {"z": self.z.tolist(), "factors": self.factors, "unspecified": self.unspecified, "person": self.person}
        state |= {"_name": name, "_network": self._network}
        text = json.dumps(state, separators=(",", ":")).replace("<", "\\u003c")
        picture = base64.b64encode(self.picture() if picture is None else picture).decode()
        return (
            f'<div id="{name}" class="vaescan-static"><img alt="{html.escape(self.description())}" style="max-width:100%" '
            f'src="data:image/png;base64,{picture}"></div>\n'
            f'<script type="module">\n{self._esm}\n'
            f'const place = document.getElementById("{name}");\n'
            f"hideError(place);\nrender({{ model: standIn({text}), el: place }});\n</script>"
        )

    def picture(self):
        """Draw the beat that is shown, for where no JavaScript runs; the bytes of a PNG."""
        from ..plots.ecgs import in_style, plot_beats, png_of

        with in_style():
            return png_of(plot_beats(self.beat, title=self.description()), dpi=120, n_colors=16)

    def description(self):
        """Return a sentence on what is shown: the alt text of the picture."""
        named = ", ".join(f"{name} = {value:g}" for name, value in self.factors.items() if value is not None)
        known = "Twelve-lead median beat" if self.person is None else f"Twelve-lead median beat of {self.person}"
        known += f" given {named or 'nothing'}" if self.scan and (named or self.person is None) else ""
        return f"{known}, decoded from {len(self.vae.active_latents_)} latents."

    def _repr_mimebundle_(self, **kwargs):
        """Return the three forms: widget, HTML that needs no kernel, PNG with alt text."""
        data, metadata = super()._repr_mimebundle_(**kwargs)
        picture = self.picture()
        data["text/html"] = self.html(picture)
        data["image/png"] = base64.b64encode(picture).decode()
        metadata["image/png"] = {"alt": self.description()}
        return data, metadata

    def _ipython_display_(self, **kwargs):
        """Show the static form, which a saved notebook keeps, and the live one, which hides it while there is a kernel."""
        from IPython.display import display

        data, metadata = self._repr_mimebundle_()
        live = {WIDGET: data.pop(WIDGET), "text/plain": ""}
        display(data, metadata=metadata, raw=True)
        display(live, metadata={"vaescan": "live"}, raw=True)

    def set_state(self, sync_data):
        """Take over what the page sends; latents that come along are final."""
        self._moves = "z" not in sync_data
        try:
            super().set_state(sync_data)
        finally:
            self._moves = True

    def _base_of(self, person, factors, unspecified):
        """Latents before anybody moves a slider, (n_latents,)."""
        if person is not None:
            return self._people.latents(self.people.index(person), factors)
        if self.scan is None:
            return np.zeros(self.vae.n_latents)
        return self.scan.factors_to_latents(factors, unspecified=unspecified)[0].astype(float)

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

    @traitlets.validate("person")
    def _check_person(self, proposal):
        person = proposal["value"]
        if person is not None and person not in self.people:
            offered = ", ".join(map(repr, self.people)) or "nobody: give beats to Explorer"
            raise ValueError(f"person must be None or the id of one of the people; got {person!r}, offered are {offered}.")
        return None if person is None else self.people[self.people.index(person)]

    @traitlets.observe("factors", "unspecified", "person")
    def _move(self, change):
        base, before = self._base_of(self.person, self.factors, self.unspecified), self._base
        self._base = base
        if self._moves:
            self.z = self.z + base - before
