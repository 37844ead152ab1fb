"""What a probability is good for: net benefit against treating all or nobody, and abstaining when unsure."""

from functools import partial

import numpy as np
import pandas as pd

from .plots.tables import colors_of, panels
from .statistics import Estimate, bootstrap, bootstrap_weights

THRESHOLDS = np.arange(0.02, 0.61, 0.02).round(2)
TREAT_ALL, TREAT_NONE = "treat all", "treat none"
COVERAGES = np.arange(0.1, 1.01, 0.1).round(2)


def decision_curve(y, probabilities, *, thresholds=THRESHOLDS, rotation=None, n_resamples=500, seed=0):
    """Net benefit of models (`probabilities` by name), of treating all and of treating nobody, over thresholds, with intervals.

    Of acting on all whose probability reaches a threshold: ``TP / n - FP / n * threshold / (1 - threshold)``, true positives
    per person, after paying for the false ones (Vickers, Diagn Progn Res 2019;3:18). Whoever acts at 0.1 accepts nine false
    alarms for one case found. `y` (n,) is 1 for those who have the disease and 0 for the others; `thresholds` lie above 0 and
    below 1; `rotation` (n,) is which fit scored whom (None: one fit), and with n_resamples and seed as for
    `statistics.bootstrap_weights`. A DataFrame, one row per model and threshold: ``model`` ("treat all" and "treat none" among
    them), ``threshold``, ``net_benefit`` with ``low`` and ``high`` (95 %), and ``gain`` over the better of treating all and
    none, ``gain_low``, ``gain_high``.
    """
    thresholds = _checked_shares(thresholds, "thresholds")
    if {TREAT_ALL, TREAT_NONE} & set(probabilities):
        raise ValueError(f"{TREAT_ALL}, {TREAT_NONE} are added to every curve; give models other names.")
    probabilities = {TREAT_ALL: np.ones(len(y)), TREAT_NONE: np.zeros(len(y))} | probabilities
    weights, benefit = bootstrap_weights(len(y) if rotation is None else rotation, n_resamples, seed), {}
    for name, probability in probabilities.items():
        is_ill, probability = _checked(y, probability)
        worth = np.where(is_ill[:, None], 1.0, -thresholds / (1 - thresholds))  # of acting on a person, (n, n_thresholds)
        worth = np.where(probability[:, None] >= thresholds, worth, 0.0)
        benefit[name] = bootstrap(partial(_per_person, worth), weights=weights)
    treat_all = benefit[TREAT_ALL]  # the other default, treating nobody, gains 0
    default = Estimate(np.maximum(treat_all.by_seed, 0), np.maximum(treat_all.replicates, 0))
    parts = []
    for name, estimate in benefit.items():
        part = pd.DataFrame({"model": name, "threshold": thresholds, "net_benefit": estimate.by_seed[0]})
        part["low"], part["high"] = estimate.percentiles()
        gain = estimate - default
        part["gain"] = gain.by_seed[0]
        part["gain_low"], part["gain_high"] = gain.percentiles()
        parts.append(part)
    return pd.concat(parts, ignore_index=True)


def _per_person(values, weights):
    """Means over people of columns (n, n_columns), for each row of weights; float32 is exact enough, and fast."""
    return (weights.astype(np.float32) @ values.astype(np.float32)).astype(float) / len(values)


def risk_coverage(y, probability, *, coverages=COVERAGES, rotation=None, n_resamples=500, seed=0):
    """Error rate among those a model answers, abstaining where it is least sure (Chow, IEEE Trans Inf Theory 1970;16:41-46).

    Sureness is the distance of the probability from 0.5, and the answer whichever side it lies on (0.5: yes). `coverages`,
    above 0 and up to 1, are shares of people who get an answer. Resamples draw people again, not the threshold of sureness. A
    DataFrame, one row per coverage: ``coverage`` as asked for, ``answered`` (the share that got an answer, larger where many
    are equally sure), ``least_sure`` (smallest distance from 0.5 among them), ``error`` with ``low`` and ``high``, ``missed``
    (share of all positives who were answered "no") and ``deferred`` (share of all positives who got no answer).
    """
    y, probability = _checked(y, probability)
    coverages = _checked_shares(coverages, "coverages", up_to_one=True)
    sureness = np.abs(probability - 0.5).round(12)  # 0.8 and 0.2 are equally sure, whatever their last bit says
    descending = np.sort(sureness)[::-1]
    says_yes = probability >= 0.5
    is_wrong = says_yes != y
    weights = bootstrap_weights(len(y) if rotation is None else rotation, n_resamples, seed)
    rows = []
    for coverage in coverages:
        least = descending[max(1, round(coverage * len(y))) - 1]
        answered = sureness >= least
        error = is_wrong[answered].mean()
        ends = bootstrap(partial(_share_wrong, is_wrong, answered), weights=weights).percentiles()
        missed, deferred = (part[y].mean() if y.any() else np.nan for part in (answered & ~says_yes, ~answered))
        rows.append((coverage, answered.mean(), least, error, *ends, missed, deferred))
    return pd.DataFrame(rows, columns=["coverage", "answered", "least_sure", "error", "low", "high", "missed", "deferred"])


def _share_wrong(is_wrong, answered, weights):
    """Share of wrong answers among the answered, for each row of weights; NaN where nobody is answered."""
    weights = weights.astype(np.float32)
    n_answered = weights @ answered
    return np.divide(weights @ (is_wrong & answered), n_answered, out=np.full_like(n_answered, np.nan), where=n_answered > 0)


def plot_decision_curve(curve, ax=None):
    """Draw the table of `decision_curve` on `ax` (default: a new figure) and return it: one line with its band per model."""
    ax = ax or panels(1, 7, 4)[0]
    defaults = {TREAT_ALL: "0.6", TREAT_NONE: "0.2"}
    colors = colors_of([name for name in curve["model"].unique() if name not in defaults]) | defaults
    for name, part in curve.groupby("model", sort=False):
        style = {"color": colors[name], "ls": "--" if name in defaults else "-", "label": name}
        ax.plot(part["threshold"], part["net_benefit"], **style)
        if name not in defaults:
            ax.fill_between(part["threshold"], part["low"], part["high"], color=colors[name], alpha=0.12, linewidth=0)
    top = curve["high"].max()
    ax.set(xlabel="threshold: act from this probability", ylabel="net benefit (cases found per person)")
    ax.set_ylim(-0.15 * top, 1.1 * top)  # treating all soon falls out of the picture
    ax.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=3)
    return ax


def plot_risk_coverage(curves, ax=None):
    """Draw tables of `risk_coverage` by name of the model on `ax` (default: a new figure) and return it, a line for each."""
    ax = ax or panels(1, 7, 4)[0]
    colors = colors_of(curves)
    for name, curve in curves.items():
        ax.plot(curve["answered"], curve["error"], "o-", markersize=3, color=colors[name], label=name)
        ax.fill_between(curve["answered"], curve["low"], curve["high"], color=colors[name], alpha=0.12, linewidth=0)
    ax.set(xlabel="share of people who get an answer", ylabel="share of answers that are wrong", xlim=(0, 1.02))
    ax.set_ylim(bottom=0)
    ax.legend()
    return ax


def _checked(y, probability):
    """Labels as bool and probabilities as float64."""
    y, probability = np.asarray(y, dtype=float), np.asarray(probability, dtype=float)
    if y.ndim != 1 or y.shape != probability.shape or len(y) == 0:
        raise ValueError(f"y and probability must be one value per person; got shapes {y.shape} and {probability.shape}.")
    if not np.isin(y, (0, 1)).all():
        raise ValueError("y must hold 0 and 1 only; leave people with an unknown label out.")
    if not ((probability >= 0) & (probability <= 1)).all():
        ends = f"{probability.min():g} to {probability.max():g}"  # NaN if there is one
        raise ValueError(f"probabilities must lie between 0 and 1; got {ends}. Of logits take scipy.special.expit.")
    return y.astype(bool), probability


def _checked_shares(shares, what, up_to_one=False):
    shares = np.asarray(shares, dtype=float)
    if shares.ndim != 1 or not len(shares) or not ((shares > 0) & ((shares < 1) | (up_to_one & (shares == 1)))).all():
        raise ValueError(f"{what} must lie above 0 and {'be at most' if up_to_one else 'below'} 1; got {shares.tolist()}.")
    return shares
