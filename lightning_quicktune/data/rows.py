"""A row: what a file holds at one place, before anything is known of its format."""

from __future__ import annotations

from typing import Any, NamedTuple


class Row(NamedTuple):
    """A decoded value, or why there is none.

    Args:
        file: Name of the file.
        line: Line, or number of the record where a format has no lines, from 1.
        value: The decoded value; none if it could not be decoded.
        problem: Why it could not be decoded.
    """

    file: str
    line: int
    value: Any
    problem: str | None = None
