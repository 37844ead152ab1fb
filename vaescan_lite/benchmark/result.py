"""What a run of the benchmark gives: predictions, and scores of which differences can be taken."""

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from sklearn.metrics import brier_score_loss

from ..factors import SUPERCLASSES
from ..statistics import auroc, average_precision_within, bootstrap_weights, calibration, mean_estimate, over_trainings

BASELINE = ("age + sex", "logistic")
MACRO = "mean of superclasses"


@dataclass(frozen=True, eq=False)
class Result:
    """What `run` gives.

    Attributes
    ----------
    predictions : DataFrame, columns task, representation, model, seed, rotation, id, y (0 or 1), score (probability)
    scores : DataFrame, one row per task, representation and model
        auroc with low and high, average_precision, brier, calibration_intercept, calibration_slope, n, n_positive, and gain
        over age + sex with gain_low and gain_high.
    left_out : DataFrame, columns kind ("task" or "ECG"), name and reason: what was not scored, by rule
    seconds : DataFrame, columns representation, seed, rotation, part ("representation" or the model's name), seconds
    estimates : dict, (task, representation, model) to `Estimate`: figures of which differences can be taken, pairing kept
    """

    predictions: pd.DataFrame
    scores: pd.DataFrame
    left_out: pd.DataFrame
    seconds: pd.DataFrame
    estimates: dict = field(repr=False)

    @property
    def tasks(self):
        """Names of the tasks that were scored."""
        return tuple(dict.fromkeys(task for task, _, _ in self.estimates))

    @property
    def pairs(self):
        """The (representation, model) pairs that were scored."""
        return tuple(dict.fromkeys((representation, model) for _, representation, model in self.estimates))

    def mean_estimate(self, pair, tasks=None):
        """Return the Estimate of a pair's mean AUROC over tasks; None means those superclasses that were scored."""
        tasks = [task for task in SUPERCLASSES if task in self.tasks] if tasks is None else list(tasks)
        missing = [task for task in tasks if (task, *pair) not in self.estimates]
        if missing or not tasks:
            scored = f"the tasks {', '.join(self.tasks)} and the pairs {', '.join(map(' with '.join, self.pairs))}"
            lost = f"{' with '.join(pair)} for {', '.join(missing) or 'any superclass'}"
            raise ValueError(f"no score of {lost}; scored are {scored}.")
        return mean_estimate([self.estimates[task, *pair] for task in tasks])

    def macro(self, tasks=None):
        """Mean AUROC over the superclasses that were scored, or over `tasks`, of each pair: a DataFrame, the best pair first.

        Columns representation, model, auroc, low, high, gain, gain_low, gain_high.
        """
        baseline = self.mean_estimate(BASELINE, tasks)
        scores = [_auroc_and_gain(self.mean_estimate(pair, tasks), baseline) for pair in self.pairs]
        rows = [dict(zip(("representation", "model"), pair)) | score for pair, score in zip(self.pairs, scores)]
        return pd.DataFrame(rows).sort_values("auroc", ascending=False, kind="stable", ignore_index=True)

    def by_seed(self):
        """Return one Result per training seed: what each would have said alone, with the same resamples of the ECGs."""
        n_resamples, results = len(next(iter(self.estimates.values())).replicates), []
        for seed, predictions in self.predictions.groupby("seed"):
            estimates = estimates_of(predictions, n_resamples)
            seconds = self.seconds[self.seconds["seed"] == seed]
            results.append(Result(predictions, scores_of(predictions, estimates), self.left_out, seconds, estimates))
        return results


def estimates_of(predictions, n_resamples):
    """Estimate of every task, representation and model; all from the same resamples of the ECGs."""
    records = predictions[["id", "rotation"]].drop_duplicates("id").sort_values(["rotation", "id"], ignore_index=True)
    weights = bootstrap_weights(records["rotation"], n_resamples)
    position = pd.Series(np.arange(len(records)), index=records["id"])
    by_training = {}
    for (*cell, _), part in predictions.groupby(["task", "representation", "model", "seed"], observed=True, sort=False):
        y, score, rotation = (part[name].to_numpy() for name in ("y", "score", "rotation"))
        columns = weights[:, position.loc[part["id"]].to_numpy()]
        by_training.setdefault(tuple(cell), []).append(auroc(y, score, rotation, weights=columns))
    return {cell: over_trainings(estimates) for cell, estimates in by_training.items()}


def scores_of(predictions, estimates):
    """Table of scores, one row per estimate."""
    rows = []
    for cell, part in predictions.groupby(["task", "representation", "model"], observed=True, sort=False):
        by_seed = [table for _, table in part.groupby("seed")]
        columns = [(table["y"], table["score"], table["rotation"]) for table in by_seed]
        further = [(average_precision_within(*all_), brier_score_loss(*all_[:2]), *calibration(*all_[:2])) for all_ in columns]
        means = np.mean(further, axis=0)
        rows.append(
            dict(zip(("task", "representation", "model"), cell))
            | _auroc_and_gain(estimates[cell], estimates[cell[0], *BASELINE])
            | dict(zip(("average_precision", "brier", "calibration_intercept", "calibration_slope"), means))
            | {"n": len(by_seed[0]), "n_positive": int(by_seed[0]["y"].sum())}
        )
    return pd.DataFrame(rows)


def _auroc_and_gain(estimate, baseline):
    return estimate.named("auroc", "low", "high") | (estimate - baseline).named("gain", "gain_low", "gain_high")
