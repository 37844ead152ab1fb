"""Clinical factors: their names, and the codes that stand for them in each kind of database."""

import re
from pathlib import Path

import numpy as np
import pandas as pd

SUPERCLASSES = ("NORM", "MI", "STTC", "CD", "HYP")
DIAGNOSES = ("LBBB", "RBBB", "AF", "AVB1", "LVH", "IMI", "AMI", "LAFB", "PVC")
PERSON = ("sex_female", "age_years")
BROADER = {"RBBB_any": "RBBB"}  # nested factors: whoever carries the second carries the first, which says less
FACTOR_NAMES = (*PERSON, *DIAGNOSES, *BROADER, *SUPERCLASSES)

# What each factor is called, in words and in three kinds of database ("|" between several), and what to know when labels are
# compared. Where only something undefined is said the factor is unknown: bundle branch block, block or infarction of no kind,
# and what LUDB itself leaves open between ischaemia, scar and infarction.
# - scp: SCP-ECG statements of PTB-XL (scp_statements.csv), which the simulator writes too;
# - snomed: SNOMED CT codes of the PhysioNet Challenges 2020 and 2021 (their dx_mapping_scored.csv and dx_mapping_unscored.csv),
#   which have none for inferior infarction;
# - ludb: entries of LUDB's diagnosis columns, in any case of letters, alone or followed by ":" or "," and details.
_TABLE = pd.read_csv(Path(__file__).with_name("factors.csv"), index_col="factor", dtype=str, keep_default_na=False)
FACTOR_LABELS = _TABLE["label"].to_dict()
_DIAGNOSES = _TABLE[_TABLE["scp"] != ""]
REMARKS = _DIAGNOSES["remark"].to_dict()
SCP_CODES, SNOMED_CODES, SNOMED_UNDEFINED, LUDB_TEXTS, LUDB_UNDEFINED = (
    {name: tuple(filter(None, text.split("|"))) for name, text in _DIAGNOSES[kind].items()}
    for kind in ("scp", "snomed", "snomed_undefined", "ludb", "ludb_undefined")
)
# Headers of the Challenge's first phase name the nine classes of CPSC2018: their codes in the second phase.
CPSC_NAMES = {
    "Normal": "426783006", "AF": "164889003", "I-AVB": "270492004", "LBBB": "164909002", "RBBB": "59118001",
    "PAC": "284470004", "PVC": "164884008", "STD": "429622005", "STE": "164931005",
}  # fmt: skip

# `diagnostic_class` of PTB-XL 1.0.3's scp_statements.csv; empty for statements about form and rhythm alone (NDT, NST_, DIG and
# LNGQT, which are diagnostic, are about form too).
_STATED = pd.read_csv(Path(__file__).with_name("factors.superclasses.csv"), keep_default_na=False)
SCP_SUPERCLASSES = {name: tuple(_STATED["statement"][_STATED["superclass"] == name]) for name in (*SUPERCLASSES, "")}
SCP_FORM_AND_RHYTHM = SCP_SUPERCLASSES.pop("")
SCP_DIAGNOSTIC = {code: superclass for superclass, codes in SCP_SUPERCLASSES.items() for code in codes}

# A heart cannot show both of a pair: no P wave in atrial fibrillation, hence no PR interval; one QRS shape at a time.
CONTRADICTIONS = (("AF", "AVB1"), ("LBBB", "RBBB"), ("LBBB", "RBBB_any"), ("LBBB", "LAFB"))

OLDEST_AGE_YEARS = 120
NOTHING_STATED = ("", "nan", "none", "unknown", "<na>", "n/a", "na", "?", "-", "null", "unk", "u", "other", "o")
FEMALE = ("f", "female", "w", "weiblich", "woman", "frau", "femenino", "feminino", "femme", "féminin", "mujer")
MALE = ("m", "male", "männlich", "man", "mann", "masculino", "homme", "masculin", "hombre")
_HIDDEN_AGE = r"^(?:>|≥|over |above )\s*\d|\d\s*\+|\d.* (?:or|and) (?:older|above|over)"
# Words for years, months, weeks and days in small letters; one letter alone for the last three only in DICOM's form, 057M.
_AGE = re.compile(
    r"0*(?P<number>\d+(?:[.,]\d+)?)\s*(?:"
    r"(?P<years>(?:y|yr|yrs|year|years|y\.?/?o|jahre?|j|años?|anos?|ans?|a)\.?(?: old| alt)?)|"
    r"(?P<months>months?|monate?|meses|(?<=^\d{3})m)|(?P<weeks>weeks?|wochen?|(?<=^\d{3})w)|(?P<days>days?|tage?|(?<=^\d{3})d))?"
)
_AGE_UNITS = {"months": 12, "weeks": 52.18, "days": 365.25}  # in a year


def diagnoses_from_scp(statements, min_likelihood=None):
    """Diagnoses and superclasses from the SCP-ECG statements of PTB-XL, as floats: `DIAGNOSES`, `BROADER`, `SUPERCLASSES`.

    Each ECG has a dict of statement and likelihood in percent; None where nothing is known. 1 stated, 0 not stated, NaN
    unknown; a diagnostic statement below `min_likelihood` does not count. Statements about rhythm and form always do: their
    likelihood is 0 in PTB-XL because it is not graded. Superclasses are NaN for an ECG without a diagnostic statement that
    counts.
    """
    threshold = -np.inf if min_likelihood is None else float(min_likelihood)
    columns = [*SCP_CODES, *SUPERCLASSES]
    columns_of_code = {}
    for name, codes in (*SCP_CODES.items(), *SCP_SUPERCLASSES.items()):
        for code in codes:
            columns_of_code.setdefault(code, []).append(columns.index(name))
    values = np.zeros((len(statements), len(columns)))
    for row, stated in zip(values, statements):
        if stated is None:
            row[:] = np.nan
            continue
        counts = [code for code, likelihood in stated.items() if code not in SCP_DIAGNOSTIC or likelihood >= threshold]
        for code in counts:
            row[columns_of_code.get(code, [])] = 1
        if SCP_DIAGNOSTIC.keys().isdisjoint(counts):
            row[len(SCP_CODES) :] = np.nan
    return pd.DataFrame(values, columns=columns)


def diagnoses_from_snomed(codes, annotated):
    """Diagnoses from the SNOMED CT codes of Challenge headers, a table as `diagnoses_from_scp` returns.

    Each ECG has a set of codes; None where its header has none, then its row is unknown. So is a factor none of whose codes is
    among all the `annotated` ones of the database, or that all that is stated leaves open (`SNOMED_UNDEFINED`). Superclasses
    are NaN: Challenge codes do not map one to one onto PTB-XL's grouping of its own statements.
    """

    def value(name, stated):
        otherwise = 0.0 if stated.isdisjoint(SNOMED_UNDEFINED.get(name, ())) else np.nan
        return 1.0 if not stated.isdisjoint(SNOMED_CODES[name]) else otherwise

    return _from_sets(codes, value, [name for name in SNOMED_CODES if not annotated.isdisjoint(SNOMED_CODES[name])])


def diagnoses_from_ludb(entries):
    """Diagnoses from the text columns of LUDB, a table as `diagnoses_from_scp` returns.

    Each ECG has the set of what its cells hold, line by line; None where all are empty, then its row is unknown. An infarction
    is NaN where LUDB leaves open whether it is one. Superclasses are NaN: LUDB's criteria differ from PTB-XL's (it states left
    atrial hypertrophy in two of three).
    """

    def value(name, stated):
        otherwise = np.nan if _any_begins(stated, LUDB_UNDEFINED.get(name, ())) else 0.0
        return 1.0 if _any_begins(stated, LUDB_TEXTS[name]) else otherwise

    return _from_sets(entries, value, LUDB_TEXTS)


def _from_sets(sets, value, known):
    """Tabulate `value(name, set)` of the known names; NaN for the others and for rows without a set."""
    table = pd.DataFrame(np.nan, index=range(len(sets)), columns=[*SCP_CODES, *SUPERCLASSES])
    for name in known:
        table[name] = [np.nan if stated is None else value(name, stated) for stated in sets]
    return table


def _any_begins(entries, texts):
    texts = tuple(text.casefold() for text in texts)
    begins = tuple(text + mark for text in texts for mark in ":,")
    return any(entry in texts or entry.startswith(begins) for entry in map(str.casefold, entries))


def meanings():
    """Say what each database means by the name of a factor, DataFrame of str indexed by factor.

    Columns ``PTB-XL`` (and the simulator), ``SNOMED CT`` (Challenge headers), ``CPSC2018`` (headers of its first phase),
    ``LUDB``, ``remark``; empty where a database has no word for it, and the factor is unknown there.
    """
    cpsc = {name: [word for word, code in CPSC_NAMES.items() if code in SNOMED_CODES[name]] for name in SNOMED_CODES}
    words = {"PTB-XL": SCP_CODES, "SNOMED CT": SNOMED_CODES, "CPSC2018": cpsc, "LUDB": LUDB_TEXTS}
    table = pd.DataFrame({database: {name: ", ".join(of[name]) for name in of} for database, of in words.items()})
    classes = pd.DataFrame({"PTB-XL": {name: ", ".join(codes) for name, codes in SCP_SUPERCLASSES.items()}})
    remarks = REMARKS | dict.fromkeys(SUPERCLASSES, "PTB-XL's own grouping of its diagnostic statements")
    remarks["NORM"] = "a diagnosis; sinus rhythm (426783006) is none, and Normal of CPSC2018 is one of nine classes"
    return pd.concat([table, classes]).fillna("").assign(remark=pd.Series(remarks))


def repeated_factors(table):
    """Columns that say the same as a narrower factor beside them; refuse nested ones that differ or contradict each other."""
    repeated = []
    for broader, narrower in BROADER.items():
        if broader not in table or narrower not in table:
            continue
        wide, narrow = table[broader], table[narrower]
        if ((narrow == 1) & (wide == 0)).any():
            id_ = table.index[((narrow == 1) & (wide == 0)).argmax()]
            raise ValueError(f"ECG {id_!r} has {narrower} = 1 and {broader} = 0, but {narrower} is part of {broader}.")
        if not wide.equals(narrow):
            advice = f"take {broader} where another hospital does not tell them apart, else {narrower}"
            raise ValueError(f"{narrower} is part of {broader}, and they cannot be learnt side by side: {advice}.")
        repeated.append(broader)
    return repeated


def clean_ages(ages):
    """Ages in years from numbers or text such as ``57``, ``57 years``, ``057Y`` (DICOM), else NaN, and a note on why."""
    ages_years, hidden, missing, absurd = read_ages(ages)
    reasons = (
        (hidden, "hidden because the person is very old (300 stands for 90 or older in PTB-XL, >89 in LUDB)"),
        (missing, "missing"),
        (absurd, f"not a number from 0 to {OLDEST_AGE_YEARS}"),
    )
    return ages_years, [f"age_years is NaN for {mask.sum()} ECG(s): {reason}" for mask, reason in reasons if mask.any()]


def read_ages(ages):
    """Ages in years, and masks of those that are hidden, missing, and stated but no age."""
    text = pd.Series(list(ages), dtype=object).map(lambda age: str(age).strip().casefold())
    ages_years = np.array([_years(age) for age in text], dtype=float)
    hidden = text.str.contains(_HIDDEN_AGE).to_numpy(bool) | (ages_years == 300)
    missing = text.isin(NOTHING_STATED).to_numpy()
    absurd = ~hidden & ~missing & ~((ages_years >= 0) & (ages_years <= OLDEST_AGE_YEARS))
    ages_years[hidden | missing | absurd] = np.nan
    return ages_years, hidden, missing, absurd


def _years(text):
    """Age in years from a text in small letters; NaN where it is none."""
    try:
        return float(text)
    except ValueError:
        match = _AGE.fullmatch(text)
    return float(match["number"].replace(",", ".")) / _AGE_UNITS.get(match.lastgroup, 1) if match else np.nan


def clean_sexes(sexes, has_digits=False):
    """Sex as 1 female, 0 male, else NaN, from words (digits: PTB-XL's, by ISO 5218 1 is male), and where words are neither."""
    codes = dict.fromkeys(FEMALE, 1.0) | dict.fromkeys(MALE, 0.0) | ({"1": 1.0, "0": 0.0} if has_digits else {})
    text = [str(value).strip().casefold().rstrip(".").removesuffix(".0") for value in sexes]
    values = np.array([codes.get(value, np.nan) for value in text])
    return values, np.isnan(values) & ~np.isin(np.array(text, dtype=object), NOTHING_STATED)


def require_whole(value, name, least=0):
    """Return a whole number as int, or refuse it where it is none or below `least`."""
    is_number = isinstance(value, (int, float, np.number)) and not isinstance(value, bool)
    if not is_number or not np.isfinite(value) or value % 1 or value < least:
        raise ValueError(f"{name} must be a whole number of at least {least}; got {value!r}.")
    return int(value)


def aligned(table, ids, names=None, what="factors"):
    """Return the rows of a table in the order of `ids`, with the columns `names`; refuse one that is missing or there twice."""
    if not isinstance(table, pd.DataFrame):
        raise ValueError(f"{what} must be a DataFrame indexed by id; got {type(table).__name__}.")
    if names is not None:
        names = known_names(names, table.columns, f"column(s) of {what}")
    if table.index.has_duplicates:
        twice = table.index[table.index.duplicated()][:5].tolist()
        raise ValueError(f"{what} must have one row per id; these ids stand there more than once: {twice}.")
    ids = pd.Index(ids)
    if len(missing := ids[~ids.isin(table.index)]):
        raise ValueError(f"{len(missing)} of {len(ids)} ids have no row in {what}: {listed(missing)}.")
    return table.loc[ids] if names is None else table.loc[ids, names]


def known_names(names, known, what):
    """Return names as a list (a name may come alone), or refuse those that are not among the known ones."""
    names = [names] if isinstance(names, str) else list(names)
    if unknown := [name for name in names if name not in known]:
        raise ValueError(f"unknown {what} {', '.join(map(repr, unknown))}; known are {', '.join(map(str, known))}.")
    return names


def listed(values, most=5):
    """Write values behind each other for a message, the first `most` of them."""
    return ", ".join(map(str, values[:most])) + (", ..." if len(values) > most else "")
