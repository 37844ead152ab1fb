"""Whatever the ECG, the leads that are there and their order: the algebra of leads holds."""

import numpy as np
from properties import generator, given, quick, seeds, st

from vaescan_lite.ecg import EcgSet, angle_difference_deg, to_eight_leads, to_twelve_leads
from vaescan_lite.leads import LEADS_8, LEADS_12, TWELVE_FROM_EIGHT, computable, lead_name, mv_per_unit, twelve_rows

CHEST = LEADS_12[6:]
limb_leads = st.sets(st.sampled_from(LEADS_12[:6]), min_size=2)


@quick
@given(seeds, st.permutations(range(12)), st.sampled_from([1e-3, 1.0, 50.0]))
def test_twelve_leads_in_any_order_become_eight_and_twelve_again(seed, order, size):
    twelve = to_twelve_leads(generator(seed).normal(0, size, (2, 8, 5))).astype(np.float32)
    ecgs = EcgSet(twelve[:, order], 100, [LEADS_12[i] for i in order])
    assert to_eight_leads(ecgs).leads == LEADS_8
    np.testing.assert_array_equal(to_twelve_leads(ecgs).signals, twelve)
    np.testing.assert_allclose(to_twelve_leads(to_eight_leads(ecgs)).signals, twelve, atol=1e-6 * size)


@quick
@given(seeds, st.floats(-3, 3), st.floats(-3, 3))
def test_deriving_leads_is_linear(seed, a, b):
    x, y = generator(seed).normal(size=(2, 8, 4))
    np.testing.assert_allclose(to_twelve_leads(a * x + b * y), a * to_twelve_leads(x) + b * to_twelve_leads(y), atol=1e-12)


@quick
@given(seeds, limb_leads, st.randoms(use_true_random=False))
def test_any_two_limb_leads_and_more_give_all_six(seed, there, random):
    twelve = (TWELVE_FROM_EIGHT @ generator(seed).normal(size=(8, 6))).astype(np.float32)
    names = [*there, *CHEST]
    random.shuffle(names)
    signals = twelve[[LEADS_12.index(name) for name in names]]
    np.testing.assert_allclose(twelve_rows(signals, names, "an ECG"), twelve, atol=1e-5)
    assert set(computable(names)) == set(LEADS_12[:6]) - there


@quick
@given(seeds, limb_leads)
def test_limb_leads_that_contradict_each_other_are_reconciled_by_least_squares_and_stay_as_recorded(seed, there):
    there = [lead for lead in LEADS_12[:6] if lead in there]
    signals = generator(seed).normal(size=(len(there) + 6, 3)).astype(np.float32)
    twelve = twelve_rows(signals, [*there, *CHEST], "an ECG")
    used = there[:2] if {"I", "II"} <= set(there) else there  # I and II, which all the book's algebra starts from, come first
    laws = TWELVE_FROM_EIGHT[:6, :2]
    i_and_ii = np.linalg.lstsq(laws[[LEADS_12.index(lead) for lead in used]], signals[: len(used)], rcond=None)[0]
    for row, lead in enumerate(LEADS_12[:6]):
        expected = signals[there.index(lead)] if lead in there else laws[row] @ i_and_ii
        np.testing.assert_allclose(twelve[row], expected, atol=1e-5)


@quick
@given(
    st.sampled_from(LEADS_12), st.sampled_from(["", "Lead ", "lead_", "ECG ", "MDC_ECG_LEAD_"]), st.booleans(), st.booleans()
)
def test_a_lead_is_known_by_its_name_in_any_case_and_a_second_look_changes_nothing(lead, before, is_upper, is_spaced):
    written = before + (lead.upper() if is_upper else lead.lower())
    written = f"  {written} " if is_spaced else written
    assert lead_name(written) == lead == lead_name(lead_name(written))


@quick
@given(st.sampled_from(["V", "mV", "uV", "nV", "µV", "μV", "millivolt", "Microvolts"]))
def test_units_of_voltage_are_powers_of_a_thousand(unit):
    power = {"v": 1, "m": 0, "u": -1, "µ": -1, "μ": -1, "n": -2}[unit.casefold()[0]]
    power = -1 if unit.casefold().startswith("micro") else power
    assert np.isclose(mv_per_unit(unit, "I", "a file"), 1000.0**power, rtol=1e-12)


@quick
@given(st.floats(-360, 360), st.floats(-360, 360), st.integers(-2, 2))
def test_a_difference_of_angles_is_the_short_way_and_turns_do_not_count(after, before, turns):
    difference = angle_difference_deg(after, before)
    assert -180 <= difference <= 180
    assert np.isclose(np.cos(np.radians(difference)), np.cos(np.radians(after - before)), atol=1e-9)
    assert np.isclose(np.sin(np.radians(difference)), np.sin(np.radians(after - before)), atol=1e-9)
    other = angle_difference_deg(after + 360 * turns, before)
    assert np.isclose(abs(other - difference) % 360, 0, atol=1e-9) or np.isclose(abs(other - difference), 360, atol=1e-9)
