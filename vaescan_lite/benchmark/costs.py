"""What each step towards an explainable model costs, and how sure that is."""

import numpy as np
import pandas as pd

from ..factors import SUPERCLASSES
from ..statistics import auroc, holm, interval_over_trainings
from .result import MACRO

UNDECIDED = "cannot be told from zero"


ALPHA = 0.05


TEST_SHARE = 2 / 8  # test folds for each training fold


# Where the cost arises: (representation, model) before and after a step towards an explainable model.
STEPS = {
    "rhythm": (("ten seconds", "CNN"), ("median beat", "CNN")),
    "detail": (("median beat", "CNN"), ("VAE latents", "boosting")),
    "transparency": (("VAE latents", "boosting"), ("VAE latents", "logistic")),
    "naming": (("VAE latents", "logistic"), ("measurements", "logistic")),
    "all but naming": (("ten seconds", "CNN"), ("VAE latents", "logistic")),
    "whole way": (("ten seconds", "CNN"), ("measurements", "logistic")),
}


def cost(result, steps=None, tasks=None):
    """Give up step by step: how much AUROC each step towards an explainable model costs.

    Parameters
    ----------
    result : Result
        As `run` gives it.
    steps : dict, optional
        Name to ((representation, model) before, (representation, model) after); None takes those of `STEPS` that were run.
    tasks : sequence of str, optional
        None means all that were scored, and the mean over the superclasses.

    Returns
    -------
    DataFrame
        Columns step, before, after, task, auroc_before, auroc_after, cost (before minus after: positive is a loss) with low
        and high, low_trainings and high_trainings (`statistics.interval_over_trainings`), verdict ("costs something" or "gains
        something" where both intervals lie on one side of zero and p_holm, if there is one, is below 0.05; else "cannot be told
        from zero"), p (of no difference), and p_holm, adjusted for all single tasks in the table.

    Raises
    ------
    ValueError
        If a step names a pair that was not run.

    Notes
    -----
    Differences are paired: both pairs of a step are resampled with the same ECGs and compared seed by seed. The costs of
    successive steps add up to the cost of the whole way.
    """
    if steps is None:
        steps = {name: step for name, step in STEPS.items() if set(step) <= set(result.pairs)}
    unknown = [pair for step in steps.values() for pair in step if tuple(pair) not in result.pairs]
    if unknown or not steps:
        raise ValueError(
            f"not run: {', '.join(' with '.join(pair) for pair in unknown) or 'both ends of any step'}; "
            f"run were {', '.join(' with '.join(pair) for pair in result.pairs)}."
        )
    with_macro = tasks is None and any(task in SUPERCLASSES for task in result.tasks)
    names = [*(result.tasks if tasks is None else tasks), *([MACRO] if with_macro else [])]
    by_rotation = _by_rotation(result.predictions)
    rows = []
    for step, (before, after) in steps.items():
        for task in names:
            averaged = [name for name in result.tasks if name in SUPERCLASSES] if task == MACRO else [task]
            single = [by_rotation.loc[averaged, *pair].groupby("rotation").mean() for pair in (before, after)]
            ends = [result.mean_estimate(tuple(pair), None if task == MACRO else [task]) for pair in (before, after)]
            difference = ends[0] - ends[1]
            low, high = difference.interval()
            trainings = interval_over_trainings(single[0] - single[1], TEST_SHARE)
            rows.append(
                {
                    "step": step,
                    "before": " with ".join(before),
                    "after": " with ".join(after),
                    "task": task,
                    "auroc_before": ends[0].value,
                    "auroc_after": ends[1].value,
                    "cost": difference.value,
                    "low": low,
                    "high": high,
                    "low_trainings": trainings[0],
                    "high_trainings": trainings[1],
                    "verdict": _verdict((low, high), trainings),
                    "p": difference.p_value(),
                }
            )
    table = pd.DataFrame(rows)
    is_single = table["task"] != MACRO
    table["p_holm"] = np.nan
    table.loc[is_single, "p_holm"] = holm(table.loc[is_single, "p"])
    table.loc[table["p_holm"] >= ALPHA, "verdict"] = UNDECIDED
    return table


def _verdict(bootstrap, trainings):
    """Say what both intervals of a cost allow to say: with other test people, and after other trainings."""
    if min(bootstrap[0], trainings[0]) > 0:
        return "costs something"
    return "gains something" if max(bootstrap[1], trainings[1]) < 0 else UNDECIDED


def _by_rotation(predictions):
    """AUROC of each rotation, mean over seeds; a Series with the levels task, representation, model, rotation."""
    found = {}
    for key, part in predictions.groupby(["task", "representation", "model", "rotation", "seed"], observed=True, sort=False):
        found[key] = auroc(part["y"], part["score"], n_resamples=0).value
    names = ["task", "representation", "model", "rotation", "seed"]
    return pd.Series(found).rename_axis(names).groupby(names[:-1], sort=False).mean()
