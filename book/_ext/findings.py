"""Findings of the results page, in sentences: what its tables say, read from them when the page is built."""

import pandas as pd

from vaescan_lite.plots import name_of
from vaescan_lite.plots.reading import with_minus

VERDICTS = {
    "costs": "costs macro-AUROC", "gains": "gains macro-AUROC", "no evidence": "shows no cost",
    "too few trainings": "is not decided by so few trainings",
}  # fmt: skip
MACRO = "mean of superclasses"


def findings(folder):
    """Return the sentences that the tables of a folder allow, each with its number and interval."""
    tables = {path.stem: pd.read_csv(path) for path in sorted(folder.glob("*.csv"))}
    made = (
        _best,
        _glass_box,
        _cost,
        _reconstruction,
        _faithful,
        _hybrid,
        _rhythm,
        _curve,
        _elsewhere,
        _for_whom,
        _agreement,
        _marks,
        _hearts,
    )
    return [with_minus(sentence) for make in made if (sentence := make(tables))]


def _number(value, low, high):
    """Write a value and its interval as the tables do."""
    return f"{_short(value)} {_ends(low, high)}"


def _best(tables):
    if "macro" not in tables:
        return None
    said = [
        f"{row.model} on {row.representation} (macro-AUROC {_number(row.auroc, row.low, row.high)})"
        for row in tables["macro"].iloc[:2].itertuples()
    ]
    return f"**The best readers** of the superclasses, by value alone: {', then '.join(said)}."


def _glass_box(tables):
    if "glass_box" not in tables:
        return None
    said = []
    for row in tables["glass_box"].itertuples():
        word = {"gains": "beats", "costs": "loses to"}.get(row.verdict, "is not told from")
        gain = _number(-row.cost, -row.high, -row.low)
        said.append(
            f"{row.after} {word} {row.before} ({gain}; over other trainings {_ends(-row.high_trainings, -row.low_trainings)})"
        )
    return "**A glass box against the network** (a number above zero is a gain of the glass box): " + "; ".join(said) + "."


def _ends(low, high):
    return f"[{_short(low)}, {_short(high)}]"


def _short(value):
    return f"{round(value, 3) + 0.0:.3f}".replace("0.", ".", 1)


def _cost(tables):
    if "cost" not in tables:
        return None
    rows = tables["cost"][tables["cost"]["task"] == MACRO]
    said = [f"*{row.step}* {VERDICTS[row.verdict]} ({_number(row.cost, row.low, row.high)})" for row in rows.itertuples()]
    return "**Where the cost arises** (a number above zero is a loss): " + "; ".join(said) + "."


def _reconstruction(tables):
    if "reconstruction" not in tables:
        return None
    mean = tables["reconstruction"].groupby("segment")[["vae_uV", "pca_uV"]].mean()
    ratio = (mean["vae_uV"] / mean["pca_uV"]).round(2)
    parts = ", ".join(f"{ratio[name]:.2f} in {name}" for name in ("P", "QRS", "ST-T"))
    whole = f"its error on unseen beats is {ratio['all']:.2f} times that of a PCA of the same size"
    return f"**What the VAE keeps**: {whole}, {parts}."


def _faithful(tables):
    if "verdicts" not in tables:
        return None
    rows = tables["verdicts"][tables["verdicts"]["metric"] == "subset correlation"]
    said = [
        f"{row.model} {_number(row.value, row.low, row.high)}"
        for row in rows.itertuples()
        if row.model in ("VAE-SCAN", "beat CNN")
    ]
    return (
        f"**Is the explanation faithful?** Subset correlation: {'; '.join(said)}; a linear model has 1 by construction."
        if said
        else None
    )


def _hybrid(tables):
    if "hybrids" not in tables:
        return None
    rows = tables["hybrids"].dropna(subset=["cost"]).query("model != 'affine'")
    row = rows.loc[rows["cost"].idxmin()]
    below = _number(row["cost"], row["low"], row["high"])
    said = f"**The best hybrid**, by value {row['model']}, lies {below} of macro-AUROC below the beat CNN"
    if "within" not in rows:
        return f"{said}."
    within = rows["within"].astype(bool)
    shown, others = (", ".join(rows.loc[those, "model"]) or "none" for those in (within, ~within))
    return f"{said}; shown to be near it (at most .01 lost, and surely no more than .02): {shown}; not shown: {others}."


def _rhythm(tables):
    if "tasks" not in tables:
        return None
    rows = tables["tasks"][tables["tasks"]["task"] == "AF"]
    tables_of = ("VAE latents, logistic", "latents + rhythm, logistic", "measurements, logistic")
    names = (*tables_of, "median beat, CNN", "ten seconds, CNN")
    names = [name for name in names if name in rows]
    if rows.empty or len(names) < 3:
        return None
    with_ends = rows[names].iloc[0].str.replace(r"0?(1?\.\d+) \(0?(1?\.\d+) to 0?(1?\.\d+)\)", r"\1 [\2, \3]", regex=True)
    said = "; ".join(f"{name} {value}" for name, value in with_ends.items())
    return f"**Atrial fibrillation** (networks learn all tasks at once, the others one by one): {said}."


def _curve(tables):
    if "learning_curve" not in tables:
        return None
    rows = tables["learning_curve"]
    best = rows.loc[rows.groupby("n_training")["auroc"].idxmax()]
    pair = best["model"] + " on " + best["representation"]
    said = [f"{name} from {n:,} training ECGs" for name, n in zip(pair, best["n_training"])]
    places = [place for place, is_new in enumerate(pair != pair.shift()) if is_new]
    turns = [said[place] + _not_told(rows, best, pair.iloc[max(place - 1, 0)], place) for place in places]
    return f"**The best with few ECGs to learn from**, by macro-AUROC: {'; '.join(turns)}."


def _not_told(rows, best, before, place):
    """Say where the pair that was best with fewer ECGs is not shown to be behind."""
    if not place or "behind_low" not in rows:
        return ""
    names = rows["model"] + " on " + rows["representation"]
    behind = rows[(rows["n_training"] == best["n_training"].iloc[place]) & (names == before)]
    return f" (there not told from {before})" if (behind["behind_low"] <= 0).any() else ""


def _elsewhere(tables):
    if "hospitals" not in tables:
        return None
    rows = tables["hospitals"].query("hospital != 'home' and learnt == factor")
    ours, theirs = (rows[rows["reader"] == reader].set_index(["hospital", "factor"]) for reader in ("VAE-SCAN", "beat CNN"))
    said = [
        f"{factor.replace('_', ' ')} in {hospital} {_number(row['auroc'], row['low'], row['high'])}, "
        f"beat CNN {_short(theirs.loc[(hospital, factor), 'auroc'])}"
        for (hospital, factor), row in ours.iterrows()
    ]
    if not said:
        return None
    by_chance = [f"{factor.replace('_', ' ')} in {place}" for (place, factor), row in theirs.iterrows() if row["low"] <= 0.5]
    warning = f" Being near the beat CNN proves nothing where it may be at chance itself: {', '.join(by_chance)}."
    by_us = "**In hospitals never seen**, by the AUROC of VAE-SCAN without a label from there"
    return f"{by_us}: {'; '.join(said)}.{warning if by_chance else ''}"


def _for_whom(tables):
    if "group_differences" not in tables:
        return None
    rows = tables["group_differences"]
    n_decided = int((rows["verdict"] != "no evidence").sum())
    return (
        f"**For whom it works**: of {len(rows)} comparisons of AUROC and calibration between women and men and between age "
        f"bands {n_decided or 'none'} {'is' if n_decided < 2 else 'are'} decided after Holm's correction; where few carry a "
        "factor that proves little."
    )


def _agreement(tables):
    if "agreement" not in tables or tables["agreement"].empty:
        return None
    rows = tables["agreement"][tables["agreement"]["task"] == MACRO]
    said = [f"{n} {word}" for word, n in rows["agreement"].value_counts().items()]
    return f"**With another training seed** the verdicts on the steps of the macro-AUROC are: {', '.join(said)}."


def _marks(tables):
    if not {"marked_beats", "marked_intervals"} <= set(tables) or tables["marked_intervals"].empty:
        return None
    beats = tables["marked_beats"].sort_values("fs_hz").iloc[0]
    rows = tables["marked_intervals"].query("fs_hz == @beats.fs_hz")
    said = [
        f"{_without_unit(row.interval)} {row.error_ms:.1f} [{row.low:.1f}, {row.high:.1f}] ms, "
        f"a constant's {row.constant_ms:.1f}"
        for row in rows.itertuples()
    ]
    return (
        f"**Against cardiologists' marks** in LUDB, at {beats.fs_hz:.0f} Hz: of {beats.beats:.0f} beats {beats.missed:.0f} are "
        f"missed, and {beats.false:.0f} found where none is; mean absolute error of {'; '.join(said)}. (The "
        f"calipers' shares were chosen on these ECGs, which flatters them a little.)"
    )


def _hearts(tables):
    if "realism" not in tables:
        return None
    rows = tables["realism"]
    most = rows.loc[rows["auroc"].idxmax()]
    return (
        f"**Real or simulated?** The one measurement that best tells a recorded ECG from its simulated twin does so with an "
        f"AUROC of {_short(most['auroc'])} ({_without_unit(most['measurement'])}); all {len(rows)} together reach "
        f"{_short(most['together'])}, where .5 would be no difference."
    )


def _without_unit(measurement):
    return name_of(measurement).split(",")[0]
