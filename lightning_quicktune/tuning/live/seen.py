"""What has been told of a tuning so far: what a live panel shows, and what plain lines say."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from lightning_quicktune.tuning.live.saying import predicted, score
from lightning_quicktune.tuning.words import describe

if TYPE_CHECKING:  # imported when the command line has hardly begun: nothing heavy
    from lightning_quicktune.search.guarded_searcher import Verdict
    from lightning_quicktune.search.state import SearchState
    from lightning_quicktune.tuning.outcome import Outcome
    from lightning_quicktune.tuning.rows import Compared, RowName
    from lightning_quicktune.tuning.watcher import Clock, Reason, Stage
    from lightning_quicktune.types import Observation, Suggestion, TaskInfo

EventKind = Literal["stage", "fact", "begun", "score", "failure", "note"]
ROW_WORDS: Mapping[RowName, str] = {
    "zero-shot": "zero-shot",
    "default": "the default",
    "strong": "a common strong recipe",
    "recipe": "your recipe",
    "chosen": "the chosen one",
}
SHIPPED_RECIPE = "the shipped recipe"


@dataclass(frozen=True)
class Event:
    """Something that happened.

    Args:
        at_s: Seconds of the budget that were spent then.
        words: What, in one line.
        kind: What sort of thing it is.
    """

    at_s: float
    words: str
    kind: EventKind


@dataclass
class Running:
    """What is trained now.

    Args:
        words: The configuration in words, or whose recipe it is.
        why: Why it is trained now, with what is predicted of it.
        slice: Slice that is trained now, from 1.
        to: Slice at which this training ends.
        step: Optimizer steps of this slice so far.
        of: Optimizer steps of a slice; 0 before the first has ended.
    """

    words: str
    why: str
    slice: int
    to: int
    step: int = 0
    of: int = 0


@dataclass(frozen=True)
class Best:
    """The best configuration so far.

    Args:
        words: The configuration in words.
        score: Its validation score.
        fidelity: Slices that brought it.
    """

    words: str
    score: float
    fidelity: int


@dataclass
class Seen:
    """A watcher that remembers; read and told by different threads, each holding ``lock``.

    Args:
        on_event: Called with each event, by the thread that told it.
        now: Time in seconds.
        clock: Time of the whole budget; none before the tuning has begun.
        stage_name: The part that is under way.
        doing: What that part does, in one line.
        task: Name of the task, once it is known.
        levels: Validation score of zero-shot and of rows of the comparison, by their words.
        rows: Words of each row of the comparison.
        running: What is trained now, by id of its configuration.
        best: The best so far; none before the first slice.
        curve: When the best score changed, in seconds of the budget, and to what.
        slices: Slices that the search has trained so far.
        known: Whether the task looks like those that are known, in one line; empty if nobody has judged.
        events: All that happened, in order.
        is_done: Whether the report is written.
        lock: Held by whoever tells, and by whoever reads more than one thing.
    """

    on_event: Callable[[Event], None] = lambda event: None
    now: Callable[[], float] = time.monotonic
    clock: Clock | None = None
    stage_name: str = "starting"
    doing: str = "loading PyTorch and its libraries"
    task: str = ""
    levels: dict[str, float] = field(default_factory=dict)
    rows: dict[RowName, str] = field(default_factory=lambda: dict(ROW_WORDS))
    running: dict[str, Running] = field(default_factory=dict)
    best: Best | None = None
    curve: list[tuple[float, float]] = field(default_factory=list)
    slices: int = 0
    known: str = ""
    events: list[Event] = field(default_factory=list)
    is_done: bool = False
    lock: threading.RLock = field(default_factory=threading.RLock)

    def __post_init__(self) -> None:
        self._reached: dict[str, int] = {}
        self._is_unlike: bool | None = None
        self._began_s = self._stage_began_s = self.now()

    @property
    def spent_s(self) -> float:
        """Seconds of the budget that are spent; before it has begun, those since there was anything to see."""
        return self.clock.spent_s if self.clock is not None else self.now() - self._began_s

    @property
    def stage_s(self) -> float:
        """Seconds since the present part began."""
        return self.now() - self._stage_began_s

    def started(self, clock: Clock, has_shipped_recipe: bool = False) -> None:
        """The tuning begins."""
        with self.lock:
            self.clock = clock
            if has_shipped_recipe:
                self.rows["recipe"] = SHIPPED_RECIPE

    def stage(self, name: Stage, words: str) -> None:
        """Another part begins."""
        with self.lock:
            self.stage_name, self.doing, self._stage_began_s = name, words, self.now()
            self.running.clear()
            self._add(words, "stage")

    def described(self, task: TaskInfo, splits: dict[str, int]) -> None:
        """The task is known."""
        with self.lock:
            self.task = task.name
            self.levels[self.rows["zero-shot"]] = task.zero_shot_score
            sizes = ", ".join(f"{n} {name}" for name, n in splits.items())
            self._add(
                f"zero-shot {task.metric} {score(task.zero_shot_score)}; {sizes} records; a slice is "
                f"{task.records_per_slice} records, a full training {task.max_fidelity} slices",
                "fact",
            )

    def begun(self, suggestion: Suggestion, reason: Reason, row: RowName | None = None) -> None:
        """A trial starts or goes on."""
        config_id = suggestion.configuration.id
        words = describe(suggestion.configuration)
        if row is not None:
            words = f"{self.rows[row]} ({words})"
        why = reason.words
        if reason.mean is not None and reason.std is not None:
            why = f"predicted {predicted(reason.mean, reason.std)}; {why}"
        with self.lock:
            reached = self._reached.get(config_id, 0)
            self.running[config_id] = Running(words, why, reached + 1, max(suggestion.fidelity, reached + 1))
            self._add(f"training {words} to slice {suggestion.fidelity}: {why}", "begun")

    def step(self, config_id: str, step: int, of: int) -> None:
        """An optimizer step has ended."""
        with self.lock:
            running = self.running.get(config_id)
            if running is None:
                return
            if step <= running.step and running.slice < running.to:
                running.slice += 1
            running.step, running.of = step, of

    def recorded(self, folder: Path) -> None:
        """The record of a trial has changed, which the steps tell in time."""

    def observed(self, observation: Observation, state: SearchState) -> None:
        """A suggestion of the search has ended."""
        configuration, curve = observation.configuration, observation.curve
        words, incumbent = describe(configuration), state.incumbent
        with self.lock:
            self.running.pop(configuration.id, None)
            self._reached[configuration.id] = curve.fidelity
            self.slices = state.slices
            is_better = incumbent is not None and (self.best is None or incumbent.score > self.best.score)
            if incumbent is not None and is_better:
                self.best = Best(describe(incumbent.configuration), incumbent.score, incumbent.fidelity)
                self.curve.append((self.spent_s, incumbent.score))
            if observation.failed:
                self._add(f"{words} ended early after slice {curve.fidelity}; the search goes on without it", "failure")
            elif curve.scores:
                is_new = is_better and incumbent is not None and incumbent.configuration == configuration
                rank = "the best so far" if is_new else f"best {score(self.best.score)}" if self.best else ""
                self._add(f"{score(curve.scores[-1])} at slice {curve.fidelity} by {words}; {rank}", "score")

    def verdict(self, verdict: Verdict) -> None:
        """What the guard thinks now of the task."""
        n = len(verdict.forecasts)
        with self.lock:
            if verdict.is_unlike:
                self.known = f"unlike earlier tasks, by {n} scores: this task's own curves decide"
            else:
                self.known = f"like earlier tasks, by {n} score{'s' if n != 1 else ''}"
            if verdict.is_unlike != self._is_unlike:
                self._is_unlike = verdict.is_unlike
                self._add(verdict.words if verdict.is_unlike else f"the task looks {self.known}", "fact")

    def compared(self, row: Compared) -> None:
        """A row of the comparison has been trained and tested."""
        with self.lock:
            words = self.rows[row.name]
            if row.config_id is not None:
                self.running.pop(row.config_id, None)
            if row.name != "chosen":
                self.levels[words] = row.validation_score
            tested = ", ".join(f"{name} {score(value)}" for name, value in row.test_metrics.items() if name != "loss")
            self._add(f"{words}: validation {score(row.validation_score)}; on test {tested}", "score")

    def note(self, words: str) -> None:
        """Something a person should know."""
        with self.lock:
            self._add(words, "note")

    def done(self, outcome: Outcome) -> None:
        """The report is written."""
        with self.lock:
            self.is_done = True
            self.running.clear()
            self.stage_name, self.doing = "done", "the report is written"

    def _add(self, words: str, kind: EventKind) -> None:
        event = Event(self.spent_s, words, kind)
        self.events.append(event)
        self.on_event(event)
