"""What a model may see of an ECG: from age and sex to the ten-second signal, as scikit-learn transformers of `Recordings`."""

from copy import copy
from functools import cached_property

import joblib
import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.impute import SimpleImputer
from tqdm import tqdm

from ..beats.filters import band_pass
from ..beats.medians import median_beats
from ..cache import SomeRows, cache_folder, memory_mapped, source_hash
from ..ecg import to_eight_leads
from ..factors import FACTOR_NAMES, aligned
from ..measurements import criteria
from ..measurements.values import measure
from ..vae import N_LATENTS, BeatPCA, BeatVAE

BATCH = 512  # ECGs read and filtered at a time
TEN_SECONDS_BY = ("beats", "databases", "ecg", "leads", "cache", "benchmark")  # rooms that filtered ECGs depend on


class Recordings:
    """Rows of a database with everything a representation may look at, each read or computed when first asked for.

    ``rows[mask or indices]`` gives some of the rows; what is read once serves all of them.

    Parameters
    ----------
    db, progress : Database, bool
    ids : sequence, optional, which ECGs, in which order; None means all
    beats, factors : BeatSet, DataFrame, optional
        Median beats, one per id in the same order, None makes them; what is known, by id, None takes all factors and targets.
    fs : float, sampling rate in Hz of beats and ten-second signals: 32 kB an ECG at 100 Hz, memory-mapped from the cache
    """

    def __init__(self, db, ids=None, *, beats=None, factors=None, fs=100, progress=False):
        self._source = _Source(db, ids, beats, factors, fs, progress)
        self._rows = np.arange(len(self._source.ids))

    def __len__(self):
        return len(self._rows)

    def __getitem__(self, rows):
        part = copy(self)
        part._rows = np.atleast_1d(self._rows[rows])
        return part

    def __repr__(self):
        return f"Recordings({len(self)} ECGs of {self._source.db!r})"

    db = property(lambda self: self._source.db, doc="The database that the ECGs come from.")
    ids = property(lambda self: self._source.ids[self._rows], doc="One id per row, ndarray of shape (n,).")
    factors = property(lambda self: self._source.factors.iloc[self._rows], doc="What is known by id; NaN is unknown.")
    fold = property(lambda self: self._source.fold[self._rows], doc="Fold of each row, 1 to 10, ndarray of int, shape (n,).")
    beats = property(lambda self: self._source.beats[self._rows], doc="Median beats, a BeatSet of 8 leads.")
    measurements = property(lambda self: self._source.measurements.iloc[self._rows], doc="What `measure` gives of the beats.")
    ten_seconds = property(
        lambda self: SomeRows(self._source.ten_seconds, self._rows),
        doc="The eight independent leads, float32 of shape (n, 8, n_samples) in mV, 0.5-40 Hz without a shift of phase.",
    )

    def prepare(self, names):
        """Read or compute the named attributes now, for example ``("beats", "ten_seconds")``, and return these rows."""
        for name in names:
            getattr(self._source, name)
        return self


class _Source:
    """What all parts of a Recordings share."""

    def __init__(self, db, ids, beats, factors, fs, progress):
        self.db, self.fs, self.progress = db, fs, progress
        self.ids = np.asarray(db.ids if ids is None else ids)
        if factors is None:  # beside targets of one's own, too, all that the book knows by name
            factors = db.factors(dict.fromkeys((*db.targets, *FACTOR_NAMES))) if getattr(db, "targets", ()) else db.factors()
        self.factors = aligned(factors, self.ids)
        self.fold = pd.Series(db.fold).loc[self.ids].to_numpy()
        if beats is not None:
            if not np.array_equal(beats.ids, self.ids):
                raise ValueError("beats must have one row per id, in the same order; their ids differ.")
            self.beats = beats

    @cached_property
    def beats(self):
        return median_beats(self.db, self.ids, fs=self.fs, progress=self.progress)

    @cached_property
    def measurements(self):
        return measure(self.beats)

    @cached_property
    def ten_seconds(self):
        if not hasattr(self.db, "fingerprint"):  # a simulated world, in memory anyway
            return np.concatenate(list(self._filtered()))
        key = joblib.hash((self.db.fingerprint, self.ids, self.fs, source_hash(*TEN_SECONDS_BY)))
        return memory_mapped(cache_folder() / "ten_seconds" / f"{key}.npy", len(self.ids), self._filtered)

    def _filtered(self):
        """Yield the eight leads of some ECGs at a time, in the band of the beats, so that rhythm and detail alone differ."""
        starts = range(0, len(self.ids), BATCH)
        for start in tqdm(starts, desc="reading ten seconds", leave=False, disable=not self.progress, mininterval=0.5):
            yield band_pass(to_eight_leads(self.db.read(self.ids[start : start + BATCH], fs=self.fs)).signals, self.fs)


class Representation(TransformerMixin, BaseEstimator):
    """Base of the representations; one that learns nothing needs only ``transform(rows)``.

    `needs` names attributes of Recordings that are read before work is handed to other processes. `gives` is what ``transform``
    returns: a "table" (n, n_columns) for models of tables; a "beat" (n, n_leads, n_times), aligned by its R peak, for networks
    and, flattened, for models of tables; or a "signal" of that shape, unaligned, for networks only. A column with the name of
    the task is left out of that task.
    """

    needs = ("beats",)
    gives = "table"

    def fit(self, rows, y=None):
        """Learn from the training rows; here nothing."""
        return self


class Measurements(Representation):
    """Intervals, axes and amplitudes; a value that is absent is the training median, and marked in a column of its own."""

    needs = ("measurements",)

    def fit(self, rows, y=None):
        """Learn the medians of the training rows; a column that is empty there becomes zeros."""
        imputer = SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True)
        self.imputer_ = imputer.set_output(transform="pandas").fit(self._table(rows))
        return self

    def transform(self, rows):
        """Return a DataFrame, shape (n, n_measurements and marks)."""
        return self.imputer_.transform(self._table(rows))

    def _table(self, rows):
        return rows.measurements


class AgeSex(Measurements):
    """Age and sex, the baseline everything else must beat; unknown ones are the training median, and marked."""

    needs = ()

    def _table(self, rows):
        return rows.factors.reindex(columns=["age_years", "sex_female"]).astype(float)


class Rhythm(Measurements):
    """What a median beat cannot hold: the RR interval, its SD, and how much it changes from beat to beat."""

    needs = ("beats",)

    def _table(self, rows):
        return rows.beats.quality[["rr_s", "rr_sd_s", "rr_rmssd_s"]].astype(float)


class Rules(Representation):
    """Textbook criteria (thresholds and sources: `measurements.criteria`), each met or not; what cannot be measured is not met.

    The voltage criteria were made for unfiltered ECGs; a filter and 100 Hz lower them.
    """

    needs = ("measurements",)

    def transform(self, rows):
        """Return a DataFrame of 0 and 1, shape (n, n_rules)."""
        m = rows.measurements
        is_wide = m["qrs_ms"] >= criteria.WIDE_QRS_MS
        v1_is_up = criteria.v1_net_mV(m) > 0
        is_woman = rows.factors["sex_female"].to_numpy() == 1 if "sex_female" in rows.factors else np.zeros(len(rows), bool)
        return pd.DataFrame(
            {
                "PR above 200 ms": m["pr_ms"] > criteria.LONG_PR_MS,
                "no P wave": m["p_ms"].isna(),
                "wide QRS, V1 up": is_wide & v1_is_up,
                "wide QRS, V1 down": is_wide & ~v1_is_up,
                "Sokolow-Lyon": m["sokolow_lyon_mV"] >= criteria.SOKOLOW_LYON_mV,
                "Cornell": m["cornell_mV"] >= np.where(is_woman, criteria.CORNELL_WOMEN_mV, criteria.CORNELL_MEN_mV),
                "axis left of -45 degrees": m["qrs_axis_deg"].between(*criteria.LEFT_AXIS_DEG),
                "inferior Q": criteria.second_deepest_q_mV(m, criteria.INFERIOR) >= criteria.DEEP_Q_mV,
                "anterior Q": criteria.second_deepest_q_mV(m, criteria.ANTERIOR) >= criteria.DEEP_Q_mV,
                "T inverted in V5 or V6": (m[["t_V5_mV", "t_V6_mV"]] < -0.1).any(axis=1),
                "T inverted in II": m["t_II_mV"] < -0.1,
                "ST down in V5 or V6": (m[["st_V5_mV", "st_V6_mV"]] < -0.05).any(axis=1),
                "faster than 100": m["heart_rate_bpm"] > 100,
                "slower than 50": m["heart_rate_bpm"] < 50,
            }
        ).astype(float)


class VAELatents(Representation):
    """Posterior means of a BeatVAE that is trained on the training rows and on nothing else."""

    def __init__(self, n_latents=N_LATENTS, budget="workshop", seed=0):
        self.n_latents, self.budget, self.seed = n_latents, budget, seed

    def fit(self, rows, y=None, model=None):
        """Train the model of beats, or take one that was trained on these rows."""
        self.model_ = self.beat_model().fit(rows.beats) if model is None else model
        return self

    def transform(self, rows):
        """Return a DataFrame, shape (n, n_latents)."""
        latents = self.model_.transform(rows.beats)
        return pd.DataFrame(latents, columns=[f"latent {i}" for i in range(latents.shape[1])])

    def beat_model(self):
        """Return the model of beats, unfitted; representations in which it is the same share one training."""
        return BeatVAE(n_latents=self.n_latents, budget=self.budget, seed=self.seed, progress=False)


class LatentsWith(VAELatents):
    """VAE latents, and the columns of another representation beside them."""

    def __init__(self, beside, n_latents=N_LATENTS, budget="workshop", seed=0):
        super().__init__(n_latents, budget, seed)
        self.beside = beside

    @property
    def needs(self):
        """Attributes of Recordings that are used."""
        return ("beats", *self.beside.needs)

    def fit(self, rows, y=None, model=None):
        """Train the model of beats, or take one, and fit what stands beside it."""
        self.beside_ = clone(self.beside).fit(rows)
        return super().fit(rows, model=model)

    def transform(self, rows):
        """Return a DataFrame, shape (n, n_latents and the other columns)."""
        return pd.concat([super().transform(rows), self.beside_.transform(rows).reset_index(drop=True)], axis=1)


class PCAScores(VAELatents):
    """Principal components of the median beat, as many as the VAE has latents: what a linear code of that size keeps."""

    def __init__(self, n_components=N_LATENTS, seed=0):
        self.n_components, self.seed = n_components, seed

    def beat_model(self):
        """Return the principal components, unfitted."""
        return BeatPCA(self.n_components, seed=self.seed)


class MedianBeat(Representation):
    """The median beat itself, (n, 8, n_times) in mV."""

    gives = "beat"

    def transform(self, rows):
        """Return the signals of the beats."""
        return rows.beats.signals


class TenSeconds(Representation):
    """The whole ECG, (n, 8, n_samples) in mV, 0.5-40 Hz: with rhythm, and with nothing averaged."""

    needs = ("ten_seconds",)
    gives = "signal"

    def transform(self, rows):
        """Return the signals."""
        return rows.ten_seconds


def standard_representations(budget="workshop"):
    """Return the representations by name, from the least to the most that an ECG can show.

    `budget` is of those that are trained. Add an entry to compare another one: anything with ``fit(rows)`` and
    ``transform(rows)``, rows being `Recordings`.
    """
    return {
        "age + sex": AgeSex(), "measurements": Measurements(), "rules": Rules(), "VAE latents": VAELatents(budget=budget),
        "latents + rhythm": LatentsWith(Rhythm(), budget=budget),
        "latents + measurements": LatentsWith(Measurements(), budget=budget),
        "PCA": PCAScores(), "median beat": MedianBeat(), "ten seconds": TenSeconds(),
    }  # fmt: skip
