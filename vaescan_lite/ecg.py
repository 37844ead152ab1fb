"""Sets of ECGs and of beats, and lead algebra. Names of leads: `leads`; reading files: `databases`."""

from dataclasses import dataclass, fields, replace

import numpy as np
import pandas as pd

from .leads import LEADS_8, LEADS_12, lead_name, lead_rows

# The waves of a beat whose own waves are not delineated: borders in seconds from the R peak. Everything that says "P" or "QRS"
# of a fixed window means these.
SEGMENTS_S = {"P": (-0.40, -0.12), "PR": (-0.12, -0.05), "QRS": (-0.05, 0.07), "ST": (0.07, 0.16), "T": (0.16, 0.56)}

# Dower's forward matrix, leads I, II, V1 ... V6 from x, y, z (Dower 1980, as used by Clifford and by Sameni).
DOWER = np.array([
    [0.632, -0.235, 0.059], [0.235, 1.066, -0.132], [-0.515, 0.157, -0.917], [0.044, 0.164, -1.387],
    [0.882, 0.098, -1.277], [1.213, 0.127, -0.601], [1.125, 0.127, -0.086], [0.831, 0.076, 0.230],
])  # fmt: skip


@dataclass(frozen=True, eq=False)
class EcgSet:
    """Ten-second (or longer) ECGs of equal length and rate.

    Attributes
    ----------
    signals : ndarray of float32, shape (n_ecgs, n_leads, n_samples), potentials in mV
    fs : float, sampling frequency in Hz
    leads, ids : tuple of str, ndarray of shape (n_ecgs,)
        Names in the order of axis 1, default the 12 or 8 standard leads; default 0, 1, 2, ...
    rejected : DataFrame, what a reader left out on request: columns ``id`` and ``reason``

    Examples
    --------
    >>> ecgs = EcgSet(np.zeros((3, 12, 1000)), fs=100, ids=[7, 8, 9])
    >>> len(ecgs), ecgs[[True, False, True]].ids.tolist()
    (3, [7, 9])
    """

    signals: np.ndarray
    fs: float
    leads: tuple = None
    ids: np.ndarray = None
    rejected: pd.DataFrame = None

    def __post_init__(self):
        _check_common_fields(self)
        if self.rejected is None:
            _set(self, rejected=pd.DataFrame({"id": [], "reason": []}))

    def __len__(self):
        return len(self.signals)

    def __getitem__(self, rows):
        return _take(self, rows, ("signals", "ids"))

    def __repr__(self):
        return f"EcgSet({len(self)} ECGs, {len(self.leads)} leads, {self.signals.shape[-1] / self.fs:g} s at {self.fs:g} Hz)"


@dataclass(frozen=True, eq=False)
class BeatSet:
    """One beat per ECG, the R peak at the same sample in all of them.

    Attributes
    ----------
    signals : ndarray of float32, shape (n_beats, n_leads, n_times)
        Potentials in mV; a row of NaN where an ECG has no usable beat.
    fs, leads, ids
        As in `EcgSet`; a beat has the id of its ECG.
    r_index, rr_s : int, ndarray of float of shape (n_beats,)
        The sample of the R peak, by default 0.40 s after the start; median RR interval in seconds, NaN where it is not known.
    quality : DataFrame, indexed by `ids`, one row per beat; the column ``usable`` says whether the beat may be analysed

    Examples
    --------
    >>> beats = BeatSet(np.zeros((2, 8, 96)), fs=100, ids=["a", "b"])
    >>> beats.r_index, beats[1].ids.tolist()
    (40, ['b'])
    """

    signals: np.ndarray
    fs: float
    leads: tuple = None
    ids: np.ndarray = None
    r_index: int = None
    rr_s: np.ndarray = None
    quality: pd.DataFrame = None

    def __post_init__(self):
        _check_common_fields(self)
        n_beats, _, n_times = self.signals.shape
        r_index = round(0.40 * self.fs) if self.r_index is None else int(self.r_index)
        if not 0 <= r_index < n_times:
            raise ValueError(f"r_index {r_index} lies outside the window of {n_times} samples; it is the sample of the R peak.")
        rr_s = np.full(n_beats, np.nan) if self.rr_s is None else np.asarray(self.rr_s, dtype=float).reshape(-1)
        if len(rr_s) != n_beats:
            raise ValueError(f"rr_s must hold one value for each of the {n_beats} beats; got {len(rr_s)}.")
        quality = self.quality
        if quality is None:
            quality = pd.DataFrame({"usable": np.isfinite(self.signals).all(axis=(1, 2))}, index=self.ids)
        if "usable" not in quality or not np.array_equal(quality.index, self.ids):
            got = f"{len(quality)} rows for {n_beats} beats, with columns {list(quality.columns)}"
            raise ValueError(f"quality must be a DataFrame indexed by ids in order, with a column 'usable'; got {got}.")
        _set(self, r_index=r_index, rr_s=rr_s, quality=quality)

    def __len__(self):
        return len(self.signals)

    def __getitem__(self, rows):
        return _take(self, rows, ("signals", "ids", "rr_s", "quality"))

    def __repr__(self):
        return f"BeatSet({len(self)} beats, {len(self.leads)} leads, {self.signals.shape[-1]} samples at {self.fs:g} Hz)"

    @property
    def time_s(self):
        """Time of each sample from the R peak in seconds, ndarray of float, shape (n_times,)."""
        return beat_time_s(self.signals.shape[-1], self.r_index, self.fs)

    @property
    def usable(self):
        """Mask of the beats that may be analysed, ndarray of bool, shape (n_beats,)."""
        return self.quality["usable"].to_numpy(dtype=bool)


def require_beats(beats):
    """Return beats, or refuse what is no BeatSet, such as an EcgSet or an array, and say how to make one."""
    if not isinstance(beats, BeatSet):
        got = type(beats).__name__
        raise ValueError(f"beats must be a BeatSet; got {got}. Make them with median_beats(ecgs) or BeatSet(array, fs).")
    return beats


def beat_time_s(n_times, r_index, fs):
    """Time of each sample of a beat from the R peak in seconds, ndarray of float, shape (n_times,)."""
    return (np.arange(n_times) - r_index) / fs


def angle_difference_deg(after_deg, before_deg):
    """Return how far an angle has turned, the short way round: -180 to below 180 degrees."""
    return (after_deg - before_deg + 180) % 360 - 180


def subtract_measurements(after, before):
    """Return after minus before, tables of `measure` alike, column by column; angles the short way round."""
    change = after - before
    angles = [name for name in change if name.endswith("_deg")]
    change[angles] = angle_difference_deg(after[angles], before[angles])
    return change


def in_segment(time_s, *segments):
    """Mask of the times in s from the R peak that lie in one of the `SEGMENTS_S` named, start included and end not."""
    inside = np.zeros(len(time_s), dtype=bool)
    for start_s, end_s in (SEGMENTS_S[segment] for segment in segments):
        inside |= (time_s >= start_s - 1e-9) & (time_s < end_s - 1e-9)
    return inside


def to_twelve_leads(x):
    """Add the four leads that follow from I and II, III, aVR, aVL, aVF, as the same kind of thing (..., 12, n_times).

    Parameters
    ----------
    x : EcgSet, BeatSet or ndarray of float, shape (..., 8 or 12, n_times), mV
        Leads of an array are in standard order (I, II, V1 ... V6). Twelve come back in standard order, their values untouched.

    Examples
    --------
    >>> eight = np.zeros((8, 1)); eight[:2, 0] = 1.0, 1.5
    >>> to_twelve_leads(eight)[:6, 0].tolist()
    [1.0, 1.5, 0.5, -1.25, 0.25, 1.0]
    """
    if isinstance(x, (EcgSet, BeatSet)):
        if set(LEADS_12) <= set(x.leads):
            return pick_leads(x, LEADS_12)
        return replace(x, signals=to_twelve_leads(pick_leads(x, LEADS_8).signals), leads=LEADS_12)
    x = _leads_before_time(x)
    if x.shape[-2] == 12:
        return x
    # Not a product with TWELVE_FROM_EIGHT: there, 0 times NaN would carry one lead's NaN into all twelve.
    i, ii = x[..., 0, :], x[..., 1, :]
    derived = np.stack([ii - i, -(i + ii) / 2, i - ii / 2, ii - i / 2], axis=-2)  # III, aVR, aVL, aVF
    return np.concatenate([x[..., :2, :], derived, x[..., 2:, :]], axis=-2)


def to_eight_leads(x):
    """Keep the eight independent leads I, II, V1 ... V6, as the same kind of thing (..., 8, n_times).

    Parameters
    ----------
    x : EcgSet, BeatSet or ndarray of float, shape (..., 12 or 8, n_times), as for `to_twelve_leads`
    """
    if isinstance(x, (EcgSet, BeatSet)):
        return pick_leads(x, LEADS_8)
    x = _leads_before_time(x)
    return x if x.shape[-2] == 8 else x[..., [LEADS_12.index(lead) for lead in LEADS_8], :]


def pick_leads(x, leads):
    """Return the same EcgSet or BeatSet with these leads only, in this order."""
    return replace(x, signals=x.signals[:, lead_rows(x.leads, leads, type(x).__name__)], leads=leads)


def _leads_before_time(x):
    x = np.asarray(x)
    if not np.issubdtype(x.dtype, np.floating):
        x = x.astype(np.float32)
    if x.ndim < 2 or x.shape[-2] not in (8, 12):
        raise ValueError(f"expected 8 or 12 leads on the axis before the last, (..., lead, time); got shape {x.shape}.")
    return x


def _set(frozen, **values):
    for name, value in values.items():
        object.__setattr__(frozen, name, value)


def _check_common_fields(x):
    """Check and complete what both kinds of set have: signals, fs, leads and ids."""
    try:
        signals = np.asarray(x.signals, dtype=np.float32)
    except (TypeError, ValueError) as error:  # text, rows of different lengths, a set
        got = f"{type(x.signals).__name__}: {error}"
        raise ValueError(f"signals must be an array of numbers, (ecg, lead, time) in mV; {got}") from None
    if signals.ndim != 3:
        shape = signals.shape
        raise ValueError(f"signals must have shape (ecg, lead, time) in mV; got {shape}. For one ECG use signal[np.newaxis].")
    try:
        fs = float(x.fs)
    except (TypeError, ValueError):
        fs = np.nan
    if not 0 < fs < np.inf:
        raise ValueError(f"fs must be a sampling frequency in Hz above 0; got {x.fs!r}.")
    n_rows, n_leads, _ = signals.shape
    leads = {8: LEADS_8, 12: LEADS_12}.get(n_leads, ()) if x.leads is None else x.leads
    leads = tuple(lead_name(str(lead)) for lead in leads)
    if len(leads) != n_leads or len(set(leads)) != n_leads:
        is_turned = signals.shape[2] in (8, 12, len(leads)) and n_leads > 12
        turn = " Time comes last: (ecg, lead, time); swap the axes with signals.swapaxes(1, 2)." if is_turned else ""
        got = f"signals have {n_leads}, and the names are {leads}. They can be left out for the 8 or 12 standard leads.{turn}"
        raise ValueError(f"leads must be different names, one for each row of axis 1; {got}")
    ids = np.arange(n_rows) if x.ids is None else np.asarray(x.ids)
    if ids.shape != (n_rows,):
        raise ValueError(f"ids must hold one id for each of the {n_rows} rows of signals; got shape {ids.shape}.")
    _set(x, signals=signals, fs=fs, leads=leads, ids=ids)


def _take(x, rows, per_row):
    """Return the rows (mask, indices, slice or number) of a set, in all its fields that have one value per row."""
    if not isinstance(rows, slice):
        rows = np.asarray(rows)
        if rows.dtype == bool and rows.shape != (len(x),):
            raise ValueError(f"a mask must have one entry for each of the {len(x)} rows; got shape {rows.shape}.")
        rows = rows if rows.size else rows.astype(int)  # an empty list is an array of float
        if rows.dtype.kind not in "iub":
            raise ValueError(f"rows are whole numbers, a mask or a slice; got {rows.ravel()[:3]}. For ids use x[x.ids == id].")
    index = np.atleast_1d(np.arange(len(x))[rows])
    values = {field.name: getattr(x, field.name) for field in fields(x)}
    for name in per_row:
        values[name] = values[name].iloc[index] if hasattr(values[name], "iloc") else values[name][index]
    return type(x)(**values)
