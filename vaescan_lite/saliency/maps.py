"""What is done with attribution maps of any origin: bring them to one currency, compare them, and hold them against a truth."""

from itertools import combinations

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from ..beats.medians import median_beats
from ..explain.waves import sum_by_wave
from ..factors import known_names
from ..simulator.ecgs import simulate
from ..statistics import mean_over_records, row_correlation


def by_wave(maps, beats):
    """Add maps (n, 8, n_times) of beats up within each wave and lead, the currency that all explanations of this package share.

    A DataFrame (n, n_segments * 8), columns (segment, lead), rows by id, as `explain.wave_contributions` gives it. Signs are
    kept: where a map speaks for the task at one sample and against it at the next, the two cancel. A sample outside of
    `SEGMENTS_S` does not count.
    """
    maps = np.asarray(maps, dtype=float)
    if maps.shape != beats.signals.shape:
        raise ValueError(f"a map must have the shape of its beats, {beats.signals.shape}; got {maps.shape}.")
    return sum_by_wave(maps, beats).set_axis(beats.ids)


def agreement(first, second):
    """Rank correlation (Spearman) of the sizes of two maps (n, ...) of the same ECGs in one currency, one value per ECG, (n,).

    1: the same order of importance. Signs are left out, since some methods have none. A map that is even has 0.

    >>> agreement(np.array([[1.0, -2.0, 3.0]]), np.array([[-10.0, 20.0, 30.0]]))
    array([1.])
    """
    first, second = (np.abs(np.asarray(maps, dtype=float)) for maps in (first, second))
    if first.shape != second.shape or first.ndim < 2:
        raise ValueError(f"two maps of the same ECGs must have one shape (n, ...); got {first.shape} and {second.shape}.")
    if not (np.isfinite(first).all() and np.isfinite(second).all()):
        raise ValueError("maps hold NaN or infinite values; leave unusable beats out first.")
    return np.nan_to_num(row_correlation(*(rankdata(maps.reshape(len(maps), -1), axis=1) for maps in (first, second))))


def repeatability(maps, names, *, control=None):
    """Correlation of the maps of several trainings, sample by sample, for every pair.

    `maps` has an array (n_maps, n_leads, n_times) per training, at least two: a map per factor, whose `names` index the table;
    `control` has maps of a model that knows nothing, in the same form. A DataFrame of Pearson correlations over leads and
    times, 0 for a map that is even: ``mean`` and ``lowest`` over the pairs of trainings, ``control``, the mean over trainings
    with the control.
    """
    maps = [np.asarray(of_training, dtype=float) for of_training in maps]
    controls = [] if control is None else [np.asarray(control, dtype=float)]
    shapes = {array.shape for array in [*maps, *controls]}
    if len(maps) < 2 or len(shapes) > 1 or maps[0].shape[:1] != (len(names),):
        got = f"{len(maps)} trainings of shapes {sorted(shapes)} and {len(names)} names"
        raise ValueError(f"give maps (n_maps, n_leads, n_times) of at least two trainings, with one name per map; got {got}.")

    def correlation(first, second):
        return np.nan_to_num(row_correlation(first.reshape(len(names), -1), second.reshape(len(names), -1)))

    pairs = np.array([correlation(*pair) for pair in combinations(maps, 2)])
    table = pd.DataFrame({"mean": pairs.mean(axis=0), "lowest": pairs.min(axis=0)}, index=list(names))
    for array in controls:
        table["control"] = np.mean([correlation(of_training, array) for of_training in maps], axis=0)
    return table


def paired_beats(factor, people, *, fs=100, seed=0):
    """Simulate the same people without and with a factor, free of noise, and make median beats of both: two BeatSets.

    `factor` is one of the simulator that is 0 or 1; what `people`, a table as for `simulate`, says about it is not used. `seed`
    and id decide the heart, so that a pair differs in the factor only.
    """
    pair = (simulate(people.assign(**{factor: value}), fs=fs, seed=seed, noise=False) for value in (0, 1))
    return tuple(median_beats(ecgs) for ecgs in pair)


def truth_region(energy, *, share=0.9):
    """Find where a factor truly changes a beat: the fewest places that hold a share of the change, bool (n, ...) like `energy`.

    `energy` is the squared change at each place: of `paired_beats` ``(with_factor.signals - without.signals) ** 2``, or
    `by_wave` of it. A person who does not change has no region.
    """
    energy = np.asarray(energy, dtype=float)
    if energy.ndim < 2 or not np.isfinite(energy).all() or (energy < 0).any():
        raise ValueError(f"energy must have shape (n, ...) and be finite and at least 0; got shape {energy.shape}.")
    if not 0 < share < 1:
        raise ValueError(f"share must lie between 0 and 1; got {share}.")
    flat = energy.reshape(len(energy), -1)
    order = np.argsort(-flat, axis=1, kind="stable")
    ordered = np.take_along_axis(flat, order, axis=1)
    before = np.cumsum(ordered, axis=1) - ordered  # what the larger ones hold already
    chosen = (before < share * ordered.sum(axis=1, keepdims=True)) & (ordered > 0)
    region = np.zeros_like(chosen)
    np.put_along_axis(region, order, chosen, axis=1)
    return region.reshape(energy.shape)


def share_inside(maps, region):
    """Share of a map's size that falls into a region, one value per ECG, (n,); signs of maps (n, ...) are left out.

    `region` (n, ...) comes from `truth_region`. 1: all of it. An empty map is spread evenly by definition: the mean of the
    region, which is chance.
    """
    size, region = np.abs(np.asarray(maps, dtype=float)), np.asarray(region, dtype=float)
    if size.shape != region.shape:
        raise ValueError(f"map and region must have one shape; got {size.shape} and {region.shape}.")
    size, region = size.reshape(len(size), -1), region.reshape(len(region), -1)
    total, chance = size.sum(axis=1), region.mean(axis=1)
    return np.divide((size * region).sum(axis=1), total, out=chance, where=total > 0)


def sanity_table(trainings, controls, *, n_resamples=1000, seed=0):
    """Ask whether maps repeat from one training to the next, and whether they notice what a control destroyed.

    `trainings` has for each method the maps of the same ECGs from models that differ in the seed of their training, at least
    two; `controls` for each control (such as new weights, or labels drawn at random) the map of each method.

    A DataFrame, one row per method and comparison: ``method``, ``comparison`` ("another training" or the name of a control),
    ``rho`` (mean `agreement`), ``low``, ``high`` (95 %), ``lowest`` and ``highest`` (over pairs of trainings), and for a
    control ``gap``, ``gap_low``, ``gap_high``: by how much another training agrees better, paired by ECG. A control is compared
    with every training. Intervals resample ECGs; what other seeds would give, `lowest` and `highest` hint at.
    """
    rows = []

    def compare(pairs):
        by_pair = np.array([agreement(*pair) for pair in pairs])  # (n_pairs, n_ecgs)
        rho = mean_over_records(by_pair.mean(axis=0), n_resamples=n_resamples, seed=seed)
        ends = {"lowest": by_pair.mean(axis=1).min(), "highest": by_pair.mean(axis=1).max()}
        return rho, rho.named("rho", "low", "high") | ends

    for method, maps in trainings.items():
        if len(maps) < 2:
            raise ValueError(f"{method}: give the maps of at least two trainings; got {len(maps)}.")
        repeat, columns = compare(combinations(maps, 2))
        rows.append({"method": method, "comparison": "another training"} | columns)
        for control, of_method in controls.items():
            rho, columns = compare([(of_training, of_method[method]) for of_training in maps])
            gap = (repeat - rho).named("gap", "gap_low", "gap_high")
            rows.append({"method": method, "comparison": control} | columns | gap)
    return pd.DataFrame(rows)


def truth_table(maps, region, *, control, n_resamples=1000, seed=0):
    """Ask how much of each map falls where the factor truly acts, against chance and against a map that knows no model.

    `maps` (n, ...) of the same ECGs in one currency come by name, `control` among them; `region` from `truth_region`. A
    DataFrame by name of the map: ``share`` (mean `share_inside`), ``low``, ``high`` (95 %), ``chance`` (of an even map),
    ``gain_low``, ``gain_high`` (share minus that of the control, paired by ECG).
    """
    known_names([control], maps, "control among the maps")
    inside = {name: share_inside(array, region) for name, array in maps.items()}
    shares = {name: mean_over_records(values, n_resamples=n_resamples, seed=seed) for name, values in inside.items()}
    rows = {}
    for name, share in shares.items():
        gain = (share - shares[control]).named("gain", "gain_low", "gain_high")
        rows[name] = share.named("share", "low", "high") | {"chance": np.mean(region)} | gain
    return pd.DataFrame.from_dict(rows, orient="index").drop(columns="gain").rename_axis("map")
