"""Recorded trials, ready to be replayed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING

from lightning_quicktune.metadataset.table import CurveRow
from lightning_quicktune.search.lengths import Lengths
from lightning_quicktune.types import Configuration, SliceResult, TaskInfo

if TYPE_CHECKING:
    from lightning_quicktune.replay.settings import CostName


@dataclass(frozen=True)
class PaidOverheads:
    """Seconds that are paid beside the slices: the median of the task's trials that recorded any, else 0.

    Args:
        start_s: For each trial that begins.
        resume_s: For each time that one goes on after a pause.
    """

    start_s: float = 0.0
    resume_s: float = 0.0


@dataclass(frozen=True, eq=False)
class Recorded:
    """One recorded trial, ready to be replayed.

    Args:
        configuration: What was trained.
        seed: Seed of the trial.
        max_fidelity: Slices of its own full training.
        slices: Its slices; their ``cost_s`` is the cost that is paid.
        ends_s: Seconds paid up to the end of each slice, shape ``(F + 1,)``; the first is 0.
        failing_s: Seconds paid for the slice in which it failed, if it did.
    """

    configuration: Configuration
    seed: int
    max_fidelity: int
    slices: tuple[SliceResult, ...]
    ends_s: tuple[float, ...]
    failing_s: float

    @property
    def is_full(self) -> bool:
        """Whether it was trained to the end of its own training."""
        return len(self.slices) == self.max_fidelity


def recorded(row: CurveRow, cost: CostName) -> Recorded:
    """A trial that can be replayed.

    Args:
        row: The trial.
        cost: Which of its costs is paid.
    """
    paid = costs_of(row, cost)
    cells = zip(row.scores, paid, row.costs_cpu_s, strict=True)
    slices = tuple(SliceResult(f, score, s, cpu_s, cost_tokens=0) for f, (score, s, cpu_s) in enumerate(cells, start=1))
    failing_s = row.unfinished_s if row.status == "failed" else 0.0
    ends_s = tuple(accumulate(paid, initial=0.0))
    return Recorded(row.configuration, row.seed, row.max_fidelity, slices, ends_s, failing_s)


def costs_of(row: CurveRow, cost: CostName) -> tuple[float, ...]:
    """Recorded cost of each slice of a trial.

    Args:
        row: The trial.
        cost: Which of its costs.
    """
    return row.costs_cpu_s if cost == "cost_cpu_s" else row.costs_s


def lengths_of(task: TaskInfo, trials: Mapping[str, Recorded]) -> Lengths | None:
    """Slices of each configuration's own full training; none if all are as the task says.

    Args:
        task: Record of the task.
        trials: The recorded trial of each configuration, by its id.
    """
    own = {i: recorded.max_fidelity for i, recorded in trials.items() if recorded.max_fidelity != task.max_fidelity}
    return Lengths(task.max_fidelity, own) if own else None
