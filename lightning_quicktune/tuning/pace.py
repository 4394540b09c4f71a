"""What slices and tests take here: foretold at first, then as measured; and what is to be kept back for the end."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from statistics import median

from lightning_quicktune.tuning.settings import Reference
from lightning_quicktune.tuning.timekeeper import Timekeeper
from lightning_quicktune.types import Configuration, LearningCurve, Suggestion

REPORT_S = 6.0  # of exporting, asking the surrogates, reporting, telling MLflow and leaving, on a slow core
BEFORE: Mapping[Reference, float] = {"recipe": 0.5, "strong": 0.2, "default": 0.2}  # shares of the time, to compare
CAUTION = 1.1  # on what is foretold of slices: what is cut short is lost, what is late breaks a promise
_ENOUGH = 3  # slices whose median is believed, whatever it is
_SURPRISE = 3.0  # times as much, or as little, as was foretold, that fewer are believed


def new_slices_s(curve: LearningCurve, n: int, seconds: float) -> tuple[float, ...]:
    """Seconds of the last slices of a curve, with equal shares of what else was done for them.

    Args:
        curve: The learning curve, as far as it is trained.
        n: How many slices, none at the least.
        seconds: What all of it took.
    """
    costs_s = curve.costs_s[-n:] if n > 0 else ()
    return tuple(max(cost_s + (seconds - sum(costs_s)) / len(costs_s), 0.0) for cost_s in costs_s)


class Pace:
    """Seconds of slices and tests, and how much of them there is time for.

    Args:
        timekeeper: Says what is left.
        foretold_s: Seconds of one slice of a configuration, as far as anything tells before one is trained.
        report_s: Seconds of everything after the last test, on a machine that does nothing else.
        in_the_way: Share of what others are promised that one suggestion waits for: 1 where all is trained in one
            process, 0 where each trial has a worker of its own.
    """

    def __init__(
        self,
        timekeeper: Timekeeper,
        foretold_s: Callable[[Configuration], float],
        report_s: float,
        in_the_way: float = 1.0,
    ) -> None:
        self._timekeeper, self._foretold_s, self._report_s = timekeeper, foretold_s, report_s
        self._in_the_way = in_the_way
        self._slices: dict[Configuration, list[float]] = {}  # seconds of each
        self._tests: list[float] = []

    def saw_slices(self, configuration: Configuration, seconds: Sequence[float]) -> None:
        """Takes in what each of some slices of a configuration took, with all that goes with them."""
        if seconds:
            self._slices.setdefault(configuration, []).extend(seconds)

    def saw_test(self, seconds: float) -> None:
        """Takes in what a test took."""
        self._tests.append(seconds)

    def slice_s(self, configuration: Configuration) -> float:
        """Seconds of one slice: as measured, or foretold and corrected by what others took.

        A slice that is slow by chance, as the first one or one while the machine was busy, changes little: medians
        count, and as long as there are few slices they are believed only near what was foretold.
        """
        foretold_s, own = self._foretold_s(configuration), self._slices.get(configuration, [])
        expected_s = foretold_s * self._correction([c for c in self._slices if c != configuration])
        if not own:
            return expected_s
        return _believed(median(own) / expected_s, len(own)) * expected_s

    @property
    def test_s(self) -> float:
        """Seconds of one test; 0 before the first."""
        return max(self._tests, default=0.0)

    @property
    def reserve_s(self) -> float:
        """Seconds that the end takes: the test of what is chosen, and the report."""
        return self.test_s + self._report_s * self._timekeeper.slowness

    @property
    def free_s(self) -> float | None:
        """Seconds left for anything but the end; none if time doesn't matter."""
        left = self._timekeeper.left_s
        return None if left is None else left - self.reserve_s

    @property
    def for_slices_s(self) -> float | None:
        """Seconds that slices may be expected to take together, so that they end in time; none if it doesn't matter."""
        free = self.free_s
        return None if free is None else free / CAUTION

    def fits(self, seconds: float, share: float = 1.0) -> bool:
        """Whether something may take so long, and no more than a share of what is left."""
        free = self.free_s
        return free is None or seconds * CAUTION <= share * free

    def cut(self, suggestion: Suggestion, reached: int, promised: int = 0) -> Suggestion | None:
        """The part of a suggestion that there is time for; none if there isn't for one slice.

        Args:
            suggestion: What is to be trained.
            reached: Slices that it has.
            promised: Slices that others are to be trained before.
        """
        free = self.free_s
        if free is None:
            return suggestion
        fitting = int(free / (CAUTION * self.slice_s(suggestion.configuration)) - self._in_the_way * promised)
        if fitting < 1:
            return None
        return Suggestion(suggestion.configuration, min(suggestion.fidelity, reached + fitting))

    def _correction(self, others: Sequence[Configuration]) -> float:
        """How much longer slices of these configurations take than was foretold."""
        ratios = [median(self._slices[c]) / self._foretold_s(c) for c in others]
        return _believed(median(ratios), sum(len(self._slices[c]) for c in others)) if ratios else 1.0


def _believed(ratio: float, n_slices: int) -> float:
    """A ratio that so many slices gave to what was foretold; nearer to 1 where they are few."""
    return ratio if n_slices >= _ENOUGH else min(max(ratio, 1.0 / _SURPRISE), _SURPRISE)
