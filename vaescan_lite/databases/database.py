"""Databases of ECGs: which one, what is known of each ECG, and its signals. What lies in a folder: `layouts`."""

import hashlib
import json
import logging
import os
import warnings
from collections import Counter
from copy import copy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
from joblib import delayed
from tqdm import tqdm

from ..cache import MOVE_IT, alone, cache_folder, source_hash
from ..cpus import in_parallel
from ..ecg import EcgSet
from ..factors import FACTOR_NAMES, PERSON, clean_ages, clean_sexes, known_names, listed, require_whole
from ..leads import LEADS_12, computable
from .layouts import GROUND_TRUTH, LUDB_TABLE, PTBXL_TABLE, files_below, find_contents, read_table
from .own_tables import with_own_tables
from .people import folds
from .records import resample, samples_made, samples_needed, sound_leads
from .wfdb_files import read_header, read_signals

N_SIMULATED = 2000
LABELS, SPLIT = "labels.csv", "split.csv"  # tables of one's own that lie in the folder
SIMULATED_BY = ("simulator", "factors", "ecg", "leads")  # what simulated ECGs depend on

_BATCH = 128  # ECGs per job of `Database.read`: 128 ECGs of 10 s at 500 Hz are 30 MB

_log = logging.getLogger("vaescan_lite")


def open_database(where="auto", *, n=None, seed=0, labels=None, split=None):
    """Open a folder of ECGs, or make a simulated one. Explained in chapter 1.

    In a folder, ``ptbxl_database.csv`` decides for the PTB-XL layout, ``ludb.csv`` for LUDB (its ``data`` folder may be given
    too); else WFDB records are found recursively, and the comments of their headers are the labels (``Dx`` holds SNOMED CT
    codes or the names of CPSC2018). Rows without a file and files without a row are left out, listed in ``Database.issues``
    and announced by a warning. A simulated database is kept in the cache folder until the simulator's source changes.

    Parameters
    ----------
    where : str or Path
        A folder; ``"simulated"``; ``"ptbxl"``, what ``vaescan-lite download`` fetched to the cache folder; or ``"auto"``: what
        the environment variable ``VAESCAN_DATABASE`` says if it is set, else ``"ptbxl"`` if that copy is there, else
        ``"simulated"``. ``Database.description`` and its repr say which was taken.
    n : int, optional
        At most so many of a folder's ECGs, drawn at random whatever their labels, in the order of the label table; of a
        simulated database the number of ECGs, 2,000 if not given.
    seed : int, of the drawing, or of the simulation
    labels, split : str or Path, optional
        Tables of one's own, CSV with a column of ids (called ``id``, ``ecg_id`` or ``record``, or the first). Every other
        column of `labels` is a target: binary if all its values are 0 or 1, else continuous; an empty cell is unknown. Columns
        ``sex``, ``age`` and ``patient_id`` say so of the people. `split` gives each ECG a fold from 1 to 10, or ``train``,
        ``validation``, ``test`` (folds 1-8, 9, 10), in a column ``split`` or ``fold``, which may also stand in `labels`.
        A folder of WFDB records may hold them as ``labels.csv`` and ``split.csv``.
    """
    n, seed = None if n is None else require_whole(n, "n, a number of ECGs,", 1), require_whole(seed, "seed")
    where, reason = _choose(where)
    if where == "simulated":
        folder, n = _simulated_folder(int(n or N_SIMULATED), seed), None
    elif where == "ptbxl":
        folder = _ptbxl_folder()
    else:
        folder = Path(where).expanduser()
    database = _open_folder(folder, n, seed, reason, labels, split)
    _log.info(database.description)
    if len(database.issues):
        of_kind = database.issues.groupby("issue", sort=False)["where"]
        counts = ", ".join(f"{len(places)} x {issue} ({listed([*places], 3)})" for issue, places in of_kind)
        warnings.warn(f"{database.folder}: {counts}; see the table .issues of the database.", stacklevel=2)
    return database


class Database:
    """ECGs in a folder, with what is known of each. Made by `open_database`.

    Attributes
    ----------
    name, folder : str, Path
        ``"PTB-XL"``, ``"LUDB"``, ``"simulated"``, or the folder's name; where the files are.
    description : str, one line: which database, how many ECGs, simulated or recorded, and why it was taken
    is_simulated, ground_truth : bool, DataFrame indexed by `ids` or None
        Whether a simulator made the ECGs, and then the truth behind them.
    labels : DataFrame, indexed by `ids`
        The label table of the file, a row for each ECG with a signal; without one, the comments of the headers.
    ids : ndarray of int (PTB-XL layout) or of str, shape (n_ecgs,), the ECGs with a signal at any rate
    fs_available : tuple of int or float
        Sampling rates in Hz of the files, sorted. Not every ECG need be there at every rate.
    fold : Series of int, indexed by `ids`
        1 to 10: ``strat_fold`` of PTB-XL, which keeps the ECGs of a person together; a hash of the id where there is none.
    targets, continuous : tuple of str, factors that come from a label table of one's own; factors that are measured on a scale
    issues : DataFrame
        Columns ``issue`` and ``where``: rows without a file, files without a row, records of which a part is missing.
    fingerprint : str, changes when the label table, the ECGs chosen, or the names, sizes or times of the files change
    """

    def __init__(self, folder, contents, files, reason="", own_tables=()):
        self.targets, self.continuous = contents.targets, contents.continuous
        self.folder, self.labels, self.fold = folder, contents.labels, folds(contents.labels, contents.patients)
        self.ids = np.array(self.labels.index.tolist())
        self._contents = contents
        self.issues = pd.DataFrame(contents.issues, columns=["issue", "where"])
        tables = [folder / contents.table] * bool(contents.table) + [*own_tables]
        self.fingerprint = _fingerprint(self.ids.tolist(), files, tables)
        self.is_simulated = GROUND_TRUTH in files
        self.name = "simulated" if self.is_simulated else contents.name
        self.ground_truth = None
        if self.is_simulated:
            truth = read_table(folder / GROUND_TRUTH, ("ecg_id",)).set_index("ecg_id")
            self.ground_truth = truth.reindex(self.labels.index)
        counts = Counter(fs for files_of_ecg in contents.files.values() for fs, _ in files_of_ecg)
        self.fs_available = tuple(sorted(counts))
        rates = ", ".join(f"{fs:g} Hz" + (f" ({counts[fs]:,})" if len(counts) > 1 else "") for fs in self.fs_available)
        kind = "simulated" if self.is_simulated else "recorded"
        place = "" if self.is_simulated or self.name == folder.name else f" in {folder.name}"
        self.description = f"{self.name}{place}: {len(self):,} {kind} ECGs, {rates}{reason}"

    def __len__(self):
        return len(self.ids)

    def __repr__(self):
        return f"Database({self.description})"

    def factors(self, names=None, min_likelihood=None):
        """Return what is known of each ECG and person: a DataFrame of float, indexed by `ids`, one column per factor.

        1 or 0, years for ``age_years``; NaN where unknown, and where the database never annotates a factor: for SNOMED codes,
        where none of the factor's codes occurs in the whole folder. ``attrs["notes"]`` lists what was set to NaN;
        `factors.meanings` says what each database means by a name. The superclasses are NaN for an ECG without a diagnostic
        statement, and everywhere outside the PTB-XL layout. `names` come from ``factors.FACTOR_NAMES`` and `targets`; None: all
        of the former, or with a label table of one's own its targets, and sex and age where they are known.

        In the PTB-XL layout a diagnostic statement with a likelihood (in percent) below `min_likelihood` does not count.
        Statements about rhythm and form, such as AFIB and PVC, count always: they are hardly ever graded, and their likelihood
        then reads 0.
        """
        known = dict.fromkeys((*self.targets, *FACTOR_NAMES))
        all_names, names = names is None, known_names(known if names is None else names, known, "factor(s)")
        table = self._contents.diagnoses(min_likelihood)
        table["sex_female"], _ = clean_sexes(_column(self.labels, "sex"), self._contents.codes == "scp")
        table["age_years"], notes = clean_ages(_column(self.labels, "age"))
        table[list(self.targets)] = self.labels[list(self.targets)]
        if all_names and self.targets:
            names = [name for name in PERSON if name not in self.targets and table[name].notna().any()] + [*self.targets]
        empty = [name for name in names if len(table) and table[name].isna().all()]
        if empty:
            notes.append(f"not annotated in this database, NaN everywhere: {', '.join(empty)}")
        table = table[names].copy()
        table.attrs["notes"] = [note for note in notes if "age_years" in names or not note.startswith("age_years")]
        return table

    def read(self, ids=None, fs=100, duration_s=10, n_jobs=1, progress=False, errors="raise"):
        """Read signals of ECGs, by default of all, in mV: an EcgSet (n_ecgs, 12, round(duration_s * fs)).

        Parameters
        ----------
        ids : sequence, optional, which ECGs, in which order
        fs, duration_s : float
            Rate in Hz: the file nearest to it (as a ratio) is read, and resampled without aliasing where its rate differs; one
            with less than `fs` gains samples, not detail. Seconds from the start of each record; longer records are cut.
        n_jobs, progress : int, bool, processes (-1: as many as this process has CPUs), and whether to show a bar
        errors : {"raise", "skip"}
            Stop at an ECG that cannot be read, is too short, lacks a lead or holds NaN; or leave it out and list it in
            ``rejected``, with columns ``id`` and ``reason``. Leads come in standard order whatever the file's; a warning names
            limb leads computed from others.
        """
        ids = self._checked_ids(ids)
        known_names([errors], ("raise", "skip"), "way with errors")
        are_numbers = all(isinstance(value, (int, float, np.number)) and np.isfinite(value) for value in (fs, duration_s))
        if not are_numbers or fs <= 0 or round(duration_s * fs) <= 0:
            raise ValueError(f"fs (Hz) and duration_s (s) must be above 0; got {fs!r} and {duration_s!r}.")
        signals = np.empty((len(ids), len(LEADS_12), round(duration_s * fs)), dtype=np.float32)
        kept, rejected = [], []
        with tqdm(total=len(ids), desc="reading ECGs", unit="ECG", disable=not progress, leave=False) as bar:
            for blocks, reasons in self._in_batches(ids, fs, (duration_s, duration_s, 0), errors, n_jobs):
                for block, kept_ids in blocks:
                    signals[len(kept) : len(kept) + len(block)] = block
                    kept += kept_ids
                rejected += reasons
                bar.update(len(kept) + len(rejected) - bar.n)
        rejected = pd.DataFrame(rejected, columns=["id", "reason"])
        return EcgSet(signals[: len(kept)], fs, LEADS_12, np.array(kept, dtype=ids.dtype), rejected)

    def read_by_length(self, ids, fs, shortest_s, longest_s=10.0, least_fs=100):
        """Read as much of ECGs as there is: an EcgSet for each length, one at least, and the reasons by id for the rest."""
        ids = self._checked_ids(ids)
        sets, rejected = [], []
        for blocks, reasons in self._in_batches(ids, fs, (shortest_s, longest_s, least_fs), "skip"):
            sets += [EcgSet(block, fs, LEADS_12, np.array(kept, dtype=ids.dtype)) for block, kept in blocks]
            rejected += reasons
        return sets, dict(rejected)

    def of_ids(self, ids):
        """Copy the database with nothing but the paths of some ECGs: all that another process needs to read them."""
        part = copy(self)
        part.ids = self._checked_ids(ids)
        part._contents = SimpleNamespace(files={id_: self._contents.files[id_] for id_ in part.ids.tolist()})
        part.labels = part.fold = part.issues = part.ground_truth = None
        return part

    def _in_batches(self, ids, fs, limits, errors, n_jobs=1):
        """Yield what `_read_batch` gives of a few ECGs at a time, and warn in the end which leads were computed."""
        files = [self._contents.files[id_] for id_ in ids.tolist()]  # the nearest in rate, as a ratio; of two the one above
        nearest = [min(of_ecg, key=lambda file: (abs(np.log(file[0] / fs)), -file[0])) for of_ecg in files]
        paths = [os.path.join(self.folder, path) for _, path in nearest]
        batches = [slice(start, start + _BATCH) for start in range(0, max(len(ids), 1), _BATCH)]
        jobs = (delayed(_read_batch)(ids[rows].tolist(), paths[rows], fs, limits, errors) for rows in batches)
        computed = Counter()
        for blocks, reasons, added in in_parallel(jobs, n_jobs):
            computed += added
            yield blocks, reasons
        for leads, count in computed.items():
            warnings.warn(f"{', '.join(leads)} of {count} ECG(s) computed from the other limb leads.", stacklevel=3)

    def _checked_ids(self, ids):
        if ids is None:
            return self.ids
        given = np.ravel(ids)
        if given.size and given.dtype == bool:
            raise ValueError("ids must be ids, not a mask; use db.read(db.ids[mask]).")
        if unknown := [id_ for id_ in given.tolist() if id_ not in self._contents.files]:
            has = f"It has {len(self):,} ids such as {', '.join(map(repr, self.ids[:3].tolist()))}; see .ids"
            lost = f"{len(unknown)} id(s) have no signal in {self.name}: {listed(unknown)}"
            raise ValueError(f"{lost}. {has}, and .issues for rows without a file.")
        return given.astype(self.ids.dtype)


def _read_batch(ids, paths, fs, limits, errors):
    """Read ECGs: (signals (n, 12, time), ids) for each length, one at least; (id, reason) for the rest; leads computed."""
    signals, kept, rejected, computed = [], [], [], Counter()
    alike = {}  # (samples wanted, rate, samples) -> positions: records of one kind are resampled together
    for id_, path in zip(ids, paths):
        try:
            ecg, n_times, fs_file, added = _read_start(path, fs, *limits)
        except (OSError, ValueError) as error:
            if errors == "raise":
                kind = FileNotFoundError if isinstance(error, FileNotFoundError) else ValueError
                raise kind(f"ECG {id_!r}: {error}") from error
            rejected.append((id_, str(error)))
            continue
        alike.setdefault(n_times, {}).setdefault((fs_file, ecg.shape[1]), []).append(len(kept))
        signals.append(ecg)
        kept.append(id_)
        computed.update([added] if added else [])
    blocks = []
    for n_times, groups in (alike or {round(limits[1] * fs): {}}).items():
        rows = sorted(row for group in groups.values() for row in group)
        block = np.empty((len(rows), len(LEADS_12), n_times), dtype=np.float32)
        for (fs_file, _), some in groups.items():
            made = resample(np.stack([signals[row] for row in some]), fs_file, fs)
            block[np.searchsorted(rows, some)] = made[..., :n_times]
        blocks.append((block, [kept[row] for row in rows]))
    return blocks, rejected, computed


def _read_start(path, fs, shortest_s, longest_s, least_fs):
    """Read (12, samples) in mV from the start of a record; the samples they make at `fs`, the file's rate, leads computed."""
    header = read_header(path)
    if header.fs < least_fs:
        raise ValueError(f"{header.path}: sampled at {header.fs:g} Hz; {least_fs:g} Hz or more are wanted, to see a QRS.")
    n_times = round(longest_s * fs)
    ecg, fs_file, leads = read_signals(header, samples_needed(n_times, header.fs, fs))
    if ecg.shape[1] < round(shortest_s * fs_file):
        there = f"{ecg.shape[1] / fs_file:g} s long ({ecg.shape[1]} samples at {fs_file:g} Hz)"
        wanted = f"{'at least' if shortest_s < longest_s else 'duration_s ='} {shortest_s:g} s is wanted"
        raise ValueError(f"{header.path}: {there}; {wanted}. Read fewer seconds, or leave this ECG out.")
    n_times = min(n_times, samples_made(ecg.shape[1], fs_file, fs))
    return sound_leads(ecg, leads, header.path), n_times, fs_file, computable(leads)


def _choose(where):
    """Where to open, and why, as words for the description."""
    if not isinstance(where, (str, os.PathLike)) or not str(where).strip():
        raise ValueError(f'where must be a folder, "simulated", "ptbxl" or "auto"; got {where!r}.')
    if where != "auto":
        return where, ""
    chosen = os.environ.get("VAESCAN_DATABASE", "").strip()
    if chosen and chosen != "auto":
        return chosen, "; chosen by VAESCAN_DATABASE"
    folder = cache_folder() / "ptbxl"  # a download that was stopped at once has left the table alone
    if (folder / PTBXL_TABLE).is_file() and next(folder.glob("records*/*/*.hea"), None):
        return "ptbxl", "; the downloaded copy"
    return "simulated", "; no downloaded PTB-XL was found and VAESCAN_DATABASE is not set"


def _ptbxl_folder():
    """Folder of the copy of PTB-XL in the cache, or an error that says how to get it."""
    folder = cache_folder() / "ptbxl"
    if not (folder / PTBXL_TABLE).is_file():
        advice = "Fetch it (https://physionet.org/content/ptb-xl/1.0.3/) by the command vaescan-lite download (--n 500: a part "
        advice += 'of it), or give open_database the folder where you have it; open_database("simulated") needs no download'
        raise FileNotFoundError(f"{folder / PTBXL_TABLE}: no copy of PTB-XL there. {advice}.")
    return folder


def _simulated_folder(n, seed):
    """Folder of a simulated database, written now if it is not there; another process that wants it waits."""
    folder = cache_folder() / f"simulated-{n}-{seed}-{source_hash(*SIMULATED_BY)}"
    seal = folder / ".files"  # their names, sizes and times when they were written
    try:
        folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with alone(folder):
            if folder.is_dir():
                if not seal.is_file() or seal.read_text(encoding="utf-8") == repr(sorted(files_below(folder).items())):
                    return folder
                warnings.warn(f"{folder}: its simulated ECGs are damaged or missing; they are made again.", stacklevel=3)
            from ..simulator import write_simulated_database  # most databases do without

            write_simulated_database(folder, n, seed=seed)
            seal.write_text(repr(sorted(files_below(folder).items())), encoding="utf-8")
    except OSError as error:
        raise type(error)(f"{folder}: the cache cannot be written ({error.strerror}). {MOVE_IT}.") from error
    return folder


def _open_folder(folder, n, seed, reason, labels, split):
    if not folder.is_dir():
        kind = "is a file; give the folder it lies in" if folder.exists() else "no such folder"
        raise FileNotFoundError(f'{folder}: {kind}. open_database takes a folder of ECGs, "simulated", "ptbxl" or "auto".')
    folder = folder.resolve()
    if folder.name == "data" and not (folder / PTBXL_TABLE).exists() and (folder.parent / LUDB_TABLE).is_file():
        folder = folder.parent
    files = files_below(folder)
    for above in folder.parents[:2]:  # records100 or records500 of a copy of PTB-XL, or a folder in them
        inside = f"{folder.relative_to(above).as_posix()}/"
        if inside.startswith(("records100/", "records500/")) and (above / PTBXL_TABLE).is_file():
            stat = (above / PTBXL_TABLE).stat()
            files = {inside + path: size for path, size in files.items()} | {PTBXL_TABLE: (stat.st_size, stat.st_mtime_ns)}
            folder = above
            break
    contents = find_contents(folder, files)
    if labels is None and split is None and contents.codes == "snomed":  # no layout with a label table
        labels, split = (folder / name if name in files else None for name in (LABELS, SPLIT))
    labels, split = (path if path is None else Path(path).expanduser() for path in (labels, split))
    tables = [path for path in (labels, split) if path is not None]
    if tables:
        contents = with_own_tables(contents, labels, split)
        reason = f"; {len(contents.targets)} target(s) and folds of {', '.join(path.name for path in tables)}{reason}"
    if n is not None and n < len(contents.labels):
        rows = np.random.default_rng(seed).choice(len(contents.labels), int(n), replace=False)
        contents = contents.of_rows(np.sort(rows))
        reason = f", a random sample{reason}"
    return Database(folder, contents, files, reason, tables)


def _fingerprint(ids, files, tables):
    digest = hashlib.sha256(json.dumps(ids).encode())
    for path in sorted(files):
        digest.update(f"{path} {files[path]}\n".encode())
    for table in tables:
        digest.update(table.read_bytes())
    return digest.hexdigest()[:16]


def _column(labels, name):
    """Return a column whatever the case of its letters; missing values where there is none."""
    for column in labels:
        if str(column).casefold() == name:
            return labels[column]
    return pd.Series(np.nan, index=labels.index, dtype=object)
