"""What a file is, from its first bytes or else its ending, so that a file of another kind is called by its name."""

from pathlib import Path

READABLE = "WFDB records (.hea beside .dat or .mat), text tables with a column a lead (.csv, .tsv, .txt), MUSE XML and DICOM"
# Name, how the file begins, endings. The first that fits counts. SCP-ECG has its mark at byte 14 or 16.
KINDS = (
    ("a page of the web (HTML), often an error page in place of a download", (b"<!doctype html", b"<html"), ".html .htm"),
    ("XML, and not of MUSE (HL7 aECG, Philips ...)", (b"<", b"\xef\xbb\xbf<", b"\xff\xfe<\0"), ".xml .ecgx"),
    ("an EDF or BDF file", (b"0       ", b"\xffbiosemi"), ".edf .bdf"),
    ("named as DICOM, without its mark (DICM at byte 128)", (), ".dcm .dicom"),
    ("an SCP-ECG file", (b"scpecg",), ".scp"),
    ("an ISHNE Holter file", (b"ishne1.0", b"ann  1.0"), ".ecg .ann"),
    ("an HDF5 file (also MATLAB 7.3)", (b"\x89hdf",), ".h5 .hdf5 .hdf"),
    ("a MATLAB file without a WFDB header", (b"matlab 5.0", b"matlab 7.3"), ""),
    ("a NumPy file", (b"\x93numpy",), ".npy .npz"),
    ("a Parquet file", (b"par1",), ".parquet"),
    ("a pickle", (), ".pkl .pickle .joblib"),
    ("a workbook of a spreadsheet program", (b"\xd0\xcf\x11\xe0",), ".xlsx .xls .ods"),
    ("a ZIP archive", (b"pk\x03\x04", b"pk\x05\x06"), ".zip"),
    ("a packed file", (b"\x1f\x8b", b"bzh", b"\xfd7zxz", b"7z\xbc\xaf", b"rar!"), ".gz .bz2 .xz .7z .rar"),
    ("a PDF document", (b"%pdf",), ".pdf"),
    ("a picture", (b"\x89png", b"\xff\xd8\xff", b"gif8", b"ii*\0", b"mm\0*"), ".png .jpg .jpeg .gif .tif .tiff"),
    ("a JSON file", (b"{", b"["), ".json"),
)  # fmt: skip


def refuse_other_kinds(path):
    """Refuse a file that is no text table, in words on what it is and what can be read."""
    with open(path, "rb") as file:
        start = file.read(512)
    start_or_scp = start[14:].lstrip(b"\0") if b"SCPECG" in start[14:22] else start
    begins = [name for name, marks, _ in KINDS if start_or_scp.lower().startswith(marks)]
    ends = [name for name, _, endings in KINDS if Path(path).suffix.lower() in endings.split()]
    is_text = b"\0" not in start or start.startswith((b"\xff\xfe", b"\xfe\xff"))
    # A workbook and .npz are ZIP archives: of what the first bytes allow, the ending says which.
    fitting = (ends if begins or not is_text else []) or begins or (ends if start else [])
    if fitting or not is_text:
        name = fitting[0] if fitting else "a binary file of a kind that is not known"
        advice = "Convert or unpack it first, or load it yourself and make a set with EcgSet(signals, fs, leads)."
        raise ValueError(f"{path} is {name}; read_record reads {READABLE} only. {advice}")
