"""People an explorer starts from: their own beats, latents and factors."""

import numpy as np

from ..ecg import require_beats, to_eight_leads
from ..factors import FACTOR_LABELS, aligned
from ..measurements import measure
from .payload import plain
from .readout import READOUTS, is_measurable

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
