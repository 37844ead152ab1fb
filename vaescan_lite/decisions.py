"""What a probability is good for: net benefit against treating all or nobody, and abstaining when unsure."""

import numpy as np
import pandas as pd
from sklearn.metrics import confusion_matrix

from .statistics import bootstrap_weights

THRESHOLDS = np.arange(0.02, 0.61, 0.02).round(2)
COVERAGES = np.arange(0.1, 1.01, 0.1).round(2)


def net_benefit(y, probability, threshold):
    """Net benefit of acting on everybody whose probability reaches a threshold [1]_.

    Parameters
    ----------
    y : array-like of float, shape (n,)
        1 for those who have the disease, 0 for the others.
    probability : array-like of float, shape (n,)
        Between 0 and 1.
    threshold : float
        Above 0 and below 1. Whoever acts at 0.1 accepts nine false alarms for one case found.

    Returns
    -------
    float
        ``TP / n - FP / n * threshold / (1 - threshold)``: true positives per person, after paying for the false ones.

    Raises
    ------
    ValueError
        If shapes differ, `y` holds anything but 0 and 1, or a probability or the threshold is out of range.

    References
    ----------
    .. [1] Vickers AJ, van Calster B, Steyerberg EW. A simple, step-by-step guide to interpreting decision curve analysis.
       Diagn Progn Res 2019;3:18. doi:10.1186/s41512-019-0064-7

    Examples
    --------
    >>> net_benefit([1, 0, 0, 1], [0.9, 0.8, 0.1, 0.2], 0.5)  # one case found, one false alarm, at even exchange
    0.0
    """
    y, probability = _checked(y, probability)
    _checked_thresholds([threshold])
    (_, false_alarms), (_, found) = confusion_matrix(y, probability >= threshold, labels=[False, True])
    return float(found / len(y) - false_alarms / len(y) * threshold / (1 - threshold))


def decision_curve(y, probabilities, *, thresholds=THRESHOLDS, rotation=None, n_resamples=500, seed=0):
    """Net benefit of models, of treating all and of treating nobody, over thresholds, with intervals.

    Parameters
    ----------
    y : array-like of float, shape (n,)
        1 or 0.
    probabilities : dict of str to array-like of float, shape (n,)
        One entry per model, for the same people.
    thresholds : array-like of float
        Probabilities from which somebody would act; each above 0 and below 1.
    rotation : array-like, shape (n,), optional
        Which fit scored whom; resamples keep the number of people of each. None: one fit.
    n_resamples : int
        Bootstrap resamples behind each interval, the same for all models.
    seed : int
        Seed of the draws.

    Returns
    -------
    DataFrame
        One row per model and threshold: ``model`` ("treat all" and "treat none" among them), ``threshold``, ``net_benefit``
        with ``low`` and ``high`` (95 %), and ``gain`` over the better of treating all and none with ``gain_low`` and
        ``gain_high``.

    Raises
    ------
    ValueError
        If shapes or values do not fit, or a model is called like a default.
    """
    thresholds = _checked_thresholds(thresholds)
    defaults = {"treat all": None, "treat none": None}
    if set(defaults) & set(probabilities):
        raise ValueError(f"{', '.join(defaults)} are added to every curve; give models other names.")
    checked = {name: _checked(y, probability) for name, probability in probabilities.items()}
    y = _checked(y, np.zeros(len(y)))[0]
    weights = bootstrap_weights(np.zeros(len(y)) if rotation is None else rotation, n_resamples, seed)
    weights = np.vstack([np.ones((1, len(y)), dtype=weights.dtype), weights])  # the first row is everybody once
    odds = thresholds / (1 - thresholds)
    acts = {"treat all": np.ones((len(y), len(thresholds))), "treat none": np.zeros((len(y), len(thresholds)))}
    acts |= {name: probability[:, None] >= thresholds for name, (_, probability) in checked.items()}
    n = weights.sum(axis=1, dtype=float)[:, None]
    worth = np.where(y[:, None], 1.0, -odds)  # of acting on a person, (n, thresholds)
    benefit = {name: weights.astype(np.float32) @ (act * worth).astype(np.float32) / n for name, act in acts.items()}
    default = np.maximum(benefit["treat all"], benefit["treat none"])
    rows = []
    for name, values in benefit.items():
        low, high = np.percentile(values[1:], [2.5, 97.5], axis=0)
        gain_low, gain_high = np.percentile((values - default)[1:], [2.5, 97.5], axis=0)
        columns = {
            "model": name, "threshold": thresholds, "net_benefit": values[0], "low": low, "high": high,
            "gain": (values - default)[0], "gain_low": gain_low, "gain_high": gain_high,
        }  # fmt: skip
        rows.append(pd.DataFrame(columns))
    return pd.concat(rows, ignore_index=True)


def risk_coverage(y, probability, *, coverages=COVERAGES, rotation=None, n_resamples=500, seed=0):
    """Error rate among those a model answers, if it abstains where it is least sure [1]_.

    Parameters
    ----------
    y : array-like of float, shape (n,)
        1 or 0.
    probability : array-like of float, shape (n,)
        Between 0 and 1; sureness is its distance from 0.5, and the answer is whichever side it lies on (0.5: yes).
    coverages : array-like of float
        Shares of people who get an answer, above 0 and up to 1.
    rotation, n_resamples, seed
        As for `decision_curve`.

    Returns
    -------
    DataFrame
        One row per coverage: ``coverage`` as asked for, ``answered`` (the share that got an answer, larger where many are
        equally sure), ``least_sure`` (smallest distance from 0.5 among them), ``error`` with ``low`` and ``high``, ``missed``
        (share of all positives who were answered "no") and ``deferred`` (share of all positives who got no answer).

    Raises
    ------
    ValueError
        If shapes or values do not fit.

    Notes
    -----
    People who are equally sure are answered together, so that no order of the rows decides. The threshold of sureness is that
    of the whole sample in every resample: what is drawn again are people, not the rule.

    References
    ----------
    .. [1] Chow CK. On optimum recognition error and reject tradeoff. IEEE Trans Inf Theory 1970;16:41-46.

    Examples
    --------
    >>> risk_coverage([1, 0, 1, 0], [0.9, 0.1, 0.4, 0.3], coverages=[0.5, 1.0])["error"].tolist()
    [0.0, 0.25]
    """
    y, probability = _checked(y, probability)
    coverages = np.asarray(coverages, dtype=float)
    if coverages.ndim != 1 or not len(coverages) or not ((coverages > 0) & (coverages <= 1)).all():
        raise ValueError(f"coverages must lie above 0 and be at most 1; got {coverages.tolist()}.")
    weights = bootstrap_weights(np.zeros(len(y)) if rotation is None else rotation, n_resamples, seed).astype(np.float32)
    sureness = np.abs(probability - 0.5).round(12)  # 0.8 and 0.2 are equally sure, whatever their last bit says
    descending = np.sort(sureness)[::-1]
    says_yes = probability >= 0.5
    is_wrong = says_yes != y
    rows = []
    for coverage in coverages:
        least = descending[max(1, round(coverage * len(y))) - 1]
        answered = sureness >= least
        n_answered, n_wrong = weights @ answered, weights @ (is_wrong & answered)
        low, high = np.percentile(n_wrong[n_answered > 0] / n_answered[n_answered > 0], [2.5, 97.5])
        rows.append(
            {
                "coverage": coverage,
                "answered": answered.mean(),
                "least_sure": least,
                "error": is_wrong[answered].mean(),
                "low": low,
                "high": high,
                "missed": (y & answered & ~says_yes).sum() / y.sum() if y.any() else np.nan,
                "deferred": (y & ~answered).sum() / y.sum() if y.any() else np.nan,
            }
        )
    return pd.DataFrame(rows)


def plot_decision_curve(curve, ax=None):
    """Draw net benefit over thresholds, one line with its band per model.

    Parameters
    ----------
    curve : DataFrame
        As `decision_curve` gives it.
    ax : Axes, optional
        Where to draw; default a new figure.

    Returns
    -------
    Axes
    """
    ax = _axes(ax)
    for name, part in curve.groupby("model", sort=False):
        is_default = name in ("treat all", "treat none")
        color = {"treat all": "0.6", "treat none": "0.2"}.get(name)
        (line,) = ax.plot(part["threshold"], part["net_benefit"], "--" if is_default else "-", color=color, label=name)
        if not is_default:
            ax.fill_between(part["threshold"], part["low"], part["high"], color=line.get_color(), alpha=0.12, linewidth=0)
    top = curve["high"].max()
    ax.set(xlabel="threshold: act from this probability", ylabel="net benefit (cases found per person)")
    ax.set_ylim(-0.15 * top, 1.1 * top)  # treating all soon falls out of the picture
    ax.legend(frameon=False, fontsize=8)
    return ax


def plot_risk_coverage(curves, ax=None):
    """Draw the error rate over the share of people who get an answer, one line with its band per model.

    Parameters
    ----------
    curves : dict of str to DataFrame
        As `risk_coverage` gives them.
    ax : Axes, optional
        Where to draw; default a new figure.

    Returns
    -------
    Axes
    """
    ax = _axes(ax)
    for name, curve in curves.items():
        (line,) = ax.plot(curve["answered"], curve["error"], "o-", markersize=3, label=name)
        ax.fill_between(curve["answered"], curve["low"], curve["high"], color=line.get_color(), alpha=0.12, linewidth=0)
    ax.set(xlabel="share of people who get an answer", ylabel="share of answers that are wrong", xlim=(0, 1.02))
    ax.set_ylim(bottom=0)
    ax.legend(frameon=False, fontsize=8)
    return ax


def _axes(ax):
    if ax is not None:
        return ax
    import matplotlib.pyplot as plt

    return plt.subplots(figsize=(7, 4))[1]


def _checked(y, probability):
    """Labels as bool and probabilities as float64."""
    y, probability = np.asarray(y, dtype=float), np.asarray(probability, dtype=float)
    if y.ndim != 1 or y.shape != probability.shape or len(y) == 0:
        raise ValueError(f"y and probability must be one value per person; got shapes {y.shape} and {probability.shape}.")
    if not np.isin(y, (0, 1)).all():
        raise ValueError("y must hold 0 and 1 only; leave people with an unknown label out.")
    if not ((probability >= 0) & (probability <= 1)).all():
        raise ValueError(
            f"probabilities must lie between 0 and 1; got {np.nanmin(probability):g} to {np.nanmax(probability):g}"
            f"{' and NaN' if np.isnan(probability).any() else ''}. Of logits take scipy.special.expit."
        )
    return y.astype(bool), probability


def _checked_thresholds(thresholds):
    thresholds = np.asarray(thresholds, dtype=float)
    if thresholds.ndim != 1 or not len(thresholds) or not ((thresholds > 0) & (thresholds < 1)).all():
        raise ValueError(f"thresholds must lie above 0 and below 1; got {thresholds.tolist()}.")
    return thresholds
