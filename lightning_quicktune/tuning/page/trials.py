"""The chosen configuration and all others, as rows for people."""

from __future__ import annotations

from dataclasses import dataclass

from lightning_quicktune.tuning.outcome import Outcome
from lightning_quicktune.tuning.tried import Tried, borders, tried
from lightning_quicktune.tuning.verdict_words import spaced
from lightning_quicktune.tuning.words import describe, shown
from lightning_quicktune.types import Configuration

_ENDED = {"trained": "", "failed": "failed", "interrupted": "interrupted by errors"}


@dataclass(frozen=True)
class Setting:
    """One hyperparameter of the chosen configuration.

    Args:
        name: Its name.
        chosen: Its value, as people read it.
        usual: Its value in the space's default.
        note: What to say of its place in the space; empty if nothing.
    """

    name: str
    chosen: str
    usual: str
    note: str


@dataclass(frozen=True)
class TrialRow:
    """One trial.

    Args:
        words: Its configuration in a few words.
        rest: Its further settings.
        slices: Slices trained.
        score: Its best validation score.
        seconds: What it took.
        ended: How it ended, where that was badly.
        is_chosen: Whether it was chosen.
    """

    words: str
    rest: str
    slices: int
    score: str
    seconds: str
    ended: str
    is_chosen: bool


def chosen_settings(outcome: Outcome) -> list[Setting]:
    """The chosen configuration beside the default, in the order of the space, without what is inactive."""
    if outcome.incumbent is None:
        return []
    chosen, usual = outcome.incumbent.configuration, outcome.space.default
    notes = {border.name: border.words for border in borders(outcome)}
    return [
        Setting(spaced(name), _or_off(chosen, name), _or_off(usual, name), notes.get(name, ""))
        for name in outcome.space.names
        if name in chosen.values
    ]


def trial_rows(outcome: Outcome) -> list[TrialRow]:
    """All trials, the best first."""
    found = tried(outcome)
    chosen = outcome.incumbent.configuration.id if outcome.incumbent else None
    return [_row(each, each.configuration.id == chosen) for each in found]


def differences(configuration: Configuration, other: Configuration) -> list[str]:
    """In what a configuration differs from another, such as ``lr 3e-4 (8e-4)``, in its own order."""
    names = [*configuration.values, *(name for name in other.values if name not in configuration.values)]
    changed = [name for name in names if configuration.values.get(name) != other.values.get(name)]
    return [f"{spaced(n)} {_or_off(configuration, n)} ({_or_off(other, n)})" for n in changed]


def _or_off(configuration: Configuration, name: str) -> str:
    return shown(configuration.values[name]) if name in configuration.values else "off"


def _row(each: Tried, is_chosen: bool) -> TrialRow:
    best, words = each.best, describe(each.configuration)
    return TrialRow(
        words=words,
        rest=describe(each.configuration, n=len(each.configuration.values)).removeprefix(words).removeprefix(", "),
        slices=len(each.scores),
        score="-" if best is None else f"{best:.3f}",
        seconds=f"{each.cost_s:.0f}" if each.cost_s >= 10 else f"{each.cost_s:.1f}",
        ended=_ENDED[each.ended],
        is_chosen=is_chosen,
    )
