"""Effects in units that a cardiologist measures: of a latent, of a factor, in people and on decoded beats."""

import numpy as np
import pandas as pd

from ..ecg import angle_difference_deg, subtract_measurements
from ..factors import aligned
from ..measurements.values import DEFINITIONS, measure
from ..plots.reading import name_of
from ..scan.associations import CONTINUOUS, FEWEST, FactorCoding, associate, checked_values, where_enough


def latent_effects(scan, beats, *, n=100, seed=0):
    """Measure what each latent does to real beats: move it by one SD of the aggregated posterior, decode, measure.

    It goes from half an SD below its place in `n` of the `beats`, drawn by seed, to half an SD above. A DataFrame, one row per
    latent and measurement: ``effect`` (mean change in the unit of the measurement), ``low`` and ``high`` (its 95 % interval
    over beats), ``spread`` (SD of the change over beats: how much it depends on where one stands), ``n``.
    """
    mu, _ = scan.vae.posterior(beats)
    mu = mu[np.isfinite(mu).all(axis=1)]
    if not len(mu):
        raise ValueError(f"none of the {len(beats)} beats is usable.")
    start = mu[np.random.default_rng(seed).permutation(len(mu))[:n]].astype(float)
    tables = {}
    for latent, half_step in enumerate(np.diag(0.5 * scan.aggregated_sd_)):
        change = _decoded_change(scan, start + half_step, start - half_step)
        count, mean, spread = change.count(), change.mean(), change.std()
        reach = 1.96 * spread / np.sqrt(count.where(count > 1))
        effect = {"effect": mean, "low": mean - reach, "high": mean + reach, "spread": spread, "n": count}
        tables[latent] = pd.DataFrame(effect)
    return pd.concat(tables, names=["latent", "measurement"]).dropna(subset="effect").reset_index()


def association_table(measurements, factors, names=None, *, scan=None, continuous=CONTINUOUS, fewest=FEWEST):
    """Tie every factor to every measurement, as measured and as a Scan draws it.

    `measurements` are those of `measure`, `factors` (NaN is unknown) of every id in them. The factors are `names`, default
    those of `scan`, else all columns; `continuous` names those on a scale. With `scan` what `decoded_effects` gives stands
    beside. `fewest` is as for `Scan.associations`; `left_out` counts the rows with fewer.

    A DataFrame, one row per factor and measurement: ``factor``, ``measurement``, ``unit``, ``contrast``, ``n``, ``n_with``,
    ``enough``; ``partial`` (other factors held) and ``marginal`` (others following along), each with ``_se``, ``_low``,
    ``_high`` (of 95 %), ``_p`` and ``_q`` (Benjamini and Hochberg over the table), in ``unit``, and in SDs of the measurement
    as ``partial_sd`` and ``marginal_sd``. Electrical axes are turned so that their circular mean is 0 before the regression.
    """
    if names is None:
        names = list(scan.coding_.names) if scan is not None else list(factors.columns)
    if not isinstance(measurements, pd.DataFrame):
        raise ValueError(f"measurements must be a DataFrame indexed by id; got {type(measurements).__name__}.")
    table = aligned(factors, measurements.index, names, "factors")
    coding = FactorCoding.of(table, continuous)
    responses = measurements.select_dtypes("number").dropna(axis=1, how="all")
    responses = responses.apply(lambda column: _around_mean(column) if column.name.endswith("_deg") else column)
    effects = where_enough(associate(responses, coding, checked_values(table, coding.continuous)), fewest)
    effects = effects.rename(columns={"response": "measurement"})
    effects.insert(2, "unit", [DEFINITIONS.get(name, ("",))[0] for name in effects["measurement"]])
    sd = effects["measurement"].map(responses.std())
    for kind in ("partial", "marginal"):
        effects.insert(effects.columns.get_loc(kind) + 1, f"{kind}_sd", effects[kind] / sd)
    return effects if scan is None else effects.merge(decoded_effects(scan), on=["factor", "measurement"], how="left")


def left_out(effects):
    """Count in a sentence the rows of `association_table` or `Scan.associations` that too few people speak of."""
    few = effects[~effects["enough"]].sort_values("n_with", kind="stable")
    response = "measurement" if "measurement" in effects else "latent"
    named = few.head(3).assign(response=few[response].map(lambda name: name_of(name).split(",")[0]))
    fewest = [f"{row.factor} and {row.response} ({row.n_with} of {row.n})" for row in named.itertuples()]
    words = f"{len(few)} of {len(effects)} associations are left out: too few people with the factor, or without it"
    return f"{words}. Fewest: {', '.join(fewest)}." if fewest else f"{words}."


def decoded_effects(scan):
    """Measure what a factor does to the beats that a fitted Scan decodes.

    The latents of the training ECGs in ``scan.people_`` are moved by the difference that the factor makes to the mean of
    q(z_y|y), without the pull of the prior: those without it get it, those with it lose it. Both beats are decoded and
    measured.

    A DataFrame, one row per factor and measurement: ``decoded_partial`` (the factor alone, ``unspecified="average"``) and
    ``decoded_marginal`` (what people with it are like, ``"observe"``): mean over people of yes minus no, or of one contrast
    (ten years), in the unit of the measurement; NaN where a wave is absent from all. ``_low`` and ``_high``: interval of 95 %,
    from the spread over people and from a bootstrap of the Scan's slopes; the VAE is held fixed.
    """
    coding, parts = scan.coding_, []
    for kind, unspecified in (("decoded_partial", "average"), ("decoded_marginal", "observe")):
        without, with_factor = scan.contrast_latents(unspecified, with_prior=False)
        slopes = scan.bootstrap_.astype(float)  # (n_draws, n_factors, n_latents)
        if unspecified == "observe":
            slopes = np.einsum("jk,bkl->bjl", coding.correlation, slopes)
        noise = (slopes - slopes.mean(axis=0)) * coding.step[:, None]
        moves = with_factor - without
        tables = {factor: _decoded_effect(scan, j, moves[j], noise[:, j]) for j, factor in enumerate(coding.names)}
        table = pd.concat(tables, names=["factor", "measurement"])
        parts.append(table.set_axis([kind, f"{kind}_low", f"{kind}_high"], axis=1))
    return pd.concat(parts, axis=1).reset_index()


def _decoded_effect(scan, j, move, noise):
    """Mean change of each measurement with factor `j`, and its interval: DataFrame of three columns.

    `move` (n_latents,) leads from without the factor to with it; `noise` (n_draws, n_latents) is how far each draw of the
    Scan's slopes would lead elsewhere. Everybody makes the move; for each draw two people make it again with its noise.
    """
    n_people = len(scan.people_[0])
    pairs = np.resize(np.arange(n_people), 2 * len(noise))
    moves = np.concatenate([np.tile(move, (n_people, 1)), move + np.repeat(noise, 2, axis=0)])
    change = _change_in_people(scan, j, np.concatenate([np.arange(n_people), pairs]), moves)
    as_fitted, redrawn = change.iloc[:n_people], change.iloc[n_people:]
    from_slopes = _variance_over_draws(redrawn.to_numpy() - as_fitted.iloc[pairs].to_numpy())
    mean = as_fitted.mean()
    reach = 1.96 * np.sqrt(as_fitted.var() / as_fitted.count() + from_slopes)
    return pd.concat([mean, mean - reach, mean + reach], axis=1)


def _change_in_people(scan, j, rows, moves):
    """Measurements of training people `rows` with factor `j` minus those without it; `moves` has a move for each of them."""
    z, factors = (part.astype(float) for part in scan.people_)
    share = np.nan_to_num(factors[:, j], nan=scan.coding_.mean[j])  # who has the factor loses it, who has it not gets it
    if scan.coding_.continuous[j]:
        share[:] = 0.5  # half a contrast up, half a contrast down
    share = share[rows, None]
    return _decoded_change(scan, z[rows] + (1 - share) * moves, z[rows] - share * moves)


def _variance_over_draws(shift):
    """Variance of the mean over people, from draws made by two people each: `shift` (2 n_draws, n_measurements)."""
    n_known = np.isfinite(shift).sum(axis=0)
    of_pairs = np.nansum(shift.reshape(-1, 2, shift.shape[1]), axis=1)
    return np.divide((of_pairs**2).sum(axis=0), 2 * n_known, out=np.full(len(n_known), np.nan), where=n_known > 0)


def _decoded_change(scan, z_after, z_before):
    """Measurements of decoded latents, after minus before."""
    return subtract_measurements(measure(scan.latents_to_ecg(z_after)), measure(scan.latents_to_ecg(z_before)))


def _around_mean(angles_deg):
    """Angles within 180 degrees of their circular mean."""
    radians = np.deg2rad(angles_deg.to_numpy(dtype=float))
    mean = np.rad2deg(np.arctan2(np.nanmean(np.sin(radians)), np.nanmean(np.cos(radians))))
    return angle_difference_deg(angles_deg, mean) + mean
