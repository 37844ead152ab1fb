"""Hybrids in the benchmark: what is left of the cost when an explained model may be corrected a little."""

import numpy as np
import pandas as pd
from scipy.stats import norm

from ..models.cnn import EcgCNN
from ..models.hybrid import BEAT_AND_LATENTS, BeatsWithLatents, CappedHybrid
from ..models.joint_vae import JointVAE
from .representations import MedianBeat, VAELatents

WITHIN, WITHIN_BOUND = 0.01, 0.02  # of the network's AUROC: the difference, and its one-sided bound of 95 %
CAP = 2.0  # of the corrections, in log odds
BEAT = "median beat"  # for models that make no use of the latents, so that these are not waited for
NETWORK = (BEAT, "CNN")
AFFINE = (BEAT_AND_LATENTS, "affine")
# What is left of the cost: from the network that sees the whole beat to each model that explains itself, wholly or in part.
STEPS = {
    "affine": (NETWORK, AFFINE),
    "affine + capped CNN": (NETWORK, (BEAT_AND_LATENTS, "affine + capped CNN")),
    "EBM + capped CNN": (NETWORK, (BEAT_AND_LATENTS, "EBM + capped CNN")),
    "joint VAE": (NETWORK, (BEAT, "joint VAE")),
}


class BeatAndLatents(VAELatents):
    """The median beat with its VAE latents beside it: one VAE, trained on the training rows, serves all hybrids."""

    gives = "beat"

    def transform(self, rows):
        """Return the beats and their latents."""
        return BeatsWithLatents(rows.beats.signals, np.asarray(super().transform(rows)))


def won_back(result, tasks=None):
    """How much of the cost each hybrid wins back, and whether it comes near the network.

    `result` is `run`'s, with beat CNN, affine model and hybrids; AUROCs are averaged over `tasks`, None: the superclasses that
    were scored. A DataFrame, one row per step of `hybrids.STEPS` that was run: ``auroc``; ``cost`` (network minus model) with
    ``low`` and ``high``, 95 %, and ``bound``, its one-sided bound of 95 %; ``won`` (model minus affine) with ``won_low`` and
    ``won_high``; ``share`` won back of the affine model's cost, NaN where that is not above 0, a ratio to be read beside the
    intervals of both numbers; ``within``: cost at most .01 with a bound of at most .02. All differences are paired.
    """
    network, affine = (result.mean_estimate(pair, tasks) for pair in (NETWORK, AFFINE))
    whole = network - affine
    rows = {}
    for name, (_, pair) in STEPS.items():
        if pair not in result.pairs:
            continue
        model = result.mean_estimate(pair, tasks)
        cost, won = network - model, model - affine
        spread = norm.ppf(0.95) * cost.between_seeds
        bound = cost.value + float(np.hypot(max(np.nanpercentile(cost.replicates, 95) - cost.value, 0), spread))
        rows[name] = {
            "auroc": model.value, **cost.named("cost", "low", "high"), "bound": bound,
            **won.named("won", "won_low", "won_high"),
            "share": won.value / whole.value if whole.value > 0 else np.nan,
            "within": bool(cost.value <= WITHIN and bound <= WITHIN_BOUND),
        }  # fmt: skip
    return pd.DataFrame(rows).T.infer_objects().rename_axis("model")


def grid(budget="workshop"):
    """Return arguments of `run` that compare hybrids with both ends of the way."""
    return {
        "representations": {BEAT: MedianBeat(), BEAT_AND_LATENTS: BeatAndLatents(budget=budget)},
        "models": {
            "CNN": EcgCNN(budget=budget),
            "affine": CappedHybrid("affine", cap=0.0, budget=budget),
            "affine + capped CNN": CappedHybrid("affine", cap=CAP, budget=budget),
            "EBM + capped CNN": CappedHybrid("EBM", cap=CAP, budget=budget),
            "joint VAE": JointVAE(budget=budget),
        },
        "pairs": [NETWORK, *(after for _, after in STEPS.values())],
    }
