"""Changes of a beat that a heart, a chest or an electrode could have made, for training; and time stretched around the QRS."""

import math

import torch

from ..ecg import DOWER

# Weights of the samples before, at, and one and two after a place f of the way to the next, as polynomials: 1, f, f^2, f^3
CUBIC = ((0.0, -0.5, 1.0, -0.5), (1.0, 0.0, -2.5, 1.5), (0.0, 0.5, 2.0, -1.5), (0.0, 0.0, -0.5, 0.5))
QRS_HALF_S = 0.06  # to either side of R time runs at the speed of the QRS, beyond it at that of PR or of QT


class Augmentation:
    """Turn, gain and warped intervals, drawn anew for every beat; leads in the order I, II, V1 ... V6.

    The turn acts on the dipolar part of the beat alone: ``x + D (R - 1) D^+ x``, with Dower's matrix D and a rotation R,
    leaves untouched what a dipole cannot explain.
    """

    # Standard deviations, except for the jitter
    turn_deg = 12.0  # rotation of the heart's dipole about each of three axes
    gain, lead_gain = 0.2, 0.1  # log-gain of the whole beat, and of each lead
    pr, qt = 0.16, 0.12  # log-factors that stretch the time before and after the QRS
    qrs = 0.15  # log-factor that narrows or widens the QRS
    jitter_s = 0.01  # width of the uniform shift of the whole beat

    def __init__(self, fs, r_index, device="cpu"):
        self.fs, self.r_index = fs, r_index
        self.dower = torch.as_tensor(DOWER, dtype=torch.float32, device=device)
        self.inverse_dower = torch.linalg.pinv(self.dower)

    def draw(self, n_beats, n_times, generator):
        """Draw new leads from old ones, (n_beats, 8, 8), and where to read each new sample, in old ones, (n_beats, n_times)."""

        def normal(*shape):
            return torch.randn(shape, generator=generator)

        turn = rotation_matrices(math.radians(self.turn_deg) * normal(n_beats, 3)) - torch.eye(3)
        matrices = torch.eye(8) + self.dower @ turn @ self.inverse_dower
        matrices = matrices * torch.exp(self.gain * normal(n_beats, 1, 1) + self.lead_gain * normal(n_beats, 8, 1))
        pr, qt, qrs = (size * normal(n_beats, 1) for size in (self.pr, self.qt, self.qrs))
        positions = stretched_positions(n_times, self.fs, self.r_index, torch.cat([pr, qrs, qrs, qt], dim=1))
        return matrices, positions + self.jitter_s * self.fs * (torch.rand((n_beats, 1), generator=generator) - 0.5)

    @staticmethod
    def apply(x, draw):
        """Apply what `draw` returned to beats, Tensor (n_beats, 8, n_times)."""
        matrices, positions = draw
        return read_between_samples(matrices @ x, positions)


def stretched_positions(n_times, fs, r_index, log_factors):
    """Where to read a beat, in samples, (n_beats, n_times), so that its QRS and the time before and after it are stretched.

    `log_factors`, (n_beats, 4), are logarithms of the speed of reading before the QRS, in its two halves to the left and right
    of R, and after it: above 0 waves are narrower and nearer.
    """
    time = torch.arange(n_times).to(log_factors) - float(r_index)
    within, is_before = time.clamp(-QRS_HALF_S * fs, QRS_HALF_S * fs), time < 0
    beyond = time - within
    parts = torch.stack([beyond * is_before, within * is_before, within * ~is_before, beyond * ~is_before])
    return log_factors.exp() @ parts + r_index


def rotation_matrices(turns):
    """Rotations, (n, 3, 3), about axes (n, 3) whose lengths are the angles in radians, by Rodrigues' formula."""
    angle = turns.norm(dim=1, keepdim=True).clamp_min(1e-9)
    x, y, z = (turns / angle).T
    zero = torch.zeros_like(x)
    cross = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], dim=1).view(-1, 3, 3)
    angle = angle[..., None]
    return torch.eye(3) + torch.sin(angle) * cross + (1 - torch.cos(angle)) * (cross @ cross)


def read_between_samples(x, positions):
    """Read beats (n_beats, n_leads, n_times) at `positions` (n_beats, n_new), in samples; outside the window its nearest end.

    By cubic convolution: Keys RG. IEEE Trans Acoust Speech Signal Process 1981;29:1153-1160. doi:10.1109/TASSP.1981.1163711
    """
    n_times = x.shape[-1]
    positions = positions.clamp(0, n_times - 1)
    lower = positions.floor().clamp(max=n_times - 2)
    f = positions - lower
    powers = torch.stack([torch.ones_like(f), f, f**2, f**3])
    weights = torch.tensordot(positions.new_tensor(CUBIC), powers, dims=1)[:, :, None]
    read = x.new_zeros(())
    for offset, weight in zip((-1, 0, 1, 2), weights):
        index = (lower.long() + offset).clamp(0, n_times - 1)
        read = torch.addcmul(read, weight, x.gather(2, index[:, None].expand(-1, x.shape[1], -1)))
    return read
