"""Fetching PTB-XL: however network, server or disk fail, no wrong file stands in place, and the next run goes on."""

import errno
import gzip
import hashlib
import io
import multiprocessing
import os
import re
import shutil
import signal
import sys
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import vaescan_lite as vl
from vaescan_lite import cli
from vaescan_lite.databases import download_ptbxl, ptbxl_download
from vaescan_lite.databases.layouts import read_ptbxl_table
from vaescan_lite.factors import SUPERCLASSES

N = 12
RECORD = "records100/00000/00007_lr.dat"
TABLE = "ptbxl_database.csv"


def write_checksums(folder):
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != ptbxl_download.CHECKSUMS)
    lines = [f"{hashlib.sha256(path.read_bytes()).hexdigest()} {path.relative_to(folder).as_posix()}\n" for path in files]
    (folder / ptbxl_download.CHECKSUMS).write_text("".join(lines))


@pytest.fixture(scope="session")
def master(tmp_path_factory):
    """What PhysioNet has: records, tables and checksums."""
    folder = tmp_path_factory.mktemp("physionet") / "ptb-xl"
    vl.write_simulated_database(folder, N, seed=3, progress=False)
    (folder / "ground_truth.csv").unlink()
    write_checksums(folder)
    return folder


class Server(ThreadingHTTPServer):
    """Serves a folder; ``faults[name]`` is a function (handler, body, how many requests for that name before) -> handled?"""

    daemon_threads = True

    def __init__(self, folder):
        super().__init__(("127.0.0.1", 0), Handler)
        self.folder, self.faults, self.asked, self.ranges, self.at_once, self.most_at_once = folder, {}, Counter(), 0, 0, 0
        self.lock, self.on_request = threading.Lock(), lambda number: None
        self.url = f"http://127.0.0.1:{self.server_port}/ptb-xl/"
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def handle_error(self, request, client_address):
        pass


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_):
        pass

    def do_GET(self):
        server, name = self.server, self.path.removeprefix("/elsewhere").removeprefix("/ptb-xl/")
        with server.lock:
            before = server.asked[name]
            server.asked[name] += 1
            server.ranges += "Range" in self.headers
            server.at_once += 1
            server.most_at_once = max(server.most_at_once, server.at_once)
            number = server.asked.total()
        try:
            server.on_request(number)
            path = server.folder / name
            body = path.read_bytes() if path.is_file() else None
            fault = server.faults.get(name) or server.faults.get("*")
            if self.path.startswith("/elsewhere") or fault is None or not fault(self, body, before):
                self.answer(200 if body is not None else 404, body or b"no such file")
        finally:
            with server.lock:
                server.at_once -= 1

    def answer(self, status, body=b"", length=None, **headers):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        for key, value in headers.items():
            self.send_header(key.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)
        return True

    def hang_up(self):
        self.close_connection = True
        self.connection.close()
        return True


@pytest.fixture
def server(master):
    server = Server(master)
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(ptbxl_download, "_WAIT_S", 0.01)
    monkeypatch.setattr(ptbxl_download, "_TIMEOUTS_S", (1, 0.4))
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)  # 24 files take half a second on some disks


def at_first(times, fault):
    return lambda handler, body, before: before < times and fault(handler, body, before)


def status(code, **headers):
    return lambda handler, body, before: handler.answer(code, b"not now", **headers)


def body_is(change):
    return lambda handler, body, before: handler.answer(200, change(body))


def breaks_off(handler, body, before):
    handler.answer(200, body[: len(body) // 2], length=len(body))
    return handler.hang_up()


def stalls(handler, body, before):
    time.sleep(0.8)
    return handler.hang_up()


def trickles(handler, body, before):
    handler.answer(200, length=len(body))
    for start in range(0, len(body), 4096):
        handler.wfile.write(body[start : start + 4096])
        time.sleep(0.02)
    return True


def says_more_than_announced(handler, body, before):
    return handler.answer(200, body + b"and more", length=len(body))


def no_http(handler, body, before):
    handler.wfile.write(b"220 mail ready\r\n")
    return handler.hang_up()


def zipped(handler, body, before):
    return handler.answer(200, gzip.compress(body), Content_Encoding="gzip")


def moved(handler, body, before):
    return handler.answer(302, Location="/elsewhere" + handler.path)


def moved_to_itself(handler, body, before):
    return handler.answer(302, Location=handler.path)


def half(body):
    return body[: len(body) // 2]


def other_byte(body):
    return bytes([body[0] ^ 1]) + body[1:]


def wrong_checksum(body):
    return b"\n".join(b"0" * 64 + line[64:] if RECORD.encode() in line else line for line in body.splitlines())


def without(text):
    return lambda body: b"\n".join(line for line in body.splitlines() if text not in line)


def login_page(body):
    return b"<html><body>Welcome to the hospital's network. Please log in.</body></html>"


PASSES = {  # the faults that go by, at which file: the download ends with exactly the right files
    "hangs up before it answers": (RECORD, at_first(2, lambda handler, *_: handler.hang_up())),
    "breaks off in the middle": (RECORD, at_first(2, breaks_off)),
    "breaks off in the table": (TABLE, at_first(2, breaks_off)),
    "breaks off in the checksums": (ptbxl_download.CHECKSUMS, at_first(1, breaks_off)),
    "sends half as if it were whole": (RECORD, at_first(2, body_is(half))),
    "sends nothing as if it were whole": (RECORD, at_first(1, body_is(lambda body: b""))),
    "sends more": (RECORD, at_first(2, body_is(lambda body: body + b"\0"))),
    "sends more than it announced": ("*", says_more_than_announced),
    "sends a wrong byte": (RECORD, at_first(3, body_is(other_byte))),
    "sends a login page": ("*", at_first(1, body_is(login_page))),
    "429": ("*", at_first(1, status(429))),
    "429 with a date": (RECORD, at_first(1, status(429, Retry_After="Wed, 21 Oct 2015 07:28:00 GMT"))),
    "429 with nonsense": (RECORD, at_first(1, status(429, Retry_After="soon"))),
    "500": (RECORD, at_first(2, status(500))),
    "502": (RECORD, at_first(2, status(502))),
    "503": ("*", at_first(2, status(503))),
    "504": (RECORD, at_first(2, status(504))),
    "stalls": (RECORD, at_first(1, stalls)),
    "is slow": ("*", trickles),
    "redirects": ("*", moved),
    "compresses": ("*", zipped),
    "speaks another protocol": (RECORD, at_first(1, no_http)),
    "answers a part nobody asked for": (RECORD, at_first(1, status(206))),
}
STOPS = {  # the faults that stay: which file is missing afterwards (None: all), and what the error says
    "forbidden": ("*", status(403), None, "403.*refuses.*another --source"),
    "login wanted": (TABLE, status(401), None, "401.*refuses"),
    "no such place": (ptbxl_download.CHECKSUMS, status(404), None, "404.*--source must be"),
    "one file forbidden": (RECORD, status(403), RECORD, f"1 of {N} could not.*{RECORD}.*403"),
    "one file gone": (RECORD, status(404), RECORD, f"1 of {N} could not.*{RECORD}.*404"),
    "always short": (RECORD, body_is(half), RECORD, "12,000 bytes.*is not what SHA256SUMS.txt describes"),
    "always long": (RECORD, body_is(lambda body: body + b"\0"), RECORD, "24,001 bytes.*is not what"),
    "always breaks off": (RECORD, breaks_off, RECORD, "broke off.*online"),
    "always busy": ("*", status(429), None, "429.*wait a while"),
    "busy for an hour": ("*", status(503, Retry_After="3600"), None, "asks to wait 3600 s"),
    "login page": ("*", body_is(login_page), None, "is not what SHA256SUMS.txt describes.*login page"),
    "redirects in a circle": ("*", moved_to_itself, None, "TooManyRedirects"),
    "wrong checksum": (ptbxl_download.CHECKSUMS, body_is(wrong_checksum), RECORD, "is not what SHA256SUMS.txt describes"),
    "checksums without the table": (ptbxl_download.CHECKSUMS, body_is(without(b".csv")), None, "SHA256SUMS.txt could not"),
    "checksums cut off": (ptbxl_download.CHECKSUMS, body_is(lambda b: b[:-40]), None, "SHA256SUMS.txt could not"),
    "checksums without a record": (
        ptbxl_download.CHECKSUMS, body_is(without(RECORD.encode())), None, f"does not list 1 of the 24.*{RECORD}",
    ),
    "a table that is too large": (TABLE, body_is(lambda body: bytes(1 << 26) + body), None, "more than 67,108,864 bytes"),
}  # fmt: skip


def files_of(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def require_only_right_files(folder, master, *, whole=True, without=()):
    right, there = files_of(master), files_of(folder)
    wrong = [name for name, body in there.items() if right.get(name) != body]
    assert not wrong
    assert not whole or there.keys() == right.keys() - set(without)


@pytest.mark.parametrize("fault", PASSES)
def test_a_fault_that_goes_by_leaves_exactly_the_right_files(fault, server, master, tmp_path):
    name, server.faults[name] = PASSES[fault][0], PASSES[fault][1]
    assert download_ptbxl(tmp_path / "ptbxl", source=server.url, progress=False) == tmp_path / "ptbxl"
    require_only_right_files(tmp_path / "ptbxl", master)
    assert server.most_at_once <= 4 and server.ranges == 0


@pytest.mark.parametrize("fault", STOPS)
def test_a_fault_that_stays_is_explained_and_leaves_no_wrong_file(fault, server, master, tmp_path, capsys):
    name, server.faults[name], missing, message = STOPS[fault][0], *STOPS[fault][1:]
    assert cli.main(["download", str(tmp_path / "ptbxl"), "--source", server.url]) == 1
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.startswith("vaescan-lite: ")
    assert re.search(message, said), said
    absent = {missing, RECORD.replace(".dat", ".hea"), ptbxl_download.CHECKSUMS}  # no header without its signals
    require_only_right_files(tmp_path / "ptbxl", master, whole=missing is not None, without=absent)
    server.faults.clear()  # the fault is repaired: the same command goes on, and asks for nothing that is there
    server.asked.clear()
    assert cli.main(["download", str(tmp_path / "ptbxl"), "--source", server.url]) == 0
    require_only_right_files(tmp_path / "ptbxl", master)
    if missing:
        assert set(server.asked) == absent


def test_the_wait_that_a_server_asks_for_is_kept(server, master, tmp_path):
    server.faults[RECORD] = at_first(1, status(429, Retry_After="1"))
    start = time.monotonic()
    download_ptbxl(tmp_path / "ptbxl", source=server.url, progress=False)
    assert time.monotonic() - start >= 1
    require_only_right_files(tmp_path / "ptbxl", master)


@pytest.mark.parametrize("fault", [None, status(403), status(503), breaks_off, body_is(other_byte), stalls])
def test_the_mirror_gives_what_the_first_source_does_not(fault, server, master, tmp_path, monkeypatch):
    good = Server(master)
    server.faults[RECORD if fault else "*"] = fault or (lambda handler, *_: handler.hang_up())
    monkeypatch.setattr(ptbxl_download, "SOURCES", (server.url, good.url))
    download_ptbxl(tmp_path / "ptbxl", progress=False)
    require_only_right_files(tmp_path / "ptbxl", master)
    assert fault is None or set(good.asked) == {RECORD}
    good.shutdown()
    good.server_close()


def test_offline_is_said(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(ptbxl_download, "SOURCES", ("http://127.0.0.1:9/ptb-xl/", "http://127.0.0.1:9/mirror/"))
    assert cli.main(["download", str(tmp_path / "ptbxl")]) == 1
    said = capsys.readouterr().err
    assert "no connection" in said and "/mirror/" in said and "Is this computer online?" in said and "Traceback" not in said
    assert not (tmp_path / "ptbxl").exists()


def test_many_missing_files_stop_the_download(server, master, tmp_path, monkeypatch):
    def gone(handler, body, before):
        time.sleep(0.1)
        return handler.answer(404)

    monkeypatch.setattr(ptbxl_download, "_CONNECTIONS", 1)
    server.faults = dict.fromkeys((name for name in files_of(master) if name.endswith(".dat")), gone)
    with pytest.raises(ptbxl_download.DownloadError, match="404"):
        download_ptbxl(tmp_path / "ptbxl", source=server.url, progress=False)
    assert sum(count for name, count in server.asked.items() if name.endswith(".dat")) < N
    require_only_right_files(tmp_path / "ptbxl", master, whole=False)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EACCES])
@pytest.mark.parametrize("after", [0, 1, 9])
def test_a_disk_that_is_full_or_read_only_is_said(number, after, server, master, tmp_path, monkeypatch):
    written, fsync = [], os.fsync

    def fails(descriptor):
        written.append(descriptor)
        if len(written) > after:
            raise OSError(number, os.strerror(number))
        fsync(descriptor)

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", fails)
        with pytest.raises(OSError, match="disk is full" if number == errno.ENOSPC else "another folder.*VAESCAN_CACHE"):
            download_ptbxl(tmp_path / "ptbxl", source=server.url, progress=False)
    require_only_right_files(tmp_path / "ptbxl", master, whole=False)
    download_ptbxl(tmp_path / "ptbxl", source=server.url, progress=False)
    require_only_right_files(tmp_path / "ptbxl", master)


def test_a_file_where_a_folder_is_wanted_is_said(master, tmp_path):
    (tmp_path / "ptbxl").write_text("a file")
    with pytest.raises(OSError, match=r"ptbxl_database\.csv cannot be written .*another folder"):
        download_ptbxl(tmp_path / "ptbxl", source=master, progress=False)


def _download_and_die(url, folder, kind, number):
    """Run in a process of its own that ends in the middle, or after the end, of its write of that number."""
    files = iter(range(10_000))

    class Dies(io.BufferedWriter):
        def write(self, body):
            if kind == "halfway" and next(files) == number:
                super().write(body[: len(body) // 2])
                self.flush()
                os.kill(os.getpid(), signal.SIGKILL)
            return super().write(body)

    def fsync(descriptor):
        if kind == "written" and next(files) == number:
            os.kill(os.getpid(), signal.SIGKILL)

    os.fsync = fsync
    Path.open = lambda path, mode: Dies(io.FileIO(path, mode))
    sys.stderr = io.StringIO()
    download_ptbxl(folder, source=url, progress=False)


MOMENTS = [("halfway", 0), ("halfway", 2), ("halfway", 7), ("halfway", 20), ("written", 0), ("written", 1), ("written", 12)]
MOMENTS += [("request", 1), ("request", 2), ("request", 9), ("request", 22)]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes that begin in the middle")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.parametrize("moment", MOMENTS)
def test_a_killed_download_leaves_no_wrong_file_and_goes_on(moment, server, master, tmp_path):
    kind, number = moment
    arguments = server.url, tmp_path / "ptbxl", kind, number
    process = multiprocessing.get_context("fork").Process(target=_download_and_die, args=arguments)
    if kind == "request":
        server.on_request = lambda n: os.kill(process.pid, signal.SIGKILL) if n == number else None
    process.start()
    process.join(60)
    assert process.exitcode == -signal.SIGKILL
    server.on_request = lambda n: None
    left = files_of(tmp_path / "ptbxl") if (tmp_path / "ptbxl").exists() else {}
    right = files_of(master)
    assert all(right[name] == body for name, body in left.items() if not name.endswith(".part"))
    assert all(name.removesuffix(".hea") + ".dat" in left for name in left if name.endswith(".hea"))
    server.asked.clear()
    download_ptbxl(tmp_path / "ptbxl", source=server.url, progress=False)
    require_only_right_files(tmp_path / "ptbxl", master)
    assert not set(server.asked) & set(left) - {ptbxl_download.CHECKSUMS}


def test_interrupting_ends_quickly(server, master, tmp_path, monkeypatch):
    monkeypatch.setattr(ptbxl_download, "_WAIT_S", 30)
    server.faults = dict.fromkeys((name for name in files_of(master) if name.endswith(".dat")), status(503))
    monkeypatch.setattr(ptbxl_download, "as_completed", lambda futures: (_ for _ in ()).throw(KeyboardInterrupt()))
    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        download_ptbxl(tmp_path / "ptbxl", source=server.url, progress=False)
    assert time.monotonic() - start < 5


@pytest.mark.parametrize("name", [RECORD, RECORD.replace(".dat", ".hea"), TABLE])
def test_a_wrong_file_in_place_is_replaced_and_told(name, server, master, tmp_path, caplog):
    caplog.set_level("INFO", logger="vaescan_lite")
    shutil.copytree(master, tmp_path / "ptbxl")
    (tmp_path / "ptbxl" / name).write_bytes(b"damaged")
    download_ptbxl(tmp_path / "ptbxl", source=server.url, progress=False)
    require_only_right_files(tmp_path / "ptbxl", master)
    assert set(server.asked) == {name, ptbxl_download.CHECKSUMS}
    assert name in caplog.text and "fetched again" in caplog.text


def test_names_that_lead_out_of_the_folder_are_refused(master, tmp_path):
    evil = tmp_path / "evil"
    shutil.copytree(master, evil)
    table = pd.read_csv(evil / TABLE)
    table["filename_lr"] = "../../outside"
    table.to_csv(evil / TABLE, index=False)
    write_checksums(evil)
    with (evil / ptbxl_download.CHECKSUMS).open("a") as file:
        file.write(f"{'0' * 64} ../../outside.dat\n{'0' * 64} ../../outside.hea\n")
    with pytest.raises(ValueError, match="'../../outside.dat' is not a file"):
        download_ptbxl(tmp_path / "a/b/ptbxl", source=evil, progress=False)


def test_the_right_and_wrong_uses_of_the_command(master, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("VAESCAN_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("VAESCAN_DATABASE", raising=False)
    assert "simulated" in repr(vl.open_database("auto", n=2))
    with pytest.raises(FileNotFoundError, match="vaescan-lite download"):
        vl.open_database("ptbxl")
    assert cli.main(["download", "--n", "5", "--source", master.as_uri()]) == 0
    assert "5 ECGs of PTB-XL" in capsys.readouterr().out
    database = vl.open_database("auto")
    assert "downloaded copy" in repr(database) and len(database) == 5 and database.issues.empty
    assert vl.open_database("ptbxl").read().signals.shape == (5, 12, 1000)
    assert cli.main(["download", str(tmp_path / "own"), "--source", str(master)]) == 0
    assert f"VAESCAN_DATABASE={tmp_path / 'own'}" in capsys.readouterr().out
    vl.write_simulated_database(tmp_path / "made", 2, progress=False)
    for arguments, message in [
        ([str(tmp_path / "made"), "--source", str(master)], "simulated database"),
        ([str(tmp_path / "new"), "--source", str(tmp_path / "none")], "neither a URL"),
        ([str(tmp_path / "new"), "--source", str(tmp_path)], "holds SHA256SUMS.txt"),
        ([str(tmp_path / "new"), "--source", str(master), "--rate", "500"], "does not list 24 of the 24 files at 500 Hz"),
    ]:
        assert cli.main(["download", *arguments]) == 1
        assert message in capsys.readouterr().err
    assert vl.open_database(tmp_path / "made").is_simulated


def test_a_download_that_was_stopped_at_once_is_not_taken_for_a_database(master, tmp_path, monkeypatch):
    monkeypatch.setenv("VAESCAN_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("VAESCAN_DATABASE", raising=False)
    (tmp_path / "cache/ptbxl").mkdir(parents=True)
    shutil.copy(master / TABLE, tmp_path / "cache/ptbxl")
    assert "simulated" in repr(vl.open_database("auto", n=2))


def test_a_part_grows_and_what_is_missing_of_it_is_reported(master, tmp_path):
    ids = []
    for n in (3, 6, 4, None):
        download_ptbxl(tmp_path / "ptbxl", n=n, source=master, progress=False)
        database = vl.open_database(tmp_path / "ptbxl")
        assert database.issues.empty
        ids.append(set(database.ids.tolist()))
    assert [len(part) for part in ids] == [3, 6, 6, N] and ids[0] < ids[1] < ids[3]
    require_only_right_files(tmp_path / "ptbxl", master)
    download_ptbxl(tmp_path / "part", n=6, source=master, progress=False)
    header = next((tmp_path / "part").rglob("*.hea"))
    header.with_suffix(".dat").unlink()
    header.unlink()
    with pytest.warns(UserWarning, match=r"1 x row of ptbxl_database\.csv without a file"):
        assert len(vl.open_database(tmp_path / "part")) == 5


@pytest.fixture(scope="module")
def large_table():
    """A table with the folds of 5,000 people and superclasses of unequal frequency."""
    rng = np.random.default_rng(0)
    codes = rng.choice(["NORM", "IMI", "NDT", "CLBBB", "LVH", "SR"], 5000, p=[0.5, 0.2, 0.15, 0.09, 0.05, 0.01])
    index = pd.Index(np.arange(1, 5001) * 3, name="ecg_id")
    return pd.DataFrame({"strat_fold": rng.integers(1, 11, 5000)}, index=index), [{code: 100.0} for code in codes], codes


@pytest.mark.parametrize("n", [100, 500, 2000])
def test_a_part_has_the_folds_and_superclasses_of_the_whole(n, large_table):
    table, statements, codes = large_table
    order = ptbxl_download.stratified_order(table, statements)
    assert sorted(order) == table.index.tolist()
    rows = table.index.get_indexer(order[:n])
    for values in (codes, table["strat_fold"].to_numpy()):
        whole = pd.Series(values).value_counts() * n / 5000
        part = pd.Series(values[rows]).value_counts().reindex(whole.index, fill_value=0)
        assert (part - whole).abs().max() <= (1.01 if values is codes else 5)  # drawn at random: 11 for the largest of 500
    assert order == ptbxl_download.stratified_order(table, statements)


@pytest.mark.real
def test_a_part_of_real_rows_is_stratified(real_data):
    table, statements = read_ptbxl_table(real_data / "ptbxl" / TABLE)
    order = ptbxl_download.stratified_order(table, statements)
    factors = vl.open_database(real_data / "ptbxl").factors(list(SUPERCLASSES))
    part, whole = factors.loc[[id_ for id_ in order[:500] if id_ in factors.index]], factors
    assert ((part.mean() - whole.mean()).abs() < 0.02).all()


def test_the_version_before_is_told_apart(master, tmp_path):
    folder = tmp_path / "old"
    shutil.copytree(master, folder)
    table = pd.read_csv(master / TABLE)[["ecg_id", "scp_codes", "filename_lr"]]
    table = table.reindex(range(21_837)).assign(ecg_id=range(1, 21_838))
    table.to_csv(folder / TABLE, index=False)
    with pytest.warns(UserWarning, match="1 x table of PTB-XL 1.0.1, with 21,837 ECGs; 1.0.3 corrects it and has 21,799"):
        vl.open_database(folder)
    table[:21_799].to_csv(folder / TABLE, index=False)
    with pytest.warns(UserWarning) as caught:
        vl.open_database(folder)
    assert "1.0.1" not in str(caught[0].message)


def test_the_sources_are_the_open_mirror_and_physionet():
    assert [source.rsplit("/", 3)[-3:] for source in ptbxl_download.SOURCES] == [["ptb-xl", "1.0.3", ""]] * 2
