"""What each step towards an explainable model costs, and how sure that is."""

import numpy as np
import pandas as pd

from ..factors import SUPERCLASSES
from ..statistics import auroc, holm, interval_over_trainings
from .result import MACRO

ALPHA = 0.05
TEST_SHARE = 2 / 8  # test folds for each training fold
PLACES = {"costs": 2, "gains": 2, "too few trainings": 1, "no evidence": 0}  # of verdicts, times the sign of the cost
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
    """How much AUROC each step towards an explainable model costs.

    Differences are paired: both pairs of a step are resampled with the same ECGs and compared seed by seed. The costs of
    successive steps add up to the cost of the whole way.

    Parameters
    ----------
    result : Result, as `run` gives it
    steps : dict of str to pair of (representation, model), before and after, optional, default those of `STEPS` that were run
    tasks : sequence of str, optional, None means all that were scored, and the mean over the superclasses

    Returns
    -------
    DataFrame
        Columns step, before, after, task, auroc_before, auroc_after, cost (before minus after: positive is a loss) with low and
        high (with other people), low_trainings and high_trainings (after other trainings,
        `statistics.interval_over_trainings`), verdict, not_excluded (the largest cost that is possible still), p (of no
        difference), and p_holm, adjusted for all single tasks in the table. The verdict is "costs" or "gains" where both
        intervals lie on one side of zero and p_holm, if there is one, is below 0.05; "too few trainings" where only that over
        trainings holds zero; else "no evidence".
    """
    steps = _known_steps(steps, result)
    with_macro = tasks is None and any(task in SUPERCLASSES for task in result.tasks)
    names = [*(result.tasks if tasks is None else tasks), *([MACRO] if with_macro else [])]
    by_rotation = _by_rotation(result.predictions)
    rows = []
    for step, pairs in steps.items():
        ends = {"step": step} | {end: " with ".join(pair) for end, pair in zip(("before", "after"), pairs)}
        rows += [ends | {"task": task, **_cost_of(result, pairs, task, by_rotation)} for task in names]
    table = pd.DataFrame(rows)
    is_single = table["task"] != MACRO
    table["p_holm"] = np.nan
    table.loc[is_single, "p_holm"] = holm(table.loc[is_single, "p"])
    people, trainings = (table[["low" + of, "high" + of]].to_numpy() for of in ("", "_trainings"))
    table["verdict"] = [verdict(*row) for row in zip(people, trainings, table["p_holm"].fillna(0))]
    return table


def agreement(results, steps=None, tasks=None):
    """Say how far verdicts on a cost agree between trainings that differ in their seed alone: a DataFrame by step and task.

    `results` are of the same pairs, with at least two training seeds in all; `steps` and `tasks` as for `cost`, with Holm's
    adjustment within each seed. Columns: step, task, lowest and highest cost, a verdict per seed ("seed 0", ...), and
    agreement. Verdicts lie on a way: "costs", "too few trainings" (of a cost), "no evidence", "too few trainings" (of a gain),
    "gains". They are "equal"; "neighbouring", within one step of it; "reversed", on different sides of "no evidence"; else
    "apart".
    """
    tables = [cost(part, steps, tasks).set_index(["step", "task"]) for result in results for part in result.by_seed()]
    if len(tables) < 2:
        raise ValueError(f"agreement needs at least two training seeds; got {len(tables)}.")
    shared = [place for place in tables[0].index if all(place in table.index for table in tables)]
    costs = pd.concat([table.loc[shared, "cost"] for table in tables], axis=1)
    table = pd.concat([table.loc[shared, "verdict"].rename(f"seed {i}") for i, table in enumerate(tables)], axis=1)
    places = table.apply(lambda column: column.map(PLACES)).to_numpy(dtype=float) * np.sign(costs.to_numpy())
    low, high = places.min(axis=1), places.max(axis=1)
    kinds = [high == low, low * high < 0, high - low <= 1]
    table["agreement"] = np.select(kinds, ["equal", "reversed", "neighbouring"], "apart")
    table.insert(0, "lowest", costs.min(axis=1))
    table.insert(1, "highest", costs.max(axis=1))
    return table.reset_index()


def _known_steps(steps, result):
    """Return the steps asked for, or those of `STEPS` that were run; an error names what was not run."""
    if steps is None:
        steps = {name: step for name, step in STEPS.items() if set(step) <= set(result.pairs)}
    unknown = [pair for step in steps.values() for pair in step if tuple(pair) not in result.pairs]
    if unknown or not steps:
        lost, known = (", ".join(map(" with ".join, pairs)) for pairs in (unknown, result.pairs))
        raise ValueError(f"not run: {lost or 'both ends of any step'}; run were {known}.")
    return steps


def _cost_of(result, pairs, task, by_rotation):
    """Cost of one step in one task, or in the mean of the superclasses: its part of a row."""
    averaged = [name for name in result.tasks if name in SUPERCLASSES] if task == MACRO else [task]
    before, after = (result.mean_estimate(tuple(pair), averaged) for pair in pairs)
    rotations = [by_rotation.loc[averaged, *pair].groupby("rotation").mean() for pair in pairs]
    difference = before - after
    people, trainings = difference.interval(), interval_over_trainings(rotations[0] - rotations[1], TEST_SHARE)
    return {
        "auroc_before": before.value, "auroc_after": after.value, "cost": difference.value, "low": people[0], "high": people[1],
        "low_trainings": trainings[0], "high_trainings": trainings[1], "verdict": "",
        "not_excluded": max(end for end in (people[1], trainings[1]) if end < np.inf),  # few rotations exclude nothing
        "p": difference.p_value(),
    }  # fmt: skip


def verdict(people, trainings, p_holm=0.0):
    """Return what the intervals of a cost, with other test people and after other trainings, and its p-value allow to say."""
    side = np.sign(people[0]) if people[0] * people[1] > 0 else 0
    if not side or p_holm >= ALPHA:
        return "no evidence"
    if np.sign(trainings[0]) != side or np.sign(trainings[1]) != side:
        return "too few trainings"
    return "costs" if side > 0 else "gains"


def _by_rotation(predictions):
    """AUROC of each rotation, mean over seeds; a Series with the levels task, representation, model, rotation."""
    names = ["task", "representation", "model", "rotation", "seed"]
    aurocs = {}
    for key, part in predictions.groupby(names, observed=True, sort=False):
        aurocs[key] = auroc(part["y"], part["score"], n_resamples=0).value
    return pd.Series(aurocs).rename_axis(names).groupby(names[:-1], sort=False).mean()
