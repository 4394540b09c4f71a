"""The chosen configuration and all others, as rows for people."""

from __future__ import annotations

from dataclasses import dataclass

from lightning_quicktune.space.border import AtBorder, at_border
from lightning_quicktune.tuning.outcome import Outcome
from lightning_quicktune.tuning.tried import Tried, only, tried, varied
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
        rest: Its further settings, as far as trials differ in them.
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
    """The chosen configuration beside the default, in the order of the space; what neither has is left out."""
    if outcome.incumbent is None:
        return []
    chosen, usual = outcome.incumbent.configuration, outcome.space.default.values
    notes = {border.name: border.words for border in borders(outcome)}
    return [
        Setting(spaced(name), shown(chosen.values.get(name)), shown(usual.get(name)), notes.get(name, ""))
        for name in outcome.space.names
        if name in chosen.values or name in usual
    ]


def borders(outcome: Outcome) -> list[AtBorder]:
    """Where the chosen configuration lies at the border of the space or of what was tried."""
    if outcome.incumbent is None:
        return []
    configurations = [entry.suggestion.configuration for entry in outcome.result.entries]
    return at_border(outcome.space, outcome.incumbent.configuration, configurations)


def trial_rows(outcome: Outcome) -> list[TrialRow]:
    """All trials, the best first."""
    found = tried(outcome)
    names = varied([each.configuration for each in found], outcome.space.names)
    chosen = outcome.incumbent.configuration.id if outcome.incumbent else None
    return [_row(each, names, each.configuration.id == chosen) for each in found]


def difference(configuration: Configuration, other: Configuration) -> str:
    """In what a configuration differs from another, such as ``lr 3e-4 rather than 8e-4``."""
    names = [*configuration.values, *(name for name in other.values if name not in configuration.values)]
    changed = [name for name in names if configuration.values.get(name) != other.values.get(name)]
    told = [
        f"{spaced(n)} {_or_off(configuration, n)} rather than {_or_off(other, n)}" for n in changed
    ]
    return ", ".join(told)


def _or_off(configuration: Configuration, name: str) -> str:
    return shown(configuration.values[name]) if name in configuration.values else "off"


def _row(each: Tried, names: tuple[str, ...], is_chosen: bool) -> TrialRow:
    best = each.best
    return TrialRow(
        words=describe(each.configuration),
        rest=", ".join(f"{spaced(n)} {shown(v)}" for n, v in only(each.configuration, names).items()),
        slices=len(each.scores),
        score="-" if best is None else f"{best:.3f}",
        seconds=f"{each.cost_s:.0f}" if each.cost_s >= 10 else f"{each.cost_s:.1f}",
        ended=_ENDED[each.ended],
        is_chosen=is_chosen,
    )
