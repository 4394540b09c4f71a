"""Numbers and tables as Markdown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np
from jaxtyping import Float


def markdown_table(columns: Sequence[str], rows: Iterable[Sequence[object]], right_from: int | None = None) -> str:
    """A table in Markdown.

    Args:
        columns: Their heads.
        rows: Cells of each row.
        right_from: Column from which on they are aligned to the right, none of them if not given.
    """
    right = len(columns) if right_from is None else right_from
    rule = "|".join("---" if place < right else "---:" for place in range(len(columns)))
    return "\n".join([_line(columns), f"|{rule}|", *(_line(row) for row in rows)])


def _line(cells: Sequence[object]) -> str:
    return "| " + " | ".join(map(str, cells)) + " |"


def number(value: float, digits: int = 3) -> str:
    """A number, or ``unknown``.

    Args:
        value: The number, not a number where it is not known.
        digits: Digits after the point.
    """
    return f"{value:.{digits}f}" if np.isfinite(value) else "unknown"


def per_cent(value: float) -> str:
    """A share in per cent, or ``unknown``.

    Args:
        value: The share, not a number where it is not known.
    """
    return f"{value:.1%}" if np.isfinite(value) else "unknown"


def quartiles(values: Float[np.ndarray, " P"], digits: int = 2) -> list[str]:
    """Lower quartile, median, upper quartile and number of some values.

    Args:
        values: The values.
        digits: Digits after the point.
    """
    found = np.quantile(values, [0.25, 0.5, 0.75]) if len(values) else np.full(3, np.nan)
    return [*(number(float(q), digits) for q in found), str(len(values))]


def counted(values: Iterable[str]) -> str:
    """How often each value occurs, the most frequent first.

    Args:
        values: The values.
    """
    ordered = sorted(Counter(values).items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{value} {count}" for value, count in ordered)
