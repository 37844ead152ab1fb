"""People an explorer starts from: their own beats, latents and factors."""

import numpy as np

from ..ecg import require_beats, to_eight_leads
from ..factors import FACTOR_LABELS, aligned
from ..measurements import measure
from .payload import plain
from .readout import READOUTS, fit_readout

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
        self.known, self.present = None, None
        if scan is not None:
            read = scan.ecg_to_factors(self.beats)
            names = list(read.columns)
            if known is not None:
                self.known = aligned(known, self.beats.ids, [name for name in names if name in known], "known_factors")
                read = self.known.reindex(columns=names).astype(float).where(lambda table: table.notna(), read)
            self.present = read.to_numpy(dtype=float)
        self.measured = None if fit_readout(vae) is None else measure(self.beats)[list(READOUTS)]

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
        if self.known is None:
            return f"{self.ids[place]}"
        texts = []
        for name, value in self.known.iloc[place].items():
            if name == "sex_female" and value in (0, 1):
                texts.append("female" if value else "male")
            elif name == "age_years" and np.isfinite(value):
                texts.append(f"{value:.0f} years")
            elif value == 1:
                label = FACTOR_LABELS.get(name, name)
                texts.append(label[0].lower() + label[1:] if label[1:2].islower() else label)
        return f"{self.ids[place]}: {', '.join(texts)}" if texts else f"{self.ids[place]}"

    def state(self):
        """Return what travels of each person; their beats travel beside it."""
        return [
            {
                "id": self.ids[i],
                "label": self.label(i),
                "mu": plain(self.mu[i]),
                "present": None if self.present is None else plain(self.present[i]),
                "measured": {} if self.measured is None else dict(zip(READOUTS, plain(self.measured.iloc[i].to_numpy()))),
            }
            for i in range(len(self.ids))
        ]
