"""Trains what a search is compared with, as far as the budget allows."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass

from lightning_quicktune.trials.checkpoints import BEST
from lightning_quicktune.trials.plan import TrialPlan, WrittenPlan
from lightning_quicktune.trials.storage import read_trial
from lightning_quicktune.tuning.comparison import Comparison
from lightning_quicktune.tuning.job import Job
from lightning_quicktune.tuning.pace import BEFORE, Pace, new_slices_s
from lightning_quicktune.tuning.reference_plans import outside, reference_plans
from lightning_quicktune.tuning.rows import RowName
from lightning_quicktune.tuning.settings import Reference
from lightning_quicktune.tuning.watcher import Reason
from lightning_quicktune.types import Suggestion, Trial

log = logging.getLogger(__name__)

_AFTER: Mapping[Reference, float] = {"recipe": 1.0, "strong": 1.0, "default": 1.0}
_LENIENCE = 1.4  # how much more one may take that has begun: what it has would be of no use until after the search
_CALLED: Mapping[RowName, str] = {
    "recipe": "your recipe as written",
    "strong": "a common strong recipe",
    "default": "the default of the search space",
}
_SHIPPED_RECIPE = "the shipped recipe"


@dataclass(frozen=True)
class Candidate:
    """An adapter that may be chosen.

    Args:
        name: The row it is known by.
        plan: Its trial.
        fidelity: Slices after which it had its best score.
        score: That score, on validation.
    """

    name: RowName
    plan: TrialPlan
    fidelity: int
    score: float


class References:
    """The references of one tuning.

    Args:
        job: The tuning.
        comparison: Tests them.
        pace: Says what there is time for.
    """

    def __init__(self, job: Job, comparison: Comparison, pace: Pace) -> None:
        self._job, self._comparison, self._pace = job, comparison, pace
        place = (job.space, job.settings.seed, job.trials)
        self._plans = reference_plans(job.settings.compare, job.setup, job.recipe, *place)
        self._left_out: dict[Reference, str] = {}
        self.candidates: dict[Reference, Candidate] = {}

    @property
    def notes(self) -> list[str]:
        """What was left out and why, and where the recipe is outside of the search space, a sentence each."""
        recipe = self._plans.get("recipe")
        beyond = outside(recipe) if recipe is not None else []
        whose = "The shipped" if self._job.settings.has_shipped_recipe else "Your"
        said = "recipe is outside of the search space ({}); it was trained exactly as written, but the search can't"
        notes = [f"{whose} {said.format(', '.join(beyond))} suggest it."] if beyond else []
        return [*notes, *self._left_out.values()]

    def train_before(self) -> None:
        """Before the search, trains and tests what takes a fair share of the time, in the order of the settings.

        Where time doesn't matter, everything waits until after the search, and so does what the search would count as
        slices or trials of its own.
        """
        budget = self._job.settings.budget
        if budget.seconds is None:
            return
        counts = budget.slices is not None or budget.trials is not None
        self._train_all({n: p for n, p in self._plans.items() if isinstance(p, WrittenPlan) or not counts}, BEFORE)

    def train_after(self) -> None:
        """After the search, trains and tests what was not yet, if there is time."""
        self._train_all(self._plans, _AFTER)

    def _train_all(self, plans: Mapping[Reference, TrialPlan], shares: Mapping[Reference, float]) -> None:
        for name, plan in plans.items():
            if name in self.candidates:
                continue
            n_left = self._slices_left(plan)
            seconds = n_left * self._pace.slice_s(plan.configuration) + self._pace.test_s
            if self._pace.fits(seconds, shares[name]):
                self._train(name, plan, n_left, shares[name])
            else:
                self._left_out[name] = self._too_long(name, n_left, seconds)

    def _train(self, name: Reference, plan: TrialPlan, n_left: int, share: float) -> None:
        job, length = self._job, plan.task.max_fidelity
        job.watcher.stage("comparing", f"For comparison: {self._called(name)}")
        job.watcher.begun(Suggestion(plan.configuration, length), Reason("in full, for comparison"), name)
        if n_left > 1 and job.settings.budget.seconds is not None:  # one slice tells what the others take
            self._train_to(plan, length - n_left + 1)
            n_left = self._slices_left(plan)
            seconds = n_left * self._pace.slice_s(plan.configuration) + self._pace.test_s
            if not self._pace.fits(seconds, min(_LENIENCE * share, 1.0)):
                self._left_out[name] = self._too_long(name, n_left, seconds)
                job.watcher.note(self._left_out[name])
                return
        trial = self._train_to(plan, length)
        self._left_out.pop(name, None)
        if not (plan.folder / BEST).is_file():
            failure = trial.failure or "its checkpoint is gone"
            self._left_out[name] = f"{self._called(name).capitalize()} has no score ({failure}), so it is not compared."
            job.watcher.note(self._left_out[name])
            return
        fidelity, score = max(enumerate(trial.curve.scores, start=1), key=lambda pair: pair[1])
        self.candidates[name] = Candidate(name, plan, fidelity, score)
        row, seconds = self._comparison.test(name, plan, fidelity, score, trial.curve)
        self._pace.saw_test(seconds)
        job.watcher.compared(row)

    def _train_to(self, plan: TrialPlan, fidelity: int) -> Trial:
        known = read_trial(plan.folder)
        trial, seconds = self._job.executor.train_plan(plan, fidelity)
        n_new = trial.curve.fidelity - (known.curve.fidelity if known is not None else 0)
        self._pace.saw_slices(plan.configuration, new_slices_s(trial.curve, n_new, seconds))
        self._job.timekeeper.keep()
        return trial

    def _slices_left(self, plan: TrialPlan) -> int:
        """Slices that it is still to be trained; none where it has failed."""
        trial = read_trial(plan.folder)
        if trial is None:
            return plan.task.max_fidelity
        return 0 if trial.status == "failed" else plan.task.max_fidelity - trial.curve.fidelity

    def _called(self, name: Reference) -> str:
        is_shipped = name == "recipe" and self._job.settings.has_shipped_recipe
        return _SHIPPED_RECIPE if is_shipped else _CALLED[name]

    def _too_long(self, name: Reference, n_left: int, seconds: float) -> str:
        free, called = max(self._pace.free_s or 0.0, 0.0), self._called(name).capitalize()
        return (
            f"{called} was not trained for comparison: its {n_left} slice{'s' * (n_left != 1)} and its test take about "
            f"{seconds:.0f} s, and {free:.0f} s were left. Raise `budget.seconds` to have it."
        )
