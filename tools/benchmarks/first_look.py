"""From when on trainings should be stopped, where few tasks taught: by tables with many tasks, of which few are shown.

    python tools/benchmarks/first_look.py [--tables runs/lcdb_accuracy nano smollm2 runs/yahpo_lcbench]

Learns from 1, 3 and 8 tasks of each table, searches others with each first look, and prints their mean normalised
regret over the budgets of ``left_out_search``; beside it what the training tasks themselves would have chosen, each
searched by what the others say, and what the other tables' regret would have.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lightning_quicktune.metadataset.folder import load
from lightning_quicktune.replay.threads import one_thread
from lightning_quicktune.surrogate.curves.beginning import LOOKS, regret_by_look
from lightning_quicktune.surrogate.curves.from_metadataset import task_tables
from lightning_quicktune.surrogate.curves.left_out_search import search_left_out
from lightning_quicktune.surrogate.curves.prior import CurvePrior, draft_curve_prior
from lightning_quicktune.surrogate.curves.tables import TaskTable, normalise

Array = NDArray[np.float64]
TABLES = ("runs/lcdb_accuracy", "nano", "smollm2", "runs/yahpo_lcbench")
N_TASKS, DRAWS, SEARCHED, ROWS = (1, 3, 8), 4, 8, 128


def searched(prior: CurvePrior, tables: Sequence[TaskTable], generator: np.random.Generator) -> Array:
    """Mean regret on some tasks by each first look, shape ``(looks,)``."""
    found = []
    for table in tables:
        tasks, scale = normalise([table], prior.shares)
        sound = np.flatnonzero(~tasks[0].failed)
        rows = generator.permutation(sound)[:ROWS]
        scores = tasks[0].location + tasks[0].scale * (scale.middle + scale.spread * tasks[0].curves[rows])
        of_pool = prior.pool_prior(tasks[0].encoded[rows])
        looks = [int(np.abs(prior.shares - share).argmin()) for share in LOOKS]
        found.append([search_left_out(replace(of_pool, first_look=look), scores).regret for look in looks])
    return np.asarray(np.nanmean(found, axis=0))


def draws(folder: str) -> dict[int, list[tuple[Array, Array]]]:
    """By the number of training tasks: regret on others, and on the training tasks themselves, by each first look."""
    table = load(folder)
    tables, blocks = task_tables(table), np.array(table.space.encoded_blocks)
    telling = [each for each in tables if np.nanmax(each.scores) > np.nanmin(each.scores)]
    found: dict[int, list[tuple[Array, Array]]] = {n: [] for n in N_TASKS}
    for n in N_TASKS:
        for draw in range(DRAWS):
            generator = np.random.default_rng([draw, n])
            order = generator.permutation(len(telling))
            draft = draft_curve_prior([telling[i] for i in order[:n]], blocks, draw)
            draft.likelihood.minimise()
            prior = replace(draft.prior, variances=draft.likelihood.variances)
            others = [telling[i] for i in order[n : n + SEARCHED]]
            found[n].append((searched(prior, others, generator), regret_by_look(prior, draft.left)))
    return found


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tables", nargs="+", default=TABLES, help="folders of meta-datasets")
    folders = parser.parse_args().tables
    names = [Path(folder).name for folder in folders]
    with one_thread():
        of_table = {name: draws(folder) for name, folder in zip(names, folders, strict=True)}
    means = {(name, n): np.mean([there for there, _ in of_table[name][n]], axis=0) for name in names for n in N_TASKS}
    shown = " | ".join(f"{share:g}" for share in LOOKS)
    print(f"| table | tasks | {shown} | by the training tasks | by the other tables |")
    print("|---|---|" + "---|" * (len(LOOKS) + 2))
    for name in names:
        for n in N_TASKS:
            own = np.mean([there[int(here.argmin())] for there, here in of_table[name][n]])
            rest = np.mean([means[other, n] - means[other, n].mean() for other in names if other != name], axis=0)
            choice = int(rest.argmin())
            cells = " | ".join(f"{value:.3f}" for value in means[name, n])
            print(f"| {name} | {n} | {cells} | {own:.3f} | {LOOKS[choice]:g}: {means[name, n][choice]:.3f} |")
    for n in N_TASKS:
        apart = np.mean([means[name, n] - means[name, n].min() for name in names], axis=0)
        print(f"Over the best look of each table, from {n} tasks: {' '.join(f'{v:.3f}' for v in apart)}")


if __name__ == "__main__":
    main()
