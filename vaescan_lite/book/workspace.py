"""What a chapter needs from the chapters before it: loaded from the cache, or made now."""

import hashlib
import sys
from dataclasses import dataclass

import joblib
import pandas as pd

from ..cache import cache_folder, load_beats, load_or_make, load_table, save_beats, save_table, source_hash
from ..factors import BROADER, DIAGNOSES, FACTOR_NAMES, PERSON, SUPERCLASSES, known_names, require_whole


@dataclass(frozen=True, kw_only=True)
class Profile:
    """How much data and time a run of the book may use."""

    n_ecgs: int  # at most: so many are simulated, or drawn at random from a larger real database
    budget: str  # which training budget VAE, SCAN and CNN take
    rotations: int  # pairs of test folds the benchmark goes through
    n_bootstrap: int  # resamples behind each interval
    n_trainings: int = 2  # VAE-SCANs of different seeds whose association maps chapter 9 compares


PROFILES = {
    "smoke": Profile(n_ecgs=300, budget="smoke", rotations=2, n_bootstrap=200),
    "workshop": Profile(n_ecgs=2048, budget="workshop", rotations=5, n_bootstrap=1000),
    "full": Profile(n_ecgs=22_000, budget="full", rotations=5, n_bootstrap=2000, n_trainings=5),
}


def show_tables():
    """Have a session of IPython, if this is one, show DataFrames as `plots.table_html` does, and minus signs in sentences."""
    from ..plots.reading import table_html, with_minus

    if (session := sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None) is not None:
        formatters = session.display_formatter.formatters
        formatters["text/html"].for_type(pd.DataFrame, table_html)
        by_name = formatters["text/markdown"].for_type_by_name  # IPython need not be installed
        by_name("IPython.core.display", "Markdown", lambda said: with_minus(said.data))


class Workspace:
    """Everything the chapters pass on to each other, loaded from the cache or made now. Explained in chapter 1.

    An entry of the cache (`cache.cache_folder`, always safe to delete) is found by profile, seed, the fingerprint of the
    database and a hash of the package's source: with an edited helper or changed files everything is made again.
    From then on tables of a notebook are shown in the style of the book.

    Parameters
    ----------
    profile : {"smoke", "workshop", "full"}, data and time a run may use: seconds for tests, minutes on Binder, all of PTB-XL
    database : str, Path or Database
        As in `open_database`: a folder, ``"simulated"``, ``"ptbxl"`` or ``"auto"``; or one that is open, with all its ECGs.
    seed : int, goes to everything that is drawn or trained
    """

    def __init__(self, profile="workshop", database="auto", seed=0):
        known_names([profile], PROFILES, "profile")
        self.profile, self.profile_name = PROFILES[profile], profile
        self.where, self.seed = database, require_whole(seed, "seed")
        self._made = {}
        show_tables()

    def __repr__(self):
        return f"Workspace(profile={self.profile_name!r}, database={str(self.where)!r}, seed={self.seed})"

    def database(self):
        """Open the database, of at most `profile.n_ecgs` ECGs; a Database."""
        from ..databases.database import Database, open_database

        if isinstance(self.where, Database):
            return self.where
        return self._once("database", lambda: open_database(self.where, n=self.profile.n_ecgs, seed=self.seed))

    def factors(self):
        """Return the clinical factors of every ECG, a DataFrame (id x factor), NaN where unknown."""
        names = dict.fromkeys((*FACTOR_NAMES, *self.database().targets))
        return self._once("factors", lambda: self.database().factors(names))

    def beats(self):
        """Return the median beats at 100 Hz, a BeatSet in the order of the database's ids."""
        from ..beats.medians import median_beats

        return self._cached("beats", lambda: median_beats(self.database(), fs=100, progress=True), save_beats, load_beats)

    def measurements(self):
        """Return intervals, axes and amplitudes of `beats`, a DataFrame."""
        from ..measurements.values import measure

        return self._cached("measurements.npz", lambda: measure(self.beats()), save_table, load_table)

    def vae(self, seed=None):
        """Train a BeatVAE on the beats of folds 1-8, stopped by fold 9; fold 10 stays unseen. `seed`: another than its own."""
        from ..vae.beat_vae import BeatVAE

        seed = self.seed if seed is None else seed

        def fit():
            training, validation, _ = self.split()
            beats = self.beats()
            return BeatVAE(seed=seed, budget=self.profile.budget).fit(beats[training], beats[validation])

        return self._cached(f"vae_{seed}.safetensors", fit, lambda vae, path: vae.save(path), BeatVAE.load)

    def scan(self, seed=None):
        """Tie diagnoses, sex and age to the latents of `vae` by a Scan fitted on folds 1-8; `seed` is as for `vae`."""
        from ..scan.scan import Scan

        seed = self.seed if seed is None else seed

        def fit():
            training, _, _ = self.split()
            scan = Scan(self.vae(seed), factors=self.scan_factors(), continuous=self.database().continuous, seed=seed)
            return scan.fit(self.beats()[training], self.factors())

        return self._cached(f"scan_{seed}.safetensors", fit, lambda scan, path: scan.save(path), Scan.load)

    def trainings(self):
        """Train VAE and Scan `profile.n_trainings` times, `scan` first; only the seed differs. A list of Scan."""
        return [self.scan(self.seed + i) for i in range(self.profile.n_trainings)]

    def cnns(self, n=5):
        """Train the CNN of chapter 9 `n` times on folds 1-8, seeds apart; an output per binary factor of `scan_factors`."""
        from ..models.cnn import EcgCNN

        def fit():
            seen, continuous = self.beats()[self.split()[0] & self.beats().usable], self.database().continuous
            labels = self.factors().loc[seen.ids, [name for name in self.scan_factors() if name not in continuous]]
            return [EcgCNN(budget=self.profile.budget, seed=self.seed + i).fit(seen, labels) for i in range(n)]

        return self._cached(f"cnns_{n}.joblib", fit)

    def benchmark(self):
        """Run the small grid of chapter 10 on superclasses, atrial fibrillation and own targets; a `benchmark.Result`."""
        from ..benchmark.running import grid

        return self._cached("benchmark.joblib", lambda: self._scored(grid(self.profile.budget)))

    def hybrids(self):
        """Score the hybrids of chapter 12 on the same tasks, affine model and network beside them; a `benchmark.Result`."""
        from ..benchmark.hybrids import grid

        return self._cached("hybrids.joblib", lambda: self._scored(grid(self.profile.budget)))

    def _scored(self, grid):
        """Run a grid; what another grid has trained, the model of beats included, is found again."""
        from ..benchmark import Recordings, run

        db, profile = self.database(), self.profile
        rows = Recordings(db, self.beats().ids, beats=self.beats())
        own = [name for name in db.targets if name not in db.continuous and BROADER.get(name) not in db.targets]
        return run(
            rows, tasks=[*dict.fromkeys((*SUPERCLASSES, "AF", *own))], **grid, rotations=profile.rotations, seeds=(self.seed,),
            n_resamples=profile.n_bootstrap, budget=profile.budget, keep=self._folder() / "cells", n_jobs=-1,
        )  # fmt: skip

    def split(self):
        """Return the rows of `beats` for training (folds 1-8), validation (9) and test (10): three masks, shape (n_beats,)."""
        fold = self.database().fold.loc[self.beats().ids].to_numpy()
        return fold <= 8, fold == 9, fold == 10

    def scan_factors(self, n_least=10):
        """Return the names of sex, age and the diagnoses, or targets of one's own, that `n_least` training ECGs can teach."""
        from ..own_model import learnable

        database, known = self.database(), self.factors().loc[self.beats().ids[self.split()[0]]]
        names = dict.fromkeys((*PERSON, *(database.targets or DIAGNOSES)))
        return learnable(known[[*names]], database.continuous, n_least)[0]

    def example(self, *names):
        """Return the first of these that is among `scan_factors`; a ValueError says what a chapter needs and what there is."""
        known = self.scan_factors()
        if found := [name for name in names if name in known]:
            return found[0]
        carried = self.factors().loc[self.beats().ids[self.split()[0]]].reindex(columns=dict.fromkeys(names)).eq(1).sum()
        counts = ", ".join(f"{name} ({n})" for name, n in carried.items())
        wanted = f"this chapter needs one of {counts}, with and without, in ten training ECGs or more (in brackets: here)"
        raise ValueError(f"{wanted}; they teach {', '.join(known) or 'none'}. A label table may have a column of that name.")

    def people(self, names=("LBBB", "AVB1")):
        """Return people the book follows, ``{diagnosis: id}``: usable, fewest other diagnoses, in fold 10 if possible.

        Of equals the first whose measured PR or QRS is beyond the limit of textbooks; where none is, the first.
        """
        from ..measurements.criteria import LONG_PR_MS, WIDE_QRS_MS

        usable = self.beats().usable
        known = self.factors().loc[self.beats().ids[usable]]
        others = known[list(DIAGNOSES)].sum(axis=1) + 0.5 * ~self.split()[2][usable]
        pr_ms, qrs_ms = (self.measurements().loc[known.index, column] for column in ("pr_ms", "qrs_ms"))
        shows = {"LBBB": qrs_ms >= WIDE_QRS_MS, "RBBB": qrs_ms >= WIDE_QRS_MS, "AVB1": pr_ms > LONG_PR_MS}
        rank = {name: (others - 0.25 * shows.get(name, False))[known[name] == 1] for name in names}
        return {name: places.idxmin() for name, places in rank.items() if len(places)}

    def _once(self, name, make):
        if name not in self._made:
            self._made[name] = make()
        return self._made[name]

    def _cached(self, name, make, save=joblib.dump, load=joblib.load):
        return self._once(name, lambda: load_or_make(self._folder() / name, make, save, load))

    def _folder(self):
        key = "|".join([self.profile_name, repr(self.profile), str(self.seed), self.database().fingerprint, source_hash()])
        return cache_folder() / "workspace" / hashlib.sha256(key.encode()).hexdigest()[:16]
