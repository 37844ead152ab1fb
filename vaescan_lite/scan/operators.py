"""The operators AND, IN COMMON and IGNORE, on assignments of factors and on posteriors over latents."""

import numpy as np

from ..factors import known_names


def combine(a, b, how="and", prior=None):
    """Combine two concepts: both (AND), what they share (IN COMMON), or one without the other (IGNORE).

    On assignments the operators are exact: AND is the union, IN COMMON the equal entries, IGNORE sets the factors that `b`
    names back to unknown. On posteriors the offsets of the natural parameters from the prior, ``d1 = m/v - m0/v0`` and
    ``d2 = 1/v - 1/v0``, are added (AND: ``q_a q_b / p``; without the division the product would average the effects and be
    overconfident), subtracted (IGNORE), or replaced by their minmod (IN COMMON): the smaller magnitude where both have the same
    sign, else 0. AND is commutative and associative with the prior as identity; (a AND b) IGNORE b = a; IN COMMON is idempotent
    and absorbed by the prior.

    Parameters
    ----------
    a, b : dict, or pair of ndarrays of float
        Assignments such as ``{"LBBB": 1}`` (None and NaN mean unknown), or posteriors ``(mu, logvar)``, each of shape (...,
        n_latents). For IGNORE on assignments `b` may also be a list of factor names. The result is of the kind of `a`.
    how : {"and", "in_common", "ignore"}, the operator
    prior : pair of ndarrays of float, ``scan.factors_to_latents({})``: what is needed for posteriors

    Examples
    --------
    >>> combine({"LBBB": 1}, {"AF": 1, "LBBB": 1})
    {'LBBB': 1, 'AF': 1}
    >>> combine({"LBBB": 1, "AF": 0}, {"AF": 1, "LBBB": 1}, how="in_common")
    {'LBBB': 1}
    >>> combine({"LBBB": 1, "AF": 0}, ["AF"], how="ignore")
    {'LBBB': 1}
    """
    known_names([how], ("and", "in_common", "ignore"), "operator")
    return _combine_assignments(a, b, how) if isinstance(a, dict) else _combine_posteriors(a, b, how, prior)


def without_unknown(assignment):
    """Leave out the entries that are None or NaN: a factor that is not named is unknown."""
    return {name: value for name, value in assignment.items() if value is not None and not np.isnan(value)}


def _combine_assignments(a, b, how):
    if not isinstance(b, dict) and how != "ignore":
        raise ValueError(f"the second assignment must be a dict like the first; got {type(b).__name__}.")
    a = without_unknown(a)
    if how == "ignore":
        ignored = {b} if isinstance(b, str) else set(without_unknown(b) if isinstance(b, dict) else b)
        return {name: value for name, value in a.items() if name not in ignored}
    b = without_unknown(b)
    if how == "in_common":
        return {name: value for name, value in a.items() if name in b and b[name] == value}
    conflicts = [f"{name} ({a[name]} and {b[name]})" for name in a if name in b and a[name] != b[name]]
    if conflicts:
        raise ValueError(f"AND of assignments that contradict each other: {', '.join(conflicts)}.")
    return {**a, **b}


def _combine_posteriors(a, b, how, prior):
    if prior is None:
        raise ValueError("posteriors are combined relative to the prior: give prior=scan.factors_to_latents({}).")
    linear_0, precision_0 = _natural(prior, "prior")
    linear_a, precision_a = _natural(a, "a")
    linear_b, precision_b = _natural(b, "b")
    operator = {"and": np.add, "ignore": np.subtract, "in_common": _minmod}[how]
    linear = linear_0 + operator(linear_a - linear_0, linear_b - linear_0)
    precision = precision_0 + operator(precision_a - precision_0, precision_b - precision_0)
    if not (precision > 0).all():
        latents = sorted(set(np.flatnonzero(~(np.atleast_2d(precision) > 0).all(axis=0)).tolist()))
        raise ValueError(
            f"{how.upper()} gives a precision of {precision.min():.3g} (latents {latents}), and no normal distribution has a "
            "precision of 0 or less: the posteriors are too wide beside the prior. Combine the assignments instead."
        )
    return linear / precision, -np.log(precision)


def _natural(posterior, name):
    """Return the natural parameters m/v and 1/v of (mu, logvar)."""
    try:
        mu, logvar = (np.asarray(part, dtype=float) for part in posterior)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} must be a dict of factors or a pair (mu, logvar); got {type(posterior).__name__}.") from error
    precision = np.exp(-logvar)
    return mu * precision, precision


def _minmod(x, y):
    """Take the smaller magnitude where both have the same sign, else 0."""
    return np.where(x * y > 0, np.sign(x) * np.minimum(np.abs(x), np.abs(y)), 0.0)
