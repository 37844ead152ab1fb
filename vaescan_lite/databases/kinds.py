"""What a file is, from its first bytes or else its ending, so that a file of another kind is called by its name."""

from pathlib import Path

READABLE = (
    "WFDB records (.hea beside .dat or .mat), text tables with a column for each lead (.csv, .tsv, .txt), MUSE XML and DICOM"
)
_AS_TABLE = "export or convert it to WFDB or CSV first"
_UNPACK = "unpack it and give the file inside"
_ARRAY = "load it yourself and make a set with EcgSet(signals, fs, leads)"
_LOOK = "it holds no samples; ask for an export of the signals"

# Name, how the file begins (at byte 0 unless a place is given), endings, what to do. The first that fits counts.
KINDS = (
    ("a page of the web (HTML), often an error page in place of a download", (b"<!doctype html", b"<html"), (".html", ".htm"),
     "download the file again"),
    ("XML, and not of MUSE (HL7 aECG, Philips ...)", (b"<", b"\xef\xbb\xbf<", b"\xff\xfe<\0"), (".xml", ".ecgx"), _AS_TABLE),
    ("an EDF or BDF file", (b"0       ", b"\xffBIOSEMI"), (".edf", ".bdf"), _AS_TABLE),
    ("named as DICOM, without its mark (DICM at byte 128)", ((128, b"DICM"),), (".dcm", ".dicom"), _AS_TABLE),
    ("an SCP-ECG file", ((16, b"SCPECG"), (14, b"SCPECG")), (".scp",), _AS_TABLE),
    ("an ISHNE Holter file", (b"ISHNE1.0", b"ANN  1.0"), (".ecg", ".ann"), _AS_TABLE),
    ("an HDF5 file (also MATLAB 7.3)", (b"\x89HDF",), (".h5", ".hdf5", ".hdf"), _ARRAY),
    ("a MATLAB file without a WFDB header", (b"MATLAB 5.0", b"MATLAB 7.3"), (), _ARRAY),
    ("a NumPy file", (b"\x93NUMPY",), (".npy", ".npz"), _ARRAY),
    ("a Parquet file", (b"PAR1",), (".parquet",), _ARRAY),
    ("a pickle", (), (".pkl", ".pickle", ".joblib"), _ARRAY),
    ("a workbook of a spreadsheet program", (b"\xd0\xcf\x11\xe0",), (".xlsx", ".xls", ".ods"), "save the sheet as CSV"),
    ("a ZIP archive", (b"PK\x03\x04", b"PK\x05\x06"), (".zip",), _UNPACK),
    ("a packed file", (b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"7z\xbc\xaf", b"Rar!"),
     (".gz", ".bz2", ".xz", ".7z", ".rar", ".tar", ".tgz"), _UNPACK),
    ("a PDF document", (b"%PDF",), (".pdf",), _LOOK),
    ("a picture", (b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"II*\0", b"MM\0*"),
     (".png", ".jpg", ".jpeg", ".gif", ".tif", ".tiff", ".bmp"), _LOOK),
    ("a JSON file", (b"{", b"["), (".json",), _ARRAY),
)  # fmt: skip


def refuse_other_kinds(path):
    """Refuse a file that is no text table, in words on what it is and what can be read."""
    with open(path, "rb") as file:
        start = file.read(512)
    suffix = Path(path).suffix.lower()
    begins = [
        kind for kind in KINDS if any(_begins(start, *(mark if isinstance(mark, tuple) else (0, mark))) for mark in kind[1])
    ]
    ends = [kind for kind in KINDS if suffix in kind[2]]
    is_text = b"\0" not in start or start.startswith((b"\xff\xfe", b"\xfe\xff"))
    # A workbook and .npz are ZIP archives: of what the first bytes allow, the ending says which.
    fitting = ends if begins or not is_text else [kind for kind in ends if not kind[1]]
    if begins or fitting or (ends and start):
        name, _, _, advice = (fitting or begins or ends)[0]
        raise ValueError(f"{path} is {name}; read_record reads {READABLE} only: {advice}.")
    if not is_text:
        raise ValueError(f"{path} is a binary file of a kind that is not known; read_record reads {READABLE} only.")


def _begins(start, place, mark):
    return start[place : place + len(mark)].lower() == mark.lower()
