"""A worker: trains orders in whichever process it is, and says what happens as it does."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from lightning_quicktune.compose import FitConfig, build, quiet_upstream
from lightning_quicktune.files.locks import exclusive
from lightning_quicktune.finetune.finetuner import Finetuner
from lightning_quicktune.trials.cohorts import Cohorts
from lightning_quicktune.trials.executors.orders import Order
from lightning_quicktune.types import Trial


@dataclass(frozen=True)
class Recorded:
    """The record of the trial in ``folder`` has changed."""

    folder: Path


@dataclass(frozen=True)
class Stepped:
    """An optimizer step of a configuration has ended, of so many in the slice."""

    config_id: str
    step: int
    of: int


@dataclass(frozen=True)
class Ended:
    """An order has ended, as ``Result`` tells it; ``key`` is the order's."""

    key: str
    trial: Trial | None
    seconds: float = 0.0
    n_trained: int = 1
    cost_s: float = 0.0


@dataclass(frozen=True)
class LeftOver:
    """Orders, by key, that are too many for this worker to train at once; it takes ``size`` of the task."""

    keys: tuple[str, ...]
    size: int


@dataclass(frozen=True)
class Idle:
    """The worker is ready for orders: it has started, or is done with those that it had."""


@dataclass(frozen=True)
class Raised:
    """What no record takes has ended the worker's orders: a full disk, or a trial of other settings."""

    error: Exception

    @classmethod
    def of(cls, error: Exception) -> Raised:
        """Of an error's words and kind, since not every error survives the way to another process."""
        if isinstance(error, OSError) and error.errno is not None:
            return cls(OSError(error.errno, error.strerror or str(error), error.filename))
        if isinstance(error, OSError):  # in words of our own
            return cls((FileNotFoundError if isinstance(error, FileNotFoundError) else OSError)(str(error)))
        if isinstance(error, ValueError):
            return cls(ValueError(str(error)))
        return cls(RuntimeError(f"{type(error).__name__}: {error}"))


Event = Recorded | Stepped | Ended | LeftOver | Idle | Raised


@dataclass(frozen=True)
class Place:
    """An MLflow experiment that workers tell of their trials.

    Args:
        uri: Tracking URI, the same for all workers.
        experiment: Name of the experiment.
    """

    uri: str
    experiment: str


@dataclass(frozen=True)
class Brief:
    """What a worker is told when it starts.

    Args:
        cohort: Trials of one task that it trains at once, or ``auto``.
        n_workers: Workers that share the memory.
        place: What it tells of its trials, while it holds their locks; none for nothing.
        fit: A fit YAML whose base model it loads at its start; none to load one with the first trial.
        says_steps: Whether it says each step.
        devices: Devices that train each of its trials together.
    """

    cohort: int | Literal["auto"] = 1
    n_workers: int = 1
    place: Place | None = None
    fit: FitConfig | None = None
    says_steps: bool = False
    devices: int = 1

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Brief:
        """Reads what ``to_dict`` wrote."""
        return cls(**{**record, "place": Place(**record["place"]) if record["place"] else None})


class TrialWorker:
    """Trains trials of a task, each while no other process does.

    Args:
        brief: What it is told.
        say: Called with each event.
    """

    def __init__(self, brief: Brief, say: Callable[[Event], object]) -> None:
        self._brief, self._say = brief, say
        self._tell = _teller(brief.place)
        on_step = self._on_step if brief.says_steps else None
        self._cohorts = Cohorts(brief.cohort, brief.n_workers, self._on_record, on_step, brief.devices)

    def prepare(self) -> None:
        """Loads the base model, where it is known, so that the first trial doesn't pay for it."""
        if self._brief.fit is not None:
            quiet_upstream()
            model = build(self._brief.fit).model
            if isinstance(model, Finetuner):
                _ = model.loaded

    def train(self, orders: Sequence[Order]) -> None:
        """Trains as many as fit, and says what came of each; what another process trains is left alone.

        Args:
            orders: Of one task, at least one.

        Raises:
            KeyboardInterrupt: If it was asked to stop; all are then paused.
            Exception: What is no trial's own, such as a full disk; the trials are as they were.
        """
        with ExitStack() as locks:
            mine: list[Order] = []
            most = 1 if orders[0].alone else self._cohorts.size([order.plan for order in orders])
            left = list(orders)
            while left and len(mine) < most:
                order = left.pop(0)
                if locks.enter_context(exclusive(order.plan.folder)):
                    mine.append(order)
                else:
                    self._say(Ended(order.key, None))
            if left:
                self._say(LeftOver(tuple(order.key for order in left), most))
            for result in self._cohorts.train(mine):
                self._say(Ended(result.order.key, result.trial, result.seconds, result.n_trained, result.cost_s))

    def _on_record(self, folder: Path) -> None:
        if self._tell is not None:
            self._tell(folder)
        self._say(Recorded(folder))

    def _on_step(self, config_id: str, step: int, of: int) -> None:
        self._say(Stepped(config_id, step, of))


def _teller(place: Place | None) -> Callable[[Path], Any] | None:
    if place is None:
        return None
    from lightning_quicktune.tracking.tracker import Tracker  # MLflow takes seconds, and may not be there

    return Tracker(place.uri, place.experiment).follow_trial
