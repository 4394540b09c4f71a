"""The name that was most likely meant by one that isn't known."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The nearest known name as a question, after a space; nothing if none is near.

    Args:
        name: The name that is not known.
        known: Those that are.
    """
    close = get_close_matches(name, list(known), n=1)
    return f" Did you mean `{close[0]}`?" if close else ""
