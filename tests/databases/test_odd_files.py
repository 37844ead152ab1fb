"""Single files as people have them: each is read right, or refused with file and cause; none is read wrong in silence."""

import codecs
import io
import re
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.io
import wfdb

import vaescan_lite as vl
from vaescan_lite import read_record
from vaescan_lite.leads import LEADS_8, LEADS_12, lead_and_unit, lead_name, mv_per_unit


def einthoven(n_samples=400, seed=0):
    """Twelve leads of smooth random signals in mV that obey the laws of the limb leads, rounded to 1 uV of I and II."""
    eight = np.cumsum(np.random.default_rng(seed).normal(scale=0.05, size=(8, n_samples)), axis=1)
    return vl.to_twelve_leads(np.round(eight, 3))


ECG = einthoven()


def table(ecg=ECG, leads=LEADS_12):
    return pd.DataFrame(np.round(ecg.T, 4), columns=list(leads))


def text(**options):
    """The ECG as ``DataFrame.to_csv`` writes it, which gets the options."""
    return table().to_csv(index=False, **options)


def rows_of(ecg=ECG):
    return [",".join(f"{value:.4f}" for value in row) for row in ecg.T]


def numbered(number, rows=None):
    """A table whose first value in each row has no name at the top."""
    return "\n".join([",".join(LEADS_12), *(f"{number(i)},{row}" for i, row in enumerate(rows or rows_of()))])


def same(ecgs, ecg=ECG, fs=100):
    assert ecgs.leads == LEADS_12 and ecgs.fs == fs
    np.testing.assert_allclose(ecgs.signals[0], ecg, atol=2e-4)


# names and units


@pytest.mark.parametrize(
    ("name", "lead"),
    [
        ("i", "I"), (" II ", "II"), ("AVR", "aVR"), ("avl", "aVL"), ("aV F", "aVF"), ("a-VR", "aVR"), ("v 3", "V3"),
        ("V-4", "V4"), ("DI", "I"), ("DII", "II"), ("diii", "III"), ("D1", "I"), ("D2", "II"), ("d 3", "III"),
        ("C1", "V1"), ("c6", "V6"), ("Lead I", "I"), ("LEAD_aVF", "aVF"), ("lead-ii", "II"), ("Lead 1", "I"),
        ("Lead3", "III"), ("ECG_V1", "V1"), ("ECG I", "I"), ("EKG aVL", "aVL"), ("ECG Lead V2", "V2"),
        ("MDC_ECG_LEAD_AVR", "aVR"), ("mdc_ecg_lead_v5", "V5"), ("Ableitung II", "II"), ("Derivación aVR", "aVR"),
        ("I (mV)", "I"), ("V1 [uV]", "V1"), ("aVR/µV", "aVR"), ("V6_mV", "V6"), ("'V2'", "V2"), ("\ufeffI", "I"),
        ("\u2161", "II"), ("-aVR", None), ("Lead -aVR", None), ("MLII", None), ("V4R", None), ("V7", None),
        ("vx", None), ("X", None), ("1", None), ("Lead 4", None), ("MCL1", None), ("I2", None), ("signal 1", None),
        ("time_s", None), ("L1", None), ("leader", None),
    ],
)  # fmt: skip
def test_a_name_means_its_lead_and_no_other(name, lead):
    assert lead_name(name) == (lead or name.strip())


@pytest.mark.parametrize("unit", ["uV", "µV", "\u03bcV", "UV", "microvolts", "microVolt"])
def test_every_way_to_write_microvolts_is_a_thousandth_of_a_millivolt(unit):
    assert lead_and_unit(f"V1 ({unit})") == ("V1", unit) or lead_and_unit(f"V1 ({unit})")[0] == "V1"
    assert mv_per_unit(unit, "V1", "file") == 1e-3


def test_a_set_takes_the_names_as_files_write_them():
    ecgs = vl.EcgSet(
        ECG[np.newaxis], 100, ["DI", "DII", "DIII", "AVR", "AVL", "AVF", "C1", "c2", "Lead V3", "ECG_V4", "v5", "V6 (mV)"]
    )
    assert ecgs.leads == LEADS_12


def test_the_page_on_files_says_what_the_code_does():
    page = (Path(__file__).parents[2] / "book" / "your_data.md").read_text(encoding="utf-8")
    leads = re.findall(r"^\| (I+|aV[RLF]|V1)(?: to V6)? \| (`.*`) \|$", page, flags=re.MULTILINE)
    assert [lead for lead, _ in leads] == list(LEADS_12[:7])
    for lead, names in leads:
        assert {lead_name(name) for name in re.findall("`([^`]+)`", names)} == {lead}
    units = dict(zip(("millivolts", "a thousandth of that", "a millionth", "a thousand"), (1, 1e-3, 1e-6, 1e3)))
    for names, meaning in re.findall(r"^\| ((?:nothing, )?`.*`) \| ([^|\n]+) \|$", page, flags=re.MULTILINE):
        if meaning in units:
            assert {mv_per_unit(name, "I", "page") for name in re.findall("`([^`]+)`", names)} == {units.pop(meaning)}
    assert not units


# text tables that are read

MICRO = table(1000 * ECG)
READ = {
    "tabs": text(sep="\t"),
    "semicolons": text(sep=";"),
    "semicolons, decimal commas": text(sep=";", decimal=","),
    "tabs, decimal commas": text(sep="\t", decimal=","),
    "commas, decimal commas in quotes": text(decimal=",", quoting=1),
    "bars": text(sep="|"),
    "blanks": text(sep=" "),
    "aligned by blanks": table().to_string(index=False),
    "byte order mark": codecs.BOM_UTF8 + text().encode(),
    "UTF-16": text(sep="\t").encode("utf-16"),
    "Windows lines": text().replace("\n", "\r\n"),
    "old Mac lines": text().replace("\n", "\r"),
    "names in quotes": text(quoting=2),
    "empty lines": text().replace("\n", "\n\n"),
    "notes above": "Patient: Anna\nRecorded 2020-01-02, 10:00\n\n" + text(),
    "comments above": "# device X\n# I like it\n" + text(),
    "comments within": text().replace("\n", "\n# here\n", 3),
    "names in a comment, as savetxt": "# " + text(),
    "a line of units": text().replace("\n", "\n" + ",".join(["mV"] * 12) + "\n", 1),
    "a line of units, uV": MICRO.to_csv(index=False).replace("\n", "\n" + ",".join(["uV"] * 12) + "\n", 1),
    "a line of units in brackets": MICRO.to_csv(index=False).replace("\n", "\n" + ",".join(["[µV]"] * 12) + "\n", 1),
    "units in the names": MICRO.add_suffix(" (uV)").to_csv(index=False),
    "units in the names, Latin-1": MICRO.add_suffix(" [µV]").to_csv(index=False).encode("cp1252"),
    "volts": (pd.DataFrame(ECG.T / 1000, columns=LEADS_12).add_suffix(" (V)")).to_csv(index=False),
    "commas at the end of all rows": text().replace("\n", ",\n"),
    "commas at the end of values only": "\n".join([",".join(LEADS_12), *(row + "," for row in rows_of())]),
    "two commas at the end of values": "\n".join([",".join(LEADS_12), *(row + ",," for row in rows_of())]),
    "row numbers from 0 without a name": numbered(int),
    "row numbers and a comma at the end": numbered(int).replace("\n", ",\n").replace("V6,", "V6", 1) + ",",
    "index with an empty name": table().to_csv(),
    "a column more with a name": table().assign(marker=0).to_csv(index=False),
    "a column more of text": table().assign(note="ok").to_csv(index=False),
    "other order": table()[list(LEADS_12[::-1])].to_csv(index=False),
    "names of Spain": table().set_axis(["DI", "DII", "DIII", "aVR", "aVL", "aVF", *LEADS_12[6:]], axis=1).to_csv(index=False),
    "Cabrera, -aVR": table().rename(columns={"aVR": "-aVR"}).assign(**{"-aVR": -ECG[3]}).to_csv(index=False),
    "nine leads": table()[["I", "II", "III", *LEADS_12[6:]]].to_csv(index=False),
    "eleven leads, no aVF": table().drop(columns="aVF").to_csv(index=False),
    "eleven leads, no I": table().drop(columns="I").to_csv(index=False),
    "age and sex above": "Name;Anna\nAge;57\nSex;F\n\n" + text(sep=";", decimal=","),
    "Excel's line on separators": "sep=;\n" + text(sep=";", decimal=","),
    "a named column of row numbers": table().assign(sample=range(400))[["sample", *LEADS_12]].to_csv(index=False),
    "dates and times": table()
    .assign(time=pd.date_range("2020-01-01", periods=400, freq="10ms").astype(str))
    .to_csv(index=False),
    "times in microseconds": table().assign(**{"time (us)": range(0, 4_000_000, 10_000)}).to_csv(index=False),
    "limb leads in mV, chest leads in uV": pd.concat(
        [table()[[*LEADS_12[:6]]], MICRO[[*LEADS_12[6:]]].add_suffix(" (uV)")], axis=1
    ).to_csv(index=False),
    "a unit below one name alone": ",".join(LEADS_12) + "\nmV" + "," * 11 + "\n" + "\n".join(rows_of()),
    "units and times": "\n".join(
        ["time," + ",".join(LEADS_12), "s," + ",".join(["mV"] * 12), *(f"{i / 100},{row}" for i, row in enumerate(rows_of()))]
    ),
    "powers of ten": table().to_csv(index=False, float_format="%.5E"),
    "plus signs": table().map(lambda value: f"{value:+.4f}").to_csv(index=False),
    "minus signs": text().replace("-", "\u2212"),
    "blanks that do not break": table().map(lambda value: f"\u00a0{value:.4f}").to_csv(index=False),
    "blanks around values": table().map(lambda value: f"  {value:.4f} ").to_csv(index=False),
    "UTF-32": text().encode("utf-32"),
    "a comment at the end": text() + "# end\n",
    "comments of percent": "% exported\n% fs = 100\n" + text(),
    "comments of slashes": "// exported\n" + text(),
    "an empty column in the middle": "\n".join(
        ",".join([*row.split(",")[:6], "", *row.split(",")[6:]]) for row in text().splitlines()
    ),
    "an empty column at the left": "\n".join("," + row for row in text().splitlines()),
    "semicolons at the end of all rows": text(sep=";").replace("\n", ";\n"),
    "tabs among blanks": text(sep="\t").replace("\t", " \t "),
    "a table of Markdown": "\n".join("| " + " | ".join(row.split(",")) + " |" for row in text().splitlines()),
    "R's write.table": '"'
    + '" "'.join(LEADS_12)
    + '"\n'
    + "\n".join(f'"{i}" ' + row.replace(",", " ") for i, row in enumerate(rows_of())),
    "names in single quotes": table().set_axis([f"'{lead}'" for lead in LEADS_12], axis=1).to_csv(index=False),
    "names with a dot": table().set_axis([f"{lead.upper()}." for lead in LEADS_12], axis=1).to_csv(index=False),
    "names with a colon": table().set_axis([f"{lead}:" for lead in LEADS_12], axis=1).to_csv(index=False),
    "names with units in brackets": table().set_axis([f"Lead {lead} [mV]" for lead in LEADS_12], axis=1).to_csv(index=False),
    "names after ecg": table().set_axis([f"ecg.{lead}" for lead in LEADS_12], axis=1).to_csv(index=False),
    "one character for a number": table().rename(columns={"I": "\u2160", "II": "\u2161", "III": "\u2162"}).to_csv(index=False),
    "a rhythm strip beside": table().assign(**{"II.1": 0}).to_csv(index=False),
    "right and back leads beside": table().assign(V4R=0, V7=0, V8=0, V9=0).to_csv(index=False),
    "aVR and aVL for limb leads": table()[["aVR", "aVL", *LEADS_12[6:]]].to_csv(index=False),
    "III and aVF for limb leads": table()[["III", "aVF", *LEADS_12[6:]]].to_csv(index=False),
    "eight leads, II and III": table()[["II", "III", *LEADS_12[6:]]].to_csv(index=False),
}


@pytest.mark.filterwarnings("ignore:.*computed from")
@pytest.mark.parametrize("content", READ.values(), ids=READ)
@pytest.mark.parametrize("ending", [".csv", ".txt"])
def test_a_table_is_read_however_it_is_written(tmp_path, content, ending):
    (tmp_path / f"ecg{ending}").write_bytes(content.encode() if isinstance(content, str) else content)
    same(read_record(tmp_path / f"ecg{ending}", fs=100))


@pytest.mark.parametrize(
    ("name", "per_s"),
    [("time_s", 1), ("time (s)", 1), ("Time [ms]", 1000), ("time_ms", 1000), ("Zeit/ms", 1000), ("t (sec)", 1)],
)
def test_a_column_of_times_in_its_unit_gives_the_rate(tmp_path, name, per_s):
    timed = pd.concat([pd.Series(np.arange(400) / 250 * per_s, name=name), table()], axis=1)
    timed.to_csv(tmp_path / "ecg.csv", index=False)
    same(read_record(tmp_path / "ecg.csv"), fs=250)


def test_leads_that_are_computed_are_named(tmp_path):
    table()[["I", "II", "III", *LEADS_12[6:]]].to_csv(tmp_path / "ecg.csv", index=False)
    with pytest.warns(UserWarning, match=r"ecg\.csv: aVR, aVL, aVF computed"):
        read_record(tmp_path / "ecg.csv", fs=100)


# text tables that are refused

REFUSED = {
    "a value more at the right": ("\n".join([",".join(LEADS_12), *(row + ",0" for row in rows_of())]), "12 names.*13 values"),
    "a value more at the left": ("\n".join([",".join(LEADS_12), *("7," + row for row in rows_of())]), "12 names.*13 values"),
    "times without a name": (numbered(lambda i: i / 100), "13 values"),
    "row numbers, V6 empty": (numbered(int, [row.rpartition(",")[0] + "," for row in rows_of()]), "12 names.*13 values"),
    "a name more": (",".join([*LEADS_12, "marker"]) + "\n" + "\n".join(rows_of()), "13 names.*12 values"),
    "decimal commas between commas": (text().replace(".", ","), "12 names.*24 values"),
    "thousands": (text(sep=";").replace("0.1", "1.000,1"), "not a number"),
    "one row longer": (text() + "1" + ",1" * 12 + "\n", "Expected 12 fields"),
    "cut off": (text()[:-40], "cut off"),
    "leads in rows": (table().T.to_csv(header=False), "leads seem to stand in rows"),
    "no names": ("\n".join(rows_of()), "names of leads"),
    "names only": (",".join(LEADS_12) + "\n", r"0 sample\(s\)"),
    "text among the values": (text().replace("\n", "\n" + "off," * 11 + "off\n", 2), "not a number"),
    "converter counts": (table().add_suffix(" (counts)").to_csv(index=False), "lead I is in 'counts'"),
    "a pressure": (table().add_suffix(" [mmHg]").to_csv(index=False), "'mmHg'"),
    "two spellings of a lead": (table().assign(DI=0).to_csv(index=False), "I occur more than once"),
    "one lead": (table()[["II"]].assign(x=1).to_csv(index=False), "are missing"),
    "Frank's leads": (table()[["I", "II", "III"]].set_axis(["vx", "vy", "vz"], axis=1).to_csv(index=False), "names of leads"),
    "a chest lead is missing": (table().drop(columns="V3").to_csv(index=False), "V3 are missing"),
    "a gap": (text().replace("\n", "\n" + "," * 11 + "\n", 1), "NaN"),
    "infinity": (text().replace("\n", "\n" + ",".join(["inf"] * 12) + "\n", 1), "NaN"),
    "names again in the middle": (text() + text(), r"not a number \(the first is 'I' in row 401"),
    "thousands with an apostrophe": (text(sep=";").replace("0.", "1'000."), r"not a number \(the first is .*1'000\."),
    "a last line of words": (text() + "End of file\n", "the last row has 1 values"),
    "a rhythm strip of the same name": (table().assign(**{"II (mV)": 0}).to_csv(index=False), "II occur more than once"),
    "Chinese words before the names": (table().add_prefix("导联").to_csv(index=False), "found 400 sample.*导联V1"),
    "Cyrillic letters for V": (text().replace("V", "\u0412"), "V1, V2, V3, V4, V5, V6 are missing"),
    "numbers for names": (text().replace(",".join(LEADS_12), ",".join(map(str, range(1, 13)))), "names of leads"),
    "filtered, says each name": (table().add_suffix("_filtered").to_csv(index=False), "names of leads.*I_filtered"),
    "empty": ("", "empty"),
    "blank": ("\n \n", "empty"),
}  # fmt: skip


@pytest.mark.parametrize(("content", "cause"), REFUSED.values(), ids=REFUSED)
def test_a_table_that_may_be_read_wrong_is_refused_with_the_cause(tmp_path, content, cause):
    (tmp_path / "ecg.csv").write_text(content, encoding="utf-8")
    with pytest.raises(ValueError, match=rf"(?s)ecg\.csv.*{cause}"):
        read_record(tmp_path / "ecg.csv", fs=100)


# files of other kinds


def zipped(**files):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return packed.getvalue()


OTHER_KINDS = {
    "night.edf": (b"0       X X X" + bytes(300), "EDF"),
    "night.bdf": (b"\xffBIOSEMI" + bytes(300), "BDF"),
    "renamed.csv": (b"0       X X X" + bytes(300), "EDF"),
    "a.scp": (b"\x12\x34\x00\x01\0\0" + bytes(8) + b"\0\0SCPECG" + bytes(99), "SCP"),
    "a.ecg": (b"ISHNE1.0" + bytes(99), "ISHNE"),
    "a.xml": (b'<?xml version="1.0"?><AnnotatedECG/>', "XML"),
    "page.csv": (b"<!DOCTYPE html><html><body>404 Not Found</body></html>", "web"),
    "page.txt": (b"<HTML>Please log in</HTML>", "web"),
    "a.pdf": (b"%PDF-1.7\n" + bytes(99), "PDF"),
    "a.png": (b"\x89PNG\r\n\x1a\n" + bytes(99), "picture"),
    "a.jpg": (b"\xff\xd8\xff\xe0" + bytes(99), "picture"),
    "a.xlsx": (zipped(**{"xl/workbook.xml": "<w/>"}), "workbook"),
    "a.xls": (b"\xd0\xcf\x11\xe0" + bytes(99), "workbook"),
    "a.zip": (zipped(ecg="1"), "ZIP"),
    "a.npz": (zipped(ecg="1"), "NumPy"),
    "a.npy": (b"\x93NUMPY\x01\0" + bytes(99), "NumPy"),
    "a.csv.gz": (b"\x1f\x8b\x08" + bytes(99), "packed"),
    "a.h5": (b"\x89HDF\r\n\x1a\n" + bytes(99), "HDF5"),
    "a.parquet": (b"PAR1" + bytes(99), "Parquet"),
    "a.pkl": (b"\x80\x04\x95" + bytes(99), "pickle"),
    "a.json": (b'{"ecg": [1, 2]}', "JSON"),
    "a.mp3": (b"ID3" + bytes(99), "binary"),
    "matlab.csv": (b"MATLAB 5.0 MAT-file" + bytes(200), "MATLAB"),
}


@pytest.mark.parametrize(("name", "content"), [(name, content) for name, content in OTHER_KINDS.items()], ids=OTHER_KINDS)
@pytest.mark.parametrize("fs", [None, 500])
def test_a_file_of_another_kind_is_called_by_its_name(tmp_path, name, content, fs):
    (tmp_path / name).write_bytes(content[0])
    with pytest.raises(ValueError, match=rf"{name}.*{content[1]}.*WFDB") as refused:
        read_record(tmp_path / name, fs=fs)
    assert "eave fs out" not in str(refused.value)


# .mat that were saved again


def header(folder, fmt="16+24", n_samples=400):
    lines = [f"rec 12 100 {n_samples}", *(f"rec.mat {fmt} 1000/mV 16 0 0 0 0 {lead}" for lead in LEADS_12), ""]
    (folder / "rec.hea").write_text("\n".join(lines))
    return folder / "rec"


COUNTS = np.rint(ECG * 1000)
SAVED = {
    "version 4, int16": ({"val": COUNTS.astype("<i2")}, {"format": "4"}),
    "version 4, float64": ({"val": COUNTS}, {"format": "4"}),
    "version 4, transposed": ({"val": COUNTS.astype("<i2").T}, {"format": "4"}),
    "version 4, a longer name": ({"signal": COUNTS.astype("<i2")}, {"format": "4"}),
    "version 5, int16": ({"val": COUNTS.astype("<i2")}, {}),
    "version 5, compressed": ({"val": COUNTS.astype("<i2")}, {"do_compression": True}),
    "version 5, float64": ({"val": COUNTS}, {}),
    "version 5, float32": ({"val": COUNTS.astype("f4")}, {}),
    "version 5, int32": ({"val": COUNTS.astype("i4")}, {}),
    "version 5, transposed": ({"val": COUNTS.astype("<i2").T}, {}),
    "version 5, ECG": ({"ECG": COUNTS.astype("<i2")}, {}),
    "version 5, data among others": ({"data": COUNTS.astype("<i2"), "fs": 100, "name": "x"}, {}),
    "version 5, val and a copy": ({"val": COUNTS.astype("<i2"), "raw": 0 * COUNTS}, {}),
}


@pytest.mark.parametrize(("values", "options"), SAVED.values(), ids=SAVED)
@pytest.mark.parametrize("fmt", ["16+24", "16", "32+24"])
def test_a_mat_that_was_saved_again_is_read(tmp_path, values, options, fmt):
    scipy.io.savemat(tmp_path / "rec.mat", values, **options)
    ecgs = read_record(header(tmp_path, fmt))
    np.testing.assert_allclose(ecgs.signals[0], COUNTS / 1000, atol=1e-6)


def cut(path):
    path.write_bytes(path.read_bytes()[:3000])


NOT_SAVED = {
    "MATLAB 7.3": (b"MATLAB 7.3 MAT-file".ljust(124) + b"\0\2IM" + bytes(500), "7.3"),
    "HDF5": (b"\x89HDF\r\n\x1a\n" + bytes(500), "MATLAB"),
    "in mV already": ({"val": ECG}, "fractions"),
    "too short": ({"val": COUNTS[:, :300]}, "300 samples; the header says 400"),
    "eleven signals": ({"val": COUNTS[:11]}, r"12 signals; it holds val.*\(11, 400\)"),
    "two candidates": ({"a": COUNTS, "b": COUNTS}, "one array of 12 signals"),
    "complex": ({"val": COUNTS * 1j}, "one array"),
    "cut off": (cut, "cannot be read"),
}


@pytest.mark.parametrize(("content", "cause"), NOT_SAVED.values(), ids=NOT_SAVED)
def test_a_mat_that_cannot_be_read_says_why_and_gives_no_samples(tmp_path, content, cause):
    path = tmp_path / "rec.mat"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        scipy.io.savemat(path, content if isinstance(content, dict) else {"val": COUNTS.astype("<i2")})
    if callable(content):
        content(path)
    with pytest.raises(ValueError, match=rf"rec\.mat.*{cause}"):
        read_record(header(tmp_path))


# headers that are legal, or nearly


def written(folder, fmt="212", first=None, change=lambda line: line):
    """A record as ``wfdb`` writes it, at 200 counts per mV, with another first line or other signal lines."""
    wfdb.wrsamp("rec", 100, ["mV"] * 12, list(LEADS_12), p_signal=ECG.T.astype(float), fmt=[fmt] * 12, adc_gain=[200.0] * 12,
                baseline=[0] * 12, write_dir=str(folder))  # fmt: skip
    line, *others = (folder / "rec.hea").read_text().splitlines()
    (folder / "rec.hea").write_text("\n".join([first or line, *map(change, others), ""]))
    return folder / "rec"


FIRST_LINES = [
    "rec 12 100 400 2006",
    "rec 12 100 400 2014-05-08 05:05:15",
    "rec 12 100 400 10:00:00 1.2.2003",
    "rec 12 100 400 25:61:00 40/40/2000",
    "rec 12 100 400 12:00:00.5 01/01/1900 more",
    "rec 12 100/1 400",
    "folder/rec 12 100 400",
    "00000/12345 12 100 400",
    "a.b 12 1e2 400",
    "rec 12 100",
]


@pytest.mark.parametrize("first", FIRST_LINES)
@pytest.mark.parametrize("fmt", ["16", "212"])
def test_dates_folders_and_dots_in_the_first_line_do_not_matter(tmp_path, first, fmt):
    same_to_count = np.round(ECG * 200) / 200
    np.testing.assert_allclose(read_record(written(tmp_path, fmt, first)).signals[0], same_to_count, atol=0.006)


ODD_HEADERS = {
    "Windows lines": lambda text: text.replace("\n", "\r\n"),
    "comments first": lambda text: "# made by a device\n#Age: 57\n" + text,
    "empty lines": lambda text: "\n" + text.replace("\n", "\n\n"),
    "tabs": lambda text: text.replace(" ", "\t"),
    "blanks at the ends": lambda text: text.replace("\n", "   \n"),
    "byte order mark": lambda text: "\ufeff" + text,
    "another name of the record": lambda text: text.replace("rec 12", "other 12", 1),
    "a rate with a counter": lambda text: text.replace("12 100 ", "12 100/100(0) ", 1),
    "a rate with digits": lambda text: text.replace("12 100 ", "12 100.000 ", 1),
    "no number of samples": lambda text: text.replace("12 100 400", "12 100 0", 1),
    "microvolts": lambda text: re.sub(r"200(\.0)?\(0\)/mV", "0.2(0)/uV", text),
    "words before the leads": lambda text: text.replace(" aVR", " lead aVR").replace(" V1", " ECG lead V1"),
    "leads in quotes": lambda text: re.sub(r" (\S+)\n", r' "\1"\n', text),
    "a folder elsewhere": lambda text: text.replace("rec.dat", "../../elsewhere/rec.dat"),
}


@pytest.mark.parametrize("change", ODD_HEADERS.values(), ids=ODD_HEADERS)
def test_a_header_that_is_written_oddly_is_read(tmp_path, change):
    path = written(tmp_path, "16")
    text = path.with_suffix(".hea").read_text()
    path.with_suffix(".hea").write_bytes(change(text).encode())
    ecgs = read_record(path)
    assert ecgs.fs == 100
    np.testing.assert_allclose(ecgs.signals[0], ECG, atol=0.006)


BROKEN_HEADERS = {
    "no rate above 0": (lambda text: text.replace("12 100 ", "12 0 ", 1), "sampling frequency"),
    "a rate below 0": (lambda text: text.replace("12 100 ", "12 -100 ", 1), "sampling frequency"),
    "a rate with its unit": (lambda text: text.replace("12 100 ", "12 100Hz ", 1), "not a WFDB header"),
    "a gain that is no number": (lambda text: re.sub(r"200(\.0)?\(0\)/mV", "nan(0)/mV", text), "gain of I"),
    "a pressure": (lambda text: text.replace("/mV", "/mmHg"), "mmHg"),
    "a line less": (lambda text: "\n".join(text.splitlines()[:12]), "announces 12 signals and describes 11"),
    "a signal more": (lambda text: text.replace("rec 12", "rec 13", 1), "announces 13 signals and describes 12"),
    "too many samples": (lambda text: text.replace("100 400", "100 500", 1), "truncated"),
    "a format that is none": (lambda text: text.replace(".dat 16 ", ".dat 999 "), "format 999"),
    "another file": (lambda text: text.replace("rec.dat", "lost.dat"), "no such signal file"),
    "nothing": (lambda text: "", "found nothing"),
    "comments alone": (lambda text: "# Age: 57", "found nothing"),
}


@pytest.mark.parametrize(("change", "cause"), BROKEN_HEADERS.values(), ids=BROKEN_HEADERS)
def test_a_header_that_is_broken_is_refused_with_the_cause(tmp_path, change, cause):
    path = written(tmp_path, "16")
    path.with_suffix(".hea").write_text(change(path.with_suffix(".hea").read_text()))
    with pytest.raises((ValueError, FileNotFoundError), match=rf"rec\.hea.*{cause}|rec\.dat.*{cause}|{cause}.*rec\.hea"):
        read_record(path)


def test_a_folder_in_the_place_of_a_header_is_no_header(tmp_path):
    (tmp_path / "rec.hea").mkdir()
    with pytest.raises(FileNotFoundError, match=r"rec\.hea: no such header"):
        read_record(tmp_path / "rec")


@pytest.mark.parametrize("fmt", ["16", "24", "32", "212"])
def test_a_file_beside_the_header_is_found_when_the_line_names_a_folder(tmp_path, fmt):
    plain = wfdb.rdrecord(str(written(tmp_path, fmt))).p_signal.T
    path = written(tmp_path, fmt, change=lambda line: "medians/" + line)
    np.testing.assert_allclose(read_record(path).signals[0], plain, atol=1e-6)


@pytest.mark.parametrize(("fmt", "dtype"), [("16", "<i2"), ("61", ">i2"), ("160", "<u2"), ("32", "<i4")])
@pytest.mark.parametrize("offset", [0, 10])
def test_other_formats_with_an_offset_are_read(tmp_path, fmt, dtype, offset):
    start = written(
        tmp_path, "16", change=lambda line: line.replace(".dat 16 ", f".dat {fmt}{f'+{offset}' if offset else ''} ")
    )
    counts = np.rint(ECG * 200).T.astype(int) + (32768 if fmt == "160" else 0)
    (tmp_path / "rec.dat").write_bytes(bytes(offset) + counts.astype(dtype).tobytes())
    np.testing.assert_allclose(read_record(start).signals[0], ECG, atol=0.006)


@pytest.mark.parametrize("fmt", ["16", "212"])
def test_a_gain_of_0_means_200_counts_per_mv(tmp_path, fmt):
    path = written(tmp_path, fmt, change=lambda line: line.replace("200.0(0)/mV", "0").replace("200(0)/mV", "0"))
    assert " 0 " in (tmp_path / "rec.hea").read_text()
    np.testing.assert_allclose(read_record(path).signals[0], ECG, atol=0.006)


@pytest.mark.parametrize("fmt", ["16", "212"])
def test_signals_without_names_and_headers_without_signals_are_refused(tmp_path, fmt):
    path = written(tmp_path, fmt, change=lambda line: " ".join(line.split()[:8]))
    with pytest.raises(ValueError, match=r"rec: lead\(s\).*missing.*signal 1"):
        read_record(path)
    (tmp_path / "none.hea").write_text("none 0 128 1000000\n")
    with pytest.raises(ValueError, match=r"none\.hea.*no signals"):
        read_record(tmp_path / "none")


@pytest.mark.filterwarnings("ignore:.*computed from")
@pytest.mark.parametrize("leads", [LEADS_8[:2] + ("III",) + LEADS_8[2:], LEADS_12[:5] + LEADS_12[6:], LEADS_12[1:]])
def test_limb_leads_are_computed_in_wfdb_records_too(tmp_path, leads):
    rows = [LEADS_12.index(lead) for lead in leads]
    wfdb.wrsamp("rec", 100, ["mV"] * len(rows), list(leads), p_signal=ECG[rows].T.astype(float), fmt=["16"] * len(rows),
                adc_gain=[2000.0] * len(rows), baseline=[0] * len(rows), write_dir=str(tmp_path))  # fmt: skip
    np.testing.assert_allclose(read_record(tmp_path / "rec").signals[0], ECG, atol=2e-3)


# slips


@pytest.mark.parametrize("fs", [0, -1, np.nan, np.inf, "500", True, [500]])
def test_a_rate_without_sense_is_refused_before_the_file_is_read(tmp_path, fs):
    with pytest.raises(ValueError, match="fs must be a sampling frequency"):
        read_record(tmp_path / "none.csv", fs=fs)


@pytest.mark.parametrize("path", [None, 5, ECG, table(), ["a.csv"]], ids=["None", "number", "array", "DataFrame", "list"])
def test_what_names_no_file_is_refused(path):
    with pytest.raises(ValueError, match="path must name a file"):
        read_record(path)


@pytest.mark.parametrize("name", ["none", "none.csv", "none.edf", "none.hea"])
def test_a_file_that_is_not_there_is_not_found(tmp_path, name):
    with pytest.raises(FileNotFoundError, match="none"):
        read_record(tmp_path / name)


@pytest.mark.parametrize(
    ("signals", "message"),
    [
        (ECG, r"signal\[np\.newaxis\]"),
        (ECG.T[np.newaxis], "swapaxes"),
        ("ecg.csv", "array of numbers"),
        ([[["a", "b"]]], "array of numbers"),
        ([[[1, 2], [1]]], "array of numbers"),
        (table(), "shape"),
        (None, "signals must"),
    ],
)
def test_an_array_in_the_wrong_form_is_refused_with_what_to_do(signals, message):
    with pytest.raises(ValueError, match=message):
        vl.EcgSet(signals, 100)


@pytest.mark.parametrize("rows", ["a", [0.5], ["a", "b"]])
def test_rows_that_are_no_numbers_are_refused(rows):
    with pytest.raises(ValueError, match="rows are whole numbers"):
        vl.EcgSet(ECG[np.newaxis], 100)[rows]


@pytest.mark.parametrize("call", ["transform", "posterior", "fit"])
def test_a_vae_sends_ecgs_to_median_beats(call):
    from vaescan_lite.vae import BeatPCA

    model = vl.load_pretrained()[0] if call == "posterior" else BeatPCA()
    with pytest.raises(ValueError, match="median_beats"):
        getattr(model if call != "transform" else vl.load_pretrained()[0], call)(vl.EcgSet(ECG[np.newaxis], 500))


def test_nothing_is_said_of_a_sound_file(tmp_path):
    (tmp_path / "ecg.csv").write_text(text())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read_record(tmp_path / "ecg.csv", fs=100)
