"""A meta-dataset as dense arrays: tasks by configurations by fidelities."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float, Int, Shaped

from lightning_quicktune.metadataset.outcome import outcomes
from lightning_quicktune.metadataset.table import MetaDataset, configurations_of
from lightning_quicktune.types import Configuration


@dataclass(frozen=True, eq=False)
class CurveArrays:
    """All learning curves of some tasks.

    Args:
        tasks: Names of the tasks, length ``N``.
        configurations: Every configuration that was tried on one of them, length ``C``.
        scores: Score after each slice, not a number where there is none, shape ``(N, C, F)``.
        costs_s: Wall-clock seconds of each slice, not a number where there is none, shape ``(N, C, F)``.
        costs_cpu_s: CPU seconds of the same.
        lengths: Slices with a score; 0 also where nothing was tried, shape ``(N, C)``.
        outcome: Outcome of the trial (see ``outcome``), empty where nothing was tried, shape ``(N, C)``.
        max_fidelity: Slices of each trial's own full training, 0 where nothing was tried, shape ``(N, C)``.
        datasets: Dataset of each task, length ``N``; tasks of one dataset differ in how long is trained.
    """

    tasks: tuple[str, ...]
    configurations: tuple[Configuration, ...]
    scores: Float[np.ndarray, "N C F"]
    costs_s: Float[np.ndarray, "N C F"]
    costs_cpu_s: Float[np.ndarray, "N C F"]
    lengths: Int[np.ndarray, "N C"]
    outcome: Shaped[np.ndarray, "N C"]
    max_fidelity: Int[np.ndarray, "N C"]
    datasets: tuple[str, ...]

    @cached_property
    def final(self) -> Float[np.ndarray, "N C"]:
        """The ``final_score`` of each trial."""
        last = np.take_along_axis(self.scores, np.maximum(self.max_fidelity, 1)[..., None] - 1, axis=2)[..., 0]
        return np.where(self.outcome == "full", last, np.nan)

    @cached_property
    def ends(self) -> Float[np.ndarray, "N C"]:
        """Final scores; minus infinity where a trial failed, not a number where its end is not known."""
        return np.where(self.outcome == "failed", -np.inf, self.final)

    def at_share(self, share: float) -> Float[np.ndarray, "N C"]:
        """Score after a share of each trial's own training, rounded up to whole slices.

        Args:
            share: From 0 (the first slice) to 1 (the end).
        """
        places = np.maximum(np.ceil(share * self.max_fidelity - 1e-9).astype(np.int64) - 1, 0)
        return np.take_along_axis(self.scores, places[..., None], axis=2)[..., 0]


def curve_arrays(table: MetaDataset, tasks: Sequence[str] | None = None) -> CurveArrays:
    """Lays all learning curves side by side; of several seeds of a configuration, the lowest on each task.

    Args:
        table: The meta-dataset.
        tasks: Names of the tasks, in the order wanted; all of them, sorted, if not given.

    Raises:
        ValueError: If the meta-dataset has no such task.
    """
    names = table.task_names if tasks is None else tuple(tasks)
    for unknown in set(names) - set(table.tasks["task"]):
        table.task_info(unknown)  # says which there are
    frame = table.trials[table.trials["task"].isin(list(names))]
    frame = frame[frame["seed"] == frame.groupby(["task", "config_id"])["seed"].transform("min")]
    configurations = configurations_of(frame, table.space.names)
    task = _places(frame["task"].tolist(), names)
    place = _places(frame["config_id"].tolist(), tuple(configurations))
    fidelity = frame["fidelity"].to_numpy(dtype=np.int64)
    maximum = np.zeros((len(names), len(configurations)), dtype=np.int64)
    maximum[task, place] = frame["max_fidelity"].to_numpy(dtype=np.int64)
    inside = (fidelity > 0) & (fidelity <= maximum[task, place])
    cells = task[inside], place[inside], fidelity[inside] - 1
    shape = len(names), len(configurations), int(maximum.max(initial=1))
    arrays = {}
    for name in ("score", "cost_s", "cost_cpu_s"):
        arrays[name] = np.full(shape, np.nan)
        arrays[name][cells] = frame[name].to_numpy(dtype=np.float64, na_value=np.nan)[inside]
    lengths = np.cumprod(np.isfinite(arrays["score"]), axis=2).sum(axis=2)
    lost = np.arange(shape[2]) >= lengths[..., None]  # a curve ends before its first score that is no number
    for array in arrays.values():
        array[lost] = np.nan
    ends = ~frame.duplicated(["task", "config_id"], keep="last").to_numpy()
    last = frame[ends].assign(fidelity=lengths[task[ends], place[ends]])
    kinds = np.full(shape[:2], "", dtype=object)
    for kind, rows in outcomes(last).items():
        kinds[task[ends][rows], place[ends][rows]] = kind
    return CurveArrays(
        tasks=names,
        configurations=tuple(configurations.values()),
        scores=arrays["score"],
        costs_s=arrays["cost_s"],
        costs_cpu_s=arrays["cost_cpu_s"],
        lengths=lengths,
        outcome=kinds,
        max_fidelity=maximum,
        datasets=tuple(table.task_info(name).dataset for name in names),
    )


def _places(names: list[str], order: Sequence[str]) -> Int[np.ndarray, " R"]:
    place = {name: i for i, name in enumerate(order)}
    return np.array([place[name] for name in names], dtype=np.int64)
