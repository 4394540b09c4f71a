"""Replays as a table, and what all of them say together."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from lightning_quicktune.evaluation.pool import TaskPool
from lightning_quicktune.evaluation.regret import (
    bootstrap_interval,
    count_wins,
    incumbent_at,
    mean_ranks,
    normalised_regret,
)
from lightning_quicktune.evaluation.results import Replayed
from lightning_quicktune.metadataset.table import TEST, MetaDataset

TEST_SCORE = TEST + "score"


@dataclass(frozen=True, eq=False)
class Summary:
    """Methods compared at each budget.

    Args:
        methods: Names, in the order of rows.
        budgets: In full trainings, in the order of columns.
        regret: Mean normalised regret over tasks and seeds.
        lower: Lower end of its interval.
        upper: Upper end of its interval.
        rank: Mean rank over tasks and seeds.
        wins: Tasks on which the method has the lowest regret.
        test_score: Mean test score of the incumbents; not a number where unknown.
    """

    methods: tuple[str, ...]
    budgets: tuple[float, ...]
    regret: Float[np.ndarray, "methods budgets"]
    lower: Float[np.ndarray, "methods budgets"]
    upper: Float[np.ndarray, "methods budgets"]
    rank: Float[np.ndarray, "methods budgets"]
    wins: Int[np.ndarray, "methods budgets"]
    test_score: Float[np.ndarray, "methods budgets"]


def results_table(
    replays: Sequence[Replayed], pools: Mapping[str, TaskPool], table: MetaDataset, budgets: Sequence[float]
) -> pd.DataFrame:
    """One row per replay and budget.

    Args:
        replays: Finished replays, each at least as long as the largest budget.
        pools: What was recorded, by task.
        table: The meta-dataset; test scores are taken from it, where it has them.
        budgets: In full trainings.
    """
    tested = _test_scores(table)
    return pd.DataFrame([_row(r, pools[r.key.task], tested, budget) for r in replays for budget in budgets])


def summarise(results: pd.DataFrame, clusters: Mapping[str, int], seed: int) -> Summary:
    """Compares the methods.

    Args:
        results: Rows of ``results_table``, the same tasks, seeds and budgets for each method.
        clusters: Cluster of each task, for the intervals.
        seed: Seed of the intervals.
    """
    methods, budgets = tuple(dict.fromkeys(results["method"])), tuple(dict.fromkeys(results["budget"]))
    regret, test = _cube(results, "regret"), _cube(results, "test_score")
    groups = np.array([clusters[task] for task in sorted(set(results["task"]))], dtype=np.int64)
    groups = np.unique(groups, return_inverse=True)[1]  # of the tasks that are left, without gaps
    intervals = np.array(
        [
            [bootstrap_interval(regret[m, :, :, b], groups, seed) for b in range(len(budgets))]
            for m in range(len(methods))
        ]
    )
    flat = regret.reshape(len(methods), -1, len(budgets))
    per_task = regret.mean(axis=2)
    return Summary(
        methods=methods,
        budgets=budgets,
        regret=flat.mean(axis=1),
        lower=intervals[:, :, 0],
        upper=intervals[:, :, 1],
        rank=np.stack([mean_ranks(flat[:, :, b]) for b in range(len(budgets))], axis=1),
        wins=np.stack([count_wins(per_task[:, :, b]) for b in range(len(budgets))], axis=1),
        test_score=test.reshape(len(methods), -1, len(budgets)).mean(axis=1),
    )


def task_clusters(table: MetaDataset) -> dict[str, int]:
    """Cluster of each task: those of one domain together where the table says so, else each alone.

    Args:
        table: The meta-dataset.
    """
    names = {name: str(table.task_info(name).facts.get("domain", f"task {name}")) for name in table.task_names}
    places = {name: place for place, name in enumerate(sorted(set(names.values())))}
    return {task: places[name] for task, name in names.items()}


def _row(replayed: Replayed, pool: TaskPool, tested: Mapping[Any, float], budget: float) -> dict[str, Any]:
    key = replayed.key
    incumbent = incumbent_at(replayed.best, budget * pool.full_training_s)
    score = incumbent.score if incumbent else pool.start_score
    trial = (key.task, incumbent.config_id, incumbent.trial_seed, incumbent.fidelity) if incumbent else None
    return {
        "fold": key.fold,
        "method": key.method,
        "seed": key.seed,
        "task": key.task,
        "budget": budget,
        "regret": float(normalised_regret(np.array(score), pool.best, pool.median_final)),
        "score": score,
        "config_id": incumbent.config_id if incumbent else None,
        "fidelity": incumbent.fidelity if incumbent else 0,
        "test_score": tested.get(trial, math.nan),
    }


def _test_scores(table: MetaDataset) -> dict[Any, float]:
    if TEST_SCORE not in table.trials.columns:
        return {}
    columns = [table.trials[name].tolist() for name in ("task", "config_id", "seed", "fidelity")]
    return dict(zip(zip(*columns, strict=True), table.trials[TEST_SCORE].tolist(), strict=True))


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
