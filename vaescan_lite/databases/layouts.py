"""What lies in a folder of ECGs: the PTB-XL layout, LUDB, any WFDB records. What is done with it: `database`."""

import ast
import json
import os
import re
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from tqdm import tqdm

from .. import factors
from ..factors import listed
from .people import patients_of, said_in_comments
from .wfdb_files import read_header

PTBXL_TABLE = "ptbxl_database.csv"
LUDB_TABLE = "ludb.csv"
GROUND_TRUTH = "ground_truth.csv"
CHOSEN_IDS = ".chosen_ids"  # of a downloaded part of PTB-XL: the rows that were asked for
PTBXL_RECORDS = {"filename_lr": 100, "filename_hr": 500}  # columns of PTB-XL's table, and their rates in Hz

_ROWS_BEFORE_1_0_3 = 21_837  # of PTB-XL 1.0.1; 1.0.3 has 21,799
_LUDB_FIRST_TEXT = "Rhythms"  # this column of ludb.csv and all after it hold diagnoses
_CPSC_CODES = {name.casefold(): code for name, code in factors.CPSC_NAMES.items()}
_NOTHING = ("unknown", "nan", "none")  # words of headers that state nothing


@dataclass(frozen=True, eq=False)
class Contents:
    """What was found in a folder. `labels`, `files` and `statements` have an entry for each ECG with a signal."""

    name: str  # of the database
    labels: pd.DataFrame  # indexed by id
    files: dict  # id -> list of (rate in Hz, path of the record relative to the folder, without extension)
    codes: str  # the kind of statements: "scp", "snomed" or "ludb"
    statements: list  # dict of statement and likelihood, set of codes, or set of texts; None where nothing is stated
    issues: list  # pairs of text: what is amiss, and where
    annotated: frozenset = frozenset()  # all SNOMED codes that occur in the folder; empty for the other kinds
    patients: list | None = None  # whose ECG it is; None where each is taken for a patient's only one
    table: str = ""  # the file of labels, relative to the folder
    targets: tuple = ()  # columns of `labels` that come from a table of one's own
    continuous: tuple = ("age_years",)  # names of factors that are measured on a scale

    def of_rows(self, rows):
        """Keep the ECGs of some rows of `labels`."""
        labels = self.labels.iloc[rows]
        files = {id_: self.files[id_] for id_ in labels.index.tolist()}
        patients = self.patients and [self.patients[row] for row in rows]
        statements = [self.statements[row] for row in rows]
        return replace(self, labels=labels, files=files, statements=statements, patients=patients)

    def diagnoses(self, min_likelihood=None):
        """Diagnoses and superclasses as numbers, DataFrame indexed by id; see `factors`."""
        if self.codes == "scp":
            table = factors.diagnoses_from_scp(self.statements, min_likelihood)
        elif self.codes == "ludb":
            table = factors.diagnoses_from_ludb(self.statements)
        else:
            table = factors.diagnoses_from_snomed(self.statements, self.annotated)
        return table.set_axis(self.labels.index)


def find_contents(folder, files):
    """Tell what kind of database a folder is from its files (those of `files_below`), and read its labels: `Contents`."""
    records = {path[:-4] for path in files if path.endswith(".hea")}
    if table := _ptbxl_table(folder, files):
        return _open_ptbxl(folder, files, records, table)
    if LUDB_TABLE in files and records:
        return _open_ludb(folder, files, records)
    if records:
        return _open_wfdb(folder, files, records)
    wanted = f"{PTBXL_TABLE}, for {LUDB_TABLE}, and for WFDB records (.hea) in it and in the folders below"
    raise FileNotFoundError(f"{folder} is not a database of ECGs: looked for {wanted}; found {len(files)} file(s), not these.")


def files_below(folder):
    """All files below a folder, hidden ones apart: path relative to it, with ``/`` -> (size in bytes, last change in ns)."""
    files, pending, seen = {}, [("", os.fspath(folder))], set()
    while pending:
        prefix, path = pending.pop()
        place = os.path.realpath(path)
        if place in seen:  # a symbolic link may lead back up
            continue
        seen.add(place)
        with os.scandir(path) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                if entry.is_dir():
                    pending.append((f"{prefix}{entry.name}/", entry.path))
                    continue
                try:
                    stat = entry.stat()
                except FileNotFoundError:  # a symbolic link to nothing is no file
                    continue
                files[prefix + entry.name] = stat.st_size, stat.st_mtime_ns
    return files


def _ptbxl_table(folder, files):
    """Name of PTB-XL's label table in a folder, whatever it is called; None where there is none."""
    if PTBXL_TABLE in files:
        return PTBXL_TABLE
    alike = []
    for name in sorted(path for path in files if "/" not in path and path.lower().endswith(".csv")):
        with open(folder / name, encoding="utf-8", errors="replace") as file:
            first_line = file.readline(10_000)
        alike += [name] if all(column in first_line for column in ("ecg_id", "scp_codes", "filename_")) else []
    if len(alike) > 1:
        raise ValueError(f"{folder}: several tables may be the label table {PTBXL_TABLE}: {listed(alike)}. Leave one.")
    return alike[0] if alike else None


def _open_ptbxl(folder, files, records, table_name):
    path = folder / table_name
    table, statements = read_ptbxl_table(path)
    columns = [column for column in PTBXL_RECORDS if column in table]
    if not columns:
        raise ValueError(f"{path}: no column filename_lr or filename_hr; found {listed(('ecg_id', *table), 30)}.")
    names = {column: table[column].dropna().astype(str).str.strip() for column in columns}
    names = {column: cells.str.removesuffix(".hea").str.removesuffix(".dat") for column, cells in names.items()}
    files_of_id, issues = _ptbxl_files(folder, names, files, records)
    if not files_of_id:
        looked_for = names[columns[0]].head(1).tolist()
        none_of = f"{path} has {len(table)} rows, and none of its records is in {folder}"
        raise FileNotFoundError(f"{none_of}; looked for {looked_for} and so on.")
    has_file = table.index.isin(list(files_of_id))
    chosen = folder / CHOSEN_IDS
    wanted = table.index.astype(str).isin(chosen.read_text().split()) if chosen.is_file() else True
    issues += [(f"row of {PTBXL_TABLE} without a file", str(id_)) for id_ in table.index[~has_file & wanted]]
    if len(table) == _ROWS_BEFORE_1_0_3:
        issues.append(("table of PTB-XL 1.0.1, with 21,837 ECGs; 1.0.3 corrects it and has 21,799", PTBXL_TABLE))
    issues += [(f"label table of another name, taken for {PTBXL_TABLE}", table_name)] if table_name != PTBXL_TABLE else []
    unnamed = records.difference(*names.values())
    issues += [(f"record without a row in {PTBXL_TABLE}", record) for record in sorted(unnamed)]
    stated = {code for statement in statements if statement for code in statement}
    unknown = sorted(stated - {*factors.SCP_DIAGNOSTIC, *factors.SCP_FORM_AND_RHYTHM})
    issues += [("statement that is not in SCP-ECG as PTB-XL uses it", code) for code in unknown]
    labels = table[has_file]
    files_of_id = {id_: files_of_id[id_] for id_ in labels.index.tolist()}
    statements = [statement for statement, has in zip(statements, has_file) if has]
    patients, split = None, []
    if "patient_id" in labels:
        patients = [str(patient) if pd.notna(patient) else f"ecg {id_}" for id_, patient in labels["patient_id"].items()]
        n_folds = labels.get("strat_fold", pd.Series(0, labels.index)).groupby(patients).nunique()
        split = n_folds.index[n_folds > 1]
    issues += [("patient with ECGs in several folds", patient) for patient in split]
    return Contents("PTB-XL", labels, files_of_id, "scp", statements, issues, patients=patients, table=table_name)


def read_ptbxl_table(path):
    """Read the label table of PTB-XL, indexed by ecg_id, and the SCP-ECG statements of each row."""
    table = read_table(path, ("ecg_id", "scp_codes"))
    ids = pd.to_numeric(table["ecg_id"], errors="coerce")
    wrong = table["ecg_id"][ids.isna() | (ids % 1 != 0)]
    if len(wrong):
        raise ValueError(f"{path}: ecg_id must be whole numbers; found {wrong.tolist()[0]!r} in row {wrong.index[0] + 1}.")
    table = table.assign(ecg_id=ids.astype(np.int64)).set_index("ecg_id")
    twice = table.index[table.index.duplicated()].unique().tolist()
    if twice:
        raise ValueError(f"{path}: {len(twice)} ecg_id(s) occur more than once, such as {twice[:5]}; an id must name one ECG.")
    return table, [_scp_statements(cell, id_, path) for id_, cell in zip(table.index, table["scp_codes"])]


def _ptbxl_files(folder, names, files, records):
    """Return the records that are there, id -> list of (rate, record), and the issues: records of which half is missing."""
    files_of_id, issues = {}, []
    for column, record_of in names.items():
        has_header, has_signal = record_of.isin(records), (record_of + ".dat").isin(files)
        fs = _first_fs(folder, record_of[has_header], PTBXL_RECORDS[column])
        for id_, record in record_of[has_header | has_signal].items():
            files_of_id.setdefault(id_, []).append((fs, record))
        issues += [("header without its .dat", f"{record}.hea") for record in record_of[has_header & ~has_signal]]
        issues += [(".dat without its header", f"{record}.dat") for record in record_of[has_signal & ~has_header]]
    return files_of_id, issues


def _first_fs(folder, records, otherwise):
    """Rate in Hz that the first readable header states: all records of a PTB-XL column have the same."""
    for record in records:
        try:
            return read_header(folder / record).fs
        except (OSError, ValueError):  # told when that record is read
            continue
    return otherwise


def _open_ludb(folder, files, records):
    path = folder / LUDB_TABLE
    table = read_table(path, ("ID", _LUDB_FIRST_TEXT), dtype=str)
    ids = table["ID"].str.strip()
    wrong = ids[ids.isna() | ids.duplicated()].tolist()
    if wrong:
        raise ValueError(f"{path}: an ID is missing or occurs more than once: {wrong[:5]}.")
    table = table.assign(ID=ids).set_index("ID")
    headers, issues = _read_headers(folder, files, records)
    record_of = {record.rsplit("/", 1)[-1]: record for record in headers}
    has_file = table.index.isin(record_of)
    issues += [(f"row of {LUDB_TABLE} without a file", id_) for id_ in table.index[~has_file]]
    issues += [(f"record without a row in {LUDB_TABLE}", record) for id_, record in record_of.items() if id_ not in table.index]
    labels = table[has_file]
    if labels.empty:
        raise FileNotFoundError(f"{path} has {len(table)} rows, and no record that bears one of its IDs is in {folder}.")
    statements = []
    for row in labels.loc[:, _LUDB_FIRST_TEXT:].itertuples(index=False):
        entries = {line.strip() for cell in row if isinstance(cell, str) for line in cell.splitlines()} - {""}
        statements.append(entries or None)
    files_of_id = {id_: [(headers[record_of[id_]].fs, record_of[id_])] for id_ in labels.index}
    return Contents("LUDB", labels, files_of_id, "ludb", statements, issues, table=LUDB_TABLE)


def _open_wfdb(folder, files, records):
    """Open any folder of WFDB records; what Challenge headers say in their comments is the label table."""
    headers, issues = _read_headers(folder, files, records)
    if not headers:
        raise ValueError(f"{folder}: {len(records)} .hea file(s), and none is a WFDB header; the first: {issues[0][1]}")
    names = [record.rsplit("/", 1)[-1] for record in headers]
    # Names that occur in several folders are told apart by the folder.
    ids = names if len(set(names)) == len(names) else list(headers)
    rows = [said_in_comments(header.comments) for header in headers.values()]
    statements, unread = zip(*(_challenge_codes(row.get("Dx", "")) for row in rows))
    tables = [path for path in files if path.rsplit("/", 1)[-1] in (PTBXL_TABLE, LUDB_TABLE)]
    issues += [("label table in a folder below; open that folder to use its labels", path) for path in tables]
    if not tables and any(re.fullmatch(r"\d{5}_[lh]r", name) for name in names):
        issues.append((f"records of PTB-XL, and no label table {PTBXL_TABLE} that says what they show", str(folder)))
    issues += unread_people(dict(zip(ids, rows)))
    unread = [f"{id_}: {word}" for id_, words in zip(ids, unread) for word in words]
    issues += [("diagnosis that is neither a SNOMED CT code nor a name of CPSC2018", where) for where in unread]
    labels = pd.DataFrame(rows, index=pd.Index(ids, name="id"))
    files_of_id = {id_: [(header.fs, record)] for id_, (record, header) in zip(ids, headers.items())}
    annotated = frozenset().union(*(codes for codes in statements if codes))
    patients = patients_of(list(headers), [row.get("Patient", "") for row in rows])
    return Contents(folder.name, labels, files_of_id, "snomed", list(statements), issues, annotated, patients)


def unread_people(said):
    """Return issues of ages and sexes that headers state and that cannot be read; `said` has what they say by id."""
    ages, sexes = ([str(row.get(name, "")) for row in said.values()] for name in ("Age", "Sex"))
    unread = ("age", ages, factors.read_ages(ages)[-1]), ("sex", sexes, factors.clean_sexes(sexes)[-1])
    issues = [(f"{what} that cannot be read", f"{id_}: {text}") for what, texts, are_unread in unread
              for id_, text, is_unread in zip(said, texts, are_unread) if is_unread]  # fmt: skip
    born = [f"{id_}: {row['Born']}" for id_, row in said.items() if row.get("Born") and "Age" not in row]
    return issues + [("date of birth and no age", where) for where in born]


def _challenge_codes(text):
    """SNOMED CT codes of one ``Dx`` comment, given as codes or as the names of CPSC2018; None without any. And other words."""
    words = [word for word in re.split(r"[,;\s]+", text) if word and word.casefold() not in _NOTHING]
    codes = [word if word.isdigit() else _CPSC_CODES.get(word.casefold()) for word in words]
    return {code for code in codes if code} or None, [word for word, code in zip(words, codes) if not code]


def _read_headers(folder, files, records):
    """Read all headers, record -> Header in natural order, and the issues: unreadable ones and missing signal files."""
    headers, issues = {}, []
    for record in tqdm(sorted(records, key=_natural), desc="reading headers", unit="file", leave=False, delay=2):
        try:
            header = headers[record] = read_header(folder / record)
        except ValueError as error:
            issues.append(("header that cannot be read", str(error)))
            continue
        beside = record.rsplit("/", 1)[0] + "/" if "/" in record else ""
        signal_files = sorted({fields[0] for fields in header.signal_lines})
        gone = [name for name in signal_files if not {beside + name, beside + name.rsplit("/", 1)[-1]} & files.keys()]
        issues += [("header without its signal file", f"{record}.hea: {name}") for name in gone]
    return headers, issues


def read_table(path, wanted, **options):
    """Read a CSV table with the options of `pandas.read_csv`, and refuse it where a wanted column is missing."""
    try:
        with open(path, "rb") as file:
            first_line = file.readline()
        if first_line.count(b";") > first_line.count(b","):  # saved by a spreadsheet in a country of decimal commas
            options = {"sep": ";", "decimal": ",", **options}
        table = pd.read_csv(path, **options)
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} cannot be read as a CSV table: {error}") from error
    missing = [column for column in wanted if column not in table]
    if missing:
        raise ValueError(f"{path}: column(s) {', '.join(missing)} are missing; found {listed(table.columns, 30)}.")
    return table


def _scp_statements(cell, id_, path):
    """One cell of scp_codes, such as ``{'NORM': 100.0, 'SR': 0.0}``, as a dict; None where it is empty."""
    if not isinstance(cell, str):
        return None
    try:
        try:
            stated = json.loads(cell.replace("'", '"'))  # ten times as fast as literal_eval, which reads the rest
        except ValueError:
            stated = ast.literal_eval(cell)
        return {str(code): float(likelihood) for code, likelihood in stated.items()}
    except (ValueError, SyntaxError, AttributeError, TypeError):
        wanted = "a dict of statement and likelihood such as {'NORM': 100.0, 'SR': 0.0}"
        raise ValueError(f"{path}: scp_codes of ecg_id {id_} cannot be read: {cell[:80]!r}; wanted is {wanted}.") from None


def _natural(name):
    """Sort key in which 2 comes before 10."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name)]
