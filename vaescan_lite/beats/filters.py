"""The 0.5-40 Hz band of everything in the book, and zero-phase filtering through the Fourier transform."""

from functools import lru_cache

import numpy as np
from scipy import fft

BAND_HZ = (0.5, 40.0)  # of median beats and of ten-second signals alike
BLOCK = 32  # ECGs worked on together: few enough that their arrays stay in the processor's cache
PAD_S = 2.0  # the gap in which the two ends of an ECG are joined


def band_pass(signals, fs, band_hz=BAND_HZ):
    """Filter signals (n, n_leads, n_samples) without a shift in time, each lead's mean taken off: the filter of the beats."""
    n_samples = signals.shape[-1]
    n_padded = padded_length(n_samples, fs)
    gain = band_pass_gain(np.fft.rfftfreq(n_padded, 1 / fs), *band_hz)
    filtered = np.empty(signals.shape, dtype=np.float32)
    for start in range(0, len(signals), BLOCK):
        rows = slice(start, start + BLOCK)
        filtered[rows] = from_spectrum(to_spectrum(signals[rows], n_padded), gain, n_padded, n_padded)[..., :n_samples]
    return filtered


@lru_cache(maxsize=32)
def padded_length(n_samples, fs, fs_out=None):
    """Length of a padded ECG: quick to transform, and a whole number of samples at the output's rate too if that can be."""
    shortest = n_samples + round(PAD_S * fs)
    quick = {fft.next_fast_len(n, real=True) for n in range(shortest, shortest + round(fs))}
    rates = [fs_out or fs, detection_rate(fs)]

    def cost(n):
        return sum(abs(n * rate / fs - round(n * rate / fs)) for rate in rates) > 1e-6, n

    return min(quick, key=cost)


def detection_rate(fs):
    """Return a rate from 100 to below 200 Hz that divides `fs`; energy up to 25 Hz needs no more."""
    return fs / int(fs // 100)


def to_spectrum(signals, n_padded):
    """Fourier transform along time, (..., n_padded // 2 + 1), the mean taken off.

    The transform joins the end of an ECG to its start. A gap between the two is filled with the point reflections of both
    ends, one fading into the other, so that nothing jumps (what scipy.signal.sosfiltfilt does at each end by itself).
    """
    gap = n_padded - signals.shape[-1]
    x = signals - signals.mean(axis=-1, keepdims=True)
    reach = np.minimum(np.arange(1, gap + 1), signals.shape[-1] - 1)
    after_end = 2 * x[..., -1:] - x[..., -1 - reach]
    before_start = 2 * x[..., :1] - x[..., reach[::-1]]
    fade = np.float32(0.5 - 0.5 * np.cos(np.pi * np.arange(1, gap + 1) / (gap + 1)))
    return fft.rfft(np.concatenate([x, after_end + fade * (before_start - after_end)], axis=-1))


def from_spectrum(spectrum, gain, n_padded, n_out):
    """Signals of `n_out` samples over the padded length, band-limited, after multiplication with a gain per frequency."""
    n_kept = min(n_padded, n_out) // 2 + 1
    gain = gain[:n_kept] * (n_out / n_padded)
    return fft.irfft(spectrum[..., :n_kept] * gain.astype(np.complex64 if np.iscomplexobj(gain) else np.float32), n=n_out)


def band_pass_gain(frequency_hz, low_hz, high_hz, order=8):
    """Gain of a Butterworth high-pass of second order and low-pass of any that ran forwards and backwards: zero phase.

    Both are 1/2 at their corner. A low-pass of order 8 with its corner at 40 Hz leaves 95 % of 33 Hz and 3 % of 50 Hz; one of
    order 2 leaves 68 % and 29 %, which costs narrow R waves a twentieth of their height and lets mains through.
    """
    high_pass = frequency_hz**4 / (frequency_hz**4 + low_hz**4) if low_hz > 0 else 1.0
    return high_pass * low_pass_gain(frequency_hz, high_hz, order)


def low_pass_gain(frequency_hz, high_hz, order):
    """Gain of a Butterworth low-pass that ran forwards and backwards: 1/2 at `high_hz`, steeper with the order."""
    return 1 / (1 + (frequency_hz / high_hz) ** (2 * order))
