"""Directions as published: of sex and age in healthy adults, of edits for a diagnosis; whether associations agree."""

from pathlib import Path

import numpy as np
import pandas as pd

from ..plots.reading import name_of

LARGE_SD = 0.1  # an effect of so many SDs of the measurement (of sex, or of ten years) counts as large; our convention
_SIGNS = {"up": (1,), "down": (-1,), "none or up": (0, 1), "none or down": (0, -1)}

# (factor, measurement): direction, for women against men and for higher age, and where it was published (full references are
# in chapter 7). S waves are negative here: a smaller one goes up.
_TABLE = pd.read_csv(Path(__file__).with_name("published.csv"))
PUBLISHED = {(row.factor, row.measurement): (row.direction, row.source) for row in _TABLE.itertuples()}

# Does more of the edited quantity speak for (+1) or against (-1) the factor? Bundle branch blocks, LAFB, AV block, voltage and
# strain of LVH, ST elevation of infarction: AHA/ACCF/HRS 2009 and the criteria it cites. Women against men: shorter QRS
# (Hnatkova 2016) and PR, smaller R and T in chest leads, lower J point and ST (Bidoggia 2000).
PUBLISHED_SIGNS = pd.read_csv(Path(__file__).with_name("published_signs.csv"), index_col=["factor", "edit"])["sign"].to_dict()


def compare_with_published(effects):
    """Compare partial effects of sex and age, rows of `association_table`, with the directions published for healthy adults.

    A DataFrame, one row per entry of `PUBLISHED` that `effects` tells, in its order: ``factor``, ``measurement``, ``unit``,
    ``published``, ``partial`` with ``partial_low`` and ``partial_high`` (95 %), ``large`` (at least 0.1 SDs of the measurement:
    our convention), ``verdict``, ``source``. The verdict is ``"as published"``, ``"undecided"`` (the interval contains zero,
    and something was published) or ``"the other way"``.
    """
    known = effects.set_index(["factor", "measurement"])
    if not any(key in known.index for key in PUBLISHED):
        raise ValueError("effects holds none of the published associations; it needs the factors sex_female or age_years.")
    known = known.dropna(subset="partial")  # too few people, or a measurement that does not vary
    keys = [key for key in PUBLISHED if key in known.index]
    compared = known.loc[keys, ["unit", "partial", "partial_low", "partial_high", "partial_sd"]].reset_index()
    sign = (compared["partial_low"] > 0).astype(int) - (compared["partial_high"] < 0).astype(int)
    directions, sources = ([PUBLISHED[key][i] for key in keys] for i in (0, 1))
    agrees = np.array([now in _SIGNS[direction] for now, direction in zip(sign, directions)], dtype=bool)
    compared.insert(3, "published", directions)
    compared["large"] = np.abs(compared.pop("partial_sd")) >= LARGE_SD
    compared["verdict"] = np.select([agrees, sign == 0], ["as published", "undecided"], "the other way")
    return compared.assign(source=sources)


def in_words(compared):
    """Sum up a table of `compare_with_published` in a sentence or two."""
    counts = compared["verdict"].value_counts()
    of_large = compared.loc[compared["large"], "verdict"]
    published, undecided, opposite = (counts.get(verdict, 0) for verdict in ("as published", "undecided", "the other way"))
    words = f"{published} of {len(compared)} as published, {undecided} undecided, {opposite} the other way"
    words += f"; of the {len(of_large)} large ones {(of_large == 'as published').sum()} as published."
    against = compared[compared["verdict"] == "the other way"]
    names = [f"{name_of(row.measurement).split(',')[0]} by {row.factor.split('_')[0]}" for row in against.itertuples()]
    named = [f"{name} ({'large' if large else 'small'})" for name, large in zip(names, against["large"], strict=True)]
    return f"{words} The other way: {', '.join(named)}." if named else words
