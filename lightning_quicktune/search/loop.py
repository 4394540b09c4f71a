"""The loop that spends a budget: ask, train, tell, and every observation on disk."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from lightning_quicktune.search.journal import Journal, JournalEntry
from lightning_quicktune.search.left import Left
from lightning_quicktune.search.searcher import Searcher
from lightning_quicktune.search.state import Incumbent, SearchResult, SearchState, StoppedBy
from lightning_quicktune.types import Budget, Executor, Observation, Suggestion

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Live:
    """What a search of live trials does besides: it keeps time for its end, is watched, and can be stopped by a person.

    Args:
        cut: Called with a suggestion, the slices that its trial has, and those promised to others: gives the part of it
            that there is time for, or none if the search must end.
        begun: Called with each suggestion that is started.
        salvage: Called with each suggestion that ran when a person stopped the search: gives what came of it so far.
        ends_all: Kinds of interruption that end the program all the same.
        free_s: Gives the seconds that are left for training; none if time doesn't matter.
    """

    cut: Callable[[Suggestion, int, int], Suggestion | None]
    begun: Callable[[Suggestion], None]
    salvage: Callable[[Suggestion], Observation | None]
    ends_all: tuple[type[KeyboardInterrupt], ...] = ()
    free_s: Callable[[], float | None] = lambda: None


def run_search(
    searcher: Searcher,
    executor: Executor[Suggestion, Observation],
    budget: Budget,
    journal: Journal | None,
    on_observation: Callable[[Observation, SearchState], None] | None = None,
    clock: Callable[[], float] = time.monotonic,
    to_repeat: Mapping[str, int] | None = None,
    live: Live | None = None,
    left: Left | None = None,
) -> SearchResult:
    """Searches until the budget is spent, the score is enough, or the searcher has nothing more to suggest.

    What the journal holds from earlier sessions is told to the searcher and counted as spent; then the search goes on.
    No suggestion is started once the time is over; what runs then is waited for. Where fewer slices are left than a
    suggestion wants, it is trained for those that are left. Slices that a trial must repeat before it goes on, because
    its checkpoint is gone, are spent like new ones; where too few are left for them, the search ends.

    Args:
        searcher: Decides what to train next; new, or told exactly what the journal holds.
        executor: Trains it.
        budget: What the search may spend, earlier sessions included.
        journal: Keeps the observations; none to keep nothing on disk, as in a replay.
        on_observation: Called after each new observation.
        clock: Gives the time in seconds; a replay has its own, which recorded costs move forward.
        to_repeat: Slices that a trial must repeat before it goes on, by id of its configuration.
        live: What live trials need besides; with it, Ctrl-C ends the search instead of the program.
        left: Told before each question what may still be spent; none if the searcher isn't to know.

    Raises:
        RuntimeError: If the executor returns what it was not given, or neither trains nor fails.
    """
    search = _Search(searcher, executor, budget, journal, clock, to_repeat or {}, live, left)
    try:
        _spend(search, on_observation)
    except KeyboardInterrupt as stop:
        if live is None or isinstance(stop, live.ends_all):
            raise
        search.salvage()
        return search.result("interrupted")
    return search.result()


def _spend(search: _Search, on_observation: Callable[[Observation, SearchState], None] | None) -> None:
    while True:
        search.start_what_fits()
        if not search.running:
            return
        is_first = True
        while is_first or search.executor.n_ended:  # all that is known is told before anything is asked
            is_first = False
            observation = search.collect()
            if on_observation is not None:
                on_observation(observation, search.state)


class _Search:
    """The loop's bookkeeping."""

    def __init__(
        self,
        searcher: Searcher,
        executor: Executor[Suggestion, Observation],
        budget: Budget,
        journal: Journal | None,
        clock: Callable[[], float],
        to_repeat: Mapping[str, int],
        live: Live | None,
        left: Left | None,
    ) -> None:
        self.searcher, self.executor, self.budget, self.journal, self.clock = searcher, executor, budget, journal, clock
        self.to_repeat, self.live, self.left = dict(to_repeat), live, left
        self.has_no_room = False  # the budget is too small for what was suggested last
        self.running: dict[str, tuple[Suggestion, float]] = {}  # with the thinking it took
        self.state = SearchState()
        self.entries: list[JournalEntry] = []
        self.reached: dict[str, int] = {}
        self.thinking_s = 0.0  # not yet charged to a suggestion
        for entry in journal.entries if journal is not None else ():
            searcher.tell(entry.observation)
            self._count(entry)
        self.began = clock() - self.state.elapsed_s

    def start_what_fits(self) -> None:
        """Submits suggestions while executor and budget have room."""
        while len(self.running) < self.executor.capacity and not self._is_spent():
            self._say_what_is_left()
            began = self.clock()
            suggestion = self.searcher.ask()
            self.thinking_s += self.clock() - began
            if suggestion is None or self._is_late():
                return
            if self._is_one_too_many(suggestion):
                self.has_no_room = True
                return
            left, reached = self._slices_left(), self.reached.get(suggestion.configuration.id, 0)
            if left is not None:
                again = self.to_repeat.get(suggestion.configuration.id, 0)
                if left <= again:
                    self.has_no_room = True
                    log.warning(
                        "%s must repeat %d slices before it goes on, and %d are left, so the search ends. Raise "
                        "`budget.slices`.",
                        suggestion.configuration.id,
                        again,
                        left,
                    )
                    return
                left -= again
                suggestion = replace(suggestion, fidelity=min(suggestion.fidelity, reached + left))
            if self.live is not None:
                cut = self.live.cut(suggestion, reached, self._promised())
                if cut is None:
                    self.has_no_room = True
                    return
                suggestion = cut
                self.live.begun(suggestion)
            self.running[suggestion.configuration.id] = (suggestion, self.thinking_s)
            self.thinking_s = 0.0
            self.executor.submit(suggestion)

    def collect(self) -> Observation:
        """Waits for one suggestion, writes down what came of it, then tells the searcher."""
        observation = self.executor.wait()
        config_id = observation.configuration.id
        if config_id not in self.running:
            raise RuntimeError(
                f"The executor returned configuration {config_id}, but the search is waiting for "
                f"{', '.join(self.running)}. An executor returns each submitted suggestion once: correct its `wait`."
            )
        suggestion, thinking_s = self.running[config_id]
        if not observation.failed and observation.curve.fidelity <= self.reached.get(config_id, 0):
            raise RuntimeError(
                f"The executor returned configuration {config_id} with {observation.curve.fidelity} slices, no more "
                f"than before, though it was asked for {suggestion.fidelity}; the search would ask for it forever. "
                "An executor that can't train a configuration further returns it with `failed=True`."
            )
        return self._take_in(suggestion, observation, thinking_s)

    def salvage(self) -> None:
        """Takes in what was trained of the suggestions that ran when the search was stopped."""
        assert self.live is not None
        for config_id, (suggestion, thinking_s) in list(self.running.items()):
            observation = self.live.salvage(suggestion)
            if observation is not None and observation.curve.fidelity > self.reached.get(config_id, 0):
                self._take_in(suggestion, observation, thinking_s)

    def result(self, stopped_by: StoppedBy | None = None) -> SearchResult:
        """The outcome, once nothing runs any more."""
        state = replace(self.state, elapsed_s=self._elapsed_s())
        return SearchResult(state, tuple(self.entries), stopped_by or self._reason())

    def _take_in(self, suggestion: Suggestion, observation: Observation, thinking_s: float) -> Observation:
        config_id = observation.configuration.id
        del self.running[config_id]
        observation = replace(observation, cost_s=observation.cost_s + thinking_s)
        repeated = min(self.to_repeat.pop(config_id, 0), observation.curve.fidelity)
        entry = JournalEntry(suggestion, observation, thinking_s, self._elapsed_s(), repeated)
        if self.journal is not None:
            self.journal.append(entry)
        began = self.clock()
        self.searcher.tell(observation)
        self.thinking_s += self.clock() - began
        self._count(entry)
        return observation

    def _count(self, entry: JournalEntry) -> None:
        observation, state = entry.observation, self.state
        config_id, curve = observation.configuration.id, observation.curve
        known = self.reached.get(config_id, 0)
        self.reached[config_id] = max(known, curve.fidelity)
        incumbent = state.incumbent
        for fidelity, score in enumerate(curve.scores, start=1):
            if incumbent is None or score > incumbent.score:
                incumbent = Incumbent(observation.configuration, fidelity, score)
        self.state = SearchState(
            elapsed_s=entry.elapsed_s,
            slices=state.slices + max(curve.fidelity - known, 0) + entry.repeated,
            n_observations=state.n_observations + 1,
            n_failed=state.n_failed + observation.failed,
            incumbent=incumbent,
        )
        self.entries.append(entry)

    def _elapsed_s(self) -> float:
        return self.clock() - self.began

    def _slices_left(self) -> int | None:
        """Slices that are neither trained nor promised to what runs; none if they aren't limited."""
        if self.budget.slices is None:
            return None
        return self.budget.slices - self.state.slices - self._promised()

    def _say_what_is_left(self) -> None:
        if self.left is None:
            return
        slices, seconds = self._slices_left(), self.budget.seconds
        if self.live is not None:
            seconds = self.live.free_s()
        elif seconds is not None:
            seconds -= self._elapsed_s()
        self.left.slices = math.inf if slices is None else slices
        self.left.seconds = math.inf if seconds is None else seconds

    def _promised(self) -> int:
        """Slices that what runs is still to be trained."""
        return sum(
            s.fidelity - self.reached.get(config_id, 0) + self.to_repeat.get(config_id, 0)
            for config_id, (s, _) in self.running.items()
        )

    def _is_one_too_many(self, suggestion: Suggestion) -> bool:
        """Whether it would be another configuration than may be tried."""
        tried = {*self.reached, *self.running}
        return (
            self.budget.trials is not None
            and suggestion.configuration.id not in tried
            and len(tried) >= self.budget.trials
        )

    def _is_enough(self) -> bool:
        incumbent, target = self.state.incumbent, self.budget.target
        return target is not None and incumbent is not None and incumbent.score >= target

    def _reason(self) -> StoppedBy:
        if self._is_enough():
            return "target"
        return "budget" if self._is_spent() else "exhausted"

    def _is_late(self) -> bool:
        return self.budget.seconds is not None and self._elapsed_s() >= self.budget.seconds

    def _is_spent(self) -> bool:
        left = self._slices_left()
        return self.has_no_room or self._is_enough() or self._is_late() or (left is not None and left <= 0)
