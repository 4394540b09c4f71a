"""Spends the search's part of the budget."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from lightning_quicktune.search.build import build_searcher
from lightning_quicktune.search.curve_transfer_searcher import CurveTransferSearcher
from lightning_quicktune.search.few_trials_searcher import FewTrialsSearcher
from lightning_quicktune.search.guarded_searcher import GuardedSearcher, Verdict
from lightning_quicktune.search.journal import Journal
from lightning_quicktune.search.knowledge import SearchContext
from lightning_quicktune.search.left import Left
from lightning_quicktune.search.loop import Live, run_search
from lightning_quicktune.search.searcher import Searcher
from lightning_quicktune.search.state import SearchResult, SearchState
from lightning_quicktune.search.untaught_searcher import untaught_after
from lightning_quicktune.space.mapping import map_configuration
from lightning_quicktune.surrogate.threads import one_thread
from lightning_quicktune.trials.runner import stop_trial
from lightning_quicktune.trials.storage import read_trial
from lightning_quicktune.trials.termination import Terminated
from lightning_quicktune.trials.trainer import time_reference_step
from lightning_quicktune.tuning.job import Job
from lightning_quicktune.tuning.kept_checkpoints import drop_failed, slices_to_repeat
from lightning_quicktune.tuning.one_thread_searcher import OneThreadSearcher
from lightning_quicktune.tuning.pace import Pace, new_slices_s
from lightning_quicktune.tuning.watcher import Reason
from lightning_quicktune.types import Configuration, Observation, Suggestion

log = logging.getLogger(__name__)


@dataclass(eq=False)
class Search:
    """The search of a tuning, from its first suggestion to its last.

    Args:
        job: The tuning.
        journal: What was observed, on disk.
        searcher: Who chooses.
        reference_step_s: Seconds of the base model's reference step here.
        left: What may still be spent, for the searcher to know.
    """

    job: Job
    journal: Journal
    searcher: Searcher
    reference_step_s: float
    left: Left
    _to_repeat: dict[str, int] = field(default_factory=dict)
    _reached: dict[str, int] = field(default_factory=dict)
    _is_warned: bool = False
    _is_stopped: bool = False
    _must_find: bool = True
    _no_time: str | None = None

    @classmethod
    def of(cls, job: Job, journal: Journal) -> Search:
        """A search that has not begun, or goes on with what the journal holds."""
        threads = job.settings.executor.threads_for(job.settings.workers)
        reference_step_s = time_reference_step(job.setup.fit, threads)
        with one_thread():
            context = _context(job, reference_step_s)
            searcher = untaught_after(context) if job.first else build_searcher(job.settings.searcher, context)
        return cls(job, journal, searcher, reference_step_s, context.left)

    def run(self, pace: Pace, must_find: bool = True) -> SearchResult:
        """Searches until budget, target, ideas or the user's patience end; what was trained then counts.

        Args:
            pace: Says what there is time for.
            must_find: Whether without the search there is nothing to choose.

        Raises:
            ValueError: If it must find something, and there is no time for a single slice.
        """
        self._must_find = must_find
        job, budget = self.job, self.job.settings.budget
        self._to_repeat = slices_to_repeat(job.trials, self.journal.entries)
        self._reached = {e.suggestion.configuration.id: e.observation.curve.fidelity for e in self.journal.entries}
        searcher: Searcher = OneThreadSearcher(self.searcher)
        if budget.trials is not None:
            searcher = FewTrialsSearcher(searcher, budget.trials, job.setup.info.max_fidelity)
        task = job.setup.info
        words = (
            f"Zero-shot {task.metric} {task.zero_shot_score:.4f}; {len(job.pool)} candidates, {job.settings.searcher}."
        )
        job.watcher.stage("searching", words)
        result = run_search(
            searcher,
            job.executor,
            budget,
            self.journal,
            self._on_observation(pace),
            to_repeat=self._to_repeat,
            live=Live(
                lambda *asked: self._cut(pace, *asked),
                self._begun,
                self._salvage,
                (Terminated,),
                lambda: pace.for_slices_s,
            ),
            left=self.left,
        )
        for folder in sorted(job.trials.glob("*/")):
            stop_trial(folder, job.tracker.sync_trial)
        return replace(result, stopped_by="interrupted") if self._is_stopped else result

    def stop(self) -> None:
        """Lets nothing more be trained: a person has stopped the tuning before its search."""
        self._is_stopped = True

    @property
    def notes(self) -> list[str]:
        """Why nothing was searched, where there was no time to."""
        return [] if self._no_time is None else [self._no_time]

    @property
    def curves(self) -> CurveTransferSearcher | None:
        """What is believed of learning curves; none where the searcher believes nothing of them."""
        searcher = self.searcher
        if isinstance(searcher, GuardedSearcher):
            return searcher.transfer
        return searcher if isinstance(searcher, CurveTransferSearcher) else None

    @property
    def verdict(self) -> Verdict | None:
        """Whether the task is like those that are known, where the searcher asks so and has seen something."""
        if not isinstance(self.searcher, GuardedSearcher) or not self.searcher.verdict.forecasts:
            return None
        return self.searcher.verdict

    def foretold_slice_s(self, configuration: Configuration) -> float:
        """Seconds of one slice by the surrogates; where they tell nothing, by what validation took and its size.

        Of a recipe outside of the search space that is what the nearest configuration takes.
        """
        foretold = self._by_surrogate(configuration)
        return foretold if np.isfinite(foretold) and foretold > 0 else self._by_validation()

    def _by_surrogate(self, configuration: Configuration) -> float:
        experience, task = self.job.experience, self.job.setup.info
        try:
            self.job.space.check(configuration)
        except ValueError:  # a recipe outside of it
            configuration = map_configuration(configuration, self.job.space, self.job.space)
        with one_thread():
            if experience.cost is not None:
                return float(experience.cost.predict(task, [configuration], self.reference_step_s)[0])
            if experience.curves is not None:
                return float(experience.curves.predict_cost(task, [configuration], self.reference_step_s)[0])
        return np.nan

    def _by_validation(self) -> float:
        """A step forward and back costs about three times a step forward, on each training token and validation's."""
        facts = self.job.setup.info.facts
        validated_s = float(facts.get("zero_shot_s", 1.0))
        size = float(facts.get("validation_records", 1)) * float(facts.get("validation_tokens_median", 1.0))
        trained = self.job.setup.info.records_per_slice * float(facts.get("train_tokens_median", 1.0))
        return validated_s * (1.0 + 3.0 * trained / max(size, 1.0))

    def _cut(self, pace: Pace, suggestion: Suggestion, reached: int, promised: int) -> Suggestion | None:
        cut = None if self._is_stopped else pace.cut(suggestion, reached, promised)
        if cut is None and not self._is_stopped and not self.journal.entries and not promised:
            said = self._too_short(pace, pace.slice_s(suggestion.configuration))
            if self._must_find:
                raise ValueError(
                    f"`budget.seconds` is {self.job.settings.budget.seconds:g}, which is too short: {said}"
                )
            self._no_time = f"There was no time for a search: {said}"
        return cut

    def _too_short(self, pace: Pace, one_s: float) -> str:
        return (
            f"one slice takes about {one_s:.0f} s here, the test and report at the end about {pace.reserve_s:.0f} s, "
            f"and {max(pace.free_s or 0.0, 0.0):.0f} s are left between them. Set `budget.seconds` (`--time`, in "
            f"seconds) to {self.job.timekeeper.spent_s + pace.reserve_s + 2 * one_s:.0f} or more."
        )

    def _begun(self, suggestion: Suggestion) -> None:
        reached = self._reached.get(suggestion.configuration.id, 0)
        expected = self.curves.expected(suggestion.configuration, suggestion.fidelity) if self.curves else None
        words = f"goes on from slice {reached}" if reached else "not tried yet"
        self.job.watcher.begun(suggestion, Reason(words, *(expected or ())))

    def _salvage(self, suggestion: Suggestion) -> Observation | None:
        """What the record has of a trial that was stopped."""
        self.job.executor.close()
        trial = read_trial(self.job.executor.plan(suggestion.configuration).folder)
        if trial is None or not trial.curve.slices:
            return None
        return Observation(suggestion.configuration, trial.curve, trial.status == "failed", sum(trial.curve.costs_s))

    def _on_observation(self, pace: Pace) -> Callable[[Observation, SearchState], None]:
        def told(observation: Observation, state: SearchState) -> None:
            configuration, incumbent, watcher = observation.configuration, state.incumbent, self.job.watcher
            curve = observation.curve
            n_new = curve.fidelity - self._reached.get(configuration.id, 0)
            pace.saw_slices(configuration, new_slices_s(curve, n_new, observation.cost_s))
            self._reached[configuration.id] = curve.fidelity
            self.job.timekeeper.keep()
            watcher.observed(observation, state)
            if repeated := self._to_repeat.pop(configuration.id, 0):
                watcher.note(
                    f"{configuration.id}: {repeated} of these slices trained again: their checkpoint had been dropped."
                )
            if state.n_failed:
                drop_failed(self.job.trials, incumbent.configuration.id if incumbent else None)
            verdict = self.verdict
            if verdict is not None:
                watcher.verdict(verdict)
                if verdict.is_unlike and not self._is_warned:
                    self._is_warned = True
                    log.warning(verdict.words)

        return told


def _context(job: Job, reference_step_s: float) -> SearchContext:
    experience, task = job.experience, job.setup.info
    if experience.curves is not None:
        experience.curves.check_task(task)
        usual_slice_s = float(np.median(experience.curves.predict_cost(task, job.pool, reference_step_s)))
    else:
        usual_slice_s = np.nan
    return SearchContext(
        pool=job.pool,
        task=task,
        space=job.space,
        reference_step_s=reference_step_s,
        seed=job.settings.seed,
        knowledge=experience,
        acquisition=job.settings.acquisition,
        first=job.first,
        left=Left(usual_slice_s=usual_slice_s),
    )
