"""Textbook criteria: their thresholds, and what they compare with them.

The voltage criteria were made for unfiltered ECGs; a filter and 100 Hz lower the voltages.
"""

import numpy as np

LONG_PR_MS = 200.0  # above it: first degree AV block
WIDE_QRS_MS = 120.0  # and more: bundle branch block, a right one if V1 points up (AHA/ACCF/HRS 2009)
LEFT_AXIS_DEG = (-90.0, -45.0)  # left anterior fascicular block, if QRS is not wide
SOKOLOW_LYON_mV = 3.5  # and more: left ventricular hypertrophy (Sokolow and Lyon 1949)
CORNELL_MEN_mV, CORNELL_WOMEN_mV = 2.8, 2.0  # and more: left ventricular hypertrophy
DEEP_Q_mV = 0.1  # and more in two leads of a wall: infarction
INFERIOR, ANTERIOR = ("II", "III", "aVF"), ("V1", "V2", "V3", "V4")


def v1_net_mV(measurements):
    """Return R minus the depth of Q or S, whichever is deeper, in V1: above 0, its QRS points up; Series."""
    return measurements["r_V1_mV"] + measurements[["s_V1_mV", "q_V1_mV"]].min(axis=1)


def second_deepest_q_mV(measurements, leads):
    """Return the depth that Q reaches in at least two of the leads, ndarray (n,), at least 0; NaN where fewer are known."""
    return -np.sort(measurements[[f"q_{lead}_mV" for lead in leads]].to_numpy(), axis=1)[:, 1]
