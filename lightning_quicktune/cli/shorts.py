"""Short options of ``tune``: what a budget is, in the words of a person."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from lightning_quicktune.arguments.durations import seconds_of


@dataclass(frozen=True)
class Short:
    """A short option, which stands for a setting.

    Args:
        setting: The dotted name of the setting.
        takes: What it takes, for the help.
        read: Turns what was typed into the setting's value; says as the end of a sentence what is wrong.
        does: What it does, for the help.
        ends: Whether a search surely ends by it.
    """

    setting: str
    takes: str
    read: Callable[[str], Any]
    does: str
    ends: bool = True


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise ValueError(f"{text}, but a whole number of at least 1 is expected.")
    return int(text)


def _score(text: str) -> float:
    try:
        score = float(text)
    except ValueError:
        raise ValueError(f"{text}, but a score is expected, as in 0.8.") from None
    if not 0 < score <= 1:
        raise ValueError(f"{text}, but scores are above 0 and at most 1.")
    return score


SHORT = {
    "time": Short("budget.seconds", "TIME", seconds_of, "Time for everything until the report: 30s, 10m, 2h, 1h30m."),
    "slices": Short("budget.slices", "N", _count, "Slices of training, over all trials; whichever ends first."),
    "trials": Short("budget.trials", "N", _count, "Configurations to try; whichever ends first."),
    "target": Short("budget.target", "SCORE", _score, "Validation score that is enough.", ends=False),
}


def shorts_of(kind: type[Any]) -> Mapping[str, Short]:
    """The short options of a subcommand, by their names.

    Args:
        kind: The dataclass of its settings.
    """
    return SHORT if "budget" in {field.name for field in fields(kind)} else {}
