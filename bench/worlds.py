"""Simulated worlds in which it is known which step towards an explainable model must cost something, and which must not."""

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from vaescan_lite import benchmark
from vaescan_lite.beats.medians import median_beats
from vaescan_lite.benchmark.costs import STEPS, cost
from vaescan_lite.benchmark.representations import Recordings
from vaescan_lite.benchmark.running import run
from vaescan_lite.book import Workspace
from vaescan_lite.ecg import EcgSet
from vaescan_lite.factors import known_names
from vaescan_lite.simulator import simulate
from vaescan_lite.simulator.people import Population, draw_factors
from vaescan_lite.statistics import auroc


@dataclass(frozen=True, kw_only=True)
class World:
    """What is in a world's people, and where the cost of telling it must arise."""

    prevalence: dict  # factors of the simulator, all of them tasks
    flips: float = 0.05  # share of labels that are wrong; at 0.5 a label says nothing about the ECG
    where: str | None = None  # the step that must cost something; None: every step costs nothing


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
    """People of a world, with what `Recordings` asks of a database."""

    ecgs: EcgSet  # twelve leads, ten seconds
    labels: pd.DataFrame  # by id: age, sex and the tasks as they are written down, wrong ones included
    truth: pd.DataFrame  # the same without wrong labels
    fold: pd.Series = field(repr=False)  # 1 to 10, drawn by seed
    name: str = "simulated"

    @property
    def ids(self):
        """One id per ECG."""
        return self.labels.index.to_numpy()

    def factors(self, names=None):
        """Labels, all or some."""
        return self.labels if names is None else self.labels[list(names)]

    def read(self, ids, fs):
        """Return the ECGs with these ids, at the rate at which they were made."""
        if fs != self.ecgs.fs:
            raise ValueError(f"this world was made at {self.ecgs.fs:g} Hz; got fs={fs:g}.")
        return EcgSet(self.ecgs.signals[self.labels.index.get_indexer(ids)], fs, self.ecgs.leads, ids)


def make_world(name, n, seed):
    """Simulate `n` people of a world at 100 Hz; the seed decides people, ECGs, folds and wrong labels."""
    known_names(name, WORLDS, "world")
    world = WORLDS[name]
    truth = draw_factors(Population(prevalence=world.prevalence), n, seed)
    rng = np.random.default_rng([seed, 30])
    labels = truth.copy()
    for task in world.prevalence:
        is_wrong = rng.uniform(size=n) < world.flips
        labels[task] = np.where(is_wrong, 1 - truth[task], truth[task])
    fold = pd.Series(rng.permutation(n) % 10 + 1, index=truth.index)
    return WorldDatabase(simulate(truth, fs=100, seed=seed), labels, truth, fold)


def world_costs(name, *, n=1000, seeds=(0,), steps=STEPS, rotations=2, **settings):
    """Measure in a world what each step towards an explainable model costs, by the benchmark that also measures real ECGs.

    Each seed is a new world of `n` people, with trainings of its own; `settings` are those of `benchmark.run`. Column
    ceiling: AUROC of the true factor for the label as written down, which nothing that looks at the ECG beats but by chance.
    """
    pairs = list(dict.fromkeys(pair for step in steps.values() for pair in step))
    tables = []
    for seed in seeds:
        db = make_world(name, n, seed)
        rows, tasks = Recordings(db, beats=median_beats(db.ecgs)), list(WORLDS[name].prevalence)
        result = run(rows, tasks=tasks, pairs=pairs, rotations=rotations, seeds=(seed,), **settings)
        table = cost(result, steps, tasks=result.tasks).assign(world=name, seed=seed)
        tested = result.predictions.drop_duplicates("id")[["id", "rotation"]]
        ceiling = {
            task: auroc(*(table.loc[tested["id"], task] for table in (db.labels, db.truth)), tested["rotation"], 0).value
            for task in result.tasks
        }
        tables.append(table.assign(ceiling=table["task"].map(ceiling)))
    columns = ["world", "seed", "task", "step", "auroc_before", "auroc_after", "cost", "low", "high", "ceiling"]
    return pd.concat(tables, ignore_index=True)[columns]


def agreement(profile, seeds):
    """Say how far chapter 10's verdicts agree between seeds, each of which draws other simulated people and trains anew."""
    return benchmark.agreement([Workspace(profile, "simulated", seed).benchmark() for seed in seeds])


def summary(table):
    """Summarise over all seeds what each step of each world cost, and how often its interval of 95 % held zero.

    ``must_cost`` says whether the simulator put the cost there. A world without any cost has one more row, `EVERY_STEP`, in
    which its steps are counted together: of 20 intervals in one row two or three may miss by chance.
    """
    table = table.assign(holds_zero=(table["low"] <= 0) & (table["high"] >= 0))
    free = [name for name in table["world"].unique() if WORLDS[name].where is None]
    table = pd.concat([table, table[table["world"].isin(free)].assign(step=EVERY_STEP)], ignore_index=True)
    groups = table.groupby(["world", "task", "step"], sort=False)
    rows = groups.agg(
        worlds=("seed", "nunique"), cost=("cost", "mean"), lowest=("cost", "min"), highest=("cost", "max"),
        holds_zero=("holds_zero", "mean"), ceiling=("ceiling", "mean"),
    ).reset_index()  # fmt: skip
    return rows.assign(must_cost=[WORLDS[row.world].where == row.step for row in rows.itertuples()])
