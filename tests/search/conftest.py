"""A made-up task: how every configuration would score, an executor that pretends to train, and a clock it moves."""

import heapq
import math

import pytest

from lightning_quicktune.space.search_space import SearchSpace
from lightning_quicktune.types import (
    BaseModelInfo,
    Configuration,
    LearningCurve,
    Observation,
    SliceResult,
    TaskInfo,
)

MAX_FIDELITY = 9


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


class Surface:
    """Scores rise towards a level that is best at lr 1e-3; above 5e-2 training diverges at its second slice."""

    def score(self, configuration, fidelity):
        level = 0.9 - 0.1 * abs(math.log10(configuration.values["lr"]) + 3)
        return level - 0.4 * level * math.exp(-fidelity / 2)

    def diverges(self, configuration):
        return configuration.values["lr"] > 5e-2

    def cost_s(self, configuration):
        return 2.0 if configuration.values["big"] else 1.0


class FakeExecutor:
    """Trains in simulated time, on as many devices as ``capacity``."""

    def __init__(self, clock, surface=None, capacity=1, kill_after=None):
        self.clock, self.surface, self.capacity = clock, surface or Surface(), capacity
        self.kill_after, self.n_ended = kill_after, 0
        self.submitted, self.queue, self.reached = [], [], {}

    def submit(self, suggestion):
        self.submitted.append((suggestion.configuration.id, suggestion.fidelity))
        curve, failed, cost_s = self.train(suggestion)
        observation = Observation(suggestion.configuration, curve, failed, cost_s)
        heapq.heappush(self.queue, (self.clock.now + cost_s, len(self.submitted), observation))
        assert len(self.queue) <= self.capacity

    def wait(self):
        if self.kill_after is not None and self.kill_after == len(self.submitted) - len(self.queue):
            raise KeyboardInterrupt
        self.clock.now, _, observation = heapq.heappop(self.queue)
        return observation

    def train(self, suggestion):
        c, target = suggestion.configuration, suggestion.fidelity
        failed = self.surface.diverges(c) and target >= 2
        last = min(target, 1) if failed else target
        cost_s = self.surface.cost_s(c) * max(target - self.reached.get(c.id, 0), 1)
        self.reached[c.id] = last
        return curve_of([self.surface.score(c, f) for f in range(1, last + 1)]), failed, cost_s


def curve_of(scores):
    return LearningCurve(tuple(SliceResult(f, s, 1.0, 1.0, 10) for f, s in enumerate(scores, start=1)))


def observe(configuration, scores, failed=False):
    return Observation(configuration, curve_of(scores), failed, float(len(scores)))


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def surface():
    return Surface()


@pytest.fixture
def new_executor(clock):
    return lambda **options: FakeExecutor(clock, **options)


@pytest.fixture
def tell():
    """Builds an observation from a configuration and its scores."""
    return observe


@pytest.fixture(scope="session")
def space():
    lr = {"type": "float", "bounds": [1.0e-5, 0.1], "log": True, "default": 1.0e-4}
    return SearchSpace.from_dict(
        {"lr": {"key": "lr", "domain": lr}, "big": {"key": "big", "domain": {"type": "bool", "default": False}}}
    )


@pytest.fixture
def task():
    model = BaseModelInfo("nano", 1000, "abc")
    return TaskInfo("towns", model, "answer_likelihood", MAX_FIDELITY, 64, zero_shot_score=0.2)


@pytest.fixture
def five():
    """Five configurations by letter, so that examples can be worked out by hand."""
    return {letter: Configuration({"letter": letter}) for letter in "abcde"}
