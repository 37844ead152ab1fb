"""Models of tables: the EBM that is told what it would guess."""

import numpy as np
from interpret.glassbox import ExplainableBoostingClassifier
from sklearn.base import clone

from vaescan_lite.models import standard_models
from vaescan_lite.models.tables import EBM
from vaescan_lite.training import TABLE_BUDGETS


def test_the_ebm_finds_what_it_finds_when_it_guesses_the_kinds_of_columns():
    rng = np.random.default_rng(0)
    table = rng.normal(size=(400, 5))
    table[:, 1], table[:, 2], table[:, 3] = table[:, 1] > 0, table[:, 2].round(), 0.0  # two values, a few, one
    y = (table[:, 0] + table[:, 1] + table[:, 2] ** 2 + rng.normal(size=400) > 1).astype(int)
    told = clone(standard_models("smoke")["EBM"]).fit(table, y)
    guessed = ExplainableBoostingClassifier(**EBM, **TABLE_BUDGETS["smoke"]["EBM"], random_state=0).fit(table, y)
    assert told.feature_types_in_ == guessed.feature_types_in_ == ["continuous"] * 5
    np.testing.assert_allclose(told.decision_function(table), guessed.decision_function(table), rtol=0, atol=1e-12)
    again = clone(told).fit(table[:, :3], y)  # a copy takes tables of another width
    assert again.predict_proba(table[:, :3]).shape == (400, 2)
