"""A slice that takes longer than there is time for, said as soon as its steps tell."""

from __future__ import annotations

from collections.abc import Callable

from lightning_quicktune.tuning.timekeeper import Timekeeper
from lightning_quicktune.tuning.watcher import Unwatched

_FIRST = 3  # step of a slice after which its speed is believed


class SlowSlice(Unwatched):
    """Says once how long a slice takes, where it ends after the budget; none is cut short, as half a slice is no use.

    Args:
        timekeeper: The whole budget.
        note: Is told.
    """

    def __init__(self, timekeeper: Timekeeper, note: Callable[[str], None]) -> None:
        self._timekeeper, self._note = timekeeper, note
        self._first_s: dict[str, float] = {}  # when the first step of a slice had ended, by the trial's configuration
        self._is_said = False

    def step(self, config_id: str, step: int, of: int) -> None:
        """An optimizer step has ended, of so many in the slice."""
        now_s, left_s = self._timekeeper.spent_s, self._timekeeper.left_s
        if step == 1:
            self._first_s[config_id] = now_s
        if self._is_said or left_s is None or step < _FIRST or config_id not in self._first_s:
            return
        one_s = (now_s - self._first_s[config_id]) / (step - 1)
        late_s = (of - step) * one_s - left_s
        if late_s > 0:
            self._is_said = True
            self._note(
                f"A slice takes about {of * one_s:.0f} s here, and {left_s:.0f} s are left: this one ends "
                f"{late_s:.0f} s late, and its test and the report come after it. Ctrl-C ends the search now."
            )
