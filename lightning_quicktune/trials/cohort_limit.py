"""The range of ``cohort``: how many trials may be trained at once; light to import, for settings."""

from __future__ import annotations

from typing import Literal

MOST_IN_COHORT = 512  # each holds a lock, and systems give a process about a thousand open files


def check_cohort(cohort: int | Literal["auto"]) -> None:
    """Refuses a number of trials that can't be trained at once.

    Args:
        cohort: How many, or ``auto``.

    Raises:
        ValueError: If it is outside its range.
    """
    if cohort != "auto" and not 1 <= cohort <= MOST_IN_COHORT:
        raise ValueError(
            f"`cohort` is {cohort}, but it counts trials that are trained at once, from 1 (one after the other) to "
            f"{MOST_IN_COHORT}. Set `cohort` in between, or `cohort: auto` for as many as a GPU holds."
        )
