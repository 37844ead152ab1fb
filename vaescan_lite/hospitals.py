"""Other hospitals: what a known cause changes, an alarm that needs no labels, and for whom a model works (chapter 11)."""

from dataclasses import replace

import numpy as np
import pandas as pd
from scipy.signal import butter, sosfilt, sosfiltfilt
from scipy.spatial.transform import Rotation

from .ecg import DOWER, LEADS_12, to_eight_leads, to_twelve_leads
from .statistics import auroc, bootstrap, bootstrap_weights, holm, over_trainings, weighted_calibration

AGE_BANDS_YEARS = (50, 65, 80)  # where one band ends and the next begins; our choice
FEWEST_IN_GROUP = 10  # with and without the diagnosis, below which a group is counted and not scored; our choice


def change_gain(ecgs, factor):
    """Record with an amplifier whose gain is wrong: a copy of the EcgSet with every potential times `factor`, above 0."""
    if not factor > 0:
        raise ValueError(f"the factor of the gain must be above 0; got {factor}.")
    return replace(ecgs, signals=(ecgs.signals * factor).astype(np.float32))


def change_band(ecgs, low_hz=None, high_hz=None, *, causal=False):
    """Record through another filter, a Butterworth of first order at the low end and of second at the high end: an EcgSet.

    Corner frequencies lie below half the sampling frequency; None leaves that end open. A `causal` filter only knows the past,
    as in a monitor that draws while it records: it delays slow parts, and so bends the ST segment. Otherwise it runs forwards
    and backwards, which keeps every wave in its place (and doubles the order).
    """
    filters = []
    for corner_hz, kind, order in ((low_hz, "highpass", 1), (high_hz, "lowpass", 2)):
        if corner_hz is None:
            continue
        if not 0 < corner_hz < ecgs.fs / 2:
            raise ValueError(f"a corner must lie between 0 and {ecgs.fs / 2:g} Hz, half the rate; got {corner_hz}.")
        filters.append((kind, butter(order, corner_hz, kind, fs=ecgs.fs, output="sos")))

    def change(signals):
        for kind, sos in filters:
            start = signals[..., :1]  # a causal filter that starts at rest would jump at the first sample
            signals = (sosfilt if causal else sosfiltfilt)(sos, signals - start, axis=-1)
            signals = signals + (start if kind == "lowpass" else 0.0)
        return signals

    return _in_blocks(ecgs, change)


def turn_heart(ecgs, frontal_deg=0.0, horizontal_deg=0.0):
    """Record with all electrodes turned around the heart, as if it turned the other way: an EcgSet of the same leads.

    `frontal_deg` turns about the axis to the back, positive from the left towards the feet, as the electrical axis counts;
    `horizontal_deg` about the axis to the feet, positive from the left towards the back.
    ``x + D (R - 1) D^+ x`` with Dower's matrix D and a rotation R, as in the augmentation of `BeatVAE`: what a dipole cannot
    explain stays as it is. Single electrodes that lie wrongly are not meant; they would need the potentials between electrodes.
    """
    turn = Rotation.from_euler("z", frontal_deg, degrees=True) * Rotation.from_euler("y", -horizontal_deg, degrees=True)
    matrix = np.eye(8) + DOWER @ (turn.as_matrix() - np.eye(3)) @ np.linalg.pinv(DOWER)
    turned = _in_blocks(to_eight_leads(ecgs), lambda signals: matrix @ signals)
    return to_twelve_leads(turned) if set(LEADS_12) <= set(ecgs.leads) else turned


def _in_blocks(ecgs, change, n_rows=128):
    """Apply `change` (float64 array to float64 array) to a few ECGs at a time, which saves memory."""
    signals = np.empty_like(ecgs.signals)
    for first in range(0, len(ecgs), n_rows):
        signals[first : first + n_rows] = change(ecgs.signals[first : first + n_rows].astype(float))
    return replace(ecgs, signals=signals)


def latent_shift(mu, reference_mean, reference_sd):
    """Mean of each latent of new ECGs (n, n_latents) minus that of training, in SDs of training; needs no labels."""
    mu = np.asarray(mu)
    if mu.ndim != 2 or not len(mu) or not np.isfinite(mu).all():
        raise ValueError(f"latents must be finite and one row per ECG; got shape {mu.shape}. Leave unusable beats out.")
    return (mu.mean(axis=0) - reference_mean) / reference_sd


def chance_shift(training_mu, n, n_draws=2000, seed=0):
    """Draw what `latent_shift` of `n` new ECGs gives by chance if nothing changed: root mean squares over latents (n_draws,).

    Their 95th percentile is an alarm that rings falsely once in twenty. Means of n people are drawn from a normal distribution
    with the correlations of the training latents (n_training, n_latents); the training mean is uncertain, too, so the variances
    1 / n and 1 / n_training add up. The ECGs of one person twice would need a wider one.
    """
    correlations = np.corrcoef(training_mu, rowvar=False)
    scale = np.sqrt(1 / n + 1 / len(training_mu))
    draws = np.random.default_rng(seed).multivariate_normal(np.zeros(len(correlations)), correlations, n_draws) * scale
    return np.sqrt((draws**2).mean(axis=1))


def person_groups(factors):
    """Tell groups of people (bool, by id): everybody, sexes, and bands between `AGE_BANDS_YEARS`; NaN is in the first alone."""
    sex, age = factors["sex_female"], factors["age_years"]
    youngest, oldest = AGE_BANDS_YEARS[0], AGE_BANDS_YEARS[-1]
    groups = {"everybody": age.isna() | True, "women": sex == 1, "men": sex == 0, f"under {youngest}": age < youngest}
    for low, high in zip(AGE_BANDS_YEARS, AGE_BANDS_YEARS[1:]):
        groups[f"{low} to {high - 1} years"] = (age >= low) & (age < high)
    return pd.DataFrame(groups | {f"{oldest} or older": age >= oldest})


def group_estimates(y, probability, groups, *, rotation=None, n_resamples=1000, seed=0):
    """Score probabilities (n,) or (n_trainings, n) in each group, by the same resamples, so that groups can be subtracted.

    `y` (n,) is 1, 0, or NaN where unknown: these people count in no group. `groups` are those of `person_groups`; with a
    `rotation` (n,), where people were read by different trainings, the AUROC counts pairs within one.

    Two values: ``n`` and ``n_positive``, a DataFrame with one row per group; and by group a dict of Estimates ``auroc``,
    ``ratio`` (expected by observed number of those who have it; 1 is right) and ``slope`` of the calibration, without groups
    that have fewer than `FEWEST_IN_GROUP` people with or without the diagnosis.
    """
    y, trainings = np.asarray(y, dtype=float), np.atleast_2d(np.asarray(probability, dtype=float))
    weights = bootstrap_weights(len(y) if rotation is None else rotation, n_resamples, seed)
    counts, estimates = {}, {}
    for name in groups:
        inside = groups[name].to_numpy(dtype=bool) & np.isfinite(y)
        truth, drawn = y[inside], weights[:, inside]
        counts[name] = {"n": len(truth), "n_positive": int(truth.sum())}
        if min(truth.sum(), (1 - truth).sum()) < FEWEST_IN_GROUP:
            continue
        where = None if rotation is None else np.asarray(rotation)[inside]
        parts = [_scores(truth, p[inside], where, drawn) for p in trainings]
        estimates[name] = {measure: over_trainings([part[measure] for part in parts]) for measure in parts[0]}
    return pd.DataFrame(counts).T, estimates


def _scores(y, p, rotation, weights):
    """AUROC, expected by observed number, and slope of one group and training, as Estimates."""

    def ratio(drawn):
        with np.errstate(divide="ignore", invalid="ignore"):  # a resample without positives has no ratio
            return np.where(drawn @ y > 0, (drawn @ p) / (drawn @ y), np.nan)

    slope = bootstrap(lambda drawn: weighted_calibration(y, p, drawn)[1], weights=weights)
    return {"auroc": auroc(y, p, rotation, weights=weights), "ratio": bootstrap(ratio, weights=weights), "slope": slope}


def group_table(counts, estimates):
    """Write what `group_estimates` gives as one table: counts, each measure with ``_low`` and ``_high``, NaN if not scored."""
    columns = [f"{measure}{end}" for measure in ("auroc", "ratio", "slope") for end in ("", "_low", "_high")]
    rows = {}
    for name, scores in estimates.items():
        rows[name] = [figure for estimate in scores.values() for figure in (estimate.value, *estimate.interval())]
    return counts.join(pd.DataFrame.from_dict(rows, orient="index", columns=columns)).rename_axis("group")


def group_differences(estimates):
    """Compare groups: women with men, and each age band with the one before it, in what `group_estimates` gives by name.

    A DataFrame: ``name`` (a factor, or a tuple that names more), ``group``, ``other``, ``measure`` (auroc, ratio, slope),
    ``difference`` (group - other) with ``low`` and ``high``; ``p``, adjusted by Holm for all rows, and ``verdict``: "differ"
    where p < .05, else "no evidence". Slopes that more than 1 in 20 resamples lack, as classes hardly overlap, are left out.
    """
    rows = []
    for name, of_group in estimates.items():
        bands = [group for group in of_group if group not in ("everybody", "women", "men")]
        pairs = [("women", "men")] if {"women", "men"} <= set(of_group) else []
        for group, other in [*pairs, *zip(bands[1:], bands)]:
            for measure, estimate in of_group[group].items():
                moved = estimate - of_group[other][measure]
                if not np.isfinite(moved.value) or np.isfinite(moved.replicates).mean() < 0.95:
                    continue  # a slope whose interval would be that of the resamples that happen to have one
                rows.append((name, group, other, measure, moved.value, *moved.interval(), moved.p_value()))
    table = pd.DataFrame(rows, columns=["name", "group", "other", "measure", "difference", "low", "high", "p"])
    table["p"] = holm(table["p"])
    return table.assign(verdict=np.where(table["p"] < 0.05, "differ", "no evidence"))
