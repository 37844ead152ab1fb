"""A model for targets of one's own: a VAE and a Scan of a folder of ECGs, scored on ECGs that they have not seen."""

import logging
import re
from pathlib import Path

import numpy as np
import pandas as pd

from .beats import median_beats
from .cache import written_whole
from .factors import FACTOR_LABELS, listed
from .scan import Scan
from .statistics import weighted_auroc, weighted_mean, weighted_r2, with_interval
from .vae import BeatVAE, segment_errors

FS = 100
MIN_LEARNT = 10  # training ECGs that must carry a binary target, lack it, or have a value of a continuous one
MIN_SCORED = 5  # the same for test ECGs, below which no score is given
N_RESAMPLES = 1000
FILES = ("vae.safetensors", "scan.safetensors", "scores.csv", "README.md")
CARD = Path(__file__).with_name("own_model_card.md")
log = logging.getLogger(__name__)


def train_model(db, folder, *, seed=0, n_trainings=1, budget="workshop", progress=True, device="cpu"):
    """Train VAE and Scan on the targets of a database, write them with scores and a model card, and return `reading_scores`.

    `db` was opened with ``labels``: folds 1-8 train, 9 chooses the epoch (if empty, a tenth of the training ECGs), 10 tests.
    The `folder` is written whole at the end, with `FILES` and, for more than one training, ``training_1`` and so on. An earlier
    model there is replaced; a folder with other files is refused. Trainings take seeds from `seed` on; scores are those of the
    first. `device` is where VAEs train.
    """
    folder = Path(folder)
    there = sorted(path.name for path in folder.glob("*") if not re.fullmatch(r"training_\d+", path.name))
    if folder.is_file() or set(there) - set(FILES) or (there and FILES[0] not in there):
        raise ValueError(f"{folder} is no folder with a model ({listed(there) or 'a file'}); name a new or an empty one.")
    if not db.targets:
        raise ValueError(f"{db.folder}: no targets; give labels, a CSV table with a column of ids and one for each target.")
    beats, factors = median_beats(db, fs=FS, progress=progress), db.factors()
    issues = {issue: [*where] for issue, where in db.issues.groupby("issue")["where"] if not issue.startswith("target ")}
    left_out = [f"{len(where)} x {issue} ({listed(where, 3)})" for issue, where in issues.items()]
    if not beats.usable.all():
        left_out.append(f"{(~beats.usable).sum()} x ECG without a usable beat ({listed(beats.ids[~beats.usable].tolist(), 3)})")
    beats = beats[beats.usable]
    fold = db.fold.loc[beats.ids].to_numpy()
    parts = {"training": beats[fold <= 8], "validation": beats[fold == 9], "test": beats[fold == 10]}
    names, useless = learnable(factors.loc[parts["training"].ids], db.continuous)
    left_out += useless
    for line in left_out:
        log.warning("left out or amiss: %s", line)
    if not set(names) & set(db.targets):
        raise ValueError(f"no target can be learnt from {len(parts['training'])} training ECGs: {'; '.join(useless)}.")
    log.info("training on %d usable beats: %s", len(parts["training"]), ", ".join(names))
    with written_whole(folder) as place:
        settings = {"seed": seed, "n_trainings": n_trainings, "budget": budget, "progress": progress, "device": device}
        scans = trainings(parts, factors[names], place, db.continuous, **settings)
        scores = reading_scores(scans[0], parts["test"], factors)
        scores.to_csv(place / "scores.csv", index=False)
        (place / "README.md").write_text(_card(scans, db, parts, factors, scores, left_out), encoding="utf-8")
    return scores


def learnable(factors, continuous, n_least=MIN_LEARNT):
    """Name the factors that training ECGs can teach, and say of each other one what it lacks."""
    names, useless = [], []
    for name, column in factors.items():
        counts = [column.count()] if name in continuous else [(column == 1).sum(), (column == 0).sum()]
        if min(counts) >= n_least and column.nunique() > 1:
            names.append(name)
        else:
            known = f"{counts[0]} known" if name in continuous else f"{counts[0]} with it and {counts[1]} without"
            useless.append(f"target {name}: {known} among the training ECGs; {n_least} and two values are wanted")
    return names, useless


def trainings(parts, factors, folder, continuous, *, seed, n_trainings, budget, progress, device="cpu"):
    """Train VAE and Scan with seeds from `seed` on, write the weights, and return the Scans; `parts` are beats by name."""
    validation = parts["validation"] if len(parts["validation"]) else None
    on_scale, scans = [name for name in factors if name in continuous], []
    for i, place in enumerate((folder, *(folder / f"training_{number}" for number in range(1, n_trainings)))):
        vae = BeatVAE(seed=seed + i, budget=budget, progress=progress, device=device).fit(parts["training"], validation)
        _save_as_float16(vae, place / "vae.safetensors")
        vae = BeatVAE.load(place / "vae.safetensors")  # what is scored, and what the Scan learns from, are the rounded weights
        scan = Scan(vae, list(factors), continuous=on_scale, seed=seed + i)
        scans.append(scan.fit(parts["training"], factors, progress=progress))
        scan.save(place / "scan.safetensors", with_vae=False)
    return scans


def reading_scores(scan, test, factors, *, n_resamples=N_RESAMPLES):
    """Score what a Scan reads in beats that it has not seen.

    A row for each binary factor (AUROC), two for each continuous one (mean absolute error, in its unit, and R2): columns
    ``factor score value low high n positives note``. NaN where there are too few, and the note says so.
    """
    truth, rows = factors.loc[test.ids], []
    read = scan.ecg_to_factors(test) if len(test) else truth
    for name, is_continuous in zip(scan.coding_.names, scan.coding_.continuous):
        y = truth[name].astype(float)
        n, positives = y.count(), np.nan if is_continuous else y.sum()
        fewest = n if is_continuous else min(positives, n - positives)
        note = "" if fewest >= MIN_SCORED else f"too few to score: {fewest:.0f}, and {MIN_SCORED} are wanted"
        figures = {"AUROC": (weighted_auroc, y, read[name])}
        if is_continuous:
            figures = {"mean absolute error": (weighted_mean, np.abs(y - read[name])), "R2": (weighted_r2, y, read[name])}
        for score, figure in figures.items():
            values = (np.nan, np.nan, np.nan) if note else with_interval(*figure, n_resamples=n_resamples)[:3]
            rows.append((name, score, *values, n, positives, note))
    return pd.DataFrame(rows, columns=["factor", "score", "value", "low", "high", "n", "positives", "note"])


def score_rows(scores, training_factors):
    """Rows of the table of scores of a model card, in Markdown; `training_factors` are those of the training ECGs."""
    lines = []
    for row in scores.itertuples():
        column, is_scale = training_factors[row.factor], np.isnan(row.positives)
        cells = [FACTOR_LABELS.get(row.factor, row.factor), f"{column.count() if is_scale else column.sum():.0f}", f"{row.n}",
                 "" if is_scale else f"{row.positives:.0f}", row.score,
                 row.note or f"{row.value:.3g} ({row.low:.3g} to {row.high:.3g})"]  # fmt: skip
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _card(scans, db, parts, factors, scores, left_out):
    scan, vae, test = scans[0], scans[0].vae, parts["test"]
    error = "not known, no test ECGs"
    if len(test):
        error = f"{segment_errors(test, vae.reconstruct(test)).loc['all', 'mean']:.1f} uV"
    return CARD.read_text(encoding="utf-8").format(
        targets=", ".join(name for name in scan.factors if name in db.targets), fs=FS, seed=vae.seed, error=error,
        n_latents=vae.n_latents, n_active=len(vae.active_latents_), epochs=len(vae.history_), n_more=len(scans) - 1,
        description=db.description, left_out="".join(f"\n- {line}" for line in left_out) or "nothing.",
        how="" if len(parts["validation"]) else " (none: a tenth of the former was held out for that)",
        scores=score_rows(scores, factors.loc[parts["training"].ids]), **{f"n_{part}": len(of) for part, of in parts.items()},
    )  # fmt: skip


def _save_as_float16(vae, path):
    """Round the weights of a VAE and write them: half the size, for files that travel."""
    vae.network_.half()
    too_large = [name for name, values in vae.network_.state_dict().items() if not values.isfinite().all()]
    if too_large:
        raise ValueError(f"{path}: {', '.join(too_large)} do not fit into float16.")
    vae.save(path)
