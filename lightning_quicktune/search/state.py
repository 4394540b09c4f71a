"""The state of a search: where it stands, and what it brought."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from lightning_quicktune.search.journal import JournalEntry
from lightning_quicktune.types import Configuration

StoppedBy = Literal["budget", "target", "exhausted", "interrupted"]


@dataclass(frozen=True)
class Incumbent:
    """The best observed so far.

    Args:
        configuration: What was trained.
        fidelity: After how many slices it had its best score.
        score: That score.
    """

    configuration: Configuration
    fidelity: int
    score: float


@dataclass(frozen=True)
class SearchState:
    """Where a search stands after an observation; earlier sessions of the same search are counted in.

    Args:
        elapsed_s: Wall-clock seconds spent.
        slices: Slices trained, over all trials.
        n_observations: Observations so far.
        n_failed: Trials that ended by a failure.
        incumbent: Best score at any fidelity; none before the first slice.
    """

    elapsed_s: float = 0.0
    slices: int = 0
    n_observations: int = 0
    n_failed: int = 0
    incumbent: Incumbent | None = None


@dataclass(frozen=True)
class SearchResult:
    """What a search brought.

    Args:
        state: Where it stood at the end.
        entries: All suggestions and what came of them, in the order of their ends.
        stopped_by: ``budget`` if it was spent, ``target`` if the score was enough, ``exhausted`` if the searcher had
            nothing more to suggest, ``interrupted`` if a person stopped it.
    """

    state: SearchState
    entries: tuple[JournalEntry, ...]
    stopped_by: StoppedBy

    @property
    def incumbent(self) -> Incumbent | None:
        """The best observed; none if no slice was trained."""
        return self.state.incumbent
