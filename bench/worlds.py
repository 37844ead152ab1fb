"""Simulated worlds in which it is known which step towards an explainable model must cost something, and which must not."""

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from vaescan_lite.beats.medians import median_beats
from vaescan_lite.benchmark.costs import STEPS, cost
from vaescan_lite.benchmark.representations import Recordings
from vaescan_lite.benchmark.running import run
from vaescan_lite.ecg import EcgSet
from vaescan_lite.simulator import simulate
from vaescan_lite.simulator.people import Population, draw_factors
from vaescan_lite.statistics import auroc_within


@dataclass(frozen=True, kw_only=True)
class World:
    """What is in a world's people, and where the cost of telling it must arise.

    Attributes
    ----------
    prevalence : dict of str to float
        Factors of the simulator, all of them tasks.
    flips : float
        Share of labels that are wrong. At 0.5 a label says nothing about the ECG.
    where : str or None
        The step that must cost something; None: every step costs nothing.
    """

    prevalence: dict
    flips: float = 0.05
    where: str | None = None


# Rhythm alone: the dominant beat is the same with and without it. Interaction: only a product of two traits tells it. Plain: a
# bundle branch block is plain to every model, so that what is left is the order of people whom nothing distinguishes. Blind:
# the label is drawn without a look at the heart.
WORLDS = {
    "rhythm": World(prevalence={"sinus_pause": 0.3, "bigeminy": 0.3, "wenckebach": 0.3}, where="rhythm"),
    "interaction": World(prevalence={"interaction": 0.5}, where="transparency"),
    "plain": World(prevalence={"LBBB": 0.5}, flips=0.1),
    "blind": World(prevalence={"LBBB": 0.5}, flips=0.5),
}
EVERY_STEP = "every step"


@dataclass(frozen=True, eq=False)
class WorldDatabase:
    """People of a world, with what `Recordings` asks of a database.

    Attributes
    ----------
    ecgs : EcgSet
        Twelve leads, ten seconds.
    labels : DataFrame, indexed by id
        Age, sex and the tasks as they are written down, wrong ones included.
    truth : DataFrame, indexed by id
        The same without wrong labels.
    fold : Series of int, indexed by id
        1 to 10, drawn by seed.
    """

    ecgs: EcgSet
    labels: pd.DataFrame
    truth: pd.DataFrame
    fold: pd.Series = field(repr=False)
    name: str = "simulated"

    @property
    def ids(self):
        """One id per ECG."""
        return self.labels.index.to_numpy()

    def factors(self, names=None):
        """Labels, all or some."""
        return self.labels if names is None else self.labels[list(names)]

    def read(self, ids, fs):
        """Give the ECGs with these ids, at the rate at which they were made."""
        if fs != self.ecgs.fs:
            raise ValueError(f"this world was made at {self.ecgs.fs:g} Hz; got fs={fs:g}.")
        return EcgSet(self.ecgs.signals[self.labels.index.get_indexer(ids)], fs, self.ecgs.leads, ids)


def make_world(name, n, seed, *, fs=100):
    """Simulate the people of a world.

    Parameters
    ----------
    name : str
        One of `WORLDS`.
    n : int
        Number of ECGs.
    seed : int
        Decides people, ECGs, folds and wrong labels.
    fs : float
        Rate in Hz.

    Returns
    -------
    WorldDatabase

    Raises
    ------
    ValueError
        If the world is not known.
    """
    if name not in WORLDS:
        raise ValueError(f"unknown world {name!r}; known are {', '.join(WORLDS)}.")
    world = WORLDS[name]
    truth = draw_factors(Population(prevalence=world.prevalence), n, seed)
    rng = np.random.default_rng([seed, 30])
    labels = truth.copy()
    for task in world.prevalence:
        is_wrong = rng.uniform(size=n) < world.flips
        labels[task] = np.where(is_wrong, 1 - truth[task], truth[task])
    fold = pd.Series(rng.permutation(n) % 10 + 1, index=truth.index)
    return WorldDatabase(simulate(truth, fs=fs, seed=seed), labels, truth, fold)


def world_costs(
    name,
    *,
    n=1000,
    seeds=(0,),
    steps=None,
    rotations=2,
    n_resamples=1000,
    budget="workshop",
    keep=None,
    n_jobs=1,
    progress=True,
):
    """Measure in a world what each step towards an explainable model costs, by the benchmark that also measures real ECGs.

    Parameters
    ----------
    name : str
        One of `WORLDS`.
    n : int
        ECGs of each world.
    seeds : sequence of int
        A new world each: people, ECGs, labels, and every training.
    steps : dict, optional
        As for `benchmark.cost`.
    rotations, n_resamples, budget, keep, n_jobs, progress
        As for `benchmark.run`.

    Returns
    -------
    DataFrame
        One row per seed, task and step: world, seed, task, step, auroc_before, auroc_after, cost with low and high, and
        ceiling, the AUROC of the true factor for the label as written down: nothing that looks at the ECG beats it, but by
        chance.

    Raises
    ------
    ValueError
        If the world is not known.
    """
    steps = STEPS if steps is None else steps
    pairs = list(dict.fromkeys(pair for step in steps.values() for pair in step))
    settings = {"rotations": rotations, "n_resamples": n_resamples, "budget": budget}
    settings |= {"keep": keep, "n_jobs": n_jobs, "progress": progress}
    tables = []
    for seed in seeds:
        db = make_world(name, n, seed)
        rows = Recordings(db, beats=median_beats(db.ecgs))
        result = run(rows, tasks=list(WORLDS[name].prevalence), pairs=pairs, seeds=(seed,), **settings)
        table = cost(result, steps, tasks=result.tasks).assign(world=name, seed=seed)
        tested = result.predictions.drop_duplicates("id")[["id", "rotation"]]
        ceiling = {
            task: auroc_within(db.labels.loc[tested["id"], task], db.truth.loc[tested["id"], task], tested["rotation"])
            for task in result.tasks
        }
        tables.append(table.assign(ceiling=table["task"].map(ceiling)))
    columns = ["world", "seed", "task", "step", "auroc_before", "auroc_after", "cost", "low", "high", "ceiling"]
    return pd.concat(tables, ignore_index=True)[columns]


def summary(table):
    """Say of each world and step what it cost over all seeds, and how often its interval held zero.

    Parameters
    ----------
    table : DataFrame
        Of `world_costs`, one world or several.

    Returns
    -------
    DataFrame
        One row per world, task and step: ``worlds`` (number of seeds), mean ``cost`` with its lowest and highest value,
        ``holds_zero`` (share of the intervals of 95 %), mean ``ceiling``, and ``must_cost``: whether the simulator put the cost
        there. A world without any cost has one more row, `EVERY_STEP`, in which its steps are counted together: of 20 intervals
        in one row two or three may miss by chance.
    """
    table = table.assign(holds_zero=(table["low"] <= 0) & (table["high"] >= 0))
    free = [name for name in table["world"].unique() if WORLDS[name].where is None]
    table = pd.concat([table, table[table["world"].isin(free)].assign(step=EVERY_STEP)], ignore_index=True)
    groups = table.groupby(["world", "task", "step"], sort=False)
    found = groups.agg(
        worlds=("seed", "nunique"), cost=("cost", "mean"), lowest=("cost", "min"), highest=("cost", "max"),
        holds_zero=("holds_zero", "mean"), ceiling=("ceiling", "mean"),
    ).reset_index()  # fmt: skip
    return found.assign(must_cost=[WORLDS[row.world].where == row.step for row in found.itertuples()])
