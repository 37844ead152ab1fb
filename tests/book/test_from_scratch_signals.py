"""What chapters 1 to 3 write out themselves agrees with the package and the truth; their exercises refuse near misses."""

import numpy as np
import pandas as pd
import pytest
from chapter_cells import cells, hint, run

import vaescan_lite as vl
from vaescan_lite.book import Check

# ---- chapter 1: leads


@pytest.fixture(scope="module")
def lead_chapter():
    """Names of chapter 1 after its own lead algebra, and those its exercises use."""
    names = run(cells("01_reading_ecgs", "from-scratch"), {"np": np, "pd": pd, "Check": Check, "seed": 0})
    nine = np.random.default_rng(1).normal(size=(9, 30))
    leads = dict(zip(vl.ecg.LEADS_12, names["leads_of"](nine)[:, np.newaxis]))
    ages = pd.Series([20.0, 65, np.nan, 70, 65, 90, 20, np.nan, 30, 75, 80, 66], name="age_years")
    names |= {"lead": leads, "factors": pd.DataFrame(ages)}
    return run(cells("01_reading_ecgs", "exercise-check"), names)


def test_the_leads_of_chapter_1_are_those_of_the_package_and_hold_eight_signals(lead_chapter):
    nine = np.random.default_rng(2).normal(size=(4, 9, 50)).astype(np.float32)
    twelve = np.stack([lead_chapter["leads_of"](person) for person in nine])
    eight = vl.to_eight_leads(vl.EcgSet(twelve, fs=100))
    assert lead_chapter["rank"] == 8 and lead_chapter["everywhere"] < 1e-12
    np.testing.assert_allclose(lead_chapter["to_twelve"](eight.signals), twelve, atol=1e-6)
    np.testing.assert_allclose(lead_chapter["to_twelve"](eight.signals), vl.to_twelve_leads(eight).signals, atol=1e-6)


@pytest.mark.parametrize("angle", [0, 90, -60, 179, -120])
def test_the_axis_of_chapter_1_is_that_of_a_known_arrow(lead_chapter, angle):
    left, down = np.cos(np.deg2rad(angle)), np.sin(np.deg2rad(angle)) * np.sqrt(3) / 2
    assert lead_chapter["axis_deg"](left, down) == pytest.approx(angle)


def test_the_exercises_of_chapter_1_refuse_near_misses_and_say_why(lead_chapter):
    lead, check = lead_chapter["lead"], lead_chapter["check_avf"]
    assert "One value per sample" in hint(check, np.repeat(lead["aVF"], 2, axis=0))
    assert "That is aVL" in hint(check, lead["I"][0] - lead["II"][0] / 2)
    assert "Upside down" in hint(check, lead["I"][0] / 2 - lead["II"][0])
    assert "less half of I" in hint(check, lead["II"][0] + lead["I"][0] / 2)
    assert hint(check, lead["II"][0] - lead["I"][0] / 2) == "Right."

    check, ages = lead_chapter["check_age"], lead_chapter["ages"]
    assert "between 0 and 1" in hint(check, 67.0)
    assert "count as young" in hint(check, (ages >= 65).mean())
    assert "65 is 65" in hint(check, (ages.dropna() > 65).mean())
    assert hint(check, (ages.dropna() >= 65).mean()) == "Right."

    def moved(order, sign=-1):
        def f(twelve):
            out = twelve[[*order, *range(len(order), 12)]]
            out[0] *= sign
            return out

        return f

    check = lead_chapter["check_swap"]
    assert "nothing back" in hint(check, lambda twelve: None)
    assert "twelve come out" in hint(check, lambda twelve: twelve[:8])
    assert "its sign turns" in hint(check, moved([0, 2, 1, 4, 3], sign=1))
    assert "start at the arms" in hint(check, moved([0, 1, 2, 4, 3]))
    assert "stand on the arms" in hint(check, moved([0, 2, 1, 3, 4]))
    assert "leave it" in hint(check, moved([0, 2, 1, 4, 3, 3]))
    assert "leave them" in hint(check, moved([0, 2, 1, 4, 3, 5, 7, 6]))
    assert hint(check, moved([0, 2, 1, 4, 3])) == "Right."
