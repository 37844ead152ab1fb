"""How far simulated ECGs can be told from real ones, one measurement at a time. Run by `make bench-realism`."""

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict

import vaescan_lite as vl
from vaescan_lite.beats.medians import split_median_beats
from vaescan_lite.factors import BROADER, CONTRADICTIONS, DIAGNOSES, PERSON, SUPERCLASSES

N_PARTS, N_BINS = 5, 20
BAR = 0.80
QUANTILES = (0.05, 0.25, 0.50, 0.75, 0.95)
SHOWN = ("heart_rate_bpm", "pr_ms", "qrs_ms", "qtcf_ms", "qrs_axis_deg", "r_V5_mV", "s_V1_mV")
SPECTRUM = (1, 2, 4, 8, 16, 24)


def main():
    """Print all tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--database", required=True, help="folder of real ECGs in PTB-XL's layout")
    parser.add_argument("--folds", default="", help="only the ECGs of these folds, such as 9-10; default all")
    parser.add_argument("--population", action="store_true", help="the default simulated database instead of twins")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    real = vl.open_database(options.database)
    if real.is_simulated:
        sys.exit(f"DATABASE={options.database} is simulated, and so is what it would be compared with: name real ECGs.")
    ids = ids_of_folds(real, options.folds)
    with tempfile.TemporaryDirectory() as folder:
        if options.population:
            vl.write_simulated_database(Path(folder) / "db", len(ids), seed=options.seed, progress=False)
            simulated, title = vl.open_database(Path(folder) / "db"), "the default population"
        else:
            simulated = vl.simulate(twin_factors(real.factors().loc[ids]), seed=options.seed)
            title = "twins: a simulated person of the same age, sex and diagnoses for each real one"
        sides = {"real": measured(real, ids), "simulated": measured(simulated)}
    print(f"{real}\n{len(ids)} real ECGs against as many simulated ones ({title}), seed {options.seed}")
    beats = {name: side["beats"] for name, side in sides.items()}
    tables = {name: side["measurements"] for name, side in sides.items()}
    found = separability(tables["real"], tables["simulated"], seed=options.seed)
    show(f"Real or simulated, from one measurement: AUROC, bar {BAR}", found, f"{(found['auroc'] > BAR).sum()} above the bar")
    print(f"From all measurements together: AUROC {together(tables['real'], tables['simulated'], seed=options.seed):.3f}")
    show("Quantiles", quantiles(tables), "")
    show("Share of variance in the first principal components of beats, %", spectrum(beats), "")
    noise = pd.DataFrame({name: side["noise_uV"].quantile(QUANTILES) for name, side in sides.items()}).T.round(1)
    show("Median beats of two halves of a record: RMS of half the difference, uV", noise, "")


def ids_of_folds(database, folds):
    """Ids of all ECGs, or of those in folds such as ``9-10``."""
    if not folds:
        return database.ids
    first, last = (int(part) for part in folds.split("-"))
    return database.ids[np.asarray((database.fold >= first) & (database.fold <= last))]


def twin_factors(factors):
    """Make a table that `vl.simulate` takes of the factors of real people.

    An unknown diagnosis is taken as absent; of two that contradict each other in the simulator the second is left out.
    """
    twins = factors[[name for name in (*PERSON, *DIAGNOSES, *BROADER, *SUPERCLASSES) if name in factors]].copy()
    twins[[*DIAGNOSES, "STTC"]] = twins[[*DIAGNOSES, "STTC"]].fillna(0)
    for kept, left_out in CONTRADICTIONS:
        twins.loc[twins[kept] > 0, left_out] = 0.0
    return twins


def measured(ecgs, ids=None):
    """Median beats, their measurements, and the noise of halves, of the usable ECGs."""
    beats = vl.median_beats(ecgs, ids)
    halves = split_median_beats(ecgs, ids, seed=0)
    difference = (halves[0].signals - halves[1].signals)[beats.usable] / 2
    noise_uV = pd.Series(1000 * np.sqrt(np.square(difference).mean(axis=(1, 2)))).dropna()
    beats = beats[beats.usable]
    return {"beats": beats, "measurements": vl.measure(beats), "noise_uV": noise_uV}


def separability(real, simulated, *, seed=0):
    """AUROC of a cross-validated classifier for each measurement alone, the most telling first.

    Beside it medians and interquartile ranges of both sides (of what is known), and the share of NaN in %.
    """
    rows = {}
    for name in real:
        sides = {"real": real[name].to_numpy(), "sim.": simulated[name].to_numpy()}
        row = {"auroc": classifier_auroc(*sides.values(), seed=seed)}
        for side, values in sides.items():
            low, middle, high = np.nanquantile(values, (0.25, 0.5, 0.75)) if np.isfinite(values).any() else [np.nan] * 3
            row |= {f"{side} median": middle, f"{side} IQR": high - low, f"{side} NaN %": 100 * np.isnan(values).mean()}
        rows[name] = row
    return pd.DataFrame(rows).T.sort_values("auroc", ascending=False).round(3)


def classifier_auroc(real, simulated, *, seed=0):
    """AUROC, cross-validated, of the ratio of two histograms: it sees a difference in place, spread, shape and NaN share.

    The bins hold equal shares of the training part; exact zero (a wave that is not there) and NaN have bins of their own.
    """
    values = np.concatenate([real, simulated])
    is_real = np.r_[np.ones(len(real), bool), np.zeros(len(simulated), bool)]
    part = np.random.default_rng(seed).permutation(len(values)) % N_PARTS
    aurocs = []
    for held_out in range(N_PARTS):
        training = part != held_out
        known = values[training & np.isfinite(values) & (values != 0)]
        edges = np.unique(np.quantile(known, np.arange(1, N_BINS) / N_BINS)) if len(known) else np.zeros(0)
        place = np.searchsorted(edges, values)
        place[values == 0], place[np.isnan(values)] = N_BINS, N_BINS + 1
        counts = [np.bincount(place[training & side], minlength=N_BINS + 2) + 0.5 for side in (is_real, ~is_real)]
        score = np.log(counts[0] / counts[0].sum()) - np.log(counts[1] / counts[1].sum())
        aurocs.append(roc_auc_score(is_real[~training], score[place[~training]]))
    return float(np.mean(aurocs))


def together(real, simulated, *, seed=0):
    """AUROC, cross-validated, of gradient boosting that sees all measurements at once: what single ones cannot tell."""
    x = np.concatenate([real.to_numpy(dtype=float), simulated.to_numpy(dtype=float)])
    is_real = np.r_[np.ones(len(real), bool), np.zeros(len(simulated), bool)]
    parts = StratifiedKFold(N_PARTS, shuffle=True, random_state=seed)
    score = cross_val_predict(HistGradientBoostingClassifier(random_state=seed), x, is_real, cv=parts, method="predict_proba")
    return float(roc_auc_score(is_real, score[:, 1]))


def quantiles(tables):
    """Quantiles of the measurements that everybody knows, real and simulated below each other."""
    rows = {(name, side): table[name].quantile(QUANTILES) for name in SHOWN for side, table in tables.items()}
    return pd.DataFrame(rows).T.round(2)


def spectrum(beats):
    """Share in % of the variance of beats that the first k principal components hold."""
    rows = {}
    for name, side in beats.items():
        flat = side.signals.reshape(len(side), -1)
        energy = np.linalg.svd(flat - flat.mean(axis=0), compute_uv=False) ** 2
        rows[name] = 100 * np.cumsum(energy)[np.array(SPECTRUM) - 1] / energy.sum()
    return pd.DataFrame(rows, index=pd.Index(SPECTRUM, name="components")).T.round(1)


def show(title, table, note):
    """Print a table between its title and a note."""
    with pd.option_context("display.width", 160, "display.max_columns", 20, "display.max_rows", 200):
        print(f"\n{title}\n{'-' * len(title)}\n{table.to_string()}\n{note}".rstrip() + "\n", flush=True)


if __name__ == "__main__":
    main()
