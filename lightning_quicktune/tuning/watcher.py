"""What a tuning tells whoever watches it, as it happens."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol, runtime_checkable

from lightning_quicktune.search.guarded_searcher import Verdict
from lightning_quicktune.search.state import SearchState
from lightning_quicktune.tuning.outcome import Outcome
from lightning_quicktune.tuning.rows import Compared, RowName
from lightning_quicktune.types import Observation, Suggestion, TaskInfo

Stage = Literal["describing", "comparing", "searching", "testing", "reporting"]


@dataclass(frozen=True)
class Reason:
    """Why a configuration is trained now.

    Args:
        words: The reason in one phrase.
        mean: Predicted validation score at the end of what is trained now; none if nothing predicts it.
        std: Standard deviation of it; none likewise.
    """

    words: str
    mean: float | None = None
    std: float | None = None


@runtime_checkable
class Clock(Protocol):
    """The whole budget, from the first second of the command to its report."""

    @property
    def spent_s(self) -> float:
        """Seconds spent so far, earlier sessions included."""
        ...

    @property
    def left_s(self) -> float | None:
        """Seconds left, at least 0; none if the budget is not of time."""
        ...


@runtime_checkable
class Watcher(Protocol):
    """Is told of everything; must return quickly, and never raises."""

    def started(self, clock: Clock, has_shipped_recipe: bool = False) -> None:
        """The tuning begins; the clock goes on by itself, and the recipe is one of the package or the user's own."""
        ...

    def stage(self, name: Stage, words: str) -> None:
        """Another part begins; ``words`` say what, in one line."""
        ...

    def described(self, task: TaskInfo, splits: dict[str, int]) -> None:
        """The task is known: its zero-shot score, its sizes."""
        ...

    def begun(self, suggestion: Suggestion, reason: Reason, row: RowName | None = None) -> None:
        """A trial starts or goes on; ``row`` says that it is trained for the comparison, and as which."""
        ...

    def step(self, config_id: str, step: int, of: int) -> None:
        """An optimizer step has ended, of so many in the slice."""
        ...

    def recorded(self, folder: Path) -> None:
        """The record of a trial in this folder has changed: a slice has ended, or the trial has."""
        ...

    def observed(self, observation: Observation, state: SearchState) -> None:
        """A suggestion of the search has ended."""
        ...

    def verdict(self, verdict: Verdict) -> None:
        """What the guard thinks now of the task; told after an observation."""
        ...

    def compared(self, row: Compared) -> None:
        """A row of the comparison has been trained and tested."""
        ...

    def note(self, words: str) -> None:
        """Something a person should know: what is left out, what was dropped."""
        ...

    def done(self, outcome: Outcome) -> None:
        """The report is written."""
        ...


class Unwatched:
    """A watcher that does nothing, to start from."""

    def started(self, clock: Clock, has_shipped_recipe: bool = False) -> None:
        """Does nothing."""

    def stage(self, name: Stage, words: str) -> None:
        """Does nothing."""

    def described(self, task: TaskInfo, splits: dict[str, int]) -> None:
        """Does nothing."""

    def begun(self, suggestion: Suggestion, reason: Reason, row: RowName | None = None) -> None:
        """Does nothing."""

    def step(self, config_id: str, step: int, of: int) -> None:
        """Does nothing."""

    def recorded(self, folder: Path) -> None:
        """Does nothing."""

    def observed(self, observation: Observation, state: SearchState) -> None:
        """Does nothing."""

    def verdict(self, verdict: Verdict) -> None:
        """Does nothing."""

    def compared(self, row: Compared) -> None:
        """Does nothing."""

    def note(self, words: str) -> None:
        """Does nothing."""

    def done(self, outcome: Outcome) -> None:
        """Does nothing."""
