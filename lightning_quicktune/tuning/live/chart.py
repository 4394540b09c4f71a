"""A curve that only rises, and levels to compare it with, drawn with letters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

_LEVEL, _FLAT, _RISE, _EMPTY = "╌", "━", "┃", " "


def chart(
    curve: Sequence[tuple[float, float]],
    levels: Mapping[str, float],
    now: float,
    end: float,
    width: int,
    height: int,
) -> list[tuple[str, list[str]]]:
    """Rows of the drawing, the highest first, each with the names of the levels that run through it.

    Args:
        curve: Times at which the value changed, ascending, and to what.
        levels: Values to compare with, by name.
        now: Time up to which the curve is known.
        end: Time of the right edge, above 0.
        width: Letters of a row, at least 2.
        height: Rows, at least 2.
    """
    values = [value for _, value in curve] + list(levels.values())
    if not values:
        return []
    low, high = min(values), max(values)
    spread = (high - low) or 1.0
    row_of = {value: height - 1 - round((height - 1) * (value - low) / spread) for value in values}
    rows = [[_EMPTY] * width for _ in range(height)]
    names: list[list[str]] = [[] for _ in range(height)]
    for name, value in levels.items():
        rows[row_of[value]] = [_LEVEL] * width
        names[row_of[value]].append(name)
    _draw_curve(rows, [(at, row_of[value]) for at, value in curve], now, end)
    return list(zip(("".join(row) for row in rows), names, strict=True))


def _draw_curve(rows: list[list[str]], points: list[tuple[float, int]], now: float, end: float) -> None:
    width = len(rows[0])
    columns = [min(width - 1, int(width * at / end)) for at, _ in points] + [min(width - 1, int(width * now / end))]
    before = None
    for (_, row), first, last in zip(points, columns[:-1], columns[1:], strict=True):
        if before is not None:
            for passed in range(row + 1, before):
                rows[passed][first] = _RISE
        for column in range(first, max(first, last) + 1):
            rows[row][column] = _FLAT
        before = row
