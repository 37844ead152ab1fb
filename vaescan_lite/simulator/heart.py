"""The heart as a dipole in three dimensions: one beat of one person, and how it depends on the factors.

Waves are sums of Gaussians whose amplitudes are vectors (Sameni et al., EURASIP J Adv Signal Process 2007:43407); twelve
leads see them through Dower's matrix. Axes: x to the left, y to the feet, z to the back. Times are in ms from the
reference point of the QRS complex (near the R peak), potentials in mV. Everything is vectorised over people.
"""

from typing import NamedTuple

import numpy as np
from scipy.special import ndtr

from ..ecg import DOWER, angle_difference_deg

# Gains that bring the leads of normal ECGs behind Dower's matrix to those of PTB-XL (folds 1-8): lead I is larger than the
# matrix says, V1 smaller. T has gains of its own on top, as its sources lie elsewhere in the ventricles than those of QRS.
LEAD_GAIN = np.array([1.18, 1.0, 0.80, 1.05, 0.95, 1.03, 0.99, 1.03])
T_LEAD_GAIN = np.array([1.30, 1.10, 1.0, 1.25, 0.95, 0.85, 0.90, 1.20])
LEAD_MATRIX = DOWER * LEAD_GAIN[:, None]
NOT_DIPOLAR = np.eye(8) - LEAD_MATRIX @ np.linalg.pinv(LEAD_MATRIX)  # projects onto what no dipole can produce

FRONTAL_LEADS = np.array([LEAD_MATRIX[0, :2], LEAD_MATRIX[1, :2] - 0.5 * LEAD_MATRIX[0, :2]])  # I and aVF from x and y

# A wave begins and ends where the root mean square of its eight leads passes this share of its peak. In LUDB (100 records
# at 500 Hz) cardiologists put the QRS onset at 1 % and its end at 4 % of the peak (ST included, which is left out here), the
# onset of P at 12 % (noise included), the end of T at 7 %; the tangent at the steepest descent of T ends 14 ms before them.
QRS_EDGE, P_EDGE, T_EDGE = 0.01, 0.07, 0.07
QRS_TIMES_MS, P_TIMES_MS, T_TIMES_MS = np.arange(-180.0, 181, 2), np.arange(-120.0, 121, 2), np.arange(-200.0, 801, 4)

# One row per Gaussian: centre ms, width ms, x, y, z mV. The normal beat follows the published reference dipole (Sameni 2007,
# QRS about 75 ms) regrouped into the classical order: septum, apex, free wall, base. Abnormal activation follows the
# AHA/ACCF/HRS 2009 definitions (block) and the fourth universal definition of infarction (lost early forces).
NORMAL_QRS = np.array([
    [-20, 8.0, -0.05, -0.02, -0.17],  # septum: from left to right and forwards
    [-11, 7.5, 0.42, 0.27, -0.24],  # apex and anterior wall
    [0, 7.5, 0.88, 0.40, 0.12],  # free wall
    [11, 8.0, 0.52, 0.10, 0.50],  # lateral and posterior wall
    [22, 8.0, -0.04, 0.04, 0.46],  # base
    [32, 6.5, -0.14, 0.02, 0.16],  # last of the base
])  # fmt: skip
LEFT_BLOCK_QRS = np.array([
    [-32, 15.0, 0.18, 0.10, -0.18],  # right ventricle first: no septal q
    [-6, 14.0, 0.48, 0.14, 0.60],
    [15, 15.0, 0.35, 0.00, 1.18],  # a dip sideways between two humps: the notch of I, aVL, V5, V6
    [42, 15.0, 0.54, -0.10, 1.22],
    [64, 11.0, 0.33, -0.12, 0.66],
    [79, 7.5, 0.13, -0.06, 0.30],
])  # fmt: skip
RIGHT_BLOCK_QRS = np.array([
    [43, 14.0, -0.34, -0.06, -0.82],  # the right ventricle last: R' in V1, S in I and V6
    [69, 13.0, -0.24, -0.03, -0.52],
])  # fmt: skip
DETAILS = ("small_q", "delta_wave", "notch")
DETAIL_QRS = np.array([
    [-37, 7.0, -0.02, -0.13, 0.0],  # small q in the inferior leads
    [-44, 13.0, 0.24, 0.12, 0.05],  # delta wave: slow start before the rest
    [7, 4.0, -0.30, -0.16, -0.06],  # notch on the R wave
])  # fmt: skip
P_WAVE = np.array([[-20, 17.0, 0.070, 0.066, -0.078], [20, 18.0, 0.112, 0.034, 0.034]])  # right, then left atrium

# Rows of the QRS complex, and axes
VENTRICLES, LATE_RIGHT, WITHOUT_DETAILS = slice(0, 6), slice(6, 8), slice(0, 8)
SEPTUM, APEX, FREE_WALL, LATERAL_WALL, BASE, LAST = range(6)
DETAIL_ROWS = range(8, 11)
N_QRS = 11
X, Y, Z = 0, 1, 2

# What disease does to the vectors, times its severity; the sizes were chosen so that the published signs appear. Hypertrophy:
# growth of apex, free wall, lateral wall, base along x, y, z (more of the left ventricle, to the left and to the back).
# Infarction: mV that septum, apex and free wall lose (early forces of the dead wall; what remains points away from it).
HYPERTROPHY_GROWTH = np.array([[0.15, 0.10, 0.10], [0.42, 0.30, 0.40], [0.45, 0.2, 0.55], [0.3, 0.2, 0.6]])
INFERIOR_LOSS_Y = np.array([0.24, 0.34, 0.10])
ANTERIOR_LOSS_Z, ANTERIOR_LOSS_X = np.array([0.36, 0.34, 0.10]), np.array([0.03, 0.10, 0.14])
RIGHT_BLOCK_Z = np.array([-0.30, -0.18, 0.0])  # of free wall, lateral wall, base: not to the back, hence hardly an S in V1
# Left anterior fascicular block: the septum points down, later forces are smaller, the lateral wall and base less to the left.
FASCICLE_SEPTUM, FASCICLE_LATE_X = np.array([-0.04, 0.20, 0.04]), np.array([0.08, 0.14, 0.06])
FASCICLE_SHRINKS = 0.35
# By how much a typical long QT syndrome lengthens the rate-corrected QT. Carriers of its genes are at 490 ms where their
# relatives are at 420 (Vincent 1992, doi 10.1056/NEJM199209173271204); in the general population, carriers of a founder
# mutation are 50 ms above others (doi 10.1080/07853890802668530).
LONG_QT_MS = 60.0


class Waves(NamedTuple):
    """Gaussians of n people, k for each of them."""

    centre: np.ndarray  # (n, k) ms
    width: np.ndarray  # (n, k) ms
    leads: np.ndarray  # (n, k, 8) mV: their heights in the eight leads
    tilt: np.ndarray  # (n, k, 8) mV: change of the heights per radian of breathing tilt


class Beats(NamedTuple):
    """One beat for each of n people."""

    p: Waves  # two Gaussians
    qrs: Waves  # N_QRS
    st_t: Waves  # ST segment, shoulder and main part of T


def make_beats(factors, traits, parameters):
    """Build the dominant beat of each person at the usual RR interval; parameters come back with the bounds of its waves."""
    parameters = dict(parameters)
    matrix = _lead_matrix(traits)
    not_dipolar = 0.05 + 0.10 * ndtr(traits["not_dipolar"])  # share of the energy that no dipole explains
    qrs, qrs_dipole = _qrs_complex(factors, traits, parameters, matrix, not_dipolar)
    p = _p_wave(factors, traits, parameters, matrix, 0.5 * not_dipolar)
    return Beats(p, qrs, _st_and_t(factors, traits, parameters, qrs_dipole, matrix, 0.5 * not_dipolar)), parameters


def make_ectopic_beats(traits, beats):
    """Build one wide ventricular beat per person, T opposite to QRS, no P; same shapes as `beats`."""
    looks_left = traits["ectopic_x"][:, None, None] < 0.4  # like a left bundle branch block, else like a right one
    vectors = np.where(looks_left, LEFT_BLOCK_QRS[:, 2:], LEFT_BLOCK_QRS[:, 2:] * [-0.8, 0.6, -1.0])
    vectors = rotate(vectors, X, Y, 0.9 * traits["ectopic_y"])
    vectors = 1.25 * rotate(vectors, X, Z, 0.4 * traits["ectopic_z"])
    matrix = _lead_matrix(traits)
    scale = np.clip(1.12 + 0.1 * traits["ectopic_width"], 0.95, 1.4)[:, None]
    flat = (wave._replace(leads=np.zeros_like(wave.leads), tilt=np.zeros_like(wave.tilt)) for wave in beats)
    flat_p, qrs, st_t = (Waves(*map(np.copy, wave)) for wave in flat)
    qrs.centre[:, VENTRICLES] = LEFT_BLOCK_QRS[:, 0] * scale
    qrs.width[:, VENTRICLES] = LEFT_BLOCK_QRS[:, 1] * scale
    qrs.leads[:, VENTRICLES] = _project(vectors, matrix)
    against_qrs = -0.16 * vectors.sum(axis=1, keepdims=True)
    st_t.leads[:, 1:] = _project(against_qrs * np.array([[0.5], [1.0]]), matrix)
    st_t.centre[:, 1:] = (beats.st_t.centre[:, -1] + 30)[:, None] + np.array([-60.0, 0.0])
    st_t.width[:] = 60
    return Beats(flat_p, qrs, st_t)


def evaluate(time_ms, centre, width, leads_mV):
    """Waves in the eight leads, (n, n_times, 8) float32 in mV, at times (n, n_times) or (n_times,)."""
    time_ms, centre, width, leads_mV = (np.asarray(array, dtype=np.float32) for array in (time_ms, centre, width, leads_mV))
    x = time_ms[..., :, None] - centre[:, None, :]  # in place from here on: this is where a simulation spends its time
    x *= np.sqrt(0.5) / width[:, None, :]
    x *= -x
    return np.matmul(np.exp(x, out=x), leads_mV)


def wave_bounds(centre, width, leads_mV, edge, time_ms):
    """First and last time at which the root mean square of the leads passes `edge` of its peak, between even times linearly."""
    leads = evaluate(time_ms, centre, width, leads_mV)
    size = np.sqrt(np.einsum("ntl,ntl->nt", leads, leads) / 8).astype(float)
    level = edge * size.max(axis=1)
    above = size > level[:, None]
    rows, step_ms, n_times = np.arange(len(size)), time_ms[1] - time_ms[0], len(time_ms)
    first = np.maximum(above.argmax(axis=1), 1)
    last = np.minimum(n_times - 1 - above[:, ::-1].argmax(axis=1), n_times - 2)
    before, after = size[rows, first - 1], size[rows, first]
    on = time_ms[first] - step_ms * (after - level) / (after - before)
    before, after = size[rows, last], size[rows, last + 1]
    return on, time_ms[last] + step_ms * (before - level) / (before - after)


def rotate(vectors, first, second, angle_rad):
    """Rotate vectors of shape (n, ..., 3) in the plane of two axes by one angle per person."""
    angle = angle_rad.reshape(-1, *[1] * (vectors.ndim - 2))
    cos, sin = np.cos(angle), np.sin(angle)
    out = vectors.copy()
    out[..., first] = cos * vectors[..., first] - sin * vectors[..., second]
    out[..., second] = sin * vectors[..., first] + cos * vectors[..., second]
    return out


def frontal_axis_deg(lead_I, lead_II):
    """Frontal axis in degrees (0 left, +90 to the feet) from the net area of leads I and aVF."""
    return np.degrees(np.arctan2(lead_II - 0.5 * lead_I, lead_I))


def _project(dipole, matrix):
    return dipole @ matrix.transpose(0, 2, 1)  # (n, k, 3) @ (n, 3, 8)


def _tilt(dipole, matrix):
    """Change of the leads per radian of breathing: the heart turns in the frontal plane, half as much in the horizontal one."""
    x, y, z = np.moveaxis(dipole, -1, 0)
    return _project(np.stack([-y - 0.5 * z, x, 0.5 * x], axis=-1), matrix)


def _lead_matrix(traits):
    """Each person's own matrix (n, 8, 3): electrodes of differing gain, chest electrodes moved towards a neighbour."""
    matrix = LEAD_MATRIX * (1 + 0.06 * traits["electrode"])[:, :, None]
    for gap in range(5):  # between V1 and V2, ..., V5 and V6
        moved = 0.10 * traits["shift"][:, gap, None]
        low, high = matrix[:, 2 + gap], matrix[:, 3 + gap]
        matrix[:, 2 + gap], matrix[:, 3 + gap] = low + moved * (high - low), high + moved * (high - low)
    return matrix


def _in_leads(dipole, matrix, residual, share):
    """Leads of a dipole plus a part that no dipole explains, with `share` of its energy."""
    seen = _project(dipole, matrix)
    size = np.sqrt(np.square(seen).mean(axis=2, keepdims=True))
    extra = (residual * size) @ NOT_DIPOLAR
    energy = np.square(seen).sum(axis=(1, 2)) / np.maximum(np.square(extra).sum(axis=(1, 2)), 1e-12)
    return seen + extra * np.sqrt(share * energy)[:, None, None]


def _qrs_complex(factors, traits, parameters, matrix, not_dipolar):
    """QRS stretched to its length, and its dipole; adds the bounds of QRS and the onset of P to `parameters`."""

    def in_leads(vectors):
        return _in_leads(vectors, matrix, traits["qrs_residual"], not_dipolar)

    centre, width, dipole = _qrs_dipole(factors, traits, parameters)
    for first, second, plane in ((X, Y, "frontal"), (X, Z, "horizontal"), (Y, Z, "sagittal")):  # position of the heart
        dipole = rotate(dipole, first, second, np.radians(parameters[f"{plane}_deg"]))
    if factors["LAFB"].any():
        dipole = _block_fascicle(dipole, width, in_leads, factors["LAFB"], parameters)
    leads = in_leads(dipole)
    plain = (array[:, WITHOUT_DETAILS] for array in (centre, width, leads))
    on, off = wave_bounds(*plain, QRS_EDGE, QRS_TIMES_MS)
    stretch = parameters["qrs_ms"] / (off - on)
    on, off = on * stretch, off * stretch
    centre, width = centre * stretch[:, None], width * stretch[:, None]
    parameters["p_on"] = on - parameters["pr_ms"]
    detailed = np.any([factors[name] != 0 for name in DETAILS], axis=0)
    if detailed.any():  # a delta wave starts early: it shortens PR and leaves P where it was
        parts = (array[detailed] for array in (centre, width, leads))
        on[detailed], off[detailed] = wave_bounds(*parts, QRS_EDGE, QRS_TIMES_MS)
    parameters |= {"qrs_on": on, "qrs_off": off, "qrs_ms": off - on, "pr_ms": on - parameters["p_on"]}
    return Waves(centre, width, leads, _tilt(dipole, matrix)), dipole


def _qrs_dipole(factors, traits, parameters):
    """Centres, widths (n, N_QRS) and vectors (n, N_QRS, 3) of the QRS complex before it is stretched to its length."""
    gain = parameters["qrs_gain"][:, None]
    left, right = factors["LBBB"][:, None, None], factors["RBBB"][:, None]
    kernels = np.zeros((len(gain), N_QRS, 5))
    kernels[:, VENTRICLES] = NORMAL_QRS + left * (LEFT_BLOCK_QRS - NORMAL_QRS)
    kernels[:, LATE_RIGHT] = RIGHT_BLOCK_QRS
    kernels[:, DETAIL_ROWS] = DETAIL_QRS
    vectors = kernels[..., 2:]
    vectors[:, VENTRICLES] *= gain[:, :, None]
    vectors[:, FREE_WALL : BASE + 1, Z] += right * (gain * RIGHT_BLOCK_Z - vectors[:, FREE_WALL : BASE + 1, Z])
    vectors[:, LAST] *= 1 - right
    vectors[:, LATE_RIGHT] *= (factors["RBBB"] * np.exp(0.25 * traits["right_block"]))[:, None, None]
    hypertrophy = parameters["hypertrophy"] + 0.6 * factors["other_HYP"]
    vectors[:, APEX : BASE + 1] *= 1 + hypertrophy[:, None, None] * HYPERTROPHY_GROWTH
    inferior, anterior = (np.minimum(parameters[wall], 2)[:, None] * gain for wall in ("inferior", "anterior"))
    vectors[:, : FREE_WALL + 1, Y] -= inferior * INFERIOR_LOSS_Y
    vectors[:, : FREE_WALL + 1, Z] += anterior * ANTERIOR_LOSS_Z
    vectors[:, : FREE_WALL + 1, X] -= anterior * ANTERIOR_LOSS_X
    for row, name in zip(DETAIL_ROWS, DETAILS):
        vectors[:, row] *= factors[name][:, None] * gain
    size = np.sqrt(np.square(vectors).sum(axis=2, keepdims=True))
    vectors += (0.12 - 0.05 * left) * size * traits["vector_jitter"]
    centre = kernels[..., 0] + 1.2 * traits["time_jitter"]
    width = kernels[..., 1].copy()
    width[:, VENTRICLES] *= 1 + 0.12 * factors["other_CD"][:, None]
    return centre, width, vectors


def _block_fascicle(dipole, width, in_leads, block, parameters):
    """Left anterior fascicular block: all but the first forces point up and to the left, to the axis of `parameters`."""
    gain, share = parameters["qrs_gain"][:, None], block[:, None]
    usual = _net_frontal(in_leads(dipole), width)
    usual_deg = np.degrees(np.arctan2(usual[:, 1], usual[:, 0]))
    turn_deg = block * angle_difference_deg(parameters["fascicle_deg"], usual_deg)
    dipole = rotate(dipole, X, Y, np.radians(turn_deg))
    dipole[:, SEPTUM] += share * (gain * FASCICLE_SEPTUM - dipole[:, SEPTUM])
    dipole[:, APEX : LAST + 1] *= 1 - FASCICLE_SHRINKS * share[..., None]
    dipole[:, LATERAL_WALL : LAST + 1, X] -= share * gain * FASCICLE_LATE_X
    # What these changes did to the net axis is made up for in the free and the lateral wall.
    axis = np.radians(usual_deg + turn_deg)
    direction = np.stack([np.cos(axis), np.sin(axis)], axis=1)
    walls = slice(FREE_WALL, LATERAL_WALL + 1)
    for _ in range(2):  # the part that no dipole explains moves along, hence twice
        net = _net_frontal(in_leads(dipole), width)
        size = np.maximum(np.hypot(*net.T), 0.55 * np.hypot(*usual.T))
        missing = size[:, None] * direction - net
        vector = np.einsum("ij,nj->ni", np.linalg.inv(FRONTAL_LEADS), missing) / width[:, walls].sum(axis=1, keepdims=True)
        dipole[:, walls, :2] += ((share > 0) * vector)[:, None]
    return dipole


def _net_frontal(qrs, width):
    """Net QRS areas of I and aVF, (n, 2); the area of a Gaussian is proportional to its width."""
    area = (qrs * width[:, :, None]).sum(axis=1)
    return np.stack([area[:, 0], area[:, 1] - 0.5 * area[:, 0]], axis=1)


def _p_wave(factors, traits, parameters, matrix, not_dipolar):
    """P stretched to its length, its onset where `parameters` have it; none in atrial fibrillation."""
    kernels = np.broadcast_to(P_WAVE, (len(matrix), *P_WAVE.shape)).copy()
    dipole = kernels[..., 2:] * parameters["p_gain"][:, None, None]
    dipole = rotate(dipole, X, Y, 0.4 * np.radians(parameters["frontal_deg"]) + 0.10 * traits["p_direction"][:, 0])
    dipole = rotate(dipole, X, Z, 0.22 * traits["p_direction"][:, 1])
    centre, width = kernels[..., 0] * (1 + 0.1 * traits["t_width"])[:, None], kernels[..., 1]
    leads = _in_leads(dipole, matrix, traits["p_residual"], not_dipolar)
    on, off = wave_bounds(centre, width, leads, P_EDGE, P_TIMES_MS)
    stretch = (parameters["p_ms"] / (off - on))[:, None]
    centre = (centre - on[:, None]) * stretch + parameters["p_on"][:, None]
    present = (1 - np.minimum(factors["AF"], 1))[:, None, None]
    return Waves(centre, width * stretch, leads * present, _tilt(dipole * present, matrix))


def _st_and_t(factors, traits, parameters, qrs_dipole, matrix, not_dipolar):
    """ST and T so that T ends after the QT interval; adds QT and the end of T to `parameters`."""
    per_beat = (60 / parameters["rate_bpm"]) ** (1 / 3)  # Fridericia
    qt = np.maximum(parameters["qtcf_ms"] * per_beat, parameters["qrs_ms"] + 150)
    end = parameters["qrs_on"] + qt
    st_dipole, t_dipole = _repolarisation(factors, traits, parameters, qrs_dipole)
    st_leads = _in_leads(st_dipole, matrix, traits["st_residual"], not_dipolar)
    t_leads = _in_leads(t_dipole, matrix, traits["t_residual"], not_dipolar) * T_LEAD_GAIN
    fall = 0.098 * qt * np.exp(0.10 * traits["t_width"])  # slow rise, quicker fall
    peak = qt - 2 * fall
    t_centre, t_width = np.stack([peak - 1.15 * fall, peak], axis=1), np.stack([1.35 * fall, fall], axis=1)
    _, off = wave_bounds(t_centre, t_width, t_leads, T_EDGE, T_TIMES_MS)
    t_centre = t_centre + (end - off)[:, None]
    st_ms = t_centre[:, -1:] - parameters["qrs_off"][:, None]  # from the end of QRS to the peak of T
    st_centre, st_width = parameters["qrs_off"][:, None] + 0.40 * st_ms, 0.24 * st_ms
    late = LONG_QT_MS * factors["long_qt"] * per_beat  # with a long QT, T comes later; it and the ST segment keep their form
    parameters |= {"qt_ms": qt + late, "t_end": end + late}
    parts = (st_centre, t_centre + late[:, None]), (st_width, t_width), (st_leads, t_leads), (st_dipole, t_dipole)
    centre, width, leads, dipole = (np.concatenate(part, axis=1) for part in parts)
    return Waves(centre, width, leads, _tilt(dipole, matrix))


def _repolarisation(factors, traits, parameters, qrs_dipole):
    """ST vector (n, 1, 3) and T vectors (n, 2, 3), by sex, age and disease; T at about 40 degrees, in men forwards."""
    woman = factors["sex_female"]
    t = np.stack([np.full(len(woman), 0.272), np.full(len(woman), 0.128), -(0.27 - 0.115 * woman)], axis=1)
    t = rotate(t, X, Y, 0.25 * np.radians(parameters["frontal_deg"]) + 0.16 * traits["t_frontal"])
    t = rotate(t, X, Z, 0.26 * traits["t_horizontal"]) * (0.9 * parameters["t_gain"])[:, None]
    st_z = -(0.075 - 0.040 * woman + 0.020 * traits["st"])
    st = np.stack([0.012 + 0.015 * traits["st"], 0.010 + 0.012 * traits["st_y"], st_z], axis=1)
    # Secondary changes: opposite to the late forces of a blocked ventricle.
    left, right = factors["LBBB"][:, None], factors["RBBB"][:, None]
    area, late = qrs_dipole[:, WITHOUT_DETAILS].sum(axis=1), qrs_dipole[:, LATE_RIGHT].sum(axis=1)
    t = t * (1 - 0.7 * left) - left * area * np.array([0.085, 0.060, 0.105])
    t = t * (1 - 0.35 * right) - 0.14 * late * np.minimum(right, 1)
    st = st - left * area * np.array([0.012, 0.010, 0.028]) - 0.03 * late * np.minimum(right, 1)
    # Strain: lateral ST depression with T inversion.
    strain = parameters["strain"][:, None]
    t = t * (1 - 0.5 * strain) + strain * np.array([-0.30, -0.02, -0.10])
    st = st + strain * np.array([-0.13, -0.03, -0.05])
    # Infarction: T turns away from the wall that died, in about half of the people.
    t = t * (1 - 0.25 * np.minimum(np.maximum(parameters["inferior"], parameters["anterior"]), 1.5))[:, None]
    t = t + np.maximum(parameters["inferior_t"] - 0.3, 0)[:, None] * np.array([0.02, -0.42, -0.05])
    t = t + np.maximum(parameters["anterior_t"] - 0.3, 0)[:, None] * np.array([-0.18, 0.0, 0.42])
    st = st + parameters["anterior"][:, None] * np.array([0.01, 0.0, -0.05]) * ndtr(-traits["anterior_t"])[:, None]
    # Changes of repolarisation of their own kind: flattened, depressed, or inverted, mixed by person.
    grade, inverted = parameters["st_t"][:, None], ndtr(traits["repolarisation_kind"])[:, None]
    t = t * np.maximum(1 - 0.42 * grade, -0.3) + grade * inverted * np.array([-0.13, -0.05, 0.07])
    st = st + grade * (0.4 + inverted) * np.array([-0.030, -0.022, 0.012])
    return st[:, None, :], np.stack([0.40 * t, 0.85 * t], axis=1)
