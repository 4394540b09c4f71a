"""Spans of time as people write them."""

from __future__ import annotations

import re

_UNITS = {"s": 1, "sec": 1, "second": 1, "m": 60, "min": 60, "minute": 60, "h": 3600, "hour": 3600}
_PART = re.compile(r"(\d+(?:\.\d+)?)\s*([a-z]+)\s*")


def seconds_of(text: str) -> float:
    """The seconds of a span such as ``30s``, ``10m``, ``1h30m`` or ``10 minutes``.

    Args:
        text: Numbers, each with its unit.

    Raises:
        ValueError: If it is none, or not above 0.
    """
    rest, seconds = text.strip().lower(), 0.0
    parts = list(_PART.finditer(rest))
    is_whole = "".join(part.group(0) for part in parts) == rest and bool(parts)
    for part in parts:
        unit = part[2] if part[2] in _UNITS else part[2].removesuffix("s")
        is_whole &= unit in _UNITS
        seconds += float(part[1]) * _UNITS.get(unit, 0)
    if not is_whole:
        bare = re.fullmatch(r"\d+(\.\d+)?", rest)
        hint = (
            f"it needs a unit: {rest}s, {rest}m or {rest}h"
            if bare and float(rest) > 0
            else "a time above 0 is expected"
        )
        raise ValueError(f"{text}, but {hint}. Write it as in 30s, 10m, 2h or 1h30m.")
    if not seconds > 0:
        raise ValueError(f"{text}, but a time above 0 is expected. Write it as in 30s, 10m, 2h or 1h30m.")
    return seconds
