"""Changes of a beat that should not matter: noise, gain, position of the electrodes, wander of the baseline, alignment."""

from dataclasses import replace

import numpy as np
from scipy.interpolate import CubicSpline

from ..ecg import require_beats, to_eight_leads
from ..factors import known_names
from .edits import turn_frontal

PERTURBATIONS = ("noise", "gain", "turn", "baseline", "jitter")


def perturb(beats, name, seed=0):
    """Change beats by as little as a second recording might: one of `PERTURBATIONS`, as a BeatSet of 8 leads in mV.

    The sizes are this project's choice: white noise of 20 uV, a gain of +-5 %, a frontal axis turned by +-5 degrees, a wander
    of the baseline of up to 50 uV at 0.3 Hz, a position of the R peak that is half a sample off. `seed` is of noise, signs,
    phases.
    """
    beats = to_eight_leads(require_beats(beats))
    known_names(name, PERTURBATIONS, "perturbation")
    rng = np.random.default_rng(seed)
    signals, time_s = beats.signals.astype(float), beats.time_s
    sign = rng.choice([-1.0, 1.0], (len(beats), 1))
    if name == "noise":
        signals += rng.normal(0, 0.02, signals.shape)
    elif name == "gain":
        signals *= 1 + 0.05 * sign[..., None]
    elif name == "turn":
        signals[:, :2] = turn_frontal(signals[:, :2], 5 * sign)  # I and II
    elif name == "baseline":
        phase = rng.uniform(0, 2 * np.pi, (*signals.shape[:2], 1))
        wave = np.sin(2 * np.pi * 0.3 * np.append(time_s, -0.06) + phase)  # the last value: in the PR segment, which is 0 mV
        signals += 0.05 * (wave[..., :-1] - wave[..., -1:])
    elif name == "jitter":
        at = np.clip(time_s + 0.5 * sign / beats.fs, time_s[0], time_s[-1])
        for row in np.flatnonzero(np.isfinite(signals).all(axis=(1, 2))):
            signals[row] = CubicSpline(time_s, signals[row], axis=-1)(at[row])
    return replace(beats, signals=signals.astype(np.float32))
