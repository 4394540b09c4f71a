"""The packing of a micro-batch: which records share a row."""

from __future__ import annotations

from collections.abc import Sequence


def first_fit_decreasing(lengths: Sequence[int], width: int) -> list[list[int]]:
    """Lays records into as few rows as a simple rule finds: the longest first, each into the first row with room.

    Args:
        lengths: Tokens of each record, none above ``width``.
        width: Most tokens of a row.

    Returns:
        Rows of indices into ``lengths``, each index once.

    References:
        Johnson (1973), Near-optimal bin packing algorithms: at most 11/9 of the fewest possible rows, and a constant.
    """
    rows: list[list[int]] = []
    room: list[int] = []
    for index in sorted(range(len(lengths)), key=lambda index: -lengths[index]):
        fitting = (row for row, left in enumerate(room) if left >= lengths[index])
        row = next(fitting, len(rows))
        if row == len(rows):
            rows.append([])
            room.append(width)
        rows[row].append(index)
        room[row] -= lengths[index]
    return rows
