"""The whole budget of a tuning: what was spent of it, over all its starts, and what is left."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from lightning_quicktune.files.whole import read_json, write_json

_ENOUGH_S = 1.0  # of work, to tell how slow it is


class Timekeeper:
    """Counts from the first second of the command to the end of its report; earlier starts of it are counted in.

    Args:
        budget_s: Seconds that may be spent in all; none if time doesn't matter.
        path: Where what was spent is kept.
        began: When the command began, by ``clock``; now if left out.
        clock: Gives the time in seconds.
    """

    def __init__(
        self,
        budget_s: float | None,
        path: Path,
        began: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.budget_s, self.clock, self._path = budget_s, clock, path
        self._made = time.monotonic(), time.process_time()
        self._began = clock() if began is None else began
        self._slowness: float | None = None  # once it is kept
        self._earlier_s = float((read_json(path) or {}).get("spent_s", 0.0))

    @property
    def spent_s(self) -> float:
        """Seconds spent so far, earlier starts included."""
        return self._earlier_s + self.clock() - self._began

    @property
    def left_s(self) -> float | None:
        """Seconds left, at least 0; none if time doesn't matter."""
        return None if self.budget_s is None else max(self.budget_s - self.spent_s, 0.0)

    @property
    def slowness(self) -> float:
        """Seconds that a second of work takes here, at least 1: more where others use the machine too."""
        if self._slowness is not None:
            return self._slowness
        wall_s, cpu_s = time.monotonic() - self._made[0], time.process_time() - self._made[1]
        return max(wall_s / cpu_s, 1.0) if cpu_s > _ENOUGH_S else 1.0

    def waits_for_others(self) -> None:
        """Keeps the slowness as it is: from now on this process waits for workers, which is no sign of it."""
        self._slowness = self.slowness

    def keep(self) -> None:
        """Writes down what was spent, for the next start."""
        write_json(self._path, {"spent_s": self.spent_s})
