"""Clinical factors: their names, and the codes that stand for them in each kind of database."""

import numpy as np
import pandas as pd

SUPERCLASSES = ("NORM", "MI", "STTC", "CD", "HYP")
DIAGNOSES = ("LBBB", "RBBB", "AF", "AVB1", "LVH", "IMI", "AMI", "LAFB", "PVC")
PERSON = ("sex_female", "age_years")
FACTOR_NAMES = (*PERSON, *DIAGNOSES, *SUPERCLASSES)

FACTOR_LABELS = {
    "sex_female": "Female sex",
    "age_years": "Age (years)",
    "LBBB": "Left bundle branch block",
    "RBBB": "Right bundle branch block",
    "AF": "Atrial fibrillation",
    "AVB1": "First-degree AV block",
    "LVH": "Left ventricular hypertrophy",
    "IMI": "Inferior infarction",
    "AMI": "Anterior infarction",
    "LAFB": "Left anterior fascicular block",
    "PVC": "Ventricular extrasystoles",
    "NORM": "Normal ECG",
    "MI": "Myocardial infarction (superclass)",
    "STTC": "ST-T change (superclass)",
    "CD": "Conduction disturbance (superclass)",
    "HYP": "Hypertrophy (superclass)",
}

# SCP-ECG statements of PTB-XL (scp_statements.csv). The superclasses are that file's `diagnostic_class`.
SCP_CODES = {
    "LBBB": ("CLBBB",),
    "RBBB": ("CRBBB",),
    "AF": ("AFIB",),
    "AVB1": ("1AVB",),
    "LVH": ("LVH",),
    "IMI": ("IMI",),
    "AMI": ("AMI",),
    "LAFB": ("LAFB",),
    "PVC": ("PVC",),
}

# The superclass of every diagnostic statement: `diagnostic_class` of PTB-XL 1.0.3's scp_statements.csv.
SCP_SUPERCLASSES = {
    "NORM": ("NORM",),
    "MI": (
        "IMI", "ASMI", "ILMI", "AMI", "ALMI", "INJAS", "LMI", "INJAL", "IPLMI", "IPMI", "INJIN", "INJLA", "PMI", "INJIL",
    ),
    "STTC": (
        "NDT", "NST_", "DIG", "LNGQT", "ISC_", "ISCAL", "ISCIN", "ISCIL", "ISCAS", "ISCLA", "ANEUR", "EL", "ISCAN",
    ),
    "CD": ("LAFB", "IRBBB", "1AVB", "IVCD", "CRBBB", "CLBBB", "LPFB", "WPW", "ILBBB", "3AVB", "2AVB"),
    "HYP": ("LVH", "LAO/LAE", "RVH", "RAO/RAE", "SEHYP"),
}  # fmt: skip
SCP_DIAGNOSTIC = {code: superclass for superclass, codes in SCP_SUPERCLASSES.items() for code in codes}
# Statements about form and rhythm; four of the diagnostic ones (NDT, NST_, DIG, LNGQT) are statements about form too.
SCP_FORM_AND_RHYTHM = (
    "ABQRS", "PVC", "STD_", "VCLVH", "QWAVE", "LOWT", "NT_", "PAC", "LPR", "INVT", "LVOLT", "HVOLT", "TAB_", "STE_", "PRC(S)",
    "SR", "AFIB", "STACH", "SARRH", "SBRAD", "PACE", "SVARR", "BIGU", "AFLT", "SVTAC", "PSVT", "TRIGU",
)  # fmt: skip

# SNOMED CT codes of the PhysioNet Challenges 2020 and 2021 (their dx_mapping_scored.csv and dx_mapping_unscored.csv). The
# Challenge has no code for inferior infarction.
SNOMED_CODES = {
    "LBBB": ("164909002", "733534002"),
    "RBBB": ("59118001", "713427006"),
    "AF": ("164889003",),
    "AVB1": ("270492004",),
    "LVH": ("164873001",),
    "IMI": (),
    "AMI": ("54329005",),
    "LAFB": ("445118002",),
    "PVC": ("427172004", "17338001", "164884008"),
}

# Entries of LUDB's diagnosis columns, in any case of letters, alone or followed by ":" or "," and details. One that LUDB itself
# leaves undefined between ischaemia, scar and infarction makes the factor unknown.
LUDB_TEXTS = {
    "LBBB": ("Complete left bundle branch block",),
    "RBBB": ("Complete right bundle branch block",),
    "AF": ("Atrial fibrillation",),
    "AVB1": ("I degree AV block", "I degree AV-block"),
    "LVH": ("Left ventricular hypertrophy",),
    "IMI": ("STEMI: inferior wall", "Scar formation: inferior wall"),
    "AMI": ("STEMI: anterior wall", "Scar formation: anterior wall"),
    "LAFB": ("Left anterior hemiblock",),
    "PVC": ("Ventricular extrasystole",),
}
LUDB_UNDEFINED = {
    "IMI": ("Undefined ischemia/scar/supp.NSTEMI: inferior wall",),
    "AMI": ("Undefined ischemia/scar/supp.NSTEMI: anterior wall",),
}

# A heart cannot show both of a pair: no P wave in atrial fibrillation, hence no PR interval; one QRS shape at a time.
CONTRADICTIONS = (("AF", "AVB1"), ("LBBB", "RBBB"), ("LBBB", "LAFB"))

OLDEST_AGE_YEARS = 120


def diagnoses_from_scp(statements, min_likelihood=None):
    """Diagnoses and superclasses from the SCP-ECG statements of PTB-XL.

    Parameters
    ----------
    statements : sequence of dict or None
        Statement -> likelihood in percent, one dict per ECG; None where nothing is known.
    min_likelihood : float, optional
        A diagnostic statement with a lower likelihood does not count. Statements about rhythm and form always count: their
        likelihood is 0 in PTB-XL because it is not graded.

    Returns
    -------
    DataFrame of float, one row per ECG, columns `DIAGNOSES` and `SUPERCLASSES`
        1 stated, 0 not stated, NaN unknown. Superclasses are NaN for an ECG without a diagnostic statement that counts.
    """
    threshold = -np.inf if min_likelihood is None else float(min_likelihood)
    columns = (*DIAGNOSES, *SUPERCLASSES)
    column_of = {name: i for i, name in enumerate(columns)}
    columns_of_code = {}
    for name, codes in (*SCP_CODES.items(), *SCP_SUPERCLASSES.items()):
        for code in codes:
            columns_of_code.setdefault(code, []).append(column_of[name])
    values = np.zeros((len(statements), len(columns)))
    for row, stated in zip(values, statements):
        if stated is None:
            row[:] = np.nan
            continue
        counts = [code for code, likelihood in stated.items() if code not in SCP_DIAGNOSTIC or likelihood >= threshold]
        for code in counts:
            row[columns_of_code.get(code, [])] = 1
        if not any(code in SCP_DIAGNOSTIC for code in counts):
            row[len(DIAGNOSES) :] = np.nan
    return pd.DataFrame(values, columns=columns)


def diagnoses_from_snomed(codes, annotated):
    """Diagnoses from the SNOMED CT codes of Challenge headers.

    Parameters
    ----------
    codes : sequence of set of str, or None
        The codes of each ECG; None where its header has none.
    annotated : set of str
        All codes that occur in the database.

    Returns
    -------
    DataFrame of float, one row per ECG, columns `DIAGNOSES` and `SUPERCLASSES`
        1 stated, 0 not stated, NaN unknown: where an ECG has no codes, and in every row of a factor none of whose codes occurs
        in the database. Superclasses are NaN: they are PTB-XL's grouping of its own statements, and Challenge codes such as
        ST depression or myocardial infarction of an unnamed wall do not map onto it one to one.
    """
    return _from_sets(
        codes,
        lambda name, stated: float(not stated.isdisjoint(SNOMED_CODES[name])),
        [name for name in DIAGNOSES if not annotated.isdisjoint(SNOMED_CODES[name])],
    )


def diagnoses_from_ludb(entries):
    """Diagnoses from the text columns of LUDB.

    Parameters
    ----------
    entries : sequence of set of str, or None
        What each ECG's cells hold, line by line; None where all are empty.

    Returns
    -------
    DataFrame of float, one row per ECG, columns `DIAGNOSES` and `SUPERCLASSES`
        1 stated, 0 not stated, NaN unknown: where the cells are empty, and for an infarction where LUDB leaves open whether it
        is one. Superclasses are NaN: LUDB's criteria differ from PTB-XL's (it states left atrial hypertrophy in two of three).
    """

    def value(name, stated):
        if _any_begins(stated, LUDB_TEXTS[name]):
            return 1.0
        return np.nan if _any_begins(stated, LUDB_UNDEFINED.get(name, ())) else 0.0

    return _from_sets(entries, value, DIAGNOSES)


def clean_ages(ages):
    """Ages in years, NaN where unknown, and notes on what was set to NaN.

    Parameters
    ----------
    ages : sequence
        Numbers or text. 300 (PTB-XL: 90 or older) and ">89" (LUDB) hide the age of the very old.

    Returns
    -------
    ages_years : ndarray of float64
        NaN where the age is missing, not a number, hidden, negative or above `OLDEST_AGE_YEARS`.
    notes : list of str
        One sentence for each of these reasons that occurs.
    """
    text = pd.Series(list(ages), dtype=object).map(lambda age: str(age).strip())
    hidden = text.str.startswith((">", "≥"))
    ages_years = pd.to_numeric(text, errors="coerce").to_numpy(dtype=float, copy=True)
    hidden |= ages_years == 300
    missing = text.str.casefold().isin(["", "nan", "none", "unknown", "<na>"])
    absurd = ~hidden & ~missing & ~((ages_years >= 0) & (ages_years <= OLDEST_AGE_YEARS))
    ages_years[(hidden | missing | absurd).to_numpy()] = np.nan
    reasons = (
        (hidden, "hidden because the person is very old (300 stands for 90 or older in PTB-XL, >89 in LUDB)"),
        (missing, "missing"),
        (absurd, f"not a number from 0 to {OLDEST_AGE_YEARS}"),
    )
    return ages_years, [f"age_years is NaN for {mask.sum()} ECG(s): {reason}" for mask, reason in reasons if mask.any()]


def _from_sets(sets, value, known_names):
    """Tabulate `value(name, set)`; NaN for the other names and for rows without a set."""
    table = pd.DataFrame(np.nan, index=range(len(sets)), columns=[*DIAGNOSES, *SUPERCLASSES])
    for name in known_names:
        table[name] = [np.nan if stated is None else value(name, stated) for stated in sets]
    return table


def _any_begins(entries, texts):
    texts = tuple(text.casefold() for text in texts)
    begins = tuple(text + mark for text in texts for mark in ":,")
    return any(entry in texts or entry.startswith(begins) for entry in map(str.casefold, entries))


def aligned(table, ids, names=None, what="factors"):
    """Rows of a table in the order of `ids`, with the columns `names`; an error if one is missing or stands twice."""
    if not isinstance(table, pd.DataFrame):
        raise ValueError(f"{what} must be a DataFrame indexed by id; got {type(table).__name__}.")
    if names is not None:
        names = known_names(names, table.columns, f"column(s) of {what}")
    if table.index.has_duplicates:
        twice = table.index[table.index.duplicated()][:5].tolist()
        raise ValueError(f"{what} must have one row per id; these ids stand there more than once: {twice}.")
    ids = pd.Index(ids)
    missing = ids[~ids.isin(table.index)]
    if len(missing):
        shown = ", ".join(map(str, missing[:5])) + (", ..." if len(missing) > 5 else "")
        raise ValueError(f"{len(missing)} of {len(ids)} ids have no row in {what}: {shown}.")
    return table.loc[ids] if names is None else table.loc[ids, names]


def known_names(names, known, what):
    """Give names as a list (one name may come alone), or an error that says which are not among the known ones."""
    names = [names] if isinstance(names, str) else list(names)
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ValueError(f"unknown {what} {', '.join(map(repr, unknown))}; known are {', '.join(map(str, known))}.")
    return names
