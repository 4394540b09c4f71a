from dataclasses import dataclass

import pytest

from lightning_quicktune.search.forecast import Forecast
from lightning_quicktune.search.guarded_searcher import Verdict
from lightning_quicktune.search.state import Incumbent, SearchState
from lightning_quicktune.tuning.rows import Compared
from lightning_quicktune.tuning.watcher import Reason
from lightning_quicktune.types import (
    BaseModelInfo,
    Configuration,
    LearningCurve,
    Observation,
    SliceResult,
    Suggestion,
    TaskInfo,
)

TASK = TaskInfo("shop", BaseModelInfo("nano", 200_000, "abc"), "answer_likelihood", 8, 64, 0.291)
RECIPE = Compared("recipe", "abc", 8, 0.348, {"answer_likelihood": 0.331, "exact_match": 0.25, "loss": 1.1})


def configuration(lr):
    return Configuration({"optimizer": "adamw", "lr": lr, "lora_rank": 32, "batch_size": 8})


@dataclass
class FakeClock:
    """A budget's clock that is moved by hand."""

    spent_s: float = 0.0
    total_s: float | None = 600.0

    @property
    def left_s(self):
        return None if self.total_s is None else max(0.0, self.total_s - self.spent_s)


class Story:
    """Tells a watcher of a tuning, part by part, each of which takes a minute."""

    def __init__(self, watcher, total_s=600.0):
        self.watcher, self.clock = watcher, FakeClock(total_s=total_s)
        self.slices, self.best, self.n = 0, None, 0

    def describe(self):
        self.watcher.started(self.clock)
        self.watcher.stage("describing", "shop.jsonl and the base model")
        self.clock.spent_s += 60
        self.watcher.described(TASK, {"train": 96, "validation": 12, "test": 12})
        return self

    def compare(self, row=RECIPE):
        self.watcher.compared(row)
        self.watcher.stage("searching", "128 candidates, transfer_guarded")
        return self

    def begin(self, lr, to=3, reason=Reason("most worth its price", 0.58, 0.15)):  # noqa: B008
        self.watcher.begun(Suggestion(configuration(lr), to), reason)
        return self

    def end(self, lr, score, n=3, failed=False):
        """Ends a trial after ``n`` slices, the last of which has the score."""
        self.clock.spent_s += 60
        chosen, self.slices, self.n = configuration(lr), self.slices + n, self.n + 1
        slices = tuple(SliceResult(i, score * i / n, 1.0, 1.0, 1) for i in range(1, n + 1))
        if slices and (self.best is None or score > self.best.score):
            self.best = Incumbent(chosen, n, score)
        state = SearchState(self.clock.spent_s, self.slices, self.n, int(failed), self.best)
        self.watcher.observed(Observation(chosen, LearningCurve(slices), failed, 60.0), state)
        return self

    def judge(self, is_unlike=False, n=3):
        forecasts = tuple(Forecast(configuration(1e-3), i + 1, 0.5, 0.1, 0.4, i) for i in range(n))
        lowest = -5.0 if is_unlike else 0.0
        self.watcher.verdict(Verdict(forecasts, lowest, lowest, n))
        return self


@pytest.fixture
def story():
    """Tells of a tuning: ``watcher -> Story``."""
    return Story
