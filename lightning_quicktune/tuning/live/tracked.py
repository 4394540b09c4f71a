"""The search in MLflow, as it happens: one run from the first second on, its trials below it, its result at the end."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any
from uuid import uuid4

from lightning_quicktune.files.whole import read_json, write_json
from lightning_quicktune.search.state import SearchState
from lightning_quicktune.tracking.search_record import Measured, SearchFolder, SearchRecord
from lightning_quicktune.tracking.tracker import Tracker
from lightning_quicktune.tuning.outcome import Outcome
from lightning_quicktune.tuning.rows import Compared
from lightning_quicktune.tuning.settings import TuneSettings
from lightning_quicktune.tuning.watcher import Clock, Unwatched
from lightning_quicktune.tuning.words import describe, shown
from lightning_quicktune.types import Observation, TaskInfo

RECORD = "search.json"


class TrackedSearch(Unwatched):
    """Keeps the record of a search in its folder, and sends what is new of it whenever MLflow answers.

    As a context it says in the end whether the search was completed, paused by Ctrl-C, or ended by an error.

    Args:
        settings: What the user has set.
        output: Folder of the search.
    """

    def __init__(self, settings: TuneSettings, output: Path) -> None:
        self.output = output
        self._settings = _flat({name: value for name, value in settings.to_dict().items() if name != "tracking"})
        name, known, tracking = f"tune {Path(settings.task).stem}", read_json(output / RECORD), settings.tracking
        new = SearchRecord(uuid4().hex[:12], name, self._settings)
        self._record = SearchRecord.from_dict(known) if known else new
        self._has_begun = False
        self._clock: Clock | None = None
        self._slices = 0
        folder = SearchFolder(output, self._record.id, lambda trial: describe(trial.configuration))
        self.tracker = Tracker(tracking.uri, tracking.experiment, folder)

    def __enter__(self) -> TrackedSearch:
        """Begins the run, unless the search was completed, which the same command changes nothing of.

        Raises:
            ValueError: If no waiting mends what keeps MLflow from answering.
        """
        self.tracker.check()
        if self._record.status != "completed":
            self.begin()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None or not self._has_begun:
            return
        if isinstance(error, KeyboardInterrupt):
            self._keep(status="paused")
        else:
            self._keep(status="failed", tags={**self._record.tags, "failure": f"{type(error).__name__}: {error}"[:500]})
        self.tracker.begin()

    def begin(self) -> None:
        """Begins the run, or its next part with the settings as they are now; once more does nothing."""
        if self._has_begun:
            return
        before, self._has_begun = self._record.settings, True
        changed = sorted(
            key for key in self._settings.keys() | before.keys() if self._settings.get(key) != before.get(key)
        )
        now = {f"now/{key}": self._settings.get(key, "") for key in changed}
        self._keep(status="running", tags={**self._record.tags, **now, "failure": ""})
        self.tracker.begin()

    def started(self, clock: Clock, has_shipped_recipe: bool = False) -> None:
        """The tuning begins."""
        self._clock = clock

    def described(self, task: TaskInfo, splits: dict[str, int]) -> None:
        """The task is known."""
        tags = {"task": task.name, "base_model": task.base_model.name, "metric": task.metric}
        self._keep(
            tags={**self._record.tags, **tags, **{f"records.{name}": str(n) for name, n in splits.items()}},
            metrics=self._with({"zero-shot/validation": task.zero_shot_score}),
        )
        self.tracker.follow_search()

    def recorded(self, folder: Path) -> None:
        """The record of a trial has changed."""
        self.tracker.follow_trial(folder)

    def observed(self, observation: Observation, state: SearchState) -> None:
        """A suggestion of the search has ended."""
        self._slices = state.slices
        if state.incumbent is None:
            return
        best = tuple(each for each in self._record.best if each.slices != state.slices)
        self._keep(best=(*best, Measured(state.incumbent.score, state.slices, self._spent_s)))
        self.tracker.follow_search()

    def compared(self, row: Compared) -> None:
        """A row of the comparison has been trained and tested."""
        tested = {f"{row.name}/test_{name}": value for name, value in row.test_metrics.items()}
        self._keep(metrics=self._with({f"{row.name}/validation": row.validation_score, **tested}))
        self.tracker.follow_search()

    def done(self, outcome: Outcome) -> None:
        """The report is written: what was chosen, and the folder ``result`` as it now is."""
        tags: dict[str, str] = {}
        values: dict[str, float] = {}
        if outcome.incumbent is not None:
            chosen = outcome.incumbent.configuration
            tags = {"chosen": describe(chosen), **{f"chosen.{name}": shown(v) for name, v in chosen.values.items()}}
        tags["stopped_by"] = outcome.result.stopped_by
        if outcome.gain is not None:
            gain = outcome.gain
            values |= {"gain": gain.value, "gain/lower": gain.lower, "gain/upper": gain.upper}
            tags["gain.over"] = gain.over
        if outcome.verdict is not None:
            tags["guard"] = "unlike" if outcome.verdict.is_unlike else "alike"
            values["guard/evidence"] = outcome.verdict.evidence
        kept = {name: value for name, value in self._record.tags.items() if not name.startswith("chosen")}
        digest = _digest(self.output / "result")
        self._keep(status="completed", tags={**kept, **tags}, metrics=self._with(values), result=digest)

    @property
    def _spent_s(self) -> float:
        return self._clock.spent_s if self._clock is not None else 0.0

    def _with(self, values: Mapping[str, float]) -> dict[str, Measured]:
        """All metrics, with some as they were measured now; what has not changed keeps its time."""
        known = dict(self._record.metrics)
        for name, value in values.items():
            if name not in known or known[name].value != value:
                known[name] = Measured(value, self._slices, self._spent_s)
        return known

    def _keep(self, **changes: Any) -> None:
        self._record = replace(self._record, **changes)
        write_json(self.output / RECORD, self._record.to_dict())


def _flat(plain: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Nested values as ``key.key: value``; what is none is absent."""
    flat: dict[str, str] = {}
    for name, value in plain.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{name}.")
        elif value is not None:
            flat[f"{prefix}{name}"] = ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
    return flat


def _digest(folder: Path) -> str:
    """Digest of all files below a folder; empty if there are none."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    digest = hashlib.sha256()
    for path in files:
        digest.update(f"{path.relative_to(folder)}\0{path.stat().st_size}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest() if files else ""
