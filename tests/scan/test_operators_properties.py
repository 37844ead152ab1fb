"""AND, IN COMMON and IGNORE on any assignments and posteriors: the laws that their names promise."""

import numpy as np
import pytest
from properties import generator, given, quick, seeds, st

from vaescan_lite.scan import combine

assignments = st.dictionaries(st.sampled_from(["LBBB", "AF", "AVB1", "age_years"]), st.sampled_from([0, 1, None]))


def known(assignment):
    return {name: value for name, value in assignment.items() if value is not None}


@quick
@given(assignments, assignments)
def test_on_assignments_the_operators_are_those_of_sets(a, b):
    conflict = any(known(a)[name] != known(b)[name] for name in known(a).keys() & known(b).keys())
    if conflict:
        with pytest.raises(ValueError, match="contradict each other"):
            combine(a, b)
    else:
        assert combine(a, b) == combine(b, a) == {**known(a), **known(b)}
    assert combine(a, b, how="in_common").items() == known(a).items() & known(b).items()
    assert combine(a, b, how="ignore") == {name: value for name, value in known(a).items() if name not in known(b)}
    assert combine(a, {}) == combine(a, a) == combine(a, a, how="in_common") == known(a)


def posteriors(seed, n):
    """A prior, and posteriors that know more than it does, each a pair (mu, logvar) of five latents."""
    rng = generator(seed)
    prior = 0.3 * rng.normal(size=5), 0.2 * rng.normal(size=5)
    return prior, [(rng.normal(size=5), prior[1] - rng.uniform(0.1, 3, 5)) for _ in range(n)]


@quick
@given(seeds)
def test_and_is_commutative_and_associative_and_the_prior_changes_nothing(seed):
    prior, (a, b, c) = posteriors(seed, 3)
    np.testing.assert_allclose(combine(a, b, prior=prior), combine(b, a, prior=prior), atol=1e-9)
    left = combine(combine(a, b, prior=prior), c, prior=prior)
    np.testing.assert_allclose(left, combine(a, combine(b, c, prior=prior), prior=prior), atol=1e-9)
    np.testing.assert_allclose(combine(a, prior, prior=prior), a, atol=1e-9)


@quick
@given(seeds)
def test_ignore_undoes_and(seed):
    prior, (a, b) = posteriors(seed, 2)
    both = combine(a, b, prior=prior)
    np.testing.assert_allclose(combine(both, b, how="ignore", prior=prior), a, atol=1e-8)


@quick
@given(seeds)
def test_in_common_is_idempotent_commutative_and_no_further_from_the_prior_than_either(seed):
    prior, (a, b) = posteriors(seed, 2)
    np.testing.assert_allclose(combine(a, a, how="in_common", prior=prior), a, atol=1e-9)
    np.testing.assert_allclose(combine(prior, a, how="in_common", prior=prior), prior, atol=1e-9)
    shared = combine(a, b, how="in_common", prior=prior)
    np.testing.assert_allclose(shared, combine(b, a, how="in_common", prior=prior), atol=1e-12)
    for part in (a, b):  # natural parameters as offsets from the prior
        linear, linear_0, linear_part = (mu * np.exp(-logvar) for mu, logvar in (shared, prior, part))
        assert (np.abs(linear - linear_0) <= np.abs(linear_part - linear_0) + 1e-9).all()
        assert (shared[1] >= part[1] - 1e-9).all()
