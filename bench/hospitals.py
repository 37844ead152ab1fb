"""Frozen models in hospitals they have never seen: who is read how well, by which label, and in which group of people."""

import numpy as np
import pandas as pd
from scipy.special import expit

from vaescan_lite.benchmark.cells import rotation_masks
from vaescan_lite.benchmark.representations import Recordings
from vaescan_lite.cache import run_jobs
from vaescan_lite.databases.database import open_database
from vaescan_lite.explain.readers import RuleReader
from vaescan_lite.factors import BROADER, DIAGNOSES, meanings
from vaescan_lite.hospitals import FEWEST_IN_GROUP, group_differences, group_estimates, group_table, person_groups
from vaescan_lite.models.cnn import EcgCNN
from vaescan_lite.scan.scan import Scan
from vaescan_lite.vae.beat_vae import BeatVAE

READERS = ("VAE-SCAN", "beat CNN", "rule")
HOME = "home"
FEWEST_TO_LEARN = 10  # training ECGs that must carry a diagnosis
SCORED = ("LBBB", "RBBB", "RBBB_any", "AF", "AVB1", "LVH", "LAFB")  # each has a rule
LIMIT, MARGIN = 0.03, 0.04  # how far below the network a reader may stay, and the bound of its interval beyond


def opened(folders, *, progress=True):
    """Open other hospitals, name -> `Recordings` of the ECGs with a usable beat."""
    others = {}
    for folder in folders:
        db = open_database(folder)
        if db.name in others or db.name == HOME:
            raise ValueError(f"two hospitals have the name {db.name!r}; rename the folder of one, {folder}.")
        rows = Recordings(db, progress=progress)
        others[db.name] = rows[rows.beats.usable]
    return others


def read_everywhere(training, unseen, seed, budget):
    """Train on `training`, and read the unseen of every hospital: one row per hospital, id, factor, label learnt and reader.

    Of nested factors each is learnt by models of its own, and read as both: columns ``learnt`` and ``factor``.
    """
    vae = BeatVAE(seed=seed, budget=budget, progress=False).fit(training.beats)
    known = training.factors
    tables = []
    for wide in (False, True):
        swap = {narrow: broad for broad, narrow in BROADER.items()} if wide else {}
        names = [swap.get(name, name) for name in DIAGNOSES]
        names = ["sex_female", *(name for name in names if known[name].sum() >= FEWEST_TO_LEARN)]
        new = [n for n in names if n in SCORED and not (wide and (n not in BROADER or known[n].equals(known[BROADER[n]])))]
        if not new:
            continue
        scan = Scan(vae, ["age_years", *names], seed=seed).fit(training.beats, known, progress=False)
        network = EcgCNN(budget=budget, seed=seed).fit(training.beats, known[names])
        for hospital, rows in unseen.items():
            for reader, logits in _logits(scan, network, names, rows.beats).items():
                tables += [_read(hospital, rows, learnt, reader, logits[learnt]) for learnt in new if learnt in logits]
    return pd.concat(tables, ignore_index=True)


def _logits(scan, network, names, beats):
    """Log odds of each reader, distances from thresholds for the rule, which knows one right bundle branch block."""
    rule = RuleReader().decision(beats)
    rule = rule.assign(**{broad: rule[narrow] for broad, narrow in BROADER.items()})
    drawn = pd.DataFrame(network.decision_function(beats), index=beats.ids, columns=names)
    return dict(zip(READERS, (scan.logits(beats)[names], drawn, rule)))


def _read(hospital, rows, learnt, reader, logits):
    """Rows of one reading, held against the label of the same name and against the wider or narrower one."""
    nested = {*BROADER.items(), *((narrow, broad) for broad, narrow in BROADER.items())}
    factors = [learnt, *(other for name, other in nested if name == learnt)]
    return pd.concat(
        pd.DataFrame(
            {
                "hospital": hospital, "id": rows.ids, "learnt": learnt, "factor": factor, "reader": reader,
                "y": rows.factors[factor].to_numpy(), "logit": logits.to_numpy(),
            }
        )
        for factor in factors
    )  # fmt: skip


def readings(rows, others, *, seed, rotations, budget, keep, n_jobs, progress):
    """Read the test folds of each rotation and all other hospitals, by models of the other folds; column rotation."""
    rows = rows[rows.beats.usable]
    masks = rotation_masks(rows.fold, rotations)
    jobs = []
    for rotation, is_test in masks.items():
        key = (
            "hospitals",
            rows.ids,
            rows.fold,
            rotation,
            seed,
            budget,
            [(name, r.db.fingerprint) for name, r in others.items()],
        )
        jobs.append((key, read_everywhere, (rows[~is_test], {HOME: rows[is_test], **others}, seed, budget)))
    bar = {"description": "hospitals", "unit": "training", "progress": progress}
    parts = run_jobs(jobs, keep=keep, n_jobs=n_jobs, **bar)
    return pd.concat([part.assign(rotation=rotation) for rotation, part in zip(masks, parts)], ignore_index=True)


def scores(read, people, *, n_resamples):
    """Score readings in each hospital: tables by name. `people` are the factors of each hospital.

    At home each ECG is read once, by the training that has not seen it, and elsewhere by all of them, which then widen the
    interval. ``hospitals``: AUROC of each reader, and how far behind the network it stays, paired; ``groups`` and
    ``group_differences``: for whom the two models work.
    """
    table, groups, compared = [], [], {}
    for (hospital, learnt, factor), part in read.groupby(["hospital", "learnt", "factor"], sort=False):
        y, rotation, logits = _shaped(part, hospital == HOME)
        these = person_groups(people[hospital].loc[y.index])
        estimates = {}
        for reader in READERS:
            given = {"rotation": rotation, "n_resamples": n_resamples}
            counts, scored = group_estimates(
                y, expit(logits[reader]), these if reader != "rule" else these[["everybody"]], **given
            )
            if "everybody" not in scored:
                break
            estimates[reader] = scored["everybody"]["auroc"]
            if reader != "rule" and learnt == factor:
                place = {"hospital": hospital, "factor": factor, "reader": reader}
                groups.append(group_table(counts, scored).reset_index().assign(**place))
                compared[hospital, factor, reader] = scored
        for reader, estimate in estimates.items():
            behind = estimates["beat CNN"] - estimate
            row = (hospital, learnt, factor, reader, *counts.loc["everybody"], estimate.value, *estimate.interval())
            table.append((*row, behind.value, *behind.interval()))
    columns = ["hospital", "learnt", "factor", "reader", "n", "n_positive", "auroc", "low", "high"]
    table = pd.DataFrame(table, columns=[*columns, "behind", "behind_low", "behind_high"])
    is_within = (table["behind"] <= LIMIT) & (table["behind_high"] <= LIMIT + MARGIN)
    table["within"] = np.where(is_within, "yes", np.where(table["behind_low"] > LIMIT, "no", "undecided"))
    if not groups:
        raise ValueError(f"no factor of {', '.join(SCORED)} is carried by {FEWEST_IN_GROUP} ECGs of a hospital.")
    differences = group_differences(compared)
    names = pd.DataFrame(differences.pop("name").tolist(), columns=["hospital", "factor", "reader"], index=differences.index)
    return {
        "hospitals": table,
        "groups": pd.concat(groups, ignore_index=True),
        "group_differences": names.join(differences),
        "label_meanings": meanings().rename_axis("factor").reset_index(),
    }


def _shaped(part, is_home):
    """Labels (n,) by id, the rotation of each ECG (None elsewhere), and logits by reader, (n_trainings, n)."""
    first = part[part["reader"] == READERS[0]].drop_duplicates("id").set_index("id")
    if is_home:
        logits = {reader: table.set_index("id").loc[first.index, "logit"] for reader, table in part.groupby("reader")}
        return first["y"], first["rotation"].to_numpy(), {reader: values.to_numpy() for reader, values in logits.items()}
    logits = {
        r: table.pivot(index="rotation", columns="id", values="logit")[first.index] for r, table in part.groupby("reader")
    }
    return first["y"], None, {reader: values.to_numpy() for reader, values in logits.items()}
