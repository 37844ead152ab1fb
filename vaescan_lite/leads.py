"""Leads and units: how files write them, and which leads follow from others. No other module knows."""

import re
from functools import lru_cache
from unicodedata import normalize

import numpy as np

LEADS_12 = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
LEADS_8 = ("I", "II", "V1", "V2", "V3", "V4", "V5", "V6")

# Rows: the twelve leads; columns: the eight independent ones. Einthoven: III = II - I.
# Goldberger: aVR = -(I + II)/2, aVL = I - II/2, aVF = II - I/2.
TWELVE_FROM_EIGHT = np.zeros((12, 8), dtype=np.float32)
TWELVE_FROM_EIGHT[:6, :2] = (1, 0), (0, 1), (-1, 1), (-0.5, -0.5), (1, -0.5), (-0.5, 1)
TWELVE_FROM_EIGHT[6:, 2:] = np.eye(6)

# What may stand for a lead, in any case of letters, with or without blanks, dots, hyphens and underscores in it: its name; D
# for the limb leads (Romance languages), also with 1, 2, 3; C1 to C6 (IEC 60601-2-51). A minus before it makes another lead.
SPELLINGS = {lead.casefold(): lead for lead in LEADS_12}
SPELLINGS |= {f"d{number}": lead for lead in LEADS_12[:3] for number in (lead.casefold(), len(lead))}
SPELLINGS |= {f"c{i}": f"V{i}" for i in range(1, 7)}
# Words before it: HL7 aECG's codes (MDC_ECG_LEAD_V1), "Lead I", "ECG_V1", and Lead in a few other languages. Only after such a
# word 1, 2 and 3 are limb leads.
_WORD = r"(?:leads?|ableitung|derivaci[oó]n|deriva[cç][aã]o|d[eé]rivation)"
_WORDS_BEFORE = re.compile(rf"(?:mdc_ecg_lead|(?:e[ck]g)?[ _]?{_WORD}|e[ck]g)(?:[ _.:]+|-|(?=\d))")
MV_PER_UNIT = {"mv": 1.0, "uv": 1e-3, "μv": 1e-3, "nv": 1e-6, "v": 1e3}  # NFKC makes one of the two signs for micro
_VOLTS = {"millivolt": "mv", "microvolt": "uv", "volt": "v"}
MV_PER_UNIT |= {word + end: MV_PER_UNIT[unit] for word, unit in _VOLTS.items() for end in ("", "s")}
_UNIT_BEHIND = re.compile(r"(.+?)(?:\s*[(\[{](.*)[)\]}]|[ _/]+([muμn]v|(?:milli|micro)volts?))$", re.IGNORECASE)


@lru_cache(maxsize=4096)
def lead_and_unit(name):
    """Usual name of a lead, and its unit or None: ``"Lead avr (uV)"`` gives ``("aVR", "uV")``; others are only stripped."""
    text = normalize("NFKC", name).strip(" \t\"'\ufeff:")
    behind = _UNIT_BEHIND.match(text)
    core, unit = (behind[1].casefold(), (behind[2] or behind[3] or "").strip()) if behind else (text.casefold(), None)
    rest = _WORDS_BEFORE.sub("", core, count=1) if _WORDS_BEFORE.match(core) else core
    rest = "d" + rest if rest != core and rest in ("1", "2", "3") else rest
    lead = SPELLINGS.get(re.sub(r"(?<!^)[ _.-]", "", rest))
    return (lead, unit) if lead else (name.strip(), None)


def lead_name(name):
    """Usual name of a lead, whatever its spelling, as in `SPELLINGS`; other names are only stripped."""
    return lead_and_unit(name)[0]


def mv_per_unit(unit, lead, source):
    """Return the mV in a unit of a lead, or refuse `source` where it is no voltage; without a unit it is mV."""
    factor = MV_PER_UNIT.get(normalize("NFKC", unit or "mV").strip().casefold())
    if factor is None:
        raise ValueError(f"{source}: lead {lead} is in {unit!r}; a voltage is wanted: mV, uV or V.")
    return factor


def lead_rows(names, wanted, what):
    """Return the row of each wanted lead among `names`, or refuse `what` where one is missing or there twice."""
    names = list(names)
    missing = [lead for lead in wanted if lead not in names]
    if missing:
        wants = f"{len(wanted)} leads are wanted, and it has {len(names)}: {', '.join(names)}"
        raise ValueError(f"{what}: lead(s) {', '.join(missing)} are missing; {wants}.")
    twice = sorted({lead for lead in wanted if names.count(lead) > 1})
    if twice:
        raise ValueError(f"{what}: lead(s) {', '.join(twice)} occur more than once: {', '.join(names)}.")
    return [names.index(lead) for lead in wanted]


def computable(names):
    """Limb leads that are not among `names` and follow from two or more that are; none where nothing can be computed."""
    there = [lead for lead in LEADS_12[:6] if lead in names]
    return tuple(lead for lead in LEADS_12[:6] if lead not in there) if len(there) >= 2 else ()


def twelve_rows(signals, names, what):
    """Return twelve leads (12, n_samples); missing limb leads come from I and II, else from all limb leads by least squares."""
    is_there = np.isin(LEADS_12, computable(names), invert=True)
    rows = signals[lead_rows(names, [lead for lead, there in zip(LEADS_12, is_there) if there], what)]
    if is_there.all():
        return rows
    laws, limb = TWELVE_FROM_EIGHT[:6, :2], np.flatnonzero(is_there[:6])
    limb = limb[:2] if is_there[:2].all() else limb
    twelve = np.empty((12, rows.shape[1]), dtype=np.float32)
    twelve[is_there] = rows
    twelve[~is_there] = laws[~is_there[:6]] @ (np.linalg.pinv(laws[limb]) @ twelve[limb])
    return twelve
