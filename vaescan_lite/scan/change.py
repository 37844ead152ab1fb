"""One person changed: the same beats with other factors."""

from dataclasses import replace

import numpy as np
import pandas as pd

from ..ecg import require_beats, to_eight_leads
from ..factors import aligned, known_names
from .associations import checked_values


def changed_beats(scan, beats, to, factors=None):
    """Return the beats of the same people with other factors, see `Scan.change`."""
    names = known_names(to, scan.coding_.names, "factor(s)")
    if not names:
        return require_beats(beats)
    require_beats(beats)
    beats = to_eight_leads(beats)
    table = pd.DataFrame({name: np.full(len(beats), value, dtype=float) for name, value in to.items()}, index=beats.ids)
    coding = scan.coding_
    columns = [coding.names.index(name) for name in names]
    wanted = checked_values(table, coding.continuous[columns])
    if np.isnan(wanted).any():
        raise ValueError(f"a factor can be changed to a value only; got {to}. Leave out what is to stay as it is.")
    mu, _ = scan.vae.posterior(beats)
    scores = (wanted - _present_values(scan, beats, names, factors)) / coding.sd[columns]
    weight = scan.encoder_.weight.detach().numpy()[:, columns]  # (n_latents, n_changed), latents per SD of a factor
    moved = (mu + scores @ weight.T).astype(np.float32)
    difference = scan.vae.inverse_transform(moved) - scan.vae.inverse_transform(mu)
    return replace(beats, signals=beats.signals + difference)


def _present_values(scan, beats, names, factors):
    """Return what is known of the people, else what the Scan reads, ndarray (n_beats, n_changed)."""
    read = scan.ecg_to_factors(beats)[names]
    if factors is None:
        return read.to_numpy(dtype=float)
    known = aligned(factors, beats.ids, [name for name in names if name in factors], "factors")
    return known.reindex(columns=names).astype(float).where(lambda table: table.notna(), read).to_numpy()
