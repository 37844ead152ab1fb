"""Intervals and axis that are guessed from latents."""

import numpy as np
import pandas as pd
import pytest

import vaescan_lite as vl
from vaescan_lite.training import Budget
from vaescan_lite.web import readout


@pytest.fixture(scope="module")
def pretrained():
    return vl.load_pretrained()


def test_guesses_come_near_to_what_is_measured_on_beats_that_were_not_fitted(pretrained):
    vae, scan = pretrained
    population = scan.aggregated_mean_, scan.aggregated_sd_
    fitted = readout.fit_readout(vae, *population)
    z = population[0] + 0.8 * population[1] * np.random.default_rng(5).normal(size=(200, vae.n_latents))
    outputs = readout._features(vae.network_.decoder, z) @ fitted.weights.T + fitted.bias.T
    beats = vl.BeatSet(vae.inverse_transform(z), 100, vae.leads_, r_index=vae._timing()[1])
    measured = vl.measure(beats)[list(readout.READOUTS)]
    guessed = measured.copy()
    guessed[:] = np.column_stack([outputs[:, :3], np.degrees(np.arctan2(outputs[:, 4], outputs[:, 3]))])
    error = vl.measurements.subtract_measurements(guessed, measured).abs().mean()
    assert (error < 1.3 * fitted.error).all(), "the printed error is that of new beats"
    assert (fitted.error < 0.6 * fitted.sd).all(), "and the guesses are worth printing"


def test_one_fit_serves_every_explorer_of_a_population(pretrained):
    vae, scan = pretrained
    population = scan.aggregated_mean_, scan.aggregated_sd_
    assert readout.fit_readout(vae, *population) is readout.fit_readout(vae, *population)


def test_a_window_too_short_to_measure_has_no_readout():
    beats = vl.median_beats(vl.simulate(pd.DataFrame(index=range(60)), seed=1), before_s=0.2)
    short = vl.BeatVAE(n_latents=4, budget=Budget(epochs=1), progress=False).fit(beats)
    assert not readout.is_measurable(short) and vl.Explorer(short)._network["readout"] is None
