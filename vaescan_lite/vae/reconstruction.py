"""What every encoder of beats shares: checks of its input, principal components as yardstick, error by segment."""

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.decomposition import PCA
from sklearn.utils.validation import check_is_fitted

from ..beats.detection import vertex
from ..ecg import LEADS_8, SEGMENTS_S, BeatSet, in_segment, require_beats, to_eight_leads
from ..statistics import row_correlation

ERROR_ROWS = {**{name: (name,) for name in SEGMENTS_S}, "ST-T": ("ST", "T"), "all": tuple(SEGMENTS_S)}
N_LATENTS = 40  # of a VAE by default, and components of its yardstick
BEFORE_QRS = ("P", "PR")  # where a P wave may lie: that of a short PR reaches into the PR segment


class BeatTransformer(TransformerMixin, BaseEstimator):
    """Checks of input, and rows of NaN for beats that are not usable."""

    def fit_transform(self, beats, y=None, **fit_params):
        """Fit, then transform the same beats; `y` is ignored, as in any unsupervised transformer."""
        return self.fit(beats, **fit_params).transform(beats)

    def reconstruct(self, beats):
        """Encode and decode: float32, (n_beats, 8, n_times) in mV, rows of NaN for beats that are not usable."""
        return self.inverse_transform(self.transform(beats))

    def _remember_form(self, beats):
        """Keep what new beats must agree with: sampling rate, R peak, leads, window."""
        signals, _ = _signals_of(beats)
        if signals.ndim != 3 or signals.shape[1] != len(LEADS_8):
            raise ValueError(f"beats must have shape (n_beats, 8, n_times) in mV; got {signals.shape}.")
        self.fs_, self.r_index_ = (beats.fs, beats.r_index) if isinstance(beats, BeatSet) else (None, None)
        self.leads_, self.n_times_ = LEADS_8, signals.shape[2]

    def _checked(self, beats, name="beats"):
        """Signals (n_beats, 8, n_times) and the mask of usable rows, or an error that says what differs."""
        signals, usable = _signals_of(beats)
        if signals.ndim != 3 or signals.shape[1:] != (len(self.leads_), self.n_times_):
            form = f"(n_beats, {len(self.leads_)} leads, {self.n_times_} samples)"
            raise ValueError(f"{name} must have shape {form}, as in fit; got {signals.shape}.")
        if isinstance(beats, BeatSet):
            for what, then in (("fs", self.fs_), ("r_index", self.r_index_)):
                now = getattr(beats, what)
                if then is not None and now != then:
                    advice = "make them with the same rate and window"
                    raise ValueError(f"{name} have {what} {now:g}, the beats of fit had {then:g}; {advice}.")
        return signals, usable

    @staticmethod
    def _checked_codes(z, n_codes):
        """Latents or scores as a float32 array (n_beats, n_codes), or an error that says what came."""
        z = np.ascontiguousarray(z, dtype=np.float32)
        if z.ndim != 2 or z.shape[1] != n_codes:
            raise ValueError(f"z must have shape (n_beats, {n_codes}); got {z.shape}. For one beat use z[np.newaxis].")
        return z

    @staticmethod
    def _rows(usable, values):
        """Put `values`, one row per usable beat, into rows of NaN."""
        out = np.full((len(usable), *values.shape[1:]), np.nan, dtype=np.float32)
        out[usable] = values
        return out


def _signals_of(beats):
    """Eight leads as float32 array, and which rows are usable."""
    if isinstance(beats, BeatSet):
        beats = to_eight_leads(beats)
        return beats.signals, beats.usable & np.isfinite(beats.signals).all(axis=(1, 2))
    if hasattr(beats, "signals") or hasattr(beats, "read"):  # an EcgSet, a Database
        require_beats(beats)
    signals = np.asarray(beats, dtype=np.float32)
    return signals, np.isfinite(signals).all(axis=tuple(range(1, signals.ndim)))


class BeatPCA(BeatTransformer):
    """Principal components of beats: the linear yardstick of the VAE, behind the same interface.

    Parameters
    ----------
    n_components, seed : int, components kept; the seed is for scikit-learn's randomised solver, which it uses on large data
    """

    def __init__(self, n_components=N_LATENTS, seed=0):
        self.n_components, self.seed = n_components, seed

    def fit(self, beats, y=None):
        """Fit on the usable beats, BeatSet or array (n_beats, 8, n_times) in mV; `y` is ignored."""
        self._remember_form(beats)
        signals, usable = self._checked(beats)
        if usable.sum() < self.n_components:
            raise ValueError(f"{self.n_components} components need as many usable beats; got {usable.sum()}.")
        self.pca_ = PCA(self.n_components, random_state=self.seed).fit(signals[usable].reshape(usable.sum(), -1))
        return self

    def transform(self, beats):
        """Scores, float32, (n_beats, n_components); rows of NaN for beats that are not usable."""
        check_is_fitted(self, "pca_")
        signals, usable = self._checked(beats)
        flat = signals[usable].reshape(usable.sum(), -1)
        return self._rows(usable, self.pca_.transform(flat) if len(flat) else np.zeros((0, self.n_components)))

    def inverse_transform(self, z):
        """Beats in mV, float32, (n_beats, 8, n_times), from scores (n_beats, n_components)."""
        check_is_fitted(self, "pca_")
        z = self._checked_codes(z, self.n_components)
        # By hand: scikit-learn refuses the rows of NaN that stand for unusable beats.
        return (z @ self.pca_.components_ + self.pca_.mean_).reshape(-1, len(self.leads_), self.n_times_).astype(np.float32)


def segment_errors(beats, reconstructed):
    """Mean absolute reconstruction error in microvolts by segment of the beat and lead.

    `beats` have 8 leads in mV, `reconstructed` is (n_beats, 8, n_times) in mV; rows in which either holds NaN are not counted.
    A DataFrame: rows P, PR, QRS, ST, T (`ecg.SEGMENTS_S`), ST-T, all; columns the leads and ``mean``; NaN where the beats have
    no sample.
    """
    error_uv = 1000 * np.abs(beats.signals - _of_shape(reconstructed, beats))
    error_uv = error_uv[np.isfinite(error_uv).all(axis=(1, 2))]
    rows = {name: error_uv[:, :, in_segment(beats.time_s, *parts)].mean(axis=(0, 2)) for name, parts in ERROR_ROWS.items()}
    table = pd.DataFrame(rows, index=beats.leads).T.rename_axis("segment")
    table["mean"] = table.mean(axis=1)
    return table


def p_wave_fidelity(beats, reconstructed, *, within_ms=20):
    """How well the P wave of a reconstruction keeps its shape and its time.

    `beats` have 8 leads in mV and are of people who have a P wave: leave out atrial fibrillation. `reconstructed` (n_beats, 8,
    n_times) are their reconstructions in mV; or other beats of the same people, as `beats.split_median_beats` makes them: what
    noise alone leaves, which no model can be asked to beat by much. Rows in which either holds NaN are not counted.

    A Series: ``n``: beats counted; ``correlation``: mean over beats of the Pearson correlation in the P and PR windows, the
    mean of each lead subtracted, over leads and times; ``peak_within``: share of beats, in %, whose P peak is at most
    `within_ms` off. The peak is the highest local maximum, in the window, of the root mean square over the leads of what rises
    above the straight line between the window's ends; a reconstruction without one counts as off, an original without one is
    not counted there.
    """
    reconstructed = _of_shape(reconstructed, beats)
    time_ms, start_ms = 1000 * beats.time_s, 1000 * SEGMENTS_S["P"][0]
    if time_ms[0] > start_ms + 1e-6:
        raise ValueError(f"the P window starts {-start_ms:g} ms before R; the beats start {-time_ms[0]:g} ms before it.")
    inside = in_segment(beats.time_s, *BEFORE_QRS)
    x, x_hat = (signals[:, :, inside].astype(float) for signals in (beats.signals, reconstructed))
    known = np.isfinite(x).all(axis=(1, 2)) & np.isfinite(x_hat).all(axis=(1, 2))
    x, x_hat = x[known], x_hat[known]
    peak_ms, peak_hat_ms = (_p_peaks_ms(signals, time_ms[inside]) for signals in (x, x_hat))
    has_p = np.isfinite(peak_ms)
    is_near = np.abs(peak_hat_ms - peak_ms)[has_p] <= within_ms
    shapes = ((signals - signals.mean(axis=2, keepdims=True)).reshape(len(x), -1) for signals in (x, x_hat))
    correlation = np.nan_to_num(row_correlation(*shapes))  # 0 where one is flat
    means = [values.mean() if len(values) else np.nan for values in (correlation, 100 * is_near)]
    return pd.Series([known.sum(), *means], index=["n", "correlation", "peak_within"])


def _of_shape(reconstructed, beats):
    """Return the reconstructions as an array of the shape of the beats, or refuse them."""
    reconstructed = np.asarray(reconstructed)
    if reconstructed.shape != beats.signals.shape:
        raise ValueError(f"reconstructed must have the shape of the beats, {beats.signals.shape}; got {reconstructed.shape}.")
    return reconstructed


def _p_peaks_ms(signals, time_ms):
    """Time of the highest local maximum of each beat in the window, (n_beats,), between samples; NaN where there is none."""
    share = np.linspace(0, 1, len(time_ms))
    above = signals - signals[:, :, :1] * (1 - share) - signals[:, :, -1:] * share
    size = np.sqrt(np.square(above).mean(axis=1))
    before, peak, after = size[:, :-2], size[:, 1:-1], size[:, 2:]
    height = np.where((peak >= before) & (peak > after), peak, -np.inf)
    rows, highest = np.arange(len(size)), height.argmax(axis=1)
    peak_ms = time_ms[highest + 1] + vertex(size, rows, highest + 1) * (time_ms[1] - time_ms[0])
    return np.where(np.isfinite(height[rows, highest]), peak_ms, np.nan)
