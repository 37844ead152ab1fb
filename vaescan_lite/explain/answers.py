"""Asking a model that anybody may have written, and checking what it answers: part of `requirements`."""

import numpy as np
import pandas as pd

from .waves import GROUPS


def decide(name, model, beats, factors):
    """Ask a model, and check its answer: a DataFrame (n, n_factors) of finite logits."""
    if not callable(getattr(model, "decision", None)):
        raise ValueError(f"model {name!r} ({type(model).__name__}) has no decision(beats) that gives logits.")
    given = model.decision(beats)
    if not isinstance(given, pd.DataFrame):
        given = np.asarray(given, dtype=float)
        if given.shape != (len(beats),):
            raise ValueError(f"decision of model {name!r} must give ({len(beats)},) logits or a DataFrame; got {given.shape}.")
        told = [model.factor] if isinstance(getattr(model, "factor", None), str) else factors
        given = pd.DataFrame({factor: given for factor in told})
    if len(given) != len(beats):
        raise ValueError(f"decision of model {name!r} gave {len(given)} rows for {len(beats)} beats.")
    given = given[[factor for factor in factors if factor in given]].astype(float)
    if given.shape[1] == 0:
        raise ValueError(f"model {name!r} decides none of the factors {', '.join(factors)}.")
    n_lost = int((~np.isfinite(given.to_numpy())).any(axis=1).sum())
    if n_lost:
        raise ValueError(f"decision of model {name!r} is not finite for {n_lost} of {len(beats)} usable beats.")
    return given.reset_index(drop=True)


def own_explanation(name, model, beats, factor):
    """Ask a model for its own explanation by group, ndarray (n, n_groups) in the order of `GROUPS`."""
    given = model.contributions(beats, factor)
    missing = [group for group in GROUPS if group not in given.columns] if isinstance(given, pd.DataFrame) else list(GROUPS)
    if missing or len(given) != len(beats):
        raise ValueError(
            f"contributions of model {name!r} must be a DataFrame of {len(beats)} rows with a column per (segment, lead), "
            f"as GROUPS lists them; got {type(given).__name__} of shape {np.shape(given)}, {len(missing)} groups missing."
        )
    return given[list(GROUPS)].to_numpy(dtype=float)
