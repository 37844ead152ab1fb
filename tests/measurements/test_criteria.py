"""What textbook criteria compare with their thresholds, on tables written by hand."""

import numpy as np
import pandas as pd

from vaescan_lite.measurements import angle_difference_deg, criteria, subtract_measurements


def test_v1_points_up_where_r_is_larger_than_the_deeper_of_q_and_s():
    table = pd.DataFrame({"r_V1_mV": [0.3, 0.3, np.nan], "s_V1_mV": [-0.2, -0.1, 0], "q_V1_mV": [0, -0.5, 0]})
    np.testing.assert_allclose(criteria.v1_net_mV(table), [0.1, -0.2, np.nan])


def test_the_second_deepest_q_is_that_of_the_second_lead_and_unknown_with_one_lead_only():
    q = [[-0.3, 0.0, -0.2], [0.0, 0.0, -0.9], [-0.1, np.nan, -0.4], [np.nan, np.nan, -0.4]]
    table = pd.DataFrame(q, columns=[f"q_{lead}_mV" for lead in criteria.INFERIOR])
    np.testing.assert_allclose(criteria.second_deepest_q_mV(table, criteria.INFERIOR), [0.2, 0.0, 0.1, np.nan])


def test_angles_are_subtracted_the_short_way_round_and_the_rest_plainly():
    np.testing.assert_allclose(angle_difference_deg(np.array([-170.0, 170, 10]), np.array([170.0, -170, -20])), [20, -20, 30])
    before = pd.DataFrame({"qrs_axis_deg": [170.0], "qrs_ms": [100.0]})
    after = pd.DataFrame({"qrs_axis_deg": [-170.0], "qrs_ms": [90.0]})
    assert subtract_measurements(after, before).iloc[0].to_dict() == {"qrs_axis_deg": 20, "qrs_ms": -10}
