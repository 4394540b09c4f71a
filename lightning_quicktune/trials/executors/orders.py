"""What an executor of trials is given and gives back, and the protocol of all of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from lightning_quicktune.space.search_space import SearchSpace
from lightning_quicktune.trials.plan import TrialPlan, WrittenPlan
from lightning_quicktune.types import Configuration, Executor, TaskInfo, Trial


@dataclass(frozen=True, eq=False)
class Order:
    """A trial that is to be trained.

    Args:
        plan: The trial.
        fidelity: Slices to reach.
        alone: Whether it must not share a pass with others, because an error has interrupted it before.
    """

    plan: TrialPlan
    fidelity: int
    alone: bool = False

    @property
    def key(self) -> str:
        """What tells it from all others that an executor has: the trial's folder."""
        return str(self.plan.folder)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        plan = self.plan
        return {
            "task": plan.task.to_dict(),
            "fit": plan.fit,
            "space": plan.space.to_dict(),
            "configuration": dict(plan.configuration.values),
            "seed": plan.seed,
            "folder": str(plan.folder),
            "test_each_slice": plan.test_each_slice,
            "is_as_written": isinstance(plan, WrittenPlan),
            "fidelity": self.fidelity,
            "alone": self.alone,
        }

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Order:
        """Reads what ``to_dict`` wrote."""
        kind = WrittenPlan if record["is_as_written"] else TrialPlan
        plan = kind(
            task=TaskInfo.from_dict(record["task"]),
            fit=dict(record["fit"]),
            space=SearchSpace.from_dict(record["space"]),
            configuration=Configuration(record["configuration"]),
            seed=int(record["seed"]),
            folder=Path(record["folder"]),
            test_each_slice=bool(record["test_each_slice"]),
        )
        return cls(plan, int(record["fidelity"]), bool(record["alone"]))


@dataclass(frozen=True)
class Result:
    """What came of an order.

    Args:
        order: The order.
        trial: The trial's record; none if another process works on the trial, so that nothing was done.
        seconds: What it and those beside it took.
        n_trained: Trials that were trained at once, this one counted.
        cost_s: This trial's share of the seconds.
    """

    order: Order
    trial: Trial | None
    seconds: float = 0.0
    n_trained: int = 1
    cost_s: float = 0.0


@runtime_checkable
class TrialExecutor(Executor[Order, Result], Protocol):
    """Trains trials, several at a time or one after the other; their records lie in the folders of their plans.

    What an error interrupts comes back as it is, with that status; who gave the order decides what then. A worker that
    is lost costs its trials the slice that they were in: they go on elsewhere.
    """

    def close(self) -> None:
        """Pauses what runs, forgets what waits, and frees what the executor holds; an order later starts it again."""
        ...
