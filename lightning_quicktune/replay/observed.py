"""Observations of a replayed search, and its incumbents."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Observed:
    """A score that a search has seen.

    Args:
        at_s: Simulated seconds since the search began.
        config_id: Configuration that was trained.
        trial_seed: Seed of its recorded trial.
        fidelity: Slices trained.
        score: Validation score.
    """

    at_s: float
    config_id: str
    trial_seed: int
    fidelity: int
    score: float


def incumbents(observed: Iterable[Observed]) -> tuple[Observed, ...]:
    """The observations that were better than all before them, by validation score.

    Args:
        observed: What a search has seen, in the order of time.
    """
    best: list[Observed] = []
    for each in observed:
        if not best or each.score > best[-1].score:
            best.append(each)
    return tuple(best)
