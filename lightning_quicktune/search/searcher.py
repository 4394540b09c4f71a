"""The protocol of a search method."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from lightning_quicktune.types import Configuration, Observation, Suggestion


@runtime_checkable
class Searcher(Protocol):
    """Decides what to train next.

    Its state depends on nothing but its constructor's arguments and the sequence of ``ask`` and ``tell``. So an
    interrupted search goes on when its observations are told again to a new searcher; what was asked for and never
    told is simply asked for again. Hence ``tell`` takes observations that were never asked for.
    """

    def ask(self) -> Suggestion | None:
        """What to train next, or none if there is nothing to suggest before the next ``tell``.

        A configuration that is pending, has failed, or has had all its training is never suggested.
        """
        ...

    def tell(self, observation: Observation) -> None:
        """Takes in what came of a suggestion; it is then no longer pending."""
        ...

    @property
    def pending(self) -> frozenset[Configuration]:
        """Configurations that were suggested and not yet told."""
        ...


@runtime_checkable
class Judgement(Protocol):
    """What a guard finds of a task."""

    @property
    def is_unlike(self) -> bool:
        """Whether the task is unlike those that are known."""
        ...


@runtime_checkable
class Guarded(Protocol):
    """A searcher that compares the new task with those that are known."""

    @property
    def verdict(self) -> Judgement:
        """What it finds, as far as was seen."""
        ...
