"""Directions in which sex and age move the ECG of healthy adults, as published, and whether associations agree with them."""

import numpy as np
import pandas as pd

LARGE_SD = 0.1
_SIGNS = {"up": (1,), "down": (-1,), "none or up": (0, 1), "none or down": (0, -1)}

# (factor, measurement): direction, for women against men and for higher age, and where it was published (full references are
# in chapter 6). S waves are negative here: a smaller one goes up.
PUBLISHED = {
    ("sex_female", "heart_rate_bpm"): ("up", "Pinto-Filho 2017"),
    ("sex_female", "p_ms"): ("down", "Pinto-Filho 2017"),
    ("sex_female", "pr_ms"): ("down", "Pinto-Filho 2017"),
    ("sex_female", "qrs_ms"): ("down", "Hnatkova 2016"),
    ("sex_female", "qtcf_ms"): ("up", "Pinto-Filho 2017"),
    ("sex_female", "qrs_axis_deg"): ("up", "Pinto-Filho 2017"),
    ("sex_female", "r_V5_mV"): ("down", "Simonson 1960"),
    ("sex_female", "s_V2_mV"): ("up", "Simonson 1960"),
    ("sex_female", "cornell_mV"): ("down", "Okin 1995"),
    ("sex_female", "st_V3_mV"): ("down", "Macfarlane 2001"),
    ("sex_female", "t_V3_mV"): ("down", "Simonson 1960"),
    ("age_years", "pr_ms"): ("none or up", "Simonson 1972"),
    ("age_years", "qrs_ms"): ("none or down", "Levy 1987"),
    ("age_years", "qrs_axis_deg"): ("down", "Levy 1987"),
    ("age_years", "r_V5_mV"): ("down", "Levy 1987"),
    ("age_years", "s_V1_mV"): ("up", "Levy 1987"),
    ("age_years", "st_V3_mV"): ("down", "Macfarlane 2001"),
    ("age_years", "t_V5_mV"): ("down", "Simonson 1972"),
}


def compare_with_published(effects, *, large_sd=LARGE_SD):
    """Compare partial effects of sex and age with the directions published for healthy adults.

    Parameters
    ----------
    effects : DataFrame
        From `explain.association_table`.
    large_sd : float
        An effect of at least so many SDs of the measurement (of sex, or of ten years) counts as large; our convention.

    Returns
    -------
    DataFrame
        One row per entry of `PUBLISHED` that `effects` holds, in its order: ``factor``, ``measurement``, ``unit``,
        ``published``, ``partial`` with ``partial_low`` and ``partial_high`` (95 %), ``large``, ``verdict``, ``source``.
        The verdict is ``"as published"``, ``"undecided"`` (the interval contains zero, and something was published) or
        ``"the other way"``.

    Raises
    ------
    ValueError
        If no published effect is in the table.
    """
    known = effects.set_index(["factor", "measurement"])
    keys = [key for key in PUBLISHED if key in known.index]
    if not keys:
        raise ValueError("effects holds none of the published associations; it needs the factors sex_female or age_years.")
    found = known.loc[keys, ["unit", "partial", "partial_low", "partial_high", "partial_sd"]].reset_index()
    sign = (found["partial_low"] > 0).astype(int) - (found["partial_high"] < 0).astype(int)
    published = [PUBLISHED[key][0] for key in keys]
    agrees = np.array([now in _SIGNS[direction] for now, direction in zip(sign, published)])
    found.insert(3, "published", published)
    found["large"] = np.abs(found.pop("partial_sd")) >= large_sd
    found["verdict"] = np.select([agrees, sign == 0], ["as published", "undecided"], "the other way")
    found["source"] = [PUBLISHED[key][1] for key in keys]
    return found


def in_words(compared):
    """Sum up a table of `compare_with_published` in a sentence or two."""
    large = compared[compared["large"]]
    counts = compared["verdict"].value_counts()
    words = [
        f"{counts.get('as published', 0)} of {len(compared)} as published, {counts.get('undecided', 0)} undecided, "
        f"{counts.get('the other way', 0)} the other way; of the {len(large)} large ones "
        f"{(large['verdict'] == 'as published').sum()} as published."
    ]
    against = compared[compared["verdict"] == "the other way"]
    if len(against):
        size = np.where(against["large"], "large", "small")
        named = [f"{row.measurement} by {row.factor} ({how})" for row, how in zip(against.itertuples(), size)]
        words.append(f"The other way: {', '.join(named)}.")
    return pd.Series(words).str.cat(sep=" ")
