"""What a file is, from its first bytes or else its ending, so that a file of another kind is called by its name."""

from pathlib import Path

READABLE = (
    "WFDB records (.hea beside .dat or .mat), text tables with a column for each lead (.csv, .tsv, .txt), MUSE XML and DICOM"
)

# Name, how the file begins (at byte 0 unless a place is given), endings. The first that fits counts.
KINDS = (
    ("a page of the web (HTML), often an error page in place of a download", (b"<!doctype html", b"<html"), (".html", ".htm")),
    ("XML, and not of MUSE (HL7 aECG, Philips ...)", (b"<", b"\xef\xbb\xbf<", b"\xff\xfe<\0"), (".xml", ".ecgx")),
    ("an EDF or BDF file", (b"0       ", b"\xffBIOSEMI"), (".edf", ".bdf")),
    ("named as DICOM, without its mark (DICM at byte 128)", ((128, b"DICM"),), (".dcm", ".dicom")),
    ("an SCP-ECG file", ((16, b"SCPECG"), (14, b"SCPECG")), (".scp",)),
    ("an ISHNE Holter file", (b"ISHNE1.0", b"ANN  1.0"), (".ecg", ".ann")),
    ("an HDF5 file (also MATLAB 7.3)", (b"\x89HDF",), (".h5", ".hdf5", ".hdf")),
    ("a MATLAB file without a WFDB header", (b"MATLAB 5.0", b"MATLAB 7.3"), ()),
    ("a NumPy file", (b"\x93NUMPY",), (".npy", ".npz")),
    ("a Parquet file", (b"PAR1",), (".parquet",)),
    ("a pickle", (), (".pkl", ".pickle", ".joblib")),
    ("a workbook of a spreadsheet program", (b"\xd0\xcf\x11\xe0",), (".xlsx", ".xls", ".ods")),
    ("a ZIP archive", (b"PK\x03\x04", b"PK\x05\x06"), (".zip",)),
    ("a packed file", (b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"7z\xbc\xaf", b"Rar!"), (".gz", ".bz2", ".xz", ".7z", ".rar")),
    ("a PDF document", (b"%PDF",), (".pdf",)),
    ("a picture", (b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"II*\0", b"MM\0*"), (".png", ".jpg", ".jpeg", ".gif", ".tif")),
    ("a JSON file", (b"{", b"["), (".json",)),
)  # fmt: skip


def refuse_other_kinds(path):
    """Refuse a file that is no text table, in words on what it is and what can be read."""
    with open(path, "rb") as file:
        start = file.read(512)
    begins = [
        kind for kind in KINDS if any(_begins(start, *(mark if isinstance(mark, tuple) else (0, mark))) for mark in kind[1])
    ]
    ends = [kind for kind in KINDS if Path(path).suffix.lower() in kind[2]]
    is_text = b"\0" not in start or start.startswith((b"\xff\xfe", b"\xfe\xff"))
    # A workbook and .npz are ZIP archives: of what the first bytes allow, the ending says which.
    fitting = (ends if begins or not is_text else []) or begins or (ends if start else [])
    if fitting or not is_text:
        name = fitting[0][0] if fitting else "a binary file of a kind that is not known"
        advice = "Convert or unpack it first, or load it yourself and make a set with EcgSet(signals, fs, leads)."
        raise ValueError(f"{path} is {name}; read_record reads {READABLE} only. {advice}")


def _begins(start, place, mark):
    return start[place : place + len(mark)].lower() == mark.lower()
