"""What is done with attribution maps of any origin: bring them to one currency, compare them, and hold them against a truth."""

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from ..beats.medians import median_beats
from ..explain.latents import SEGMENTS_S
from ..simulator.ecgs import simulate
from ..statistics import Estimate, bootstrap_weights


def by_wave(maps, beats, *, segments_s=None):
    """Add a map up within each wave and lead, the currency that all explanations of this package share.

    Parameters
    ----------
    maps : ndarray of float, shape (n, 8, n_times)
        Attributions, as `saliency.attribute` gives them.
    beats : BeatSet
        The beats they belong to; gives rate, R peak, leads and ids.
    segments_s : dict of str to (float, float), optional
        Borders in seconds from the R peak; default `explain.SEGMENTS_S`. A sample outside of all of them does not count.

    Returns
    -------
    DataFrame, shape (n, n_segments * 8)
        Columns (segment, lead), rows by id, as `explain.wave_contributions` gives them. Signs are kept: where a map speaks for
        the task at one sample and against it at the next, the two cancel.

    Raises
    ------
    ValueError
        If maps and beats differ in shape.
    """
    maps = np.asarray(maps, dtype=float)
    if maps.shape != beats.signals.shape:
        raise ValueError(f"a map must have the shape of its beats, {beats.signals.shape}; got {maps.shape}.")
    segments_s = SEGMENTS_S if segments_s is None else segments_s
    time_s = (np.arange(maps.shape[2]) - beats.r_index) / beats.fs
    inside = np.array([(time_s >= start - 1e-9) & (time_s < end - 1e-9) for start, end in segments_s.values()])
    sums = np.einsum("nlt,st->nsl", maps, inside.astype(float)).reshape(len(maps), -1)
    columns = pd.MultiIndex.from_product([list(segments_s), beats.leads], names=["segment", "lead"])
    return pd.DataFrame(sums, index=beats.ids, columns=columns)


def agreement(first, second):
    """Rank correlation (Spearman) of the sizes of two maps of the same ECGs, one value per ECG.

    Parameters
    ----------
    first, second : ndarray or DataFrame of float, shape (n, ...)
        Maps of the same ECGs in the same order, in one currency: samples, or waves and leads (`by_wave`).

    Returns
    -------
    ndarray of float, shape (n,)
        1: the same order of importance. Signs are left out, since some methods have none. A map that is the same everywhere
        ranks nothing and agrees with nothing: 0.

    Raises
    ------
    ValueError
        If shapes differ, or a map is not finite.

    Examples
    --------
    >>> agreement(np.array([[1.0, -2.0, 3.0]]), np.array([[-10.0, 20.0, 30.0]]))
    array([1.])
    """
    pair = [np.abs(np.asarray(one, dtype=float)) for one in (first, second)]
    if pair[0].shape != pair[1].shape or pair[0].ndim < 2:
        raise ValueError(f"two maps of the same ECGs must have one shape (n, ...); got {pair[0].shape} and {pair[1].shape}.")
    if not all(np.isfinite(one).all() for one in pair):
        raise ValueError("maps hold NaN or infinite values; leave unusable beats out first.")
    ranks = [rankdata(one.reshape(len(one), -1), axis=1) for one in pair]
    ranks = [one - one.mean(axis=1, keepdims=True) for one in ranks]
    product = (ranks[0] * ranks[1]).sum(axis=1)
    size = np.sqrt((ranks[0] ** 2).sum(axis=1) * (ranks[1] ** 2).sum(axis=1))
    return np.divide(product, size, out=np.zeros(len(product)), where=size > 0)


def repeatability(maps, names, *, control=None):
    """Correlation of the maps of several trainings, sample by sample, for every pair.

    Parameters
    ----------
    maps : iterable of ndarray of float, shape (n_maps, n_leads, n_times)
        One array per training, at least two: a map per factor, of the same factors in the same order.
    names : sequence of str, length n_maps
    control : ndarray of float, shape (n_maps, n_leads, n_times), optional
        Maps of a model that knows nothing, in the same form.

    Returns
    -------
    DataFrame, indexed by `names`
        Pearson correlation over leads and times: ``mean`` and ``lowest`` over the pairs of trainings, and ``control``, the
        mean over trainings of the correlation with the control. A map that is the same everywhere correlates with nothing: 0.

    Raises
    ------
    ValueError
        If there are fewer than two trainings, or shapes differ.
    """
    maps = [np.asarray(one, dtype=float) for one in maps]
    wanted = (len(names), *maps[0].shape[1:]) if maps else ()
    if len(maps) < 2 or any(one.shape != wanted for one in [*maps, *([] if control is None else [np.asarray(control)])]):
        raise ValueError(
            f"give maps of shape (n_maps, n_leads, n_times) of at least two trainings, with one name per map; got {len(maps)} "
            f"trainings of shapes {sorted({one.shape for one in maps})} and {len(names)} names."
        )
    pairs = np.array([_correlation(maps[i], maps[j]) for i in range(len(maps)) for j in range(i)])
    table = pd.DataFrame({"mean": pairs.mean(axis=0), "lowest": pairs.min(axis=0)}, index=list(names))
    if control is not None:
        table["control"] = np.mean([_correlation(one, np.asarray(control, dtype=float)) for one in maps], axis=0)
    return table


def _correlation(first, second):
    """Pearson correlation of each map with its partner, (n_maps,)."""
    flat = [one.reshape(len(one), -1) for one in (first, second)]
    flat = [one - one.mean(axis=1, keepdims=True) for one in flat]
    size = np.sqrt((flat[0] ** 2).sum(axis=1) * (flat[1] ** 2).sum(axis=1))
    return np.divide((flat[0] * flat[1]).sum(axis=1), size, out=np.zeros(len(size)), where=size > 0)


def over_ecgs(values, *, n_resamples=1000, seed=0):
    """Mean of one value per ECG, with a bootstrap of the ECGs.

    Parameters
    ----------
    values : ndarray of float, shape (n,)
        One value per ECG.
    n_resamples : int
        Resamples of the ECGs.
    seed : int
        Of the resamples. The same seed for two sets of values of the same ECGs makes their difference a paired one.

    Returns
    -------
    Estimate
        With `value` and `interval()`; subtract one from another for a paired difference.

    Raises
    ------
    ValueError
        If there is no ECG, or a value is not finite.
    """
    values = np.asarray(values, dtype=float)
    if values.ndim != 1 or len(values) == 0 or not np.isfinite(values).all():
        raise ValueError(f"give one finite value per ECG, at least one; got shape {values.shape}.")
    weights = bootstrap_weights(np.zeros(len(values)), n_resamples, seed)
    return Estimate(np.array([values.mean()]), weights @ values / len(values))


def paired_beats(factor, people, *, fs=100, seed=0, noise=False, effect_sizes=None):
    """Simulate the same people without and with a factor, and make median beats of both.

    Parameters
    ----------
    factor : str
        A factor of the simulator that is 0 or 1.
    people : DataFrame
        One row per person, as `simulate` takes it; what it says about the factor itself is not used.
    fs : float
        Sampling frequency in Hz.
    seed : int
        Seed and id decide the heart, so that a pair differs in the factor only.
    noise : bool
        Whether to add noise (the same to both).
    effect_sizes : mapping of str to float, optional
        As for `simulate`.

    Returns
    -------
    without, with_factor : BeatSet
    """
    return tuple(
        median_beats(simulate(people.assign(**{factor: value}), fs=fs, seed=seed, noise=noise, effect_sizes=effect_sizes))
        for value in (0, 1)
    )


def truth_region(energy, *, share=0.9):
    """Find where a factor truly changes a beat: the fewest places that hold most of the change.

    Parameters
    ----------
    energy : ndarray or DataFrame of float, shape (n, ...)
        Squared change at each place, at least 0: ``(with_factor.signals - without.signals) ** 2`` of noise-free `paired_beats`
        for samples, `by_wave` of it for waves and leads.
    share : float
        The region is the smallest set of places that holds this share of the energy.

    Returns
    -------
    ndarray of bool, shape (n, ...)
        One region per person. A person who does not change has none.

    Raises
    ------
    ValueError
        If `energy` is negative or not finite, or `share` does not lie between 0 and 1.

    Examples
    --------
    >>> truth_region(np.array([[0.0, 9.0, 9.0, 0.1]])).astype(int)
    array([[0, 1, 1, 0]])
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
    """Share of a map's size that falls into a region, one value per ECG.

    Parameters
    ----------
    maps : ndarray or DataFrame of float, shape (n, ...)
        Maps; signs are left out.
    region : ndarray of bool, shape (n, ...)
        Where the truth is, in the currency of the maps (`truth_region`).

    Returns
    -------
    ndarray of float, shape (n,)
        1: all of it. An empty map is spread evenly by definition: the mean of the region, which is chance.

    Raises
    ------
    ValueError
        If shapes differ.
    """
    size, region = np.abs(np.asarray(maps, dtype=float)), np.asarray(region, dtype=float)
    if size.shape != region.shape:
        raise ValueError(f"map and region must have one shape; got {size.shape} and {region.shape}.")
    size, region = size.reshape(len(size), -1), region.reshape(len(region), -1)
    total = size.sum(axis=1)
    chance = region.mean(axis=1)
    return np.divide((size * region).sum(axis=1), total, out=chance, where=total > 0)


def sanity_table(trainings, controls, *, n_resamples=1000, seed=0):
    """Ask whether maps repeat from one training to the next, and whether they notice what a control destroyed.

    Parameters
    ----------
    trainings : dict of str to sequence of maps
        For each method the maps of the same ECGs from models that differ in the seed of their training, at least two.
    controls : dict of str to dict of str to maps
        For each control (such as new weights, or labels drawn at random) the map of each method.
    n_resamples, seed : int
        Of the bootstrap over ECGs.

    Returns
    -------
    DataFrame
        One row per method and comparison: ``method``, ``comparison`` ("another training" or the name of a control), ``rho``
        (mean `agreement`), ``low``, ``high`` (95 %), ``lowest`` and ``highest`` (over pairs of trainings), and for a control
        ``gap``, ``gap_low``, ``gap_high``: by how much another training agrees better, paired by ECG.

    Raises
    ------
    ValueError
        If a method has fewer than two trainings.

    Notes
    -----
    Another training: all pairs of trainings, averaged. A control: compared with every training, averaged. Intervals
    resample ECGs, for these trainings; what other seeds would give, `lowest` and `highest` hint at.
    """
    rows = []

    def row(method, comparison, pairs):
        values = np.array([agreement(*pair) for pair in pairs])
        estimate = over_ecgs(values.mean(axis=0), n_resamples=n_resamples, seed=seed)
        low, high = estimate.interval()
        ends = {"lowest": values.mean(axis=1).min(), "highest": values.mean(axis=1).max()}
        rows.append({"method": method, "comparison": comparison, "rho": estimate.value, "low": low, "high": high} | ends)
        return estimate

    for method, maps in trainings.items():
        if len(maps) < 2:
            raise ValueError(f"{method}: give the maps of at least two trainings; got {len(maps)}.")
        repeat = row(method, "another training", [(maps[i], maps[j]) for i in range(len(maps)) for j in range(i)])
        for control, of_method in controls.items():
            gap = repeat - row(method, control, [(one, of_method[method]) for one in maps])
            rows[-1] |= {"gap": gap.value, "gap_low": gap.interval()[0], "gap_high": gap.interval()[1]}
    return pd.DataFrame(rows)


def truth_table(maps, region, *, control, n_resamples=1000, seed=0):
    """Ask how much of each map falls where the factor truly acts, against chance and against a map that knows no model.

    Parameters
    ----------
    maps : dict of str to ndarray or DataFrame of float, shape (n, ...)
        Maps of the same ECGs in one currency.
    region : ndarray of bool, shape (n, ...)
        As `truth_region` gives it.
    control : str
        The key of `maps` that knows nothing of the model.
    n_resamples, seed : int
        Of the bootstrap over ECGs.

    Returns
    -------
    DataFrame, indexed by name of the map
        ``share`` (mean `share_inside`), ``low``, ``high`` (95 %), ``chance`` (of an even map), ``gain_low``, ``gain_high``
        (share minus that of the control, paired by ECG).

    Raises
    ------
    ValueError
        If `control` is not among the maps.
    """
    if control not in maps:
        raise ValueError(f"control must be one of the maps {', '.join(maps)}; got {control!r}.")
    shares = {name: over_ecgs(share_inside(one, region), n_resamples=n_resamples, seed=seed) for name, one in maps.items()}
    rows = {}
    for name, one in shares.items():
        low, high = one.interval()
        gain_low, gain_high = (one - shares[control]).interval()
        rows[name] = {"share": one.value, "low": low, "high": high, "chance": np.mean(region)}
        rows[name] |= {"gain_low": gain_low, "gain_high": gain_high}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("map")
