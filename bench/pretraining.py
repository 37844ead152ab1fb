"""Train the weights that come with the package, and write their model card: ``make pretrained DATABASE=<folder>``."""

import logging
from pathlib import Path

import numpy as np
import pandas as pd

from vaescan_lite.cache import written_whole
from vaescan_lite.databases.database import open_database
from vaescan_lite.factors import BROADER, DIAGNOSES, FACTOR_LABELS
from vaescan_lite.scan.pretrained import WEIGHTS
from vaescan_lite.scan.scan import Scan
from vaescan_lite.statistics import bootstrap_weights, weighted_auroc, weighted_mean, with_interval
from vaescan_lite.vae import BeatPCA, BeatVAE, segment_errors
from vaescan_lite.vae.saving import load_tensors, save_tensors

CARD = Path(__file__).with_name("card_template.md")
FS = 100
MIN_POSITIVES = 10  # training ECGs that must carry a diagnosis
MIN_SCORED = 5  # positives in fold 10, below which no AUROC is given
N_RESAMPLES = 1000
log = logging.getLogger(__name__)


def pretrain(database, folder=WEIGHTS, *, seed=0, n_trainings=3, budget="workshop", progress=True):
    """Train the weights of the package again on PTB-XL or a part of it, write them with their model card, and return the card.

    The same ECGs and seed give the same weights on the same machine. The folder gets ``vae.safetensors``,
    ``scan.safetensors`` and ``README.md``, and folders ``training_1`` ... with the weights of other seeds.
    """
    from vaescan_lite.beats.medians import median_beats

    folder, db = Path(folder), open_database(database)
    if db.is_simulated and folder == WEIGHTS:
        raise ValueError(f"pretrained weights come from PTB-XL; {database!r} is simulated. Name the folder of PTB-XL.")
    beats = median_beats(db, fs=FS, progress=progress)
    beats, factors = beats[beats.usable], db.factors()
    fold = db.fold.loc[beats.ids].to_numpy()
    training, validation, test = fold <= 8, fold == 9, fold == 10
    names = ["sex_female", "age_years", *learnt_diagnoses(factors.loc[beats.ids[training]])]
    log.info("training on %d beats of folds 1-8", training.sum())
    parts = {"training": beats[training], "validation": beats[validation], "test": beats[test]}
    places = [folder, *(folder / f"training_{number}" for number in range(1, n_trainings))]
    scans = [_trained(parts, factors[names], place, seed + i, budget, progress) for i, place in enumerate(places)]
    card = model_card(scans[0], db, parts, factors)
    with written_whole(folder / "README.md") as path:
        path.write_text(card, encoding="utf-8")
    log.info("wrote %s", folder)
    return card


def _trained(parts, factors, folder, seed, budget, progress):
    """Train a VAE and a Scan, and write their weights; the Scan."""
    vae = BeatVAE(seed=seed, budget=budget, progress=progress).fit(parts["training"], parts["validation"])
    with written_whole(folder / "vae.safetensors") as path:
        vae.save(path)
        _halve(path)
    vae = BeatVAE.load(folder / "vae.safetensors")  # what is scored, and what the Scan learns from, are the rounded weights
    scan = Scan(vae, list(factors), seed=seed).fit(parts["training"], factors, progress=progress)
    scan.save(folder / "scan.safetensors", with_vae=False)
    return scan


def learnt_diagnoses(labels):
    """Name the diagnoses that enough training ECGs carry, RBBB as RBBB_any where labels tell them apart: so others call it."""
    wide = {narrower: broader for broader, narrower in BROADER.items() if not labels[broader].equals(labels[narrower])}
    names = [wide.get(name, name) for name in DIAGNOSES]
    return [name for name in names if labels[name].sum() >= MIN_POSITIVES]


def fold_10_scores(scan, training, test, factors, *, n_resamples=N_RESAMPLES):
    """Score a Scan and its VAE on unseen beats; PCA, the yardstick, learns from `training`. Two tables.

    Errors by segment: mean absolute error of the VAE and of PCA with as many components as latents, uV, and
    their ratio with its interval. Readings by factor: AUROC, or the mean absolute error in years, with its interval; ``n`` and
    ``positives``. NaN with fewer than five positives.
    """
    vae = scan.vae
    pca = BeatPCA(vae.n_latents).fit(training)
    weights = bootstrap_weights(len(test), n_resamples, 0)
    rebuilt = {"VAE": vae.reconstruct(test), "PCA": pca.reconstruct(test)}
    errors = pd.DataFrame({name: segment_errors(test, signals)["mean"] for name, signals in rebuilt.items()})
    each = {
        name: np.array([segment_errors(test[[i]], signals[[i]])["mean"] for i in range(len(test))])
        for name, signals in rebuilt.items()
    }
    drawn = (weights @ each["VAE"]) / (weights @ each["PCA"])
    errors["ratio"] = errors["VAE"] / errors["PCA"]
    errors["low"], errors["high"] = np.percentile(drawn, [2.5, 97.5], axis=0)
    read, truth = scan.ecg_to_factors(test), factors.loc[test.ids]
    rows = {}
    for name, is_continuous in zip(scan.coding_.names, scan.coding_.continuous):
        y = truth[name].astype(float)
        positives = np.nan if is_continuous else y.sum()
        if is_continuous:
            scored = with_interval(weighted_mean, np.abs(y - read[name]), n_resamples=n_resamples)
        elif MIN_SCORED <= positives < y.count():
            scored = with_interval(weighted_auroc, y, read[name], n_resamples=n_resamples)
        else:
            scored = np.nan, np.nan, np.nan, y.count()
        rows[name] = (*scored, positives)
    return errors, pd.DataFrame.from_dict(rows, orient="index", columns=["value", "low", "high", "n", "positives"])


def model_card(scan, db, parts, factors):
    """Return the model card, in Markdown, of a fitted Scan; `parts` are the training, validation and test beats by name."""
    errors, readings = fold_10_scores(scan, parts["training"], parts["test"], factors)
    vae = scan.vae
    labels = factors.loc[parts["training"].ids, list(scan.coding_.names)]
    reading_rows = [
        f"| {FACTOR_LABELS[name]} | {labels[name].sum() if name != 'age_years' else labels[name].notna().sum():.0f} | "
        + ("" if np.isnan(row.positives) else f"{row.positives:.0f}")
        + f" | {'mean error, years' if name in scan.continuous else 'AUROC'} | "
        + (f"{row.value:.3g} ({row.low:.3g} to {row.high:.3g}) |" if np.isfinite(row.value) else "too few to score |")
        for name, row in readings.iterrows()
    ]
    error_rows = [
        f"| {name} | {row.VAE:.1f} | {row.PCA:.1f} | {row.ratio:.2f} ({row.low:.2f} to {row.high:.2f}) |"
        for name, row in errors.iterrows()
    ]
    return CARD.read_text(encoding="utf-8").format(
        n_database=len(db.ids),
        n_training=len(parts["training"]),
        n_validation=len(parts["validation"]),
        n_test=len(parts["test"]),
        n_active=len(vae.active_latents_),
        n_latents=vae.n_latents,
        kl=vae.latents_["kl"].sum(),
        n_components=vae.n_latents,
        beta=vae.beta,
        seed=vae.seed,
        epochs=len(vae.history_),
        lam=scan.lam,
        beta_y=scan.beta_y,
        errors="\n".join(error_rows),
        readings="\n".join(reading_rows),
    )


def _halve(path):
    """Store the weights of a safetensors file as float16: half the size, for files that travel with the package."""
    about, tensors = load_tensors(path, "BeatVAE")
    with np.errstate(over="ignore"):
        halves = {n: value.astype(np.float16) if value.dtype == np.float32 else value for n, value in tensors.items()}
    too_large = [name for name, value in halves.items() if not np.isfinite(value).all()]
    if too_large:
        raise ValueError(f"{path}: {', '.join(too_large)} do not fit into float16.")
    save_tensors(path, "BeatVAE", about, halves)
