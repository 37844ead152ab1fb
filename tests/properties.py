"""What the property tests share: hypothesis, and settings under which they are quick and say the same every time."""

import numpy as np
import pytest

hypothesis = pytest.importorskip("hypothesis", reason="the extra [dev]")
st = pytest.importorskip("hypothesis.strategies")

quick = hypothesis.settings(
    max_examples=30, deadline=None, derandomize=True, database=None, suppress_health_check=list(hypothesis.HealthCheck)
)
given, assume = hypothesis.given, hypothesis.assume
seeds = st.integers(0, 2**32 - 1)


def generator(seed):
    """Numbers of numpy by a seed that hypothesis draws: arrays of any size, of which a failing example names one number."""
    return np.random.default_rng(seed)
