"""One ECG from a file: equal to what wfdb reads, or an error that names the file and the cause."""

import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import wfdb

import vaescan_lite as vl
from vaescan_lite import read_record
from vaescan_lite.databases.records import doubt_of_rate, resample, samples_needed
from vaescan_lite.databases.wfdb_files import read_header, read_signals
from vaescan_lite.ecg import LEADS_8, LEADS_12


def an_ecg(n_leads=12, n_samples=300, seed=0):
    """Smooth random signals (n_leads, n_samples) in mV that fit into 16 bits at 1000 counts per mV, rounded to those."""
    steps = np.random.default_rng(seed).normal(scale=0.1, size=(n_leads, n_samples))
    return np.round(np.cumsum(steps, axis=1), 3)


def write(
    folder, name="rec", signals=None, leads=LEADS_12, fs=100, fmt="16", gain="1000.0(0)/mV", extension="dat", offset=0, n=None
):
    """Write a WFDB record byte by byte, so that a test can break any part of it."""
    signals = an_ecg(len(leads)) if signals is None else signals
    n = signals.shape[1] if n is None else n
    lines = [f"{name} {len(leads)} {fs} {n}", *(f"{name}.{extension} {fmt} {gain} 16 0 0 0 0 {lead}" for lead in leads)]
    (folder / f"{name}.hea").write_text("\n".join(lines) + "\n")
    counts = np.round(signals * 1000).astype("<i2").T.tobytes()
    (folder / f"{name}.{extension}").write_bytes(b"\0" * offset + counts)
    return folder / name


def by_wfdb(path):
    record = wfdb.rdrecord(str(path))
    return record.p_signal.T.astype(np.float32), record.fs


@pytest.mark.real
@pytest.mark.parametrize(
    "pattern",
    ["ptbxl/records100/00000/*.hea", "ptbxl/records500/00000/*.hea", "ludb-dev/data/*.hea", "chapman-ningbo/*.hea"],
)
def test_real_records_are_read_as_wfdb_reads_them(real_data, pattern):
    headers = sorted(real_data.glob(pattern))
    for header in headers[:: max(1, len(headers) // 25)]:
        signals, fs, leads = read_signals(header)
        expected, expected_fs = by_wfdb(header.with_suffix(""))
        np.testing.assert_array_equal(signals, expected)
        assert (fs, leads) == (expected_fs, LEADS_12)


@pytest.mark.real
def test_ludb_comes_as_its_gains_say_and_not_repaired(real_data):
    ecg = read_record(real_data / "ludb-dev" / "data" / "1")
    i, ii, iii = ecg.signals[0, :3]
    assert np.abs(iii - (ii - i)).max() > 0.05  # mV; the gains of the three leads do not fit each other


@pytest.mark.parametrize(
    ("fmt", "offset", "extension"),
    [("16", 0, "dat"), ("16+24", 24, "mat"), ("16x1+24", 24, "mat")],
)
@pytest.mark.parametrize("gain", ["1000.0(0)/mV", "1716(6)/mV", "204.8(-512)", "0", "1000", "1(0)/mV", "12345.678(-1024)/mV"])
def test_every_spelling_of_format_and_gain_means_what_it_means_to_wfdb(tmp_path, fmt, offset, extension, gain):
    path = write(tmp_path, fmt=fmt, offset=offset, extension=extension, gain=gain)
    expected, fs = by_wfdb(path)
    signals, fs_read, _ = read_signals(path)
    np.testing.assert_array_equal(signals, expected)
    assert fs_read == fs == 100


def test_a_header_with_the_fewest_fields_is_read_as_wfdb_reads_it(tmp_path):
    path = write(tmp_path)
    (tmp_path / "rec.hea").write_text("rec 12 100\n" + "rec.dat 16\n" * 12)  # no length, no gain, no name
    signals, fs, leads = read_signals(path)
    np.testing.assert_array_equal(signals, by_wfdb(path)[0])
    assert leads[0] == "signal 1"


def test_the_zero_of_the_converter_is_the_baseline_where_none_is_given(tmp_path):
    path = write(tmp_path, gain="1000/mV")
    header = tmp_path / "rec.hea"
    header.write_text(header.read_text().replace("mV 16 0 0", "mV 16 1024 0"))
    signals, _, _ = read_signals(path)
    np.testing.assert_array_equal(signals, by_wfdb(path)[0])
    np.testing.assert_allclose(signals, an_ecg() - 1.024, atol=1e-6)


@pytest.mark.parametrize("fmt", ["212", "24", "32", "80"])
def test_other_formats_are_read_too(tmp_path, fmt):
    signals = np.clip(an_ecg(), -0.1, 0.1)  # fits into the 8 bits of format 80
    wfdb.wrsamp("rec", 100, ["mV"] * 12, list(LEADS_12), p_signal=signals.T, fmt=[fmt] * 12, adc_gain=[1000.0] * 12,
                baseline=[0] * 12, write_dir=str(tmp_path))  # fmt: skip
    ecg = read_record(tmp_path / "rec")
    np.testing.assert_allclose(ecg.signals[0], signals, atol=1e-6)


def test_a_record_in_two_files_is_read(tmp_path):
    path = write(tmp_path)
    text = (tmp_path / "rec.hea").read_text().splitlines()
    signals = an_ecg()
    for half in (0, 1):
        rows = slice(6 * half, 6 * half + 6)
        np.round(signals[rows] * 1000).astype("<i2").T.tofile(tmp_path / f"half{half}.dat")
        text[1 + 6 * half : 7 + 6 * half] = [line.replace("rec.dat", f"half{half}.dat") for line in text[1:][rows]]
    (tmp_path / "rec.hea").write_text("\n".join(text))
    np.testing.assert_allclose(read_record(path).signals[0], signals, atol=1e-6)
    (tmp_path / "half1.dat").unlink()
    with pytest.raises(FileNotFoundError, match=r"half1\.dat: no such signal file.*rec\.hea"):
        read_record(path)


def test_a_record_of_several_segments_is_read(tmp_path):
    write(tmp_path, "a", an_ecg(seed=1))
    write(tmp_path, "b", an_ecg(seed=2))
    (tmp_path / "all.hea").write_text("all/2 12 100 600\na 300\nb 300\n")
    ecg = read_record(tmp_path / "all")
    np.testing.assert_allclose(ecg.signals[0], np.hstack([an_ecg(seed=1), an_ecg(seed=2)]), atol=1e-6)


@pytest.mark.parametrize("ending", ["", ".hea", ".dat"])
@pytest.mark.parametrize("kind", [str, Path])
def test_a_record_is_found_with_and_without_its_ending(tmp_path, ending, kind):
    write(tmp_path, "a.b")
    ecg = read_record(kind(f"{tmp_path / 'a.b'}{ending}"))
    assert ecg.ids.tolist() == ["a.b"]
    np.testing.assert_allclose(ecg.signals[0], an_ecg(), atol=1e-6)
    assert ecg.signals.dtype == np.float32


def test_leads_come_in_standard_order_whatever_their_order_and_case(tmp_path):
    leads = ["vx", *(lead.lower() for lead in LEADS_12[::-1]), "resp"]
    signals = an_ecg(14)
    ecg = read_record(write(tmp_path, signals=signals, leads=leads))
    assert ecg.leads == LEADS_12
    np.testing.assert_allclose(ecg.signals[0], signals[12:0:-1], atol=1e-6)


def test_the_eight_independent_leads_make_an_ecg_of_eight_leads(tmp_path):
    assert read_record(write(tmp_path, leads=LEADS_8)).leads == LEADS_8


@pytest.mark.parametrize(("unit", "mv"), [("mV", 1.0), ("uV", 1e-3), ("V", 1e3), ("nV", 1e-6)])
def test_every_unit_of_voltage_becomes_mv(tmp_path, unit, mv):
    ecg = read_record(write(tmp_path, gain=f"1000(0)/{unit}"))
    np.testing.assert_allclose(ecg.signals[0], an_ecg() * mv, rtol=1e-6, atol=1e-9)


def remove_header(folder):
    (folder / "rec.hea").unlink()


def remove_signals(folder):
    (folder / "rec.dat").unlink()


def cut_signals(folder):
    (folder / "rec.dat").write_bytes((folder / "rec.dat").read_bytes()[:5000])


def empty_signals(folder):
    (folder / "rec.dat").write_bytes(b"")


def drop_a_lead(folder):
    write(folder, leads=[lead for lead in LEADS_12 if lead != "V4"])


def drop_a_line(folder):
    text = (folder / "rec.hea").read_text().splitlines()
    (folder / "rec.hea").write_text("\n".join(text[:-1]))


def name_a_lead_twice(folder):
    write(folder, leads=[*LEADS_12, "v1"])


def mark_as_invalid(folder):
    signals = an_ecg()
    signals[LEADS_12.index("V2"), 7] = -32.768
    signals[LEADS_12.index("aVL"), 5:8] = -32.768
    write(folder, signals=signals)


def put_binary_in_the_header(folder):
    (folder / "rec.hea").write_bytes(bytes(range(256)))


def empty_the_header(folder):
    (folder / "rec.hea").write_bytes(b"")


def make_the_rate_nonsense(folder):
    write(folder, fs="1e2e3")


def make_the_rate_zero(folder):
    write(folder, fs="0")


def measure_pressure(folder):
    write(folder, gain="1000(0)/mmHg")


def garble_the_gain(folder):
    write(folder, gain="many/mV")


@pytest.mark.parametrize(
    ("break_it", "error", "message"),
    [
        (remove_header, FileNotFoundError, r"rec\.hea: no such header"),
        (remove_signals, FileNotFoundError, r"rec\.dat: no such signal file.*rec\.hea names it"),
        (cut_signals, ValueError, r"rec\.dat is truncated.*7200 bytes.*5000 bytes, 208 samples"),
        (empty_signals, ValueError, r"rec\.dat is truncated.*7200 bytes.*0 bytes"),
        (drop_a_lead, ValueError, r"rec: lead\(s\) V4 are missing; 12 leads are wanted, and it has 11"),
        (drop_a_line, ValueError, r"rec\.hea: the header announces 12 signals and describes 11"),
        (name_a_lead_twice, ValueError, r"rec: lead\(s\) V1 occur more than once"),
        (mark_as_invalid, ValueError, r"rec: .*invalid, of 300 in each lead: aVL \(3\), V2 \(1\)"),
        (put_binary_in_the_header, ValueError, r"rec\.hea is not a WFDB header"),
        (empty_the_header, ValueError, r"rec\.hea is not a WFDB header.*found nothing"),
        (make_the_rate_nonsense, ValueError, r"rec\.hea: the sampling frequency.*'1e2e3'"),
        (make_the_rate_zero, ValueError, r"rec\.hea: the sampling frequency.*'0'"),
        (measure_pressure, ValueError, r"rec\.hea: lead I is in 'mmHg'"),
        (garble_the_gain, ValueError, r"rec\.hea: the gain of I"),
    ],
)
def test_a_broken_record_is_refused_with_file_and_cause(tmp_path, break_it, error, message):
    path = write(tmp_path)
    read_record(path)
    break_it(tmp_path)
    with pytest.raises(error, match=message):
        read_record(path)


def test_a_truncated_file_of_another_format_is_refused_too(tmp_path):
    wfdb.wrsamp("rec", 100, ["mV"] * 12, list(LEADS_12), p_signal=an_ecg().T, fmt=["24"] * 12, write_dir=str(tmp_path))
    (tmp_path / "rec.dat").write_bytes((tmp_path / "rec.dat").read_bytes()[:999])
    with pytest.raises(ValueError, match=r"rec\.hea: the signals cannot be read"):
        read_record(tmp_path / "rec")


def test_a_sample_that_is_invalid_is_nan_as_in_wfdb(tmp_path):
    mark_as_invalid(tmp_path)
    signals, _, _ = read_signals(tmp_path / "rec")
    assert np.isnan(signals).sum() == 4
    np.testing.assert_array_equal(signals, by_wfdb(tmp_path / "rec")[0])


def test_a_folder_is_no_record(tmp_path):
    with pytest.raises(ValueError, match="open_database"):
        read_record(tmp_path)


def test_a_rate_beside_a_header_is_refused(tmp_path):
    with pytest.raises(ValueError, match="fs is for CSV"):
        read_record(write(tmp_path), fs=500)


def test_only_the_start_is_read_where_that_is_enough(tmp_path):
    path = write(tmp_path)
    np.testing.assert_array_equal(read_signals(path, 100)[0], read_signals(path)[0][:, :100])
    assert read_signals(path, 10_000)[0].shape == (12, 300)


def test_comments_and_the_windows_end_of_line_do_not_disturb(tmp_path):
    path = write(tmp_path)
    text = "# first\n" + (tmp_path / "rec.hea").read_text() + "#Age: 50\n# Dx: 1,2\n"
    (tmp_path / "rec.hea").write_bytes(text.replace("\n", "\r\n").encode())
    header = read_header(path)
    assert header.comments == ["first", "Age: 50", "Dx: 1,2"]
    assert header.leads == LEADS_12
    np.testing.assert_allclose(read_record(path).signals[0], an_ecg(), atol=1e-6)


# CSV


def csv(folder, table, name="ecg.csv"):
    pd.DataFrame(table).to_csv(folder / name, index=False)
    return folder / name


def columns(**more):
    return {**more, **{lead.lower(): row for lead, row in zip(LEADS_12, an_ecg())}}


def test_a_csv_of_leads_is_read_with_the_rate_that_is_given(tmp_path):
    ecg = read_record(csv(tmp_path, columns()), fs=250)
    assert (ecg.fs, ecg.leads, ecg.ids.tolist()) == (250.0, LEADS_12, ["ecg"])
    np.testing.assert_allclose(ecg.signals[0], an_ecg(), atol=1e-6)


@pytest.mark.parametrize(("fs", "digits"), [(100, 6), (500, 3), (360, 4), (257, 3), (1000, 3)])
def test_the_rate_is_read_from_rounded_times(tmp_path, fs, digits):
    times_s = np.round(5 + np.arange(300) / fs, digits)
    assert read_record(csv(tmp_path, columns(time_s=times_s))).fs == pytest.approx(fs, rel=1e-3)


@pytest.mark.parametrize(
    ("table", "options", "message"),
    [
        (columns(), {}, r"ecg\.csv: the sampling rate is not known; give fs"),
        (columns(time_s=np.arange(300) / 100), {"fs": 500}, r"fs = 500 Hz was given, and the column time_s has 100 Hz"),
        (columns(time_s=np.r_[np.arange(150), np.arange(151, 301)] / 100), {}, r"time_s does not rise in equal steps"),
        (columns(time_s=np.zeros(300)), {}, r"time_s must rise"),
        ({**columns(), "v4": ["x"] * 300}, {"fs": 100}, r"column\(s\) V4 hold what is not a number"),
        ({**columns(), "v4": [np.nan] + [0.0] * 299}, {"fs": 100}, r"ecg\.csv: samples that are NaN.*V4 \(1\)"),
        ({**columns(), "V4": np.zeros(300)}, {"fs": 100}, r"ecg\.csv: lead\(s\) V4 occur more than once"),
        ({lead: row for lead, row in columns().items() if lead != "v3"}, {"fs": 100}, r"lead\(s\) V3 are missing"),
        ({"a": [1.0, 2.0]}, {"fs": 100}, r"names of leads.*'a'"),
        ({lead: row[:1] for lead, row in columns().items()}, {"fs": 100}, r"1 sample\(s\)"),
    ],
)
def test_a_csv_that_is_no_ecg_is_refused_with_the_cause(tmp_path, table, options, message):
    with pytest.raises(ValueError, match=message):
        read_record(csv(tmp_path, table), **options)


def test_a_csv_that_is_missing_or_empty_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.csv"):
        read_record(tmp_path / "none.csv", fs=100)
    (tmp_path / "empty.csv").write_text("")
    with pytest.raises(ValueError, match=r"empty\.csv cannot be read as CSV"):
        read_record(tmp_path / "empty.csv", fs=100)


# resampling


def sine(frequency_hz, fs, duration_s=10.0):
    return np.sin(2 * np.pi * frequency_hz * np.arange(round(duration_s * fs)) / fs).astype(np.float32)


@pytest.mark.parametrize(("fs_from", "fs_to"), [(500, 100), (100, 500), (257, 100), (1000, 250), (500, 400)])
@pytest.mark.parametrize("frequency_hz", [1, 10, 30])
def test_a_sine_below_the_new_nyquist_rate_stays_the_same_sine(fs_from, fs_to, frequency_hz):
    resampled = resample(sine(frequency_hz, fs_from), fs_from, fs_to)
    expected = sine(frequency_hz, fs_to)
    inside = slice(fs_to, 9 * fs_to)  # a second from either end, where the continuation by a constant does not reach
    np.testing.assert_allclose(resampled[inside], expected[inside], atol=0.01)


@pytest.mark.parametrize("frequency_hz", [70, 130, 210])
def test_what_lies_above_the_new_nyquist_rate_does_not_fold_back(frequency_hz):
    resampled = resample(sine(frequency_hz, 500), 500, 100)
    assert np.sqrt(np.mean(resampled[100:-100] ** 2)) < 0.01 * np.sqrt(0.5)


@pytest.mark.parametrize(("fs_from", "fs_to"), [(500, 100), (100, 500), (257, 100), (100, 360)])
def test_a_constant_stays_constant_up_to_both_ends(fs_from, fs_to):
    np.testing.assert_allclose(resample(np.full((2, 500), 1.5, dtype=np.float32), fs_from, fs_to), 1.5, rtol=1e-5)


@pytest.mark.parametrize(("fs_from", "fs_to"), [(500, 100), (257, 100), (360, 500)])
def test_a_record_cut_before_resampling_is_the_resampled_record_cut(fs_from, fs_to):
    long = an_ecg(2, 20 * fs_from, seed=4).astype(np.float32)
    n = 10 * fs_to
    needed = samples_needed(n, fs_from, fs_to)
    assert needed < 12 * fs_from
    np.testing.assert_allclose(
        resample(long[:, :needed], fs_from, fs_to)[:, :n], resample(long, fs_from, fs_to)[:, :n], atol=1e-5
    )


# rates that are hardly right


def written_at(tmp_path, fs):
    people = pd.DataFrame([{"age_years": 60, "sex_female": 0}], index=[1])
    signals = vl.simulate(people, fs=fs, seed=2).signals[0]
    path = tmp_path / "mine.csv"
    pd.DataFrame(signals.T, columns=LEADS_12).to_csv(path, index=False)
    return path


@pytest.mark.parametrize(("fs", "wrong"), [(500, 100), (100, 500), (250, 50), (100, 250), (1000, 200)])
def test_a_rate_that_is_wrong_by_far_is_doubted_with_file_and_what_would_fit(tmp_path, fs, wrong):
    path = written_at(tmp_path, fs)
    lasts = f"at {wrong} Hz it lasts {10 * fs / wrong:.3g} s"
    with pytest.warns(UserWarning, match=rf"mine\.csv: {lasts}.* at {fs} Hz it would last ten. Is fs right"):
        read_record(path, fs=wrong)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read_record(path, fs=fs)


def test_flat_and_cut_off_ecgs_are_not_doubted():
    assert doubt_of_rate(np.zeros((12, 5000)), 500) == ""
    assert doubt_of_rate(np.ones((12, 2)), 100) == ""
    assert doubt_of_rate(np.random.default_rng(0).normal(size=(12, 700)), 100) == ""  # 7 s, and no usual rate makes ten of it


@pytest.mark.real
@pytest.mark.parametrize("name", ["ludb-dev", "chapman-ningbo", "cpsc-dev"])
def test_no_real_ecg_is_doubted_at_its_rate_and_most_at_a_fifth_of_it(real_data, name):
    paths = sorted((real_data / name).rglob("*.hea"))[:40]
    if not paths:
        pytest.skip(f"{name} is not there")
    ecgs = [read_record(path) for path in paths]
    assert not any(doubt_of_rate(ecg.signals[0], ecg.fs) for ecg in ecgs)
    assert np.mean([bool(doubt_of_rate(ecg.signals[0], ecg.fs / 5)) for ecg in ecgs]) > 0.75
