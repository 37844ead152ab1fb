"""Whose ECG it is: what comments of headers say of a person, which ECGs are of one person, and their folds."""

import hashlib
import re
from collections import Counter

import pandas as pd

N_FOLDS = 10

_WORDS = {
    "Age": r"age|alter|edad|idade|âge",
    "Sex": r"sex|gender|geschlecht|sexo|sexe",
    "Patient": r"patient(?:[ _]?id)?|subject(?:[ _]?id)?",
    "Born": r"dob|date of birth|birth ?date",
    **{name: name.lower() for name in ("Dx", "Rx", "Hx", "Sx")},
}
# "Dx: 164889003" (Challenges), "<age>: 65 <sex>: F <diagnoses> ..." (INCART), "age: 81" (PTB)
_ANY_WORD = "|".join(f"(?P<{name}>{words})" for name, words in _WORDS.items())
_SAID = re.compile(rf"<?\b(?:{_ANY_WORD})\b(?:>\s*[:=]?|\s*[:=])", re.IGNORECASE)
_MIT_BIH = re.compile(r"(\d{1,3})\s+([MF])\b")  # "69 M 1085 1629 x1"
# A patient in a path: patient017/s0065lre (PTB), subject-12_run1, files/p1000/p10000032/s40689238 (MIMIC-IV-ECG).
_PATIENT_WORD = r"(?:patient|subject|person|subj?|pat|pt)"
_PATIENT = re.compile(rf"(?:^|[/_-])({_PATIENT_WORD}[ _-]?\d+)(?=[/_.-]|$)|(?:^|/)(p\d+)(?=/)", re.IGNORECASE)
_SMALL = 20  # a folder of at most so many records may be a patient's, where there are at least so many folders


def said_in_comments(comments):
    """Age, Sex, Dx, Rx, Hx, Sx, Patient and Born as texts, as far as the comments of a header state them."""
    said = {}
    for comment in comments:
        found = list(_SAID.finditer(comment))
        for match, after in zip(found, [*found[1:], None]):
            value = comment[match.end() : after.start() if after else len(comment)]
            said.setdefault(match.lastgroup, re.split(r"\s<\w", value)[0].strip(" \t,;"))
        if comment is comments[0] and (match := _MIT_BIH.match(comment)):
            said |= {"Age": match[1], "Sex": match[2]}
    return {name: said[name] for name in _WORDS if name in said}


def patients_of(records, said):
    """Name the patient of each record (its path): by its header, else the path, small folders or stems of names; else alone."""
    named = [(_PATIENT.findall(record) or [("", "")])[-1] for record in records]
    stated = [given or "".join(parts).casefold() for given, parts in zip(said, named)]
    if any(stated):
        return [patient or record for patient, record in zip(stated, records)]
    folders = Counter(record.rpartition("/")[0] for record in records)
    if len(folders) >= _SMALL and sorted(folders.values())[len(folders) // 2] <= _SMALL:
        return [record.rpartition("/")[0] for record in records]
    names = [re.sub(r"_[lh]r$", "", record.rpartition("/")[2]) for record in records]  # one ECG of PTB-XL at two rates
    stems = [re.sub(r"[_-](?:\d{1,2}|[a-z])$", "", name, flags=re.IGNORECASE) for name in names]
    sizes = Counter(stems)
    return stems if N_FOLDS <= len(sizes) < len(names) and max(sizes.values()) <= _SMALL else names


def folds(labels, patients=None):
    """Return folds 1 to 10 by id: strat_fold, else a hash, alike on every machine, of the patient or else of the id."""
    keys = labels.index if patients is None else patients
    hashed = [int.from_bytes(hashlib.sha256(str(key).encode()).digest()[:8], "big") % N_FOLDS + 1 for key in keys]
    hashed = pd.Series(hashed, index=labels.index, name="fold", dtype=int)
    if "strat_fold" not in labels:
        return hashed
    given = pd.to_numeric(labels["strat_fold"], errors="coerce")
    return given.where(given.isin(range(1, N_FOLDS + 1)), hashed).astype(int).rename("fold")
