"""Edits of a beat that need no model: one wave is moved, widened, scaled or turned, and the rest stays as it was recorded.

They ask a model a question in milliseconds, millivolts and degrees: what does it say if only the PR interval grows?
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy.interpolate import CubicSpline

from ..ecg import require_beats, subtract_measurements, to_eight_leads
from .values import find_boundaries, measure, usable_rows

LEAST_WAVE_mV = 0.1  # a smaller R or T wave is not scaled: a multiple of next to nothing says nothing


@dataclass(frozen=True)
class Edit:
    """One way to change a beat, by several steps."""

    measurement: str  # the column of `measure` that is to move
    steps: tuple  # amounts in rising order, the neutral one among them
    neutral: float  # the amount that changes nothing: 0 where it is added, 1 where it multiplies
    unit: str  # of the amounts
    follows: tuple  # measurements that have to move along, because of what they are (QT contains QRS)
    change: Callable  # (beats, edges, amount) -> signals (n_beats, 8, n_times) in mV, NaN where it cannot be done

    def __call__(self, beats, amount):
        """Return beats of 8 leads, changed by an amount within the steps; NaN where there is no such wave or no room."""
        least, most = self.steps[0], self.steps[-1]
        if not least <= amount <= most:
            raise ValueError(f"the amount must lie between {least:g} and {most:g} {self.unit}; got {amount!r}.")
        return next(self._each(beats, [amount]))

    def series(self, beats):
        """Return one BeatSet per step, the boundaries of the waves found only once."""
        return list(self._each(beats, self.steps))

    def intended(self, before, amount):
        """Return what the measurement should be after the edit, for values `before` it."""
        return before * amount if self.neutral == 1 else before + amount

    def _each(self, beats, amounts):
        beats = to_eight_leads(require_beats(beats))
        rows = usable_rows(beats)
        usable = beats[rows]
        edges = find_boundaries(usable)[2]
        for amount in amounts:
            signals = np.full(beats.signals.shape, np.nan, dtype=np.float32)
            signals[rows] = self.change(usable, edges, amount)
            quality = beats.quality.assign(usable=np.isfinite(signals).all(axis=(1, 2)))
            yield replace(beats, signals=signals, quality=quality)


def audit(beats, edits=None):
    """Measure edited beats (default `EDITS`), to see that the intended quantity moves and nothing else does.

    A DataFrame, one row per edit and step other than the neutral one: ``intended`` (median change, in the unit of
    ``measurement``), ``measured`` (its median change), ``error`` (median of the absolute difference between the two), ``other``
    (the measurement outside ``follows`` that moves most, and ``other_sd``, its median absolute change in its own SDs), ``n``.
    """
    before = measure(to_eight_leads(require_beats(beats)))
    spread = before.std()
    rows = []
    for name, edit in (EDITS if edits is None else edits).items():
        for amount, edited in zip(edit.steps, edit.series(beats), strict=True):
            if amount == edit.neutral or not edited.usable.any():
                continue
            change = subtract_measurements(measure(edited), before)[edited.usable]
            intended = (edit.intended(before[edit.measurement], amount) - before[edit.measurement])[edited.usable]
            measured = change[edit.measurement]
            side_effects = (change.drop(columns=[edit.measurement, *edit.follows]).abs().median() / spread).dropna()
            rows.append((
                name, amount, edit.measurement, intended.median(), measured.median(), (measured - intended).abs().median(),
                side_effects.idxmax(), side_effects.max(), int(measured.notna().sum()),
            ))  # fmt: skip
    columns = ["edit", "amount", "measurement", "intended", "measured", "error", "other", "other_sd", "n"]
    return pd.DataFrame(rows, columns=columns)


def move_p(beats, edges, delay_ms):
    """Move P so many ms away from QRS; the level between is drawn out, that before P compressed, a next P stays where it is."""
    start = _time_ms(beats)[0]
    fits = np.isfinite(edges.p_onset_ms) & (edges.p_onset_ms - delay_ms >= start) & (edges.p_onset_ms > start)
    onset, offset = (np.where(fits, edge, 0.0) for edge in (edges.p_onset_ms, edges.p_offset_ms))
    qrs = np.maximum(edges.qrs_onset_ms, offset + 1)
    begin, stay = np.full(len(beats), start - 1.0), _time_ms(beats)[-1]
    target = np.stack([begin, onset - delay_ms, offset - delay_ms, qrs, np.maximum(qrs, stay)], axis=1)
    source = np.stack([begin, onset, offset, qrs, np.maximum(qrs, stay)], axis=1)
    return _warped(beats, target, source, fits)


def stretch_qrs(beats, edges, factor):
    """Stretch QRS around the R sample; P keeps its distance before it, ST and T keep theirs behind it, so QT grows as much."""
    start, end = _time_ms(beats)[[0, -1]]
    on, off = edges.qrs_onset_ms, edges.qrs_offset_ms
    early, late = (factor - 1) * on, (factor - 1) * off  # how far the neighbours move, early below zero
    p_stays = np.isnan(edges.p_onset_ms) | (edges.p_onset_ms + early >= start)
    fits = np.isfinite(on) & np.isfinite(off) & (on < 0) & (off > 0) & p_stays
    far = end - start
    target = np.stack([on + early - far, on + early, off + late, off + late + far], axis=1)
    source = np.stack([on - far, on, off, off + far], axis=1)
    return _warped(beats, np.where(fits[:, None], target, 0), np.where(fits[:, None], source, 0), fits)


def scale_r_v5(beats, edges, factor):
    """Multiply what stands above the line from the beginning to the end of QRS in V5."""
    signals, lead = beats.signals.astype(float), beats.leads.index("V5")
    above = np.maximum(_above_qrs_line(beats, edges)[:, lead], 0)
    signals[:, lead] += (factor - 1) * above
    signals[above.max(axis=1) < LEAST_WAVE_mV] = np.nan
    return signals


def lift_st_v2(beats, edges, lift_mV):
    """Lift the ST segment of V2: up within 40 ms after QRS, level for 40 ms, and back before the top of T."""
    time = _time_ms(beats)[None]
    j, t_end = edges.qrs_offset_ms[:, None], edges.t_offset_ms[:, None]
    back = np.fmax(j + 120, j + 0.5 * (t_end - j))
    shape = _ramp(time, j, j + 40) - _ramp(time, j + 80, back)
    signals = beats.signals.astype(float)
    signals[:, beats.leads.index("V2")] += lift_mV * shape  # NaN where there is no end of QRS or T
    return signals


def scale_t_v5(beats, edges, factor):
    """Multiply the T wave of V5, from 60-100 ms after QRS to its end; -1 turns it over. Only T waves that stand upright."""
    time = _time_ms(beats)[None]
    j, t_end = edges.qrs_offset_ms[:, None], edges.t_offset_ms[:, None]
    shape = _ramp(time, j + 60, j + 100) - _ramp(time, t_end, t_end + 40)
    signals, lead = beats.signals.astype(float), beats.leads.index("V5")
    wave = signals[:, lead] * (shape > 0.99)
    upright = (wave.max(axis=1) >= LEAST_WAVE_mV) & (wave.max(axis=1) >= -wave.min(axis=1))
    signals[:, lead] *= 1 + (factor - 1) * shape
    signals[~upright] = np.nan
    return signals


def turn_axis(beats, edges, angle_deg):
    """Turn QRS in the plane of I and aVF, measured from the line from its beginning to its end; positive is clockwise."""
    signals = beats.signals.astype(float)
    above = _above_qrs_line(beats, edges)[:, :2]  # I and II
    signals[:, :2] += turn_frontal(above, angle_deg) - above
    return signals


def turn_frontal(limb, angle_deg):
    """Turn leads I and II, (n_beats, 2, n_times), in the plane of I and aVF, by one angle or one of each beat, (n_beats, 1)."""
    lead_i, angle = limb[:, 0], np.deg2rad(angle_deg)
    avf = limb[:, 1] - lead_i / 2
    turned_i = np.cos(angle) * lead_i - np.sin(angle) * avf
    return np.stack([turned_i, np.sin(angle) * lead_i + np.cos(angle) * avf + turned_i / 2], axis=1)


EDITS = {
    "PR": Edit("pr_ms", (0, 10, 20, 40, 60, 80), 0, "ms", (), move_p),
    "QRS": Edit("qrs_ms", (1, 1.15, 1.3, 1.45, 1.6), 1, "times", (
        "qt_ms", "qtcf_ms", "qtcb_ms", "r_peak_time_V1_ms", "r_peak_time_V5_ms",
    ), stretch_qrs),
    "R V5": Edit("r_V5_mV", (0.7, 0.85, 1, 1.15, 1.3, 1.5), 1, "times", ("sokolow_lyon_mV",), scale_r_v5),
    "ST V2": Edit("st_V2_mV", (-0.1, -0.05, 0, 0.05, 0.1), 0, "mV", (), lift_st_v2),
    "T V5": Edit("t_V5_mV", (-1, -0.5, 0, 0.5, 1, 1.5), 1, "times", (), scale_t_v5),
    "axis": Edit("qrs_axis_deg", (-30, -15, 0, 15, 30), 0, "degrees", tuple(
        f"{wave}_{lead}_mV" for wave in "qrs" for lead in ("I", "II", "III", "aVR", "aVL", "aVF")
    ) + ("cornell_mV",), turn_axis),
}  # fmt: skip


def _time_ms(beats):
    """Time from the R peak in ms; 1000 * `beats.time_s` would miss whole milliseconds by the last digit."""
    return (np.arange(beats.signals.shape[-1]) - beats.r_index) * 1000 / beats.fs


def _warped(beats, target, source, fits):
    """Read each beat at other times: what lies at ``source`` goes to ``target``, in ms, (n_beats, n_knots), linear between."""
    time = _time_ms(beats)
    signals = np.full(beats.signals.shape, np.nan)
    for row in np.flatnonzero(fits):
        at = np.clip(np.interp(time, target[row], source[row]), time[0], time[-1])
        moves = np.abs(at - time).max() > 1e-9
        signals[row] = CubicSpline(time, beats.signals[row], axis=-1)(at) if moves else beats.signals[row]
    return signals


def _above_qrs_line(beats, edges):
    """Height above the line from the beginning to the end of QRS, zero outside, NaN without a QRS; (n_beats, 8, n_times)."""
    time, signals = _time_ms(beats), beats.signals.astype(float)
    out = np.full(signals.shape, np.nan)
    for row in np.flatnonzero(np.isfinite(edges.qrs_onset_ms) & np.isfinite(edges.qrs_offset_ms)):
        ends = [edges.qrs_onset_ms[row], edges.qrs_offset_ms[row]]
        level = CubicSpline(time, signals[row], axis=-1)(ends)  # (8, 2)
        share = (time - ends[0]) / (ends[1] - ends[0])
        inside = (share > 0) & (share < 1)
        out[row] = np.where(inside, signals[row] - level[:, :1] - share * np.diff(level), 0)
    return out


def _ramp(time, start, end):
    """From 0 to 1 between two times, as half a cosine."""
    return 0.5 - 0.5 * np.cos(np.pi * np.clip((time - start) / (end - start), 0, 1))
