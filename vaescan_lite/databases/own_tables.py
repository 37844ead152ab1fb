"""One's own labels and split: two tables by id beside a folder of ECGs. Where they come in: `database.open_database`."""

import csv
import re
from dataclasses import replace

import numpy as np
import pandas as pd

from ..factors import NOTHING_STATED, listed
from .layouts import unread_people
from .people import N_FOLDS, folds
from .tables import read_text

ID_NAMES = ("id", "ecg_id", "ecgid", "record", "record_id", "record_name", "ecg", "file", "filename", "file_name", "name")
SPLIT_NAMES = ("split", "fold", "strat_fold", "set", "subset", "part", "partition")
PEOPLE_NAMES = dict.fromkeys(("patient", "patient_id", "subject_id"), "patient") | {"sex": "sex", "gender": "sex", "age": "age"}
PARTS = {"train": 0, "training": 0, "val": 9, "valid": 9, "validation": 9, "dev": 9, "test": 10, "testing": 10}  # fold; 0: 1-8
LINE = "(line)"  # column of line numbers


def with_own_tables(contents, labels=None, split=None):
    """Take targets and folds from tables of one's own; ECGs without a row, and rows without an ECG, become issues."""
    tables, issues = {}, list(contents.issues)
    for path in dict.fromkeys((labels, split)):  # both may be the same file
        if path is not None:
            tables[path], strangers = _read(path, contents)
            issues += [(f"id in {path.name} that is no ECG of the folder", stranger) for stranger in strangers]
    contents = replace(contents, issues=issues)
    if labels is not None:
        contents = _with_targets(contents, tables[labels], labels)
        if split is None and any(_key(column) in SPLIT_NAMES for column in tables[labels]):
            split = labels
    return contents if split is None else _with_folds(contents, tables[split], split)


def _with_targets(contents, table, path):
    """Take the targets of a label table, and sex, age and patient if it has them."""
    contents = _of_rows(contents, table, path)
    table = table.loc[contents.labels.index]
    roles = {column: PEOPLE_NAMES.get(_key(column)) for column in table if column != LINE and _key(column) not in SPLIT_NAMES}
    targets = [column for column, role in roles.items() if role is None]
    if not targets:
        raise ValueError(f"{path}: no target; beside the ids a column for each is wanted. It has {listed([*roles]) or 'none'}.")
    values = pd.DataFrame({name: _numbers(table[name], table[LINE], path) for name in targets})
    people = pd.DataFrame({role: table[column] for column, role in roles.items() if role})
    patients = [cell or str(id_) for id_, cell in people.pop("patient").items()] if "patient" in people else contents.patients
    said = {id_: {role.capitalize(): cell for role, cell in row.items()} for id_, row in people.to_dict("index").items()}
    issues = [*contents.issues, *unread_people(said), *_useless(values, path)]
    others = [name for name in contents.labels if name not in values and str(name).casefold() not in people]
    on_scale = [name for name in targets if not values[name].dropna().isin((0, 1)).all()]
    return replace(
        contents, labels=pd.concat([contents.labels[others], people, values], axis=1), issues=issues, patients=patients,
        targets=tuple(targets), continuous=(*(name for name in contents.continuous if name not in targets), *on_scale),
    )  # fmt: skip


def _useless(values, path):
    """Return issues of ECGs without any value and of targets without a difference; refuse two values other than 0 and 1."""
    unknown = values.index[values.isna().all(axis=1)]
    issues = [(f"ECG without any value in {path.name}, kept with unknown targets", str(id_)) for id_ in unknown]
    for name, column in values.items():
        levels = column.dropna().unique()
        if len(levels) == 2 and set(levels) != {0, 1}:
            both = f"{levels.min():g} and {levels.max():g}"
            raise ValueError(f"{path}: target {name} has no other values than {both}; write 1 for yes and 0 for no.")
        if len(levels) < 2:
            what = "without positives" if set(levels) == {0} else "with less than two values"
            said = f"{levels[0]:g} in all {column.count()} ECGs" if len(levels) else "empty"
            issues.append((f"target {what}, from which nothing can be learnt", f"{name}: {said}"))
    return issues


def _with_folds(contents, table, path):
    """Take the fold of each ECG from a table; the training ECGs of a split in three parts get folds 1 to 8 by a hash."""
    columns = [column for column in table if _key(column) in SPLIT_NAMES] or [column for column in table if column != LINE]
    if len(columns) != 1:
        raise ValueError(f"{path}: one column that says the part of each ECG is wanted, as split or fold; found {columns}.")
    cells = table[columns[0]].str.strip().str.casefold().str.removesuffix(".0")
    known = PARTS | {str(fold): fold for fold in range(1, N_FOLDS + 1)}
    wrong = cells[(cells != "") & ~cells.isin(known)]
    if len(wrong):
        where = f"line {table.loc[wrong.index[0], LINE]}, {columns[0]}: {wrong.iloc[0]!r}"
        raise ValueError(f"{path}, {where}; a fold from 1 to {N_FOLDS}, or train, validation or test is wanted.")
    contents = _of_rows(contents, table[cells != ""], path)
    given = cells.reindex(contents.labels.index).map(known)
    hashed = folds(contents.labels.drop(columns="strat_fold", errors="ignore"), contents.patients)
    given = given.where(given > 0, (hashed - 1) % (N_FOLDS - 2) + 1)
    parts = pd.Series(np.digitize(given, (9, 10)), contents.labels.index)
    patients = np.array(contents.patients or contents.labels.index, dtype=object)
    n_parts = parts.groupby(patients).nunique()
    what = f"patient in several parts of {path.name}, which makes scores too good"
    torn = [(what, str(patient)) for patient in n_parts.index[n_parts > 1]]
    return replace(contents, labels=contents.labels.assign(strat_fold=given), issues=contents.issues + torn)


def _of_rows(contents, table, path):
    """Keep the ECGs that have a row in a table, and list the others."""
    has_row = contents.labels.index.isin(table.index)
    if not has_row.any():
        raise ValueError(f"{path}: no ECG of the folder is left that has a row here.")
    issues = [(f"ECG without a row in {path.name}, left out", str(id_)) for id_ in contents.labels.index[~has_row]]
    return replace(contents.of_rows(np.flatnonzero(has_row)), issues=contents.issues + issues)


def _read(path, contents):
    """Return the cells of a table with their lines, indexed by the ids of the folder, and the ids that it does not know."""
    known, table = {str(id_): id_ for id_ in contents.files}, _cells(path)
    candidates = [column for column in table if _key(column) in ID_NAMES] or [*table][:1]
    ids = table[candidates].map(lambda cell: _known_id(cell, known))
    column = ids.notna().sum().idxmax()
    is_known, is_twice = ids[column].notna(), ids[column].notna() & ids[column].duplicated(keep=False)
    if not is_known.any():
        wanted = f"a column of ids, called {', '.join(ID_NAMES[:4])} or the first, such as {listed(list(known), 3)}"
        given = f"{listed([*table], 10)}, with {listed(table[column].tolist(), 3)} in {column!r}"
        raise ValueError(f"{path}: {wanted}, is wanted; found {given}.")
    if is_twice.any():
        where = ids[is_twice].groupby(column, sort=False).groups
        where = [f"{id_} in lines {', '.join(map(str, rows))}" for id_, rows in where.items()]
        raise ValueError(f"{path}: {len(where)} id(s) occur more than once: {listed(where)}. One row for each ECG is wanted.")
    strangers = [f"{cell or '(empty)'} (line {line})" for line, cell in table[column][~is_known].items()]
    table = table.assign(**{LINE: table.index}).drop(columns=candidates)[is_known]
    table.index = pd.Index([known[id_] for id_ in ids[column][is_known]], name=contents.labels.index.name)
    return table, strangers


def _cells(path):
    """Cells of a CSV table as texts, indexed by their lines, whatever the separator and encoding."""
    text = read_text(path)
    separator = max(",;\t", key=text.lstrip().partition("\n")[0].count)
    reader = csv.reader(text.splitlines(), delimiter=separator, skipinitialspace=True)
    rows = {reader.line_num: [cell.strip() for cell in row] for row in reader if "".join(row).strip()}  # noqa: B035
    names = rows.pop(next(iter(rows), 0), [])
    if not rows or "\0" in text:
        raise ValueError(f"{path} is no table with a line of names and a line for each ECG; a CSV file of text is wanted.")
    if len(set(names)) < len(names):
        raise ValueError(f"{path}: each column wants a name of its own; found {', '.join(map(repr, names[:15]))}.")
    for line, row in rows.items():
        if len(row) != len(names):
            raise ValueError(f"{path}, line {line}: {len(row)} values, and the table has {len(names)} columns.")
    table = pd.DataFrame.from_dict(rows, orient="index", columns=names)
    return table if separator == "," else table.replace(r"^([-+]?\d*),(\d+)$", r"\1.\2", regex=True)  # a decimal comma


def _numbers(cells, lines, path):
    """Turn a column of texts into numbers; empty cells, and words for nothing, are NaN."""
    cells = cells.str.casefold()
    is_nothing = cells.isin(NOTHING_STATED) & (cells != "o")
    values = pd.to_numeric(cells.mask(is_nothing), errors="coerce").astype(float)
    wrong = ~is_nothing & ~np.isfinite(values)
    if wrong.any():
        where = f"line {lines[wrong].iloc[0]}, {cells.name}: {cells[wrong].iloc[0]!r} is no number"
        raise ValueError(f"{path}, {where}; 0, 1, a number, or nothing where unknown is wanted. Leave out what is no target.")
    return values


def _known_id(cell, known):
    """Find the id, as text, that a cell names, also with an ending or a path; None if there is none."""
    text = re.sub(r"\.(?:hea|dat|mat|0)$", "", cell)
    return next((id_ for id_ in (cell, text, re.split(r"[/\\]", text)[-1]) if id_ in known), None)


def _key(column):
    return re.sub(r"[ -]+", "_", str(column).strip().casefold())
