"""The heart as a dipole in three dimensions: one beat of one person, and how it depends on the factors.

Waves are sums of Gaussians whose amplitudes are vectors (Sameni et al., EURASIP J Adv Signal Process 2007:43407); twelve
leads see them through Dower's matrix. Axes: x to the left, y to the feet, z to the back. Times are in ms from the
reference point of the QRS complex (near the R peak), potentials in mV. Everything is vectorised over people.
"""

from typing import NamedTuple

import numpy as np
from scipy.special import ndtr

from ..ecg import DOWER

# Gains that bring the leads of normal ECGs behind Dower's matrix to those of PTB-XL (folds 1-8): lead I is larger than the
# matrix says, V1 smaller. T has gains of its own on top, as its sources lie elsewhere in the ventricles than those of QRS.
LEAD_GAIN = np.array([1.18, 1.0, 0.80, 1.05, 0.95, 1.03, 0.99, 1.03])
T_LEAD_GAIN = np.array([1.30, 1.10, 1.0, 1.25, 0.95, 0.85, 0.90, 1.20])
LEAD_MATRIX = DOWER * LEAD_GAIN[:, None]
NOT_DIPOLAR = np.eye(8) - LEAD_MATRIX @ np.linalg.pinv(LEAD_MATRIX)  # projects onto what no dipole can produce

FRONTAL_LEADS = np.array([LEAD_MATRIX[0, :2], LEAD_MATRIX[1, :2] - 0.5 * LEAD_MATRIX[0, :2]])  # I and aVF from x and y

# A wave begins and ends where the root mean square of its eight leads passes these shares of its peak. In LUDB (100 records
# at 500 Hz) cardiologists put the QRS onset at 1 % and its end at 4 % of the peak (ST included, which is left out here), the
# onset of P at 12 % (noise included), the end of T at 7 %; the tangent at the steepest descent of T ends 14 ms before them.
QRS_THRESHOLDS = (0.01, 0.01)
P_THRESHOLDS = (0.07, 0.07)
T_THRESHOLDS = (0.07, 0.07)
QRS_TIMES_MS, P_TIMES_MS, T_TIMES_MS = np.arange(-180.0, 181, 2), np.arange(-120.0, 121, 2), np.arange(-200.0, 801, 4)

# One row per Gaussian: centre ms, width ms, x, y, z mV. The normal beat follows the published reference dipole (Sameni 2007,
# QRS about 75 ms) regrouped into the classical order: septum, apex, free wall, base. Abnormal activation follows the
# AHA/ACCF/HRS 2009 definitions (block) and the fourth universal definition of infarction (lost early forces).
NORMAL_QRS = np.array(
    [
        [-20, 8.0, -0.05, -0.02, -0.17],  # septum: from left to right and forwards
        [-11, 7.5, 0.42, 0.27, -0.24],  # apex and anterior wall
        [0, 7.5, 0.88, 0.40, 0.12],  # free wall
        [11, 8.0, 0.52, 0.10, 0.50],  # lateral and posterior wall
        [22, 8.0, -0.04, 0.04, 0.46],  # base
        [32, 6.5, -0.14, 0.02, 0.16],
    ]
)
LEFT_BLOCK_QRS = np.array(
    [
        [-32, 15.0, 0.18, 0.10, -0.18],  # right ventricle first: no septal q
        [-6, 14.0, 0.48, 0.14, 0.60],
        [15, 15.0, 0.35, 0.00, 1.18],  # a dip sideways between two humps: the notch of I, aVL, V5, V6
        [42, 15.0, 0.54, -0.10, 1.22],
        [64, 11.0, 0.33, -0.12, 0.66],
        [79, 7.5, 0.13, -0.06, 0.30],
    ]
)
RIGHT_BLOCK_QRS = np.array(
    [
        [43, 14.0, -0.34, -0.06, -0.82],  # the right ventricle last: R' in V1, S in I and V6
        [69, 13.0, -0.24, -0.03, -0.52],
    ]
)
RIGHT_BLOCK_Z = np.array([-0.30, -0.18, 0.0])  # of free wall, lateral wall, base: not to the back, hence hardly an S in V1
DETAIL = np.array(
    [
        [-37, 7.0, -0.02, -0.13, 0.0],  # small q in the inferior leads
        [-44, 13.0, 0.24, 0.12, 0.05],  # delta wave: slow start before the rest
        [7, 4.0, -0.30, -0.16, -0.06],  # notch on the R wave
    ]
)
P_WAVE = np.array([[-20, 17.0, 0.070, 0.066, -0.078], [20, 18.0, 0.112, 0.034, 0.034]])  # right, then left atrium
# By how much a typical long QT syndrome lengthens the rate-corrected QT. Carriers of its genes are at 490 ms where their
# relatives are at 420 (Vincent 1992, doi 10.1056/NEJM199209173271204); in the general population, carriers of a founder
# mutation are 50 ms above others (doi 10.1080/07853890802668530).
LONG_QT_MS = 60.0
N_QRS = len(NORMAL_QRS) + len(RIGHT_BLOCK_QRS) + len(DETAIL)
N_SLOW = 5  # two Gaussians of P, one of ST, two of T


class Beats(NamedTuple):
    """Gaussians of one beat for each of n people: QRS kernels, and the slow ones of P (2), ST (1) and T (2)."""

    qrs_centre: np.ndarray  # (n, N_QRS) ms
    qrs_width: np.ndarray  # (n, N_QRS) ms
    qrs: np.ndarray  # (n, N_QRS, 8) mV in the eight leads
    slow_centre: np.ndarray  # (n, N_SLOW) ms
    slow_width: np.ndarray  # (n, N_SLOW) ms
    slow: np.ndarray  # (n, N_SLOW, 8) mV
    qrs_tilt: np.ndarray  # (n, N_QRS, 8) change per radian of breathing tilt
    slow_tilt: np.ndarray  # (n, N_SLOW, 8)


def rotate(vectors, first, second, angle_rad):
    """Rotate vectors of shape (n, ..., 3) in the plane of two axes by one angle per person."""
    angle = angle_rad.reshape(-1, *[1] * (vectors.ndim - 2))
    cos, sin = np.cos(angle), np.sin(angle)
    out = vectors.copy()
    out[..., first] = cos * vectors[..., first] - sin * vectors[..., second]
    out[..., second] = sin * vectors[..., first] + cos * vectors[..., second]
    return out


def make_beats(factors, traits, parameters):
    """Build the dominant beat of each person.

    Parameters
    ----------
    factors : dict of str to ndarray, shape (n,)
        As for `individuals.draw_parameters`, with the dials ``small_q``, ``delta_wave``, ``notch``, ``long_qt`` and the
        residual superclasses ``other_CD``, ``other_HYP`` (a superclass given without a diagnosis that explains it).
    traits : dict of str to ndarray
        As `individuals.split_individual` gives them.
    parameters : dict of str to ndarray, shape (n,)
        As `individuals.draw_parameters` gives them.

    Returns
    -------
    Beats
        The Gaussians in eight leads, at the person's usual RR interval.
    parameters : dict of str to ndarray, shape (n,)
        The same with the true bounds of the waves in ms from the reference point: ``qrs_on``,
        ``qrs_off``, ``p_on``, ``t_end``; ``qt_ms`` and ``qrs_ms`` follow from them.
    """
    p = dict(parameters)
    leads = _lead_matrix(traits)
    centre, width, dipole = _qrs_dipole(factors, traits, p)
    share = 0.05 + 0.10 * ndtr(traits["not_dipolar"])

    def in_leads(vectors):
        return _with_residual(vectors, leads, traits["residual"][:, :N_QRS], share)

    dipole = _turn_heart(dipole, width, in_leads, factors, p)
    qrs = in_leads(dipole)
    main = slice(0, N_QRS - len(DETAIL))
    on, off = wave_bounds(centre[:, main], width[:, main], qrs[:, main], QRS_THRESHOLDS)
    stretch = (p["qrs_ms"] / (off - on))[:, None]
    centre, width = centre * stretch, width * stretch
    on, off = on * stretch[:, 0], off * stretch[:, 0]
    before_details = on
    if any(np.any(factors[name] != 0) for name in ("small_q", "delta_wave", "notch")):
        on, off = wave_bounds(centre, width, qrs, QRS_THRESHOLDS)
    p["qrs_on"], p["qrs_off"], p["qrs_ms"] = on, off, off - on

    p_centre, p_width, p_dipole = _p_dipole(traits, p)
    p_leads = _with_residual(p_dipole, leads, traits["residual"][:, N_QRS : N_QRS + 2], 0.5 * share)
    p_on, p_off = wave_bounds(p_centre, p_width, p_leads, P_THRESHOLDS, P_TIMES_MS)
    stretch = (p["p_ms"] / (p_off - p_on))[:, None]
    p["p_on"] = before_details - p["pr_ms"]  # a delta wave starts early: it shortens PR and leaves P where it was
    p_centre = (p_centre - p_on[:, None]) * stretch + p["p_on"][:, None]
    p_width = p_width * stretch
    p["pr_ms"] = on - p["p_on"]
    present = (1 - np.minimum(factors["AF"], 1))[:, None, None]
    p_dipole, p_leads = p_dipole * present, p_leads * present

    qt = p["qtcf_ms"] * (60 / p["rate_bpm"]) ** (1 / 3)  # Fridericia
    p["qt_ms"] = np.maximum(qt, p["qrs_ms"] + 150)
    st_dipole, t_dipole = _repolarisation(factors, traits, p, dipole)
    t_leads = _with_residual(t_dipole, leads, traits["residual"][:, N_QRS + 3 :], 0.5 * share) * T_LEAD_GAIN
    t_centre, t_width = _t_times(traits, p)
    p["t_end"] = on + p["qt_ms"]
    _, t_off = wave_bounds(t_centre, t_width, t_leads, T_THRESHOLDS, T_TIMES_MS)
    t_centre = t_centre + (p["t_end"] - t_off)[:, None]
    st_leads = _with_residual(st_dipole, leads, traits["residual"][:, N_QRS + 2 : N_QRS + 3], 0.5 * share)
    st_centre = (p["qrs_off"] + 0.40 * (t_centre[:, -1] - p["qrs_off"]))[:, None]
    st_width = (0.24 * (t_centre[:, -1] - p["qrs_off"]))[:, None]
    # With a long QT, T comes later; it and the ST segment keep their form.
    late = LONG_QT_MS * factors["long_qt"] * (60 / p["rate_bpm"]) ** (1 / 3)
    t_centre = t_centre + late[:, None]
    p["t_end"], p["qt_ms"] = p["t_end"] + late, p["qt_ms"] + late
    slow_dipole = np.concatenate([p_dipole, st_dipole, t_dipole], axis=1)
    return (
        Beats(
            centre,
            width,
            qrs,
            np.concatenate([p_centre, st_centre, t_centre], axis=1),
            np.concatenate([p_width, st_width, t_width], axis=1),
            np.concatenate([p_leads, st_leads, t_leads], axis=1),
            _tilt(dipole, leads),
            _tilt(slow_dipole, leads),
        ),
        p,
    )


def make_ectopic_beats(traits, beats):
    """Build one wide ventricular beat per person, T opposite to QRS, no P; same shapes as `beats`."""
    n = len(traits["age"])
    right_sided = traits["ectopic_x"] < 0.4  # like a left or like a right bundle branch block
    vectors = np.where(right_sided[:, None, None], LEFT_BLOCK_QRS[None, :, 2:], LEFT_BLOCK_QRS[None, :, 2:] * [-0.8, 0.6, -1.0])
    vectors = rotate(vectors, 0, 1, 0.9 * traits["ectopic_y"])
    vectors = 1.25 * rotate(vectors, 0, 2, 0.4 * traits["ectopic_z"])
    scale = np.clip(1.12 + 0.1 * traits["ectopic_width"], 0.95, 1.4)[:, None]
    leads = _lead_matrix(traits)
    qrs = np.zeros_like(beats.qrs)
    qrs[:, :6] = _project(vectors, leads)
    centre, width = beats.qrs_centre.copy(), beats.qrs_width.copy()
    centre[:, :6] = LEFT_BLOCK_QRS[:, 0] * scale
    width[:, :6] = LEFT_BLOCK_QRS[:, 1] * scale
    slow = np.zeros_like(beats.slow)
    slow[:, 3:] = _project(-0.16 * vectors.sum(axis=1, keepdims=True) * np.array([0.5, 1.0]).reshape(1, 2, 1), leads)
    slow_centre, slow_width = beats.slow_centre.copy(), np.full((n, N_SLOW), 60.0)
    slow_centre[:, 3:] = (slow_centre[:, 4] + 30)[:, None] + np.array([-60.0, 0.0])
    return beats._replace(
        qrs_centre=centre,
        qrs_width=width,
        qrs=qrs,
        slow_centre=slow_centre,
        slow_width=slow_width,
        slow=slow,
        qrs_tilt=np.zeros_like(qrs),
        slow_tilt=np.zeros_like(slow),
    )


def gaussians(time, centre, width):
    """Evaluate unit Gaussians, shape (n, n_times, k), at times (n, n_times) or (n_times,)."""
    x = time[..., :, None] - centre[:, None, :]
    x *= np.sqrt(0.5) / width[:, None, :]
    np.square(x, out=x)
    np.negative(x, out=x)
    return np.exp(x, out=x)


def wave_bounds(centre, width, leads_mV, thresholds, time_ms=QRS_TIMES_MS):
    """First and last time at which the root mean square of the eight leads is above a share of its peak.

    Parameters
    ----------
    centre, width : ndarray, shape (n, k)
        Centres and widths of the wave's Gaussians in ms.
    leads_mV : ndarray, shape (n, k, 8)
        Their amplitudes in the eight leads.
    thresholds : tuple of float
        Shares of the peak, for the start and for the end.
    time_ms : ndarray, shape (n_times,)
        Evenly spaced times to look at, interpolated linearly.

    Returns
    -------
    on_ms, off_ms : ndarray, shape (n,)
    """
    size = _size(time_ms, centre, width, leads_mV)
    start, end = (share * size.max(axis=1) for share in thresholds)
    rows, step_ms, n_times = np.arange(len(size)), time_ms[1] - time_ms[0], len(time_ms)
    first = np.maximum((size > start[:, None]).argmax(axis=1), 1)
    last = np.minimum(n_times - 1 - (size > end[:, None])[:, ::-1].argmax(axis=1), n_times - 2)
    before, after = size[rows, first - 1], size[rows, first]
    on = time_ms[first] - step_ms * (after - start) / (after - before)
    before, after = size[rows, last], size[rows, last + 1]
    return on, time_ms[last] + step_ms * (before - end) / (before - after)


def _size(time, centre, width, leads_mV):
    single = (array.astype(np.float32) for array in (time, centre, width, leads_mV))
    time, centre, width, leads_mV = single
    leads = np.matmul(gaussians(time, centre, width), leads_mV)  # (n, n_times, 8)
    return np.sqrt(np.einsum("ntl,ntl->nt", leads, leads) / 8).astype(float)


def _project(dipole, leads):
    return dipole @ leads.transpose(0, 2, 1)  # (n, k, 3) @ (n, 3, 8)


def _tilt(dipole, leads):
    """Change of the leads per radian of breathing: the heart turns in the frontal plane, half as much in the horizontal one."""
    x, y, z = np.moveaxis(dipole, -1, 0)
    return _project(np.stack([-y - 0.5 * z, x, 0.5 * x], axis=-1), leads)


def _lead_matrix(z):
    """Each person's own matrix: electrodes of differing gain, chest electrodes moved towards a neighbour."""
    matrix = LEAD_MATRIX * (1 + 0.06 * z["electrode"])[:, :, None]
    for gap in range(5):  # between V1 and V2, ..., V5 and V6
        moved = 0.10 * z["shift"][:, gap, None]
        low, high = matrix[:, 2 + gap], matrix[:, 3 + gap]
        matrix[:, 2 + gap], matrix[:, 3 + gap] = low + moved * (high - low), high + moved * (high - low)
    return matrix


def _with_residual(dipole, leads, residual, share):
    """Leads of a dipole plus a part that no dipole explains, with `share` of its energy."""
    seen = _project(dipole, leads)
    size = np.sqrt(np.square(seen).mean(axis=2, keepdims=True))
    extra = (residual * size) @ NOT_DIPOLAR
    energy = np.square(seen).sum(axis=(1, 2)) / np.maximum(np.square(extra).sum(axis=(1, 2)), 1e-12)
    return seen + extra * np.sqrt(share * energy)[:, None, None]


def _qrs_dipole(f, z, p):
    """Centres, widths (n, N_QRS) and vectors (n, N_QRS, 3) of the QRS complex before it is stretched to its length."""
    n = len(z["age"])
    kernels = np.zeros((n, N_QRS, 5))
    left = f["LBBB"][:, None, None]
    kernels[:, :6] = NORMAL_QRS + left * (LEFT_BLOCK_QRS - NORMAL_QRS)
    kernels[:, 6:8] = RIGHT_BLOCK_QRS
    kernels[:, 8:] = DETAIL
    vectors = kernels[..., 2:]
    vectors[:, :6] *= p["qrs_gain"][:, None, None]
    right = f["RBBB"][:, None]
    vectors[:, 2:5, 2] += right * (p["qrs_gain"][:, None] * RIGHT_BLOCK_Z - vectors[:, 2:5, 2])
    vectors[:, 5] *= 1 - right
    vectors[:, 6:8] *= (f["RBBB"] * np.exp(0.25 * z["right_block"]))[:, None, None]
    # Hypertrophy: more of the left ventricle, to the left and to the back.
    more = p["hypertrophy"][:, None, None] + 0.6 * f["other_HYP"][:, None, None]
    vectors[:, 1:5] *= 1 + more * np.array([[0.15, 0.10, 0.10], [0.42, 0.30, 0.40], [0.45, 0.2, 0.55], [0.3, 0.2, 0.6]])
    # Infarction: the early forces of the dead wall are lost, what remains points away from it.
    inferior, anterior = np.minimum(p["inferior"], 2) * p["qrs_gain"], np.minimum(p["anterior"], 2) * p["qrs_gain"]
    vectors[:, :3, 1] -= inferior[:, None] * np.array([0.24, 0.34, 0.10])
    vectors[:, :3, 2] += anterior[:, None] * np.array([0.36, 0.34, 0.10])
    vectors[:, :3, 0] -= anterior[:, None] * np.array([0.03, 0.10, 0.14])
    for row, name in enumerate(("small_q", "delta_wave", "notch")):
        vectors[:, 8 + row] *= (f[name] * p["qrs_gain"])[:, None]
    size = np.sqrt(np.square(vectors).sum(axis=2, keepdims=True))
    vectors += (0.12 - 0.05 * left) * size * z["vector_jitter"]
    centre = kernels[..., 0] + 1.2 * z["time_jitter"]
    width = kernels[..., 1].copy()
    width[:, :6] *= 1 + 0.12 * f["other_CD"][:, None]
    return centre, width, vectors


def frontal_axis_deg(lead_I, lead_II):
    """Frontal axis in degrees (0 left, +90 to the feet) from the net area of leads I and aVF."""
    return np.degrees(np.arctan2(lead_II - 0.5 * lead_I, lead_I))


def _turn_heart(dipole, width, in_leads, f, p):
    """Turn the QRS vectors to the heart's position; with a fascicular block all but the first forces point up and left."""
    out = rotate(dipole, 0, 1, np.radians(p["frontal_deg"]))
    out = rotate(out, 0, 2, np.radians(p["horizontal_deg"]))
    out = rotate(out, 1, 2, np.radians(p["sagittal_deg"]))
    block, gain = f["LAFB"], p["qrs_gain"][:, None]
    if not block.any():
        return out
    usual = _net_frontal(in_leads(out), width)
    usual_deg = np.degrees(np.arctan2(usual[:, 1], usual[:, 0]))
    turn_deg = block * _wrap_deg(p["fascicle_deg"] - usual_deg)
    out = rotate(out, 0, 1, np.radians(turn_deg))
    out[:, 0] += block[:, None] * (gain * np.array([-0.04, 0.20, 0.04]) - out[:, 0])
    out[:, 1:6] *= 1 - 0.35 * block[:, None, None]
    out[:, 3:6, 0] -= block[:, None] * gain * np.array([0.08, 0.14, 0.06])
    wanted = np.radians(usual_deg + turn_deg)
    for _ in range(2):  # what these changes did to the net axis is made up for in the free and the lateral wall
        net = _net_frontal(in_leads(out), width)
        size = np.maximum(np.hypot(*net.T), 0.55 * np.hypot(*usual.T))
        missing = size[:, None] * np.stack([np.cos(wanted), np.sin(wanted)], axis=1) - net
        frontal = np.einsum("ij,nj->ni", np.linalg.inv(FRONTAL_LEADS), missing) / width[:, 2:4].sum(axis=1, keepdims=True)
        out[:, 2:4, :2] += ((block > 0)[:, None] * frontal)[:, None]
    return out


def _net_frontal(qrs, width):
    """Net QRS areas of I and aVF, (n, 2); the area of a Gaussian is proportional to its width."""
    area = (qrs * width[:, :, None]).sum(axis=1)
    return np.stack([area[:, 0], area[:, 1] - 0.5 * area[:, 0]], axis=1)


def _wrap_deg(angle):
    return (angle + 180) % 360 - 180


def _p_dipole(z, p):
    n = len(z["age"])
    kernels = np.broadcast_to(P_WAVE, (n, 2, 5)).copy()
    vectors = kernels[..., 2:] * p["p_gain"][:, None, None]
    vectors = rotate(vectors, 0, 1, 0.4 * np.radians(p["frontal_deg"]) + 0.10 * z["p_direction"][:, 0])
    vectors = rotate(vectors, 0, 2, 0.22 * z["p_direction"][:, 1])
    centre = kernels[..., 0] * (1 + 0.1 * z["t_width"])[:, None]
    return centre, kernels[..., 1], vectors


def _t_times(z, p):
    """Centres and widths of the T wave's shoulder and main part: slow rise, quicker fall."""
    fall = 0.098 * p["qt_ms"] * np.exp(0.10 * z["t_width"])
    peak = p["qt_ms"] - 2 * fall
    return np.stack([peak - 1.15 * fall, peak], axis=1), np.stack([1.35 * fall, fall], axis=1)


def _repolarisation(f, z, p, qrs_dipole):
    """ST vector (n, 1, 3) and T vectors (n, 2, 3), by sex, age and disease; T about 40 degrees, forwards in men."""
    woman = f["sex_female"]
    n = len(woman)
    t = np.stack([np.full(n, 0.272), np.full(n, 0.128), -(0.27 - 0.115 * woman)], axis=1)
    t = rotate(t, 0, 1, 0.25 * np.radians(p["frontal_deg"]) + 0.16 * z["t_frontal"])
    t = rotate(t, 0, 2, 0.26 * z["t_horizontal"])
    t = t * (0.9 * p["t_gain"])[:, None]
    st = np.stack([0.012 + 0.015 * z["st"], 0.010 + 0.012 * z["st_y"], -(0.075 - 0.040 * woman + 0.020 * z["st"])], axis=1)

    # Secondary changes: opposite to the late forces of a blocked ventricle.
    area = qrs_dipole[:, :8].sum(axis=1)
    left, right = f["LBBB"][:, None], f["RBBB"][:, None]
    t = t * (1 - 0.7 * left) - left * area * np.array([0.085, 0.060, 0.105])
    st = st - left * area * np.array([0.012, 0.010, 0.028])
    late = qrs_dipole[:, 6:8].sum(axis=1)
    t = t * (1 - 0.35 * right) - 0.14 * late * np.minimum(right, 1)
    st = st - 0.03 * late * np.minimum(right, 1)
    # Strain: lateral ST depression with T inversion.
    strain = p["strain"][:, None]
    t = t * (1 - 0.5 * strain) + strain * np.array([-0.30, -0.02, -0.10])
    st = st + strain * np.array([-0.13, -0.03, -0.05])
    # Infarction: T turns away from the wall that died, in about half of the people.
    t = t * (1 - 0.25 * np.minimum(np.maximum(p["inferior"], p["anterior"]), 1.5))[:, None]
    t = t + np.maximum(p["inferior_t"] - 0.3, 0)[:, None] * np.array([0.02, -0.42, -0.05])
    t = t + np.maximum(p["anterior_t"] - 0.3, 0)[:, None] * np.array([-0.18, 0.0, 0.42])
    st = st + p["anterior"][:, None] * np.array([0.01, 0.0, -0.05]) * ndtr(-z["anterior_t"])[:, None]
    # Changes of repolarisation of their own kind: flattened, depressed, or inverted, mixed by person.
    kind = ndtr(z["repolarisation_kind"])[:, None]
    grade = p["st_t"][:, None]
    t = t * np.maximum(1 - 0.42 * grade, -0.3)
    t = t + grade * kind * np.array([-0.13, -0.05, 0.07])
    st = st + grade * (0.4 + kind) * np.array([-0.030, -0.022, 0.012])
    return st[:, None, :], np.stack([0.40 * t, 0.85 * t], axis=1)
