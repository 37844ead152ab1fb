"""Train the weights that come with the package, and write their model card: ``make pretrained DATABASE=<folder>``."""

import logging
from pathlib import Path

import numpy as np
import pandas as pd

from vaescan_lite.cache import written_whole
from vaescan_lite.databases.database import open_database
from vaescan_lite.factors import BROADER, DIAGNOSES
from vaescan_lite.own_model import N_RESAMPLES, reading_scores, score_rows, trainings
from vaescan_lite.scan.pretrained import WEIGHTS
from vaescan_lite.statistics import bootstrap_weights
from vaescan_lite.vae import BeatPCA, segment_errors

CARD = Path(__file__).with_name("card_template.md")
FS = 100
MIN_POSITIVES = 10  # training ECGs that must carry a diagnosis
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
    settings = {"seed": seed, "n_trainings": n_trainings, "budget": budget, "progress": progress}
    scans = trainings(parts, factors[names], folder, db.continuous, **settings)
    card = model_card(scans[0], db, parts, factors)
    with written_whole(folder / "README.md") as path:
        path.write_text(card, encoding="utf-8")
    log.info("wrote %s", folder)
    return card


def learnt_diagnoses(labels):
    """Name the diagnoses that enough training ECGs carry, RBBB as RBBB_any where labels tell them apart: so others call it."""
    wide = {narrower: broader for broader, narrower in BROADER.items() if not labels[broader].equals(labels[narrower])}
    names = [wide.get(name, name) for name in DIAGNOSES]
    return [name for name in names if labels[name].sum() >= MIN_POSITIVES]


def rebuilding_errors(vae, training, test):
    """Mean absolute error by segment, uV, of a VAE and of PCA with as many components that learns from `training`.

    Columns ``VAE PCA ratio low high``, the last two the interval of the ratio.
    """
    pca = BeatPCA(vae.n_latents).fit(training)
    weights = bootstrap_weights(len(test), N_RESAMPLES, 0)
    rebuilt = {"VAE": vae.reconstruct(test), "PCA": pca.reconstruct(test)}
    errors = pd.DataFrame({name: segment_errors(test, signals)["mean"] for name, signals in rebuilt.items()})
    each = {
        name: np.array([segment_errors(test[[i]], signals[[i]])["mean"] for i in range(len(test))])
        for name, signals in rebuilt.items()
    }
    drawn = (weights @ each["VAE"]) / (weights @ each["PCA"])
    errors["ratio"] = errors["VAE"] / errors["PCA"]
    errors["low"], errors["high"] = np.percentile(drawn, [2.5, 97.5], axis=0)
    return errors


def model_card(scan, db, parts, factors):
    """Return the model card, in Markdown, of a fitted Scan; `parts` are the training, validation and test beats by name."""
    vae, errors = scan.vae, rebuilding_errors(scan.vae, parts["training"], parts["test"])
    readings = reading_scores(scan, parts["test"], factors)
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
        readings=score_rows(readings, factors.loc[parts["training"].ids]),
    )
