"""The summary of replays: a table of them, and what all of them say together."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from lightning_quicktune.evaluation.regret import mean_ranks, normalised_regret, win_tie_loss
from lightning_quicktune.metadataset.outcome import Outcome
from lightning_quicktune.metadataset.table import TEST, MetaDataset
from lightning_quicktune.replay.pool import TaskPool
from lightning_quicktune.replay.results import Replayed
from lightning_quicktune.replay.splits import Split
from lightning_quicktune.statistics.intervals import Bootstrap

Unit = Literal["full trainings", "s"]
PoolOf = Callable[[str, Split], TaskPool]
TEST_SCORE = TEST + "score"


@dataclass(frozen=True, eq=False)
class Summary:
    """Methods compared at each budget, in one setting.

    Args:
        methods: Names, in the order of rows.
        tasks: Names, sorted.
        budgets: In the order of columns.
        unit: Of the budgets.
        per_seed: Normalised regret of each replay.
        regret: Its mean over tasks and seeds.
        lower: Lower end of its interval.
        upper: Upper end of its interval.
        rank: Mean rank over tasks and seeds; not a number for limits, which are not ranked.
        against: Tasks on which a method is better than, equal to and worse than each other one.
        test_score: Mean test score of the incumbents; not a number where unknown.
    """

    methods: tuple[str, ...]
    tasks: tuple[str, ...]
    budgets: tuple[float, ...]
    unit: Unit
    per_seed: Float[np.ndarray, "methods tasks seeds budgets"]
    regret: Float[np.ndarray, "methods budgets"]
    lower: Float[np.ndarray, "methods budgets"]
    upper: Float[np.ndarray, "methods budgets"]
    rank: Float[np.ndarray, "methods budgets"]
    against: Int[np.ndarray, "methods methods 3 budgets"]
    test_score: Float[np.ndarray, "methods budgets"]


def results_table(
    replays: Sequence[Replayed],
    pool_of: PoolOf,
    tested: Mapping[Any, float],
    budgets: Sequence[float],
    unit: Unit = "full trainings",
) -> pd.DataFrame:
    """One row per replay and budget.

    Args:
        replays: Finished replays, each at least as long as the largest budget.
        pool_of: What was recorded on a task, of the configurations that a split searches.
        tested: Test scores, as ``test_scores`` gives them.
        budgets: When regret is looked at.
        unit: Of the budgets.
    """
    columns: dict[str, list[Any]] = {}
    for replayed in replays:
        cells = _cells(replayed, pool_of(replayed.key.task, replayed.key.split), tested, budgets, unit)
        for name, values in cells.items():
            columns.setdefault(name, []).extend(values)
    return pd.DataFrame(columns)


def test_scores(table: MetaDataset) -> dict[Any, float]:
    """Test score by task, configuration, seed and fidelity; empty if none was recorded.

    Args:
        table: The meta-dataset.
    """
    if TEST_SCORE not in table.trials.columns:
        return {}
    columns = [table.trials[name].tolist() for name in ("task", "config_id", "seed", "fidelity")]
    return dict(zip(zip(*columns, strict=True), table.trials[TEST_SCORE].tolist(), strict=True))


def summarise(results: pd.DataFrame, clusters: Mapping[str, int], seed: int, limits: Collection[str] = ()) -> Summary:
    """Compares the methods.

    Args:
        results: Rows of ``results_table`` of one setting and unit; the same tasks, seeds and budgets for each method.
        clusters: Cluster of each task, for the intervals.
        seed: Seed of the intervals.
        limits: Names of what no method can do, which has regret and no rank.
    """
    methods, budgets = tuple(dict.fromkeys(results["method"])), tuple(dict.fromkeys(results["budget"]))
    tasks = tuple(sorted(set(results["task"])))
    regret, test = _cube(results, "regret"), _cube(results, "test_score")
    lower, upper = Bootstrap(groups_of(tasks, clusters), regret.shape[2], seed).interval(regret.transpose(1, 2, 0, 3))
    flat, per_task = regret.reshape(len(methods), -1, len(budgets)), regret.mean(axis=2)
    ranked = [m for m, method in enumerate(methods) if method not in limits]
    rank = np.full((len(methods), len(budgets)), np.nan)
    rank[ranked] = np.stack([mean_ranks(flat[ranked, :, b]) for b in range(len(budgets))], axis=1)
    return Summary(
        methods=methods,
        tasks=tasks,
        budgets=budgets,
        unit=results["unit"].iloc[0],
        per_seed=regret,
        regret=flat.mean(axis=1),
        lower=lower,
        upper=upper,
        rank=rank,
        against=np.stack([win_tie_loss(per_task[:, :, b]) for b in range(len(budgets))], axis=3),
        test_score=test.reshape(len(methods), -1, len(budgets)).mean(axis=1),
    )


def task_clusters(table: MetaDataset) -> dict[str, int]:
    """Cluster of each task: those of one domain together where the table says so, else those of one dataset.

    Args:
        table: The meta-dataset.
    """
    datasets = table.datasets
    names = {n: str(table.task_info(n).facts.get("domain", f"dataset {datasets[n]}")) for n in table.task_names}
    places = {name: place for place, name in enumerate(sorted(set(names.values())))}
    return {task: places[name] for task, name in names.items()}


def outcomes_of(table: MetaDataset, tasks: Collection[str]) -> Mapping[Outcome, int]:
    """How many trials of some tasks had which outcome.

    Args:
        table: The meta-dataset.
        tasks: Names of the tasks.
    """
    return Counter(row.outcome for row in table.curves(tasks))


def groups_of(tasks: Sequence[str], clusters: Mapping[str, int]) -> Int[np.ndarray, " tasks"]:
    """Cluster of each of some tasks, numbered from 0 without gaps."""
    groups = np.unique([clusters[task] for task in tasks], return_inverse=True)[1]
    return np.asarray(groups, dtype=np.int64)


def _cells(
    replayed: Replayed, pool: TaskPool, tested: Mapping[Any, float], budgets: Sequence[float], unit: Unit
) -> dict[str, list[Any]]:
    key, n = replayed.key, len(budgets)
    at_s = np.asarray(budgets) * (pool.full_training_s if unit == "full trainings" else 1.0)
    last = np.searchsorted([each.at_s for each in replayed.best], at_s, side="right") - 1
    best = [replayed.best[i] if i >= 0 else None for i in last.tolist()]
    score = np.array([each.score if each else pool.start_score for each in best])
    trials = [(key.task, each.config_id, each.trial_seed, each.fidelity) if each else None for each in best]
    return {
        "setting": [key.split.setting] * n,
        "fold": [key.split.fold] * n,
        "halving": [key.split.halving] * n,
        "half": [key.split.half] * n,
        "method": [key.method] * n,
        "seed": [key.seed] * n,
        "task": [key.task] * n,
        "unit": [unit] * n,
        "budget": list(budgets),
        "regret": normalised_regret(score, pool.best, pool.median_final).tolist(),
        "score": score.tolist(),
        "config_id": [each.config_id if each else None for each in best],
        "fidelity": [each.fidelity if each else 0 for each in best],
        "test_score": [tested.get(trial, math.nan) for trial in trials],
    }


def _cube(results: pd.DataFrame, column: str) -> Float[np.ndarray, "methods tasks seeds budgets"]:
    axes = [
        list(dict.fromkeys(results["method"])),
        sorted(set(results["task"])),
        sorted(set(results["seed"])),
        list(dict.fromkeys(results["budget"])),
    ]
    indexed = results.set_index(["method", "task", "seed", "budget"])[column]
    cells = indexed.reindex(pd.MultiIndex.from_product(axes)).to_numpy(dtype=np.float64)
    return np.asarray(cells.reshape([len(axis) for axis in axes]))
