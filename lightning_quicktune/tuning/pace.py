"""What slices and tests take here: foretold at first, then as measured; and what is to be kept back for the end."""

from __future__ import annotations

from collections.abc import Callable
from statistics import median

from lightning_quicktune.tuning.timekeeper import Timekeeper
from lightning_quicktune.types import Configuration, Suggestion

_CAUTION = 1.1  # on what is foretold of slices: what is cut short is lost, what is late breaks a promise


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
        self._slices: dict[Configuration, tuple[int, float]] = {}  # of each configuration: slices and their seconds
        self._tests: list[float] = []

    def saw_slices(self, configuration: Configuration, n: int, seconds: float) -> None:
        """Takes in what slices of a configuration took, with all that goes with them."""
        known, before = self._slices.get(configuration, (0, 0.0))
        if n > 0:
            self._slices[configuration] = (known + n, before + seconds)

    def saw_test(self, seconds: float) -> None:
        """Takes in what a test took."""
        self._tests.append(seconds)

    def slice_s(self, configuration: Configuration) -> float:
        """Seconds of one slice: as measured, or foretold and corrected by what others took."""
        if configuration in self._slices:
            n, seconds = self._slices[configuration]
            return seconds / n
        return self._foretold_s(configuration) * self._correction()

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

    def fits(self, seconds: float, share: float = 1.0) -> bool:
        """Whether something may take so long, and no more than a share of what is left."""
        free = self.free_s
        return free is None or seconds * _CAUTION <= share * free

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
        fitting = int(free / (_CAUTION * self.slice_s(suggestion.configuration)) - self._in_the_way * promised)
        if fitting < 1:
            return None
        return Suggestion(suggestion.configuration, min(suggestion.fidelity, reached + fitting))

    def _correction(self) -> float:
        """How much longer slices take than was foretold."""
        ratios = [seconds / n / self._foretold_s(c) for c, (n, seconds) in self._slices.items()]
        return median(ratios) if ratios else 1.0
