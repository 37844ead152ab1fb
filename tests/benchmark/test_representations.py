"""What a model may see: aligned, finite, and learnt from the training rows alone."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

import vaescan_lite as vl
from vaescan_lite.beats.filters import BAND_HZ, band_pass_gain
from vaescan_lite.benchmark.representations import (
    AgeSex,
    LatentsWith,
    Measurements,
    MedianBeat,
    PCAScores,
    Recordings,
    Rhythm,
    Rules,
    TenSeconds,
    VAELatents,
)
from vaescan_lite.models import EcgCNN
from vaescan_lite.training import Budget

N = 80


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    folder = tmp_path_factory.mktemp("people") / "database"
    vl.write_simulated_database(folder, N, seed=5, progress=False)
    return Recordings(vl.open_database(folder))


def test_some_rows_are_the_same_as_those_of_all(rows):
    some = rows[np.array([7, 3])]
    assert list(some.ids) == [rows.ids[7], rows.ids[3]]
    np.testing.assert_array_equal(some.beats.signals, rows.beats.signals[[7, 3]])
    np.testing.assert_array_equal(some.ten_seconds, rows.ten_seconds[[7, 3]])
    pd.testing.assert_frame_equal(some.measurements, rows.measurements.iloc[[7, 3]])
    assert list(some.factors.index) == list(some.ids) and len(rows[rows.fold > 5][:2]) == 2


@pytest.mark.parametrize(("frequency_hz", "kept"), [(0.1, 0.01), (5, 1.0), (33, 0.95), (40, 0.5), (48, 0.05)])
def test_ten_seconds_and_beats_pass_the_same_band(frequency_hz, kept):
    """A sine of each frequency: what is left of it in a ten-second signal, and the gain of the filter of the beats."""
    sine = np.sin(2 * np.pi * frequency_hz * np.arange(1000) / 100).astype(np.float32)
    ecgs = vl.EcgSet(np.tile(sine, (2, 12, 1)), fs=100)
    db = SimpleNamespace(
        ids=ecgs.ids, fold=pd.Series(1, index=ecgs.ids), read=lambda ids, fs: ecgs, factors=lambda: pd.DataFrame(index=ecgs.ids)
    )
    middle = slice(250, 750)
    left = np.std(Recordings(db, fs=100, progress=False).ten_seconds[0][0, middle]) / np.std(sine[middle])
    assert left == pytest.approx(kept, abs=0.02)
    assert left == pytest.approx(band_pass_gain(np.array([frequency_hz]), *BAND_HZ)[0], abs=0.02)


def test_ten_seconds_are_mapped_from_the_cache_and_only_the_rows_that_are_asked_for_are_read(rows, monkeypatch):
    first = rows._source.ten_seconds
    again = Recordings(rows.db, beats=rows.beats)
    monkeypatch.setattr(type(rows.db), "read", lambda *a, **k: pytest.fail("was read again"))
    mapped = again._source.ten_seconds
    assert isinstance(mapped, np.memmap) and isinstance(first, np.memmap) and mapped.shape == (N, 8, 1000)
    some = again[again.fold > 5].ten_seconds[:2]
    np.testing.assert_array_equal(some, first[again.fold > 5][:2])
    other = Recordings(rows.db, rows.ids[:5], beats=rows.beats[:5])
    with pytest.raises(pytest.fail.Exception, match="read again"):  # other people: another file
        _ = other.ten_seconds


def test_a_network_learns_the_same_from_rows_that_are_mapped_as_from_those_in_memory(rows):
    y = np.arange(N) % 2
    mapped, copied = rows.ten_seconds, np.asarray(rows.ten_seconds)
    models = [EcgCNN(budget=Budget(epochs=1, batch_size=16)).fit(signals, y) for signals in (mapped, copied)]
    answers = [model.decision_function(signals) for model in models for signals in (mapped, copied)]
    for answer in answers[1:]:
        np.testing.assert_array_equal(answer, answers[0])
    np.testing.assert_allclose(models[0].network_[0].scale[:, 0], copied.std(axis=(0, 2)), rtol=1e-5)
    np.testing.assert_allclose(models[0].mean_beat_, copied.mean(axis=0), atol=1e-6)


def test_what_was_read_once_is_not_read_again(rows, monkeypatch):
    rows.prepare(["ten_seconds", "beats"])
    monkeypatch.setattr(type(rows._source.db), "read", lambda *a, **k: pytest.fail("was read again"))
    assert rows[:3].ten_seconds.shape == (3, 8, 1000)


@pytest.mark.parametrize(
    "representation",
    [
        AgeSex(),
        Measurements(),
        Rules(),
        PCAScores(4),
        MedianBeat(),
        TenSeconds(),
        VAELatents(4, budget="smoke"),
        Rhythm(),
        LatentsWith(Rhythm(), 4, budget="smoke"),
    ],
    ids=lambda r: type(r).__name__,
)
def test_every_representation_is_finite_has_a_row_per_ecg_and_does_not_depend_on_its_neighbours(rows, representation):
    training, test = rows[:60], rows[60:]
    fitted = representation.fit(training)
    together = np.asarray(fitted.transform(test))
    assert len(together) == 20 and np.isfinite(together).all()
    np.testing.assert_allclose(np.asarray(fitted.transform(test[[4]])), together[[4]], atol=1e-4)
    assert together.ndim == (2 if representation.gives == "table" else 3)


def test_gaps_are_filled_from_the_training_rows_and_marked(rows):
    factors = rows.factors.copy()
    factors["age_years"] = np.where(np.arange(N) < 60, 40.0, 90.0)
    factors.iloc[[2, 70], factors.columns.get_loc("age_years")] = np.nan
    db = SimpleNamespace(ids=rows.ids, fold=pd.Series(rows.fold, index=rows.ids), factors=lambda: factors)
    some = Recordings(db, beats=rows.beats)
    table = AgeSex().fit(some[:60]).transform(some[60:])
    assert table["age_years"].iloc[10] == 40.0
    assert table["missingindicator_age_years"].to_list() == [0.0] * 10 + [1.0] + [0.0] * 9


def test_rules_find_what_they_were_made_for():
    kinds = np.repeat(["normal", "LBBB", "RBBB", "AVB1"], 25)
    factors = pd.DataFrame({name: (kinds == name).astype(float) for name in ("LBBB", "RBBB", "AVB1")}).assign(
        sex_female=0, age_years=60
    )
    beats = vl.median_beats(vl.simulate(factors, seed=1, noise=False))
    db = SimpleNamespace(ids=factors.index.to_numpy(), fold=pd.Series(1, index=factors.index), factors=lambda: factors)
    met = Rules().transform(Recordings(db, beats=beats)).groupby(kinds).mean()
    assert met.loc["LBBB", "wide QRS, V1 down"] > 0.9 and met.loc["LBBB", "wide QRS, V1 up"] == 0
    assert met["wide QRS, V1 up"].idxmax() == "RBBB" and met.loc["normal", ["wide QRS, V1 up", "wide QRS, V1 down"]].max() < 0.1
    assert met.loc["AVB1", "PR above 200 ms"] > 0.9 > 0.2 > met.loc["normal", "PR above 200 ms"]


def test_beats_of_other_ecgs_are_refused(rows):
    with pytest.raises(ValueError, match="one row per id"):
        Recordings(rows._source.db, beats=rows.beats[np.arange(N)[::-1]])


def test_ids_without_factors_are_named(rows):
    with pytest.raises(ValueError, match="1 of 80 ids have no row in factors"):
        Recordings(rows._source.db, factors=rows.factors.iloc[1:])
