"""Changes of a beat that a heart, a chest or an electrode could have made. Used by `vae` for training."""

import math

import torch

from ..ecg import DOWER

UNSTRETCHED_S = 0.06  # to either side of R time is kept as it is, so that the QRS keeps its shape


class Augmentation:
    """Turn, gain and warped intervals, drawn anew for every beat.

    Parameters
    ----------
    fs : float
        Sampling frequency in Hz.
    r_index : int
        Sample of the R peak.
    turn_deg : float
        Standard deviation of the rotation of the heart's dipole about each of three axes, in degrees.
    gain, lead_gain : float
        Standard deviations of the log-gain of the whole beat and of each lead.
    pr, qt : float
        Standard deviations of the log-factors that stretch the time before and after the QRS.
    jitter_s : float
        Width of the uniform shift of the whole beat, in seconds.

    Notes
    -----
    The turn acts on the dipolar part of the beat alone: ``x + D (R - 1) D^+ x``, with Dower's matrix D and a rotation R,
    leaves untouched what a dipole cannot explain. Leads in the order I, II, V1 ... V6 are assumed.
    """

    def __init__(self, fs, r_index, *, turn_deg=12.0, gain=0.2, lead_gain=0.1, pr=0.16, qt=0.12, jitter_s=0.01):
        self.fs, self.r_index = fs, r_index
        self.turn = math.radians(turn_deg)
        self.gain, self.lead_gain, self.pr, self.qt = gain, lead_gain, pr, qt
        self.jitter = jitter_s * fs
        self.dower = torch.as_tensor(DOWER, dtype=torch.float32)
        self.inverse_dower = torch.linalg.pinv(self.dower)

    def draw(self, n_beats, n_times, generator):
        """Draw one change per beat.

        Parameters
        ----------
        n_beats, n_times : int
            Size of the batch and of its window.
        generator : torch.Generator
            Source of the draws.

        Returns
        -------
        matrices : Tensor, shape (n_beats, 8, 8)
            New leads from old ones.
        positions : Tensor, shape (n_beats, n_times)
            Where each new sample is read, in old samples.
        """

        def normal(*shape):
            return torch.randn(shape, generator=generator)

        turn = rotation_matrices(self.turn * normal(n_beats, 3)) - torch.eye(3)
        matrices = torch.eye(8) + self.dower @ turn @ self.inverse_dower
        matrices = matrices * torch.exp(self.gain * normal(n_beats, 1, 1) + self.lead_gain * normal(n_beats, 8, 1))
        log_factors = torch.cat([self.pr * normal(n_beats, 1), self.qt * normal(n_beats, 1)], dim=1)
        positions = stretched_positions(n_times, self.fs, self.r_index, log_factors)
        return matrices, positions + self.jitter * (torch.rand((n_beats, 1), generator=generator) - 0.5)

    @staticmethod
    def apply(x, draw):
        """Apply what `draw` gave to beats, Tensor (n_beats, 8, n_times)."""
        matrices, positions = draw
        return read_between_samples(matrices @ x, positions)


def stretched_positions(n_times, fs, r_index, log_factors):
    """Where to read a beat so that the time before and after its QRS is stretched.

    Parameters
    ----------
    n_times : int
        Samples of the window.
    fs : float
        Sampling frequency in Hz.
    r_index : int
        Sample of the R peak.
    log_factors : Tensor of float, shape (n_beats, 2)
        Logarithms of the speed of reading before and after the QRS: above 0, waves come to lie nearer to it.

    Returns
    -------
    Tensor, shape (n_beats, n_times)
        Positions in samples, for `read_between_samples`.

    Examples
    --------
    >>> stretched_positions(5, 20, 2, torch.tensor([[0.0, math.log(2.0)]]))  # 60 ms after R time begins to run twice as fast
    tensor([[0.0000, 1.0000, 2.0000, 3.0000, 4.8000]])
    """
    time = torch.arange(n_times) - float(r_index)
    border = UNSTRETCHED_S * fs
    before, after = log_factors.exp().split(1, dim=1)
    positions = torch.where(time < -border, -border + (time + border) * before, time)
    return torch.where(time > border, border + (time - border) * after, positions) + r_index


def rotation_matrices(turns):
    """Rotations about axes, by Rodrigues' formula.

    Parameters
    ----------
    turns : Tensor of float, shape (n, 3)
        Axes of rotation; their lengths are the angles in radians.

    Returns
    -------
    Tensor, shape (n, 3, 3)

    Examples
    --------
    >>> quarter = rotation_matrices(torch.tensor([[0.0, 0.0, math.pi / 2]]))[0]
    >>> (quarter @ torch.tensor([1.0, 0.0, 0.0])).round().tolist()  # x turns into y
    [0.0, 1.0, 0.0]
    """
    angle = turns.norm(dim=1, keepdim=True).clamp_min(1e-9)
    x, y, z = (turns / angle).T
    zero = torch.zeros_like(x)
    cross = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], dim=1).view(-1, 3, 3)
    angle = angle[..., None]
    return torch.eye(3) + torch.sin(angle) * cross + (1 - torch.cos(angle)) * (cross @ cross)


def read_between_samples(x, positions):
    """Read beats between their samples, by cubic convolution.

    Parameters
    ----------
    x : Tensor of float, shape (n_beats, n_leads, n_times)
        Beats.
    positions : Tensor of float, shape (n_beats, n_times)
        Positions in samples, the same for all leads of a beat. Outside the window the nearest end is read.

    Returns
    -------
    Tensor, shape (n_beats, n_leads, n_times)

    References
    ----------
    .. [1] Keys RG. Cubic convolution interpolation for digital image processing. IEEE Trans Acoust Speech Signal Process
       1981;29:1153-1160. doi:10.1109/TASSP.1981.1163711

    Examples
    --------
    >>> line = torch.arange(6.0).reshape(1, 1, 6)
    >>> read_between_samples(line, torch.full((1, 2), 2.5))
    tensor([[[2.5000, 2.5000]]])
    """
    n_times = x.shape[-1]
    positions = positions.clamp(0, n_times - 1)
    left = positions.floor().clamp(max=n_times - 2)
    f = (positions - left)[:, None]

    def at(offset):
        index = (left.long() + offset).clamp(0, n_times - 1)
        return x.gather(2, index[:, None].expand(-1, x.shape[1], -1))

    a, b, c, d = at(-1), at(0), at(1), at(2)
    return b + 0.5 * f * (c - a + f * (2 * a - 5 * b + 4 * c - d + f * (3 * (b - c) + d - a)))
