"""Effects in units that a cardiologist measures: of a latent, of a factor, in people and on decoded beats."""

import numpy as np
import pandas as pd
from scipy.stats import mannwhitneyu

from ..factors import aligned
from ..measurements.values import DEFINITIONS, measure
from ..scan.associations import CONTINUOUS, FactorCoding, associate, checked_values


def latent_effects(scan, beats, *, n=100, step=1.0, seed=0):
    """Measure what each latent does to real beats: move it, decode, measure the difference.

    Parameters
    ----------
    scan : Scan
        Fitted.
    beats : BeatSet
        The beats to start from.
    n : int
        Number of them, drawn by `seed`.
    step : float
        The latent goes from ``-step / 2`` to ``+step / 2`` SDs of the aggregated posterior around its place.
    seed : int
        Which beats.

    Returns
    -------
    DataFrame
        One row per latent and measurement: ``effect`` (mean change in the unit of the measurement), ``low`` and ``high`` (its
        95 % interval over beats), ``spread`` (SD of the change over beats: how much it depends on where one stands), ``n``.
    """
    mu, _ = scan.vae.posterior(beats)
    mu = mu[np.isfinite(mu).all(axis=1)]
    if not len(mu):
        raise ValueError(f"none of the {len(beats)} beats is usable.")
    chosen = np.random.default_rng(seed).permutation(len(mu))[:n]
    start = mu[chosen].astype(float)
    tables = []
    for latent, sd in enumerate(scan.aggregated_sd_):
        shift = np.zeros(len(scan.aggregated_sd_))
        shift[latent] = 0.5 * step * sd
        change = _difference(measure(scan.latents_to_ecg(start + shift)), measure(scan.latents_to_ecg(start - shift)))
        count = change.count()
        reach = 1.96 * change.std() / np.sqrt(count.where(count > 1))
        table = pd.DataFrame(
            {
                "effect": change.mean(),
                "low": change.mean() - reach,
                "high": change.mean() + reach,
                "spread": change.std(),
                "n": count,
            }
        )
        tables.append(table.rename_axis("measurement").reset_index().assign(latent=latent))
    table = pd.concat(tables, ignore_index=True).dropna(subset="effect")
    return table[["latent", "measurement", "effect", "low", "high", "spread", "n"]].reset_index(drop=True)


def association_table(measurements, factors, names=None, *, scan=None, continuous=CONTINUOUS):
    """Tie every factor to every measurement, as measured and as a Scan draws it.

    Parameters
    ----------
    measurements : DataFrame
        As `measure` gives it, indexed by id.
    factors : DataFrame
        Factors by id; NaN is unknown. Every id of `measurements` must be there.
    names : list of str, optional
        The factors to take; default those of `scan`, else all columns.
    scan : Scan, optional
        Adds what it says: the measurements of its decoded beats with the factor minus those without.
    continuous : sequence of str
        Names of factors measured on a scale.

    Returns
    -------
    DataFrame
        One row per factor and measurement:

        - ``factor``, ``measurement``, ``unit``, ``contrast``, ``n``, ``n_with``;
        - ``partial`` (other factors held) and ``marginal`` (others following along), each with ``_se``, ``_low``, ``_high``
          (95 %), ``_p`` and ``_q`` (Benjamini and Hochberg over the table), in ``unit``; ``partial_sd`` and ``marginal_sd``
          are the same in SDs of the measurement;
        - with `scan`: ``decoded_partial`` and ``decoded_marginal`` with ``_low`` and ``_high``: `decoded_effects`.

    Notes
    -----
    Electrical axes are turned so that their circular mean is 0 before the regression.
    """
    if names is None:
        names = list(scan.coding_.names) if scan is not None else list(factors.columns)
    if not isinstance(measurements, pd.DataFrame):
        raise ValueError(f"measurements must be a DataFrame indexed by id; got {type(measurements).__name__}.")
    table = aligned(factors, measurements.index, names, "factors")
    coding = FactorCoding.of(table, continuous)
    values = checked_values(table, coding.continuous)
    responses = measurements.select_dtypes("number").dropna(axis=1, how="all")
    responses = responses.apply(lambda column: _unwrapped(column) if column.name.endswith("_deg") else column)
    effects = associate(responses, coding, values).rename(columns={"response": "measurement"})
    sd = effects["measurement"].map(responses.std())
    effects.insert(2, "unit", effects["measurement"].map(_unit))
    for kind in ("partial", "marginal"):
        effects.insert(effects.columns.get_loc(kind) + 1, f"{kind}_sd", effects[kind] / sd)
    if scan is not None:
        effects = effects.merge(decoded_effects(scan), on=["factor", "measurement"], how="left")
    return effects


def decoded_effects(scan):
    """Measure what a factor does to the beats a Scan decodes.

    The latents of the training ECGs in ``scan.people_`` are moved by the difference that the factor makes to the mean of
    q(z_y|y), without the pull of the prior: those without it get it, those with it lose it. Both beats are decoded and
    measured.

    Parameters
    ----------
    scan : Scan
        Fitted.

    Returns
    -------
    DataFrame
        One row per factor and measurement: ``decoded_partial`` (the factor alone, ``unspecified="average"``) and
        ``decoded_marginal`` (what people with it are like, ``"observe"``): mean over people of yes minus no, or of one
        contrast (ten years), in the unit of the measurement; NaN where a wave is absent from all. ``_low`` and ``_high``:
        95 % interval, from the spread over people and from a bootstrap of the Scan's slopes; the VAE is held fixed.
    """
    tables = []
    for kind, unspecified in (("decoded_partial", "average"), ("decoded_marginal", "observe")):
        without, with_factor = scan.contrast_latents(unspecified, with_prior=False)
        difference = with_factor - without
        slopes = scan.bootstrap_.astype(float)
        if unspecified == "observe":
            slopes = np.einsum("jk,bkl->bjl", scan.coding_.correlation, slopes)
        noise = (slopes - slopes.mean(axis=0)) * scan.coding_.step[:, None]
        for j, factor in enumerate(scan.coding_.names):
            table = _decoded_effect(scan, j, difference[j], noise[:, j]).add_prefix(f"{kind}_")
            table = table.rename(columns={f"{kind}_mean": kind}).rename_axis("measurement").reset_index()
            tables.append(table.assign(factor=factor).set_index(["factor", "measurement"]))
    half = len(tables) // 2
    return pd.concat([pd.concat(tables[:half]), pd.concat(tables[half:])], axis=1).reset_index()


def round_trip(scan, read, *, n=100, seed=0):
    """Draw beats with and without each binary factor, and have another model read the factor back.

    Parameters
    ----------
    scan : Scan
        Fitted.
    read : callable
        ``read(beats)`` gives a DataFrame with a column per factor, higher meaning more likely. It should not be the Scan's
        own decoder, which would agree with itself.
    n : int
        Beats drawn for each factor with and without.
    seed : int
        Of the draws.

    Returns
    -------
    DataFrame, indexed by factor
        ``with_factor`` and ``without`` (median reading), ``auroc`` (share of pairs of beats in which the one with the factor
        reads higher), ``agrees`` (auroc above one half, as is its 95 % interval by Hanley and McNeil [1]_).

    References
    ----------
    .. [1] Hanley JA, McNeil BJ. The meaning and use of the area under a receiver operating characteristic (ROC) curve.
       Radiology 1982;143:29-36. doi:10.1148/radiology.143.1.7063747
    """
    rows = {}
    for name in (name for name, c in zip(scan.coding_.names, scan.coding_.continuous) if not c):
        readings = [read(scan.factors_to_ecg({name: value}, n=n, seed=seed + value))[name].to_numpy(float) for value in (0, 1)]
        without, with_factor = (reading[np.isfinite(reading)] for reading in readings)
        auroc = mannwhitneyu(with_factor, without).statistic / (len(with_factor) * len(without))
        q1, q2 = auroc / (2 - auroc), 2 * auroc**2 / (1 + auroc)
        spread = auroc * (1 - auroc) + (len(with_factor) - 1) * (q1 - auroc**2) + (len(without) - 1) * (q2 - auroc**2)
        low = auroc - 1.96 * np.sqrt(max(spread, 0) / (len(with_factor) * len(without)))
        rows[name] = (np.median(with_factor), np.median(without), auroc, low > 0.5)
    return pd.DataFrame.from_dict(rows, orient="index", columns=["with_factor", "without", "auroc", "agrees"]).rename_axis(
        "factor"
    )


def _decoded_effect(scan, j, difference, noise):
    """Mean change of each measurement with its interval; `difference` (n_latents,), `noise` (n_draws, n_latents)."""
    people, factors = (part.astype(float) for part in scan.people_)
    has = 0.5 * np.ones(len(people)) if scan.coding_.continuous[j] else np.nan_to_num(factors[:, j], nan=scan.coding_.mean[j])
    drawn = np.resize(np.arange(len(people)), 2 * len(noise))  # two people for each draw of the slopes
    z = np.concatenate([people, people[drawn]])
    move = np.concatenate([np.tile(difference, (len(people), 1)), difference + np.repeat(noise, 2, axis=0)])
    share = np.concatenate([has, has[drawn]])[:, None]
    change = _difference(_measured(scan, z + (1 - share) * move), _measured(scan, z - share * move))
    plain, shaken = change.iloc[: len(people)], change.iloc[len(people) :]
    shift = (shaken.to_numpy() - plain.iloc[drawn].to_numpy()).reshape(len(noise), 2, -1)
    counted = np.isfinite(shift)
    n_counted = counted.sum(axis=(0, 1))
    with np.errstate(invalid="ignore", divide="ignore"):
        from_slopes = (np.where(counted, shift, 0).sum(axis=1) ** 2).sum(axis=0) / (2 * n_counted)
    reach = 1.96 * np.sqrt(plain.var() / plain.count() + from_slopes)
    return pd.DataFrame({"mean": plain.mean(), "low": plain.mean() - reach, "high": plain.mean() + reach})


def _measured(scan, latents):
    return measure(scan.latents_to_ecg(latents))


def _difference(after, before):
    """After minus before, the short way round for angles."""
    change = after.select_dtypes("number") - before.select_dtypes("number")
    angles = [name for name in change.columns if name.endswith("_deg")]
    change[angles] = (change[angles] + 180) % 360 - 180
    return change


def _unwrapped(angles_deg):
    """Angles relative to their circular mean, plus that mean."""
    radians = np.deg2rad(angles_deg.to_numpy(dtype=float))
    mean = np.rad2deg(np.arctan2(np.nanmean(np.sin(radians)), np.nanmean(np.cos(radians))))
    return (angles_deg - mean + 180) % 360 - 180 + mean


def _unit(name):
    return DEFINITIONS[name][0] if name in DEFINITIONS else ""
