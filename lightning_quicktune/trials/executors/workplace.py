"""Workers elsewhere as an executor sees them, and the place that they are in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from lightning_quicktune.trials.executors.orders import Order
from lightning_quicktune.trials.executors.worker import Event


class WorkerLostError(RuntimeError):
    """A worker is gone: killed, out of memory, or with its machine."""


class NotStartedError(WorkerLostError):
    """A worker was gone before it could train anything."""


class NoRoomError(RuntimeError):
    """There is no room for a worker now."""


@runtime_checkable
class RemoteWorker(Protocol):
    """A ``TrialWorker`` elsewhere, as seen from here."""

    def begin(self, orders: Sequence[Order]) -> None:
        """Gives it orders; it has said that it is idle."""
        ...

    def heard(self) -> list[Event]:
        """What it has said since the last call, without waiting.

        Raises:
            WorkerLostError: If it is gone and everything that it said was given; ``NotStartedError`` if it never began
                with its orders.
            NoRoomError: If it has waited for room too long.
        """
        ...

    def ask_to_pause(self) -> None:
        """Asks it to pause its trials and end."""
        ...

    def end(self) -> None:
        """Ends it at once, if it hasn't."""
        ...


@runtime_checkable
class Workplace(Protocol):
    """Where workers are."""

    def start(self) -> RemoteWorker:
        """Starts a worker, which says that it is idle when it is ready.

        Raises:
            RuntimeError: If there is no room for one.
        """
        ...

    def wait(self, workers: Sequence[RemoteWorker], seconds: float) -> None:
        """Blocks until one of them may have something to say, no longer than so many seconds."""
        ...

    def close(self) -> None:
        """Frees what is held besides the workers."""
        ...
