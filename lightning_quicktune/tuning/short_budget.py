"""Budgets of time that are too short: noticed as soon as what a slice takes is known, and said with what is needed."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np

from lightning_quicktune.compose import FitConfig
from lightning_quicktune.surrogate.curves.model import CurveModel
from lightning_quicktune.surrogate.threads import one_thread
from lightning_quicktune.trials.trainer import time_reference_step
from lightning_quicktune.tuning.pace import REPORT_S
from lightning_quicktune.tuning.settings import TuneSettings
from lightning_quicktune.tuning.timekeeper import Timekeeper
from lightning_quicktune.types import Configuration


class ShortBudget:
    """Refuses a budget of seconds that leaves no time for a search, before each part of describing the task.

    Args:
        settings: The search.
        timekeeper: The whole budget.
        recipe: The fit YAML that trials start from.
        curves: What earlier tasks taught of costs; none if nothing did.
        pool: Configurations that may be tried.
    """

    def __init__(
        self,
        settings: TuneSettings,
        timekeeper: Timekeeper,
        recipe: FitConfig,
        curves: CurveModel | None,
        pool: Sequence[Configuration],
    ) -> None:
        self._settings, self._timekeeper = settings, timekeeper
        self._recipe, self._curves, self._pool = recipe, curves, pool
        self._begun_s = timekeeper.spent_s
        self._is_foretold = False

    def check(self) -> None:
        """Refuses the budget if it can't be kept.

        Raises:
            ValueError: If nothing is left of it, or less than the cheapest slice and the report take.
        """
        left_s = self._timekeeper.left_s
        if left_s is None or Path(self._settings.output, "observations.jsonl").exists():
            return
        if left_s == 0:
            raise ValueError(self._late())
        if not self._is_foretold:
            self._is_foretold = True
            one_s = self._cheapest_slice_s()
            left_s = self._timekeeper.left_s or 0.0
            if one_s > 0 and one_s + REPORT_S > left_s:
                enough_s = self._timekeeper.spent_s + 4 * one_s + 2 * REPORT_S
                raise ValueError(
                    f"`budget.seconds` is {self._settings.budget.seconds:g}, which is too short: one slice takes "
                    f"{one_s:.0f} s or more here, the report at the end {REPORT_S:.0f} s, and {left_s:.0f} s are left. "
                    f"Set `budget.seconds` (`--time`, in seconds) to {enough_s:.0f} or more."
                )

    @cached_property
    def reference_step_s(self) -> float:
        """Seconds of the base model's reference step here, measured when it is first asked for."""
        return time_reference_step(self._recipe, self._settings.executor.threads_for(self._settings.workers))

    def _cheapest_slice_s(self) -> float:
        """Seconds of the cheapest slice, by what earlier tasks taught and this machine's speed; 0 if none tells."""
        n_records = self._recipe["data"]["init_args"].get("records_per_slice")
        if self._curves is None or n_records is None:
            return 0.0
        with one_thread():
            costs_s = self._curves.slice_costs_s(self._pool, self.reference_step_s, int(n_records))
        return float(np.nan_to_num(costs_s.min()))

    def _late(self) -> str:
        """Why there is no time for anything, once what was spent on the way is known."""
        budget_s, now_s = self._settings.budget.seconds or 0.0, self._timekeeper.spent_s
        return (
            f"`budget.seconds` is {budget_s:g}, but nothing is left of it to search in: starting took "
            f"{self._begun_s:.0f} s, and describing the task and the base model {now_s - self._begun_s:.0f} s until "
            "now. Raise `budget.seconds` (`--time`), or set `budget.slices` (`--slices`)."
        )
