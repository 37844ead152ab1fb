"""The files of a simulated database in PTB-XL's layout."""

from pathlib import Path

import numpy as np
import pandas as pd
from tqdm import tqdm

from ..cache import written_whole
from ..ecg import LEADS_12
from ..factors import DIAGNOSES, SCP_CODES, require_whole
from .ecgs import simulate_with_truth
from .people import DETAIL_FACTORS, RHYTHM_FACTORS, Population, draw_factors, flip_labels

# SCP-ECG codes the database is written with: their rows of scp_statements.csv.
STATEMENT_COLUMNS = ("description", "diagnostic", "form", "rhythm", "diagnostic_class", "diagnostic_subclass")
STATEMENTS = {
    "NORM": ("normal ECG", 1, None, None, "NORM", "NORM"),
    "CLBBB": ("complete left bundle branch block", 1, None, None, "CD", "CLBBB"),
    "CRBBB": ("complete right bundle branch block", 1, None, None, "CD", "CRBBB"),
    "LAFB": ("left anterior fascicular block", 1, None, None, "CD", "LAFB/LPFB"),
    "1AVB": ("first degree AV block", 1, None, None, "CD", "_AVB"),
    "2AVB": ("second degree AV block", 1, None, None, "CD", "_AVB"),
    "WPW": ("Wolff-Parkinson-White syndrome", 1, None, None, "CD", "WPW"),
    "LVH": ("left ventricular hypertrophy", 1, None, None, "HYP", "LVH"),
    "IMI": ("inferior myocardial infarction", 1, None, None, "MI", "IMI"),
    "AMI": ("anterior myocardial infarction", 1, None, None, "MI", "AMI"),
    "NDT": ("non-diagnostic T abnormalities", 1, 1, None, "STTC", "STTC"),
    "PVC": ("ventricular premature complex", None, 1, None, None, None),
    "SR": ("sinus rhythm", None, None, 1, None, None),
    "AFIB": ("atrial fibrillation", None, None, 1, None, None),
    "BIGU": ("bigeminal pattern (unknown origin, SV or Ventricular)", None, None, 1, None, None),
    "SARRH": ("sinus arrhythmia", None, None, 1, None, None),
}
CODE_OF = {factor: SCP_CODES[factor][0] for factor in DIAGNOSES} | {
    "STTC": "NDT", "bigeminy": "BIGU", "wenckebach": "2AVB", "sinus_arrhythmia": "SARRH", "delta_wave": "WPW",
}  # fmt: skip


def write_simulated_database(folder, n, *, seed=0, fs=100, population=None, progress=True):
    """Write a simulated database in PTB-XL's layout, and the truth beside it; return its folder.

    It holds ``ptbxl_database.csv`` (official columns; age 300 for people of 90 or older, as in PTB-XL; likelihood 100 for
    diagnostic codes, 0 for rhythm and form), ``scp_statements.csv`` (the codes used), WFDB records (16 bit, 1000 units per mV)
    and ``ground_truth.csv`` (`simulate_with_truth`, indexed by ``ecg_id``), by which a reader knows that the ECGs are
    simulated.

    Parameters
    ----------
    folder : str or Path
        Where to write; what stood there before is replaced once everything is written. An interrupted run leaves nothing.
    n, seed : int
        Number of ECGs, ids 1 ... n; who they are, and their folds.
    fs : {100, 500}, rate of the records in Hz
    population, progress : Population, bool
    """
    if fs not in (100, 500):
        raise ValueError(f"PTB-XL's layout has records at 100 and 500 Hz; got fs={fs}.")
    n, seed = require_whole(n, "n, a number of ECGs,", 1), require_whole(seed, "seed")
    population = Population() if population is None else population
    factors = draw_factors(population, n, seed)
    truths = []
    with written_whole(folder) as whole, tqdm(total=n, desc="Simulating ECGs", unit="ECG", disable=not progress) as bar:
        for start in range(0, n, 500):
            part = factors.iloc[start : start + 500]
            ecgs, truth = simulate_with_truth(part, fs=fs, seed=seed, effect_sizes=population.effect_sizes)
            for ecg_id, signal in zip(ecgs.ids, ecgs.signals):
                write_record(whole / record_name(ecg_id, fs), signal, fs)
            truths.append(truth)
            bar.update(len(ecgs))
        pd.concat(truths).round(4).to_csv(whole / "ground_truth.csv")
        labels = flip_labels(factors, population.label_flips, seed)
        database_table(labels, seed).to_csv(whole / "ptbxl_database.csv")
        statement_table().to_csv(whole / "scp_statements.csv")
    return Path(folder)


def record_name(ecg_id, fs):
    """Name of a record at 100 Hz or 500 Hz in PTB-XL's folders of a thousand."""
    return f"records{fs}/{ecg_id // 1000 * 1000:05d}/{ecg_id:05d}_{'lr' if fs == 100 else 'hr'}"


def database_table(labels, seed):
    """Make ``ptbxl_database.csv``: official columns, what a simulation cannot know left empty; ten folds equal in size."""
    rng, n = np.random.default_rng([seed, 22]), len(labels)
    table = pd.DataFrame(index=labels.index)
    table["patient_id"] = np.arange(n) + 10001.0
    table["age"] = np.where(labels["age_years"] >= 90, 300.0, labels["age_years"])
    table["sex"] = labels["sex_female"].astype(int)
    table[["height", "weight", "nurse", "site", "device", "recording_date", "report"]] = np.nan
    table["scp_codes"] = [str(_codes(row)) for row in labels.to_dict("records")]
    table[[
        "heart_axis", "infarction_stadium1", "infarction_stadium2", "validated_by", "second_opinion",
        "initial_autogenerated_report", "validated_by_human", "baseline_drift", "static_noise", "burst_noise",
        "electrodes_problems", "extra_beats", "pacemaker",
    ]] = np.nan  # fmt: skip
    table["strat_fold"] = rng.permutation(np.arange(n) % 10) + 1
    for column, fs in (("filename_lr", 100), ("filename_hr", 500)):  # both are named, though only one rate is written
        table[column] = [record_name(ecg_id, fs) for ecg_id in labels.index]
    return table


def _codes(row):
    codes = [CODE_OF[name] for name, value in row.items() if name in CODE_OF and value > 0]
    norm = ["NORM"] if not any(row.get(name, 0) > 0 for name in (*DIAGNOSES, "STTC", *RHYTHM_FACTORS, *DETAIL_FACTORS)) else []
    rhythm = [] if {"AFIB", "BIGU", "SARRH"} & set(codes) else ["SR"]
    return {code: 100.0 if STATEMENTS[code][1] else 0.0 for code in (*norm, *codes, *rhythm)}


def statement_table():
    """Make ``scp_statements.csv`` for the codes that `database_table` uses; columns and classes as in PTB-XL's own."""
    table = pd.DataFrame.from_dict(STATEMENTS, orient="index", columns=STATEMENT_COLUMNS)
    for name in ("Statement Category", "SCP-ECG Statement Description", "AHA code", "aECG REFID", "CDISC Code", "DICOM Code"):
        table[name] = table["description"] if name == "SCP-ECG Statement Description" else None
    return table.astype({"diagnostic": float, "form": float, "rhythm": float})


def write_record(path, signal_mV, fs):
    """Write one WFDB record: 16 bit, interleaved, 1000 units per mV; many times quicker than wfdb.wrsamp, and read by it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    units = np.rint(signal_mV.T * 1000).astype("<i2")  # (n_samples, 12)
    units.tofile(path.with_suffix(".dat"))
    columns = zip(units[0], units.sum(axis=0, dtype=np.int64) % 65536, LEADS_12)  # first value, checksum, name
    lines = [f"{path.name}.dat 16 1000.0(0)/mV 16 0 {first} {checksum} 0 {lead}" for first, checksum, lead in columns]
    text = "\n".join([f"{path.name} 12 {fs} {len(units)}", *lines, ""])
    path.with_suffix(".hea").write_text(text.replace(" aV", " AV"))  # PTB-XL writes AVR, AVL, AVF
