"""Directions published for sex and age, and the verdicts on associations."""

import numpy as np
import pandas as pd
import pytest

import vaescan_lite as vl
from vaescan_lite.explain.published import PUBLISHED, compare_with_published, in_words
from vaescan_lite.measurements.values import DEFINITIONS


def effect(factor, measurement, low, high, sd):
    return {"factor": factor, "measurement": measurement, "unit": "x", "partial": (low + high) / 2, "partial_low": low,
            "partial_high": high, "partial_sd": sd}  # fmt: skip


@pytest.mark.parametrize(
    ("factor", "measurement", "low", "high", "verdict"),
    [
        ("sex_female", "qrs_ms", -9, -5, "as published"),
        ("sex_female", "qrs_ms", 5, 9, "the other way"),
        ("sex_female", "qrs_ms", -5, 9, "undecided"),
        ("sex_female", "s_V2_mV", 0.1, 0.2, "as published"),  # smaller S waves: nearer to zero
        ("age_years", "qrs_ms", -1, 1, "as published"),  # no trend is what was published
        ("age_years", "qrs_ms", 0.5, 1, "the other way"),
        ("age_years", "pr_ms", 2, 4, "as published"),
        ("age_years", "pr_ms", -4, -2, "the other way"),
        ("age_years", "qrs_axis_deg", -9, -2, "as published"),
    ],
)
def test_verdict_follows_from_the_interval(factor, measurement, low, high, verdict):
    compared = compare_with_published(pd.DataFrame([effect(factor, measurement, low, high, 0.3)]))
    assert compared["verdict"].tolist() == [verdict]


@pytest.mark.parametrize(("sd", "is_large"), [(0.1, True), (-0.1, True), (0.099, False)])
def test_large_is_a_matter_of_size_and_not_of_sign(sd, is_large):
    compared = compare_with_published(pd.DataFrame([effect("sex_female", "qrs_ms", -9, -5, sd)]))
    assert compared["large"].tolist() == [is_large]


def test_the_sentence_counts_and_names_what_disagrees():
    rows = [effect("sex_female", "qrs_ms", -9, -5, 0.3), effect("sex_female", "pr_ms", 1, 2, 0.01)]
    words = in_words(compare_with_published(pd.DataFrame(rows)))
    assert words.startswith("1 of 2 as published, 0 undecided, 1 the other way; of the 1 large ones 1 as published.")
    assert words.endswith("The other way: PR by sex (small).")


def test_every_published_effect_is_one_that_measure_gives():
    assert {measurement for _, measurement in PUBLISHED} <= set(DEFINITIONS)


def test_a_table_without_sex_and_age_is_refused():
    with pytest.raises(ValueError, match="sex_female or age_years"):
        compare_with_published(pd.DataFrame([effect("LBBB", "qrs_ms", 1, 2, 1)]))


def test_in_simulated_people_no_large_effect_goes_the_other_way():
    rng = np.random.default_rng(0)
    people = pd.DataFrame({"sex_female": rng.integers(0, 2, 800), "age_years": rng.integers(20, 90, 800)}).astype(float)
    measurements = vl.measure(vl.median_beats(vl.simulate(people)))
    compared = compare_with_published(vl.explain.association_table(measurements, people))
    assert len(compared) == len(PUBLISHED)
    assert (compared["verdict"] == "as published").sum() >= 12
    assert not (compared["large"] & (compared["verdict"] == "the other way")).any(), compared
