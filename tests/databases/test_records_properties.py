"""Whatever the gain, baseline, unit, order of leads, separator and decimal mark: the ECG that was written is read."""

import tempfile
from pathlib import Path

import numpy as np
import pytest
from properties import generator, given, quick, seeds, st

from vaescan_lite import read_record
from vaescan_lite.databases.records import resample, samples_made, samples_needed
from vaescan_lite.leads import LEADS_8, LEADS_12, TWELVE_FROM_EIGHT

UNITS = {"mV": 1.0, "uV": 1e-3, "V": 1e3}
rates = st.sampled_from([100, 125, 180, 250, 257, 360, 500, 1000])


def an_ecg(seed, n_samples):
    """Twelve leads in mV, (12, n_samples), that obey their laws."""
    return TWELVE_FROM_EIGHT @ np.cumsum(generator(seed).normal(0, 0.05, (8, n_samples)), axis=1)


@quick
@given(seeds, st.permutations(LEADS_12), st.sampled_from(sorted(UNITS)), st.integers(-300, 300), st.integers(0, 64), rates)
def test_a_wfdb_record_is_read_within_half_a_step(seed, leads, unit, baseline, offset, fs):
    ecg, gains = an_ecg(seed, 50), generator(seed).uniform(200, 2000, 12)  # counts per mV
    rows = [LEADS_12.index(lead) for lead in leads]
    counts = np.rint(ecg[rows] * gains[rows, None] + baseline).astype("<i2")
    lines = [f"rec 12 {fs} 50"]
    lines += [
        f"rec.dat 16+{offset} {gains[row] * UNITS[unit]:.10g}({baseline})/{unit} 16 0 0 0 0 {LEADS_12[row]}" for row in rows
    ]
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "rec.hea").write_text("\n".join([*lines, ""]))
        (Path(folder) / "rec.dat").write_bytes(b"\0" * offset + counts.T.tobytes())
        read = read_record(Path(folder) / "rec")
    assert (read.fs, read.leads) == (fs, LEADS_12)
    assert (np.abs(read.signals[0] - ecg) <= 0.51 / gains[:, None] + 1e-6).all()


@quick
@given(
    seeds, st.permutations(LEADS_12), st.sampled_from([",", ";", "\t"]), st.booleans(), st.sampled_from(sorted(UNITS)), rates
)
def test_a_table_is_read_in_every_dialect(seed, leads, separator, has_comma, unit, fs):
    ecg = an_ecg(seed, 30)
    columns = [f"{lead} ({unit})" for lead in leads]
    rows = [[f"{value / UNITS[unit]:.7f}" for value in ecg[[LEADS_12.index(lead) for lead in leads], t]] for t in range(30)]
    if has_comma and separator != ",":
        rows = [[cell.replace(".", ",") for cell in row] for row in rows]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ecg.csv"
        path.write_text("\n".join(separator.join(row) for row in [columns, *rows]) + "\n", encoding="utf-8")
        read = read_record(path, fs=fs)
    assert (read.fs, read.leads) == (fs, LEADS_12)
    np.testing.assert_allclose(read.signals[0], ecg, atol=1e-4 if unit == "V" else 1e-6)


@quick
@given(seeds, st.lists(st.sampled_from(LEADS_8), min_size=1, max_size=3, unique=True))
def test_a_table_without_a_chest_lead_or_too_few_limb_leads_names_what_is_missing(seed, gone):
    limb = [lead for lead in LEADS_12[:6] if lead in ("I", "II") and lead not in gone]
    names = [*limb, *(lead for lead in LEADS_12[6:] if lead not in gone)]
    ecg = an_ecg(seed, 5)[[LEADS_12.index(name) for name in names]]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ecg.csv"
        path.write_text("\n".join([",".join(names), *(",".join(f"{x:.4f}" for x in row) for row in ecg.T)]) + "\n")
        with pytest.raises(ValueError, match=f"ecg.csv: .*{gone[0]}.*missing"):
            read_record(path, fs=100)


@quick
@given(seeds, rates, rates, st.floats(-2, 2))
def test_resampling_keeps_constants_and_length_and_needs_no_more_than_it_says(seed, fs_from, fs_to, level):
    signals = generator(seed).normal(size=(2, 3 * fs_from)).astype(np.float32)
    whole = resample(signals, fs_from, fs_to)
    assert whole.shape[-1] == samples_made(signals.shape[-1], fs_from, fs_to)
    n = min(samples_needed(fs_to, fs_from, fs_to), signals.shape[-1])
    np.testing.assert_allclose(resample(signals[:, :n], fs_from, fs_to)[:, :fs_to], whole[:, :fs_to], atol=1e-5)
    constant = np.full((1, 2 * fs_from), level, dtype=np.float32)
    np.testing.assert_allclose(resample(constant, fs_from, fs_to), level, atol=1e-5)
    np.testing.assert_allclose(resample(2 * signals, fs_from, fs_to), 2 * whole, atol=1e-4)
