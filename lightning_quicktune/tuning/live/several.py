"""A watcher that passes everything on to others."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from lightning_quicktune.search.guarded_searcher import Verdict
from lightning_quicktune.search.state import SearchState
from lightning_quicktune.tuning.outcome import Outcome
from lightning_quicktune.tuning.rows import Compared, RowName
from lightning_quicktune.tuning.watcher import Clock, Reason, Stage, Watcher
from lightning_quicktune.types import Observation, Suggestion, TaskInfo

log = logging.getLogger(__name__)


class Several:
    """Tells each of several watchers; one that raises is told nothing more, and the tuning goes on.

    Args:
        watchers: Who is told, in this order.
    """

    def __init__(self, *watchers: Watcher) -> None:
        self._watchers = list(watchers)

    def started(self, clock: Clock, has_shipped_recipe: bool = False) -> None:
        """The tuning begins."""
        self._tell("started", clock, has_shipped_recipe)

    def stage(self, name: Stage, words: str) -> None:
        """Another part begins."""
        self._tell("stage", name, words)

    def described(self, task: TaskInfo, splits: dict[str, int]) -> None:
        """The task is known."""
        self._tell("described", task, splits)

    def begun(self, suggestion: Suggestion, reason: Reason, row: RowName | None = None) -> None:
        """A trial starts or goes on."""
        self._tell("begun", suggestion, reason, row)

    def step(self, config_id: str, step: int, of: int) -> None:
        """An optimizer step has ended."""
        self._tell("step", config_id, step, of)

    def recorded(self, folder: Path) -> None:
        """The record of a trial in this folder has changed."""
        self._tell("recorded", folder)

    def observed(self, observation: Observation, state: SearchState) -> None:
        """A suggestion of the search has ended."""
        self._tell("observed", observation, state)

    def verdict(self, verdict: Verdict) -> None:
        """What the guard thinks now of the task."""
        self._tell("verdict", verdict)

    def compared(self, row: Compared) -> None:
        """A row of the comparison has been trained and tested."""
        self._tell("compared", row)

    def note(self, words: str) -> None:
        """Something a person should know."""
        self._tell("note", words)

    def done(self, outcome: Outcome) -> None:
        """The report is written."""
        self._tell("done", outcome)

    def _tell(self, event: str, *told: Any) -> None:
        for watcher in tuple(self._watchers):
            try:
                getattr(watcher, event)(*told)
            except Exception as error:  # whatever it is, it may not stop what is watched
                self._watchers.remove(watcher)
                log.warning("%s shows nothing more (%s: %s).", type(watcher).__name__, type(error).__name__, error)
