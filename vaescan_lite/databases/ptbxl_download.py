"""Fetch PTB-XL, whole or a part of it, checked against PhysioNet's list of checksums and never half written."""

# The contract is that of PhysioNet's own client (`physionet` 0.2.0 on PyPI): what SHA256SUMS.txt lists, from the open mirror
# first, then from PhysioNet. The client itself, and `wfdb.dl_files`, write into the final name, do not wait after a 429, ask
# again after a broken body or change places; one asks for 43,598 files one by one and brings boto3, the other never checks.
# urllib3's `Retry` ends where the body begins: hence one loop here, for statuses, bodies and checksums alike.

import errno
import hashlib
import logging
import os
import re
import threading
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

import numpy as np
import pandas as pd
import requests
from tqdm import tqdm
from urllib3.exceptions import InvalidHeader
from urllib3.util.retry import Retry

from .. import __version__
from ..cache import cache_folder
from ..factors import SUPERCLASSES, diagnoses_from_scp
from .layouts import CHOSEN_IDS, GROUND_TRUTH, PTBXL_RECORDS, PTBXL_TABLE, read_ptbxl_table
from .people import folds

SOURCES = ("https://physionet-open.s3.amazonaws.com/ptb-xl/1.0.3/", "https://physionet.org/files/ptb-xl/1.0.3/")
CHECKSUMS = "SHA256SUMS.txt"

_BESIDE = {"LICENSE.txt", "scp_statements.csv"}  # taken along where the source lists them
_CONNECTIONS = 4
_ATTEMPTS = 5  # at each file, each of them at every source
_WAIT_S = 1.0  # after the first attempt; twice as long after each further one
_LONGEST_WAIT_S = 120  # a server that wants to be left alone for longer is left alone
_TIMEOUTS_S = 10, 60  # to connect, and between two pieces of a file
_LARGEST = 1 << 26  # bytes; the largest file, the table, has a tenth of it
_MOST_FAILURES = 5  # so many files are missed before the download stops; what else can be had is had

_log = logging.getLogger("vaescan_lite")


class DownloadError(RuntimeError):
    """A file could not be fetched from anywhere, or came wrong; what lies in the folder is whole and right."""


def download_ptbxl(folder=None, *, n=None, rate=100, source=None, progress=True):
    """Fetch PTB-XL 1.0.3, or go on where an earlier download stopped; return its folder.

    The folder is a database at any moment, even after a crash: every file is fetched to a temporary name, compared with its
    SHA-256 and then renamed. `DownloadError` says what could not be fetched, why, and what to do.

    Parameters
    ----------
    folder : str or Path, optional
        Where to; by default to where ``open_database("ptbxl")`` looks, ``ptbxl`` in the cache folder. Files of PTB-XL that
        are there and right stay, those that are not are replaced.
    n : int, optional
        So many ECGs, in which folds and superclasses are as frequent as in the whole; None means all. The same `n` is the same
        ECGs for everybody, and a larger part holds every smaller one. The label table is kept whole.
    rate : {100, 500}
        Sampling rate in Hz of the records. A second call with the other rate adds to the folder.
    source : str or Path, or a sequence of these, optional
        A mirror (``https://...``) or a folder (a path, or ``file://...``) that holds PTB-XL with its ``SHA256SUMS.txt``.
        By default PhysioNet's open mirror, and PhysioNet itself for what the mirror does not give.
    progress : bool
    """
    if rate not in PTBXL_RECORDS.values():
        raise ValueError(f"rate must be 100 or 500 Hz, the two that PTB-XL has; got {rate!r}.")
    if n is not None and (int(n) != n or n < 1):
        raise ValueError(f"n must be a number of ECGs, at least 1; got {n!r}.")
    folder = Path(folder).expanduser().resolve() if folder else cache_folder() / "ptbxl"
    if (folder / GROUND_TRUTH).exists():
        raise ValueError(f"{folder} holds a simulated database, which PTB-XL would overwrite; give another folder.")
    given = SOURCES if source is None else (source,) if isinstance(source, (str, os.PathLike)) else source
    download = _Download(folder, [_checked_source(source) for source in given])
    checksums = download.read_checksums()
    download.place(PTBXL_TABLE)
    table, statements = read_ptbxl_table(folder / PTBXL_TABLE)
    ids = sorted(table.index if n is None else stratified_order(table, statements)[:n])
    records = _files_of_records(table, ids, rate, download.checksums)
    _note_chosen(download, table, ids, n)
    for name in download.checksums.keys() & _BESIDE:
        download.place(name)
    download.place_all(records, progress)
    download.write(CHECKSUMS, checksums)
    return folder


def stratified_order(table, statements):
    """Order ids so that folds and superclasses are in any first part as frequent as in the whole table."""
    diagnoses = diagnoses_from_scp(statements)[list(SUPERCLASSES)].fillna(0).astype(int).astype(str)
    superclasses = pd.Series(diagnoses.agg("".join, axis=1).to_numpy(), table.index)
    rng = np.random.default_rng(0)
    order = table.index[rng.permutation(len(table))]
    for strata in (superclasses + folds(table).astype(str), superclasses):  # the people of each stratum, spread evenly
        groups = strata[order].groupby(strata[order])
        starts = dict(zip(groups.groups, rng.random(groups.ngroups)))  # or the rare strata would all come at the same place
        place = (groups.cumcount() + strata[order].map(starts)) / groups.transform("size")
        order = place.sort_values(kind="stable").index
    return order.tolist()


def _files_of_records(table, ids, rate, checksums):
    """List the files of each record, signals before header: what a stopped download has left is no header without signals."""
    column = next(column for column, fs in PTBXL_RECORDS.items() if fs == rate)
    if column not in table:
        raise ValueError(f"{PTBXL_TABLE} of this source has no column {column}, so it has no records at {rate} Hz.")
    records = [[f"{name}.dat", f"{name}.hea"] for name in table.loc[ids, column].dropna().astype(str).str.strip()]
    unknown = [name for names in records for name in names if name not in checksums]
    if unknown or not records:
        lost = f"{len(unknown)} of the {2 * len(records)} files at {rate} Hz that its {PTBXL_TABLE} names: {unknown[:1]}"
        raise ValueError(f"{CHECKSUMS} of this source does not list {lost}. Try another --rate or --source.")
    return records


def _note_chosen(download, table, ids, n):
    """Leave a note of which ECGs were asked for, so that the others are not reported as missing."""
    note = download.folder / CHOSEN_IDS
    if n is None or n >= len(table):
        note.unlink(missing_ok=True)
    elif note.exists() or not any(download.folder.glob("records*/*/*.hea")):
        before = note.read_text(encoding="utf-8").split() if note.exists() else []
        download.write(CHOSEN_IDS, "\n".join(map(str, sorted({*ids, *map(int, before)}))).encode())


def _checked_source(source):
    """Return a URL that ends in ``/``, or the Path of a folder."""
    text = os.fspath(source)
    if text.lower().startswith(("http://", "https://")):
        return text.rstrip("/") + "/"
    path = Path(url2pathname(urlsplit(text).path) if text.lower().startswith("file:") else text).expanduser()
    if not path.is_dir():
        raise FileNotFoundError(f"source {text!r} is neither a URL (https://...) nor a folder.")
    return path


class _NotGiven(Exception):
    """A source did not give a file: why, what to do, whether to ask again, and the seconds it wants to be left alone."""

    def __init__(self, why, advice, again=True, wait_s=0.0):
        super().__init__(why)
        self.advice, self.again, self.wait_s = advice, again, wait_s


_OFFLINE = "Is this computer online? Behind a proxy, set HTTPS_PROXY (and REQUESTS_CA_BUNDLE); or give --source another mirror."
_BUSY = "The server is busy or asks for patience: wait a while."
_FORBIDDEN = "The server refuses: a filter or login of your network stands between, or it is no mirror; try another --source."
_NO_FILE = f"--source must be the folder or address that holds {CHECKSUMS} and {PTBXL_TABLE}."
_WRONG = "The source is damaged, or something on the way changes files (a login page, a virus scanner); try another --source."
_CANNOT_WRITE = "Give another folder, or name one for everything that is kept with VAESCAN_CACHE."


class _Download:
    """The files of one folder, and where they come from."""

    def __init__(self, folder, sources):
        self.folder, self.sources, self.checksums = folder, sources, {}
        self.stopped = threading.Event()
        self.session = requests.Session()
        self.session.headers["User-Agent"] = f"vaescan-lite/{__version__}"
        for scheme in ("http://", "https://"):
            self.session.mount(scheme, requests.adapters.HTTPAdapter(pool_maxsize=_CONNECTIONS))

    def read_checksums(self):
        """Read the list of what there is, name -> SHA-256, and return its bytes."""
        body = self.fetch(CHECKSUMS, _is_list_of_checksums)
        pairs = (line.split(maxsplit=1) for line in body.decode().splitlines() if line.strip())
        self.checksums = {name.strip().removeprefix("*").removeprefix("./"): digest.lower() for digest, name in pairs}
        return body

    def place_all(self, jobs, progress):
        """Place lists of files, several lists at a time; miss a few rather than stop, and say so at the end."""
        for parent in {(self.folder / name).parent for name in (CHECKSUMS, *self.checksums)}:
            for left_over in parent.glob(".*.part"):
                left_over.unlink(missing_ok=True)
        failures = []
        bar = tqdm(total=len(jobs), desc="PTB-XL", unit="ECG", disable=not progress)
        with bar, ThreadPoolExecutor(_CONNECTIONS) as pool:
            try:
                for done in as_completed([pool.submit(lambda names: [*map(self.place, names)], names) for names in jobs]):
                    failures += [error] if isinstance(error := done.exception(), DownloadError) else []
                    if len(failures) == _MOST_FAILURES or not isinstance(error, (DownloadError, type(None))):
                        raise error
                    bar.update(error is None)
            except BaseException:
                self.stopped.set()
                pool.shutdown(cancel_futures=True)
                raise
        if failures:
            raise DownloadError(f"{len(failures)} of {len(jobs):,} could not be fetched, all others are there. {failures[0]}")

    def place(self, name):
        """See to it that a file is there and right."""
        path, checksum = self.folder / name, self.checksums.get(name)
        if checksum is None or not re.fullmatch(r"[\w./-]+", name) or ".." in name or name.startswith("/"):
            raise ValueError(f"{name!r} is not a file that {CHECKSUMS} of this source lists for PTB-XL. {_NO_FILE}")
        if path.is_file():
            if hashlib.sha256(path.read_bytes()).hexdigest() == checksum:
                return
            _log.info(f"{path}: not as {CHECKSUMS} has it; fetched again.")
        self.write(name, self.fetch(name, lambda body: hashlib.sha256(body).hexdigest() == checksum))

    def fetch(self, name, is_right):
        """Return the bytes of a file from the first source that gives them right."""
        sources, said = list(self.sources), {}
        for attempt in range(_ATTEMPTS):
            for source in list(sources):
                try:
                    body = self._read(source, name)
                    if is_right(body):
                        return body
                    refusal = _NotGiven(f"what came ({len(body):,} bytes) is not what {CHECKSUMS} describes", _WRONG)
                except _NotGiven as error:
                    refusal = error
                said[source] = refusal
                if not refusal.again:
                    sources.remove(source)
            if not sources or attempt + 1 == _ATTEMPTS or self.stopped.is_set():
                break
            self.stopped.wait(max(_WAIT_S * 2**attempt, *(said[source].wait_s for source in sources)))
        reasons = "; ".join(f"{source}: {why}" for source, why in said.items())
        raise DownloadError(f"{name} could not be fetched: {reasons}. {refusal.advice} The same command then goes on.")

    def _read(self, source, name):
        """Return the bytes that one source has under a name, whatever they are."""
        if isinstance(source, Path):
            try:
                return (source / name).read_bytes()
            except OSError as error:
                raise _NotGiven(f"cannot be read ({error.strerror})", _NO_FILE, again=False) from error
        try:
            with self.session.get(source + name, stream=True, timeout=_TIMEOUTS_S) as response:
                if response.status_code != 200:
                    raise _refusal(response)
                body = bytearray()
                for piece in response.iter_content(1 << 16):
                    body += piece
                    if len(body) > _LARGEST or self.stopped.is_set():
                        raise _NotGiven(f"more than {_LARGEST:,} bytes came, or the download was stopped", _WRONG, again=False)
                return bytes(body)
        except requests.RequestException as error:
            raise _NotGiven(f"no connection, or one that broke off ({type(error).__name__})", _OFFLINE) from error

    def write(self, name, body):
        """Write a file to a temporary name beside its own, and rename it when the disk has it."""
        path = self.folder / name
        part = path.with_name(f".{path.name}.{os.getpid()}.part")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                with part.open("wb") as file:
                    file.write(body)
                    file.flush()
                    os.fsync(file.fileno())
                part.replace(path)
            except BaseException:
                part.unlink(missing_ok=True)
                raise
        except OSError as error:
            full = error.errno in (errno.ENOSPC, errno.EDQUOT)
            advice = "The disk is full: make room, then the same command goes on." if full else _CANNOT_WRITE
            raise OSError(f"{path} cannot be written ({error.strerror or error}). {advice}") from error


def _is_list_of_checksums(body):
    """Whether bytes are lines of SHA-256 and name, the label table among them; a login page is not."""
    lines = [line for line in body.splitlines() if line.strip()]
    has_table = any(re.fullmatch(rb"\w+ [ *]?(\./)?" + PTBXL_TABLE.encode(), line.strip()) for line in lines)
    return has_table and all(re.fullmatch(rb"[0-9a-fA-F]{64} [ *]?\S.*", line.strip()) for line in lines)


def _refusal(response):
    """Say what an answer other than 200 means."""
    status = response.status_code
    try:
        wait_s = Retry().parse_retry_after(response.headers.get("Retry-After") or "0")  # seconds, or a date
    except InvalidHeader:
        wait_s = 0.0
    why = f"HTTP {status} {response.reason}" + (f", and asks to wait {wait_s:.0f} s" if wait_s else "")
    if status in (408, 429) or status >= 500 or status < 300:
        return _NotGiven(why, _BUSY, again=wait_s <= _LONGEST_WAIT_S, wait_s=wait_s)
    return _NotGiven(why, _FORBIDDEN if status in (401, 403, 407, 451) else _NO_FILE, again=False)
