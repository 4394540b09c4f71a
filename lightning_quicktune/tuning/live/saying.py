"""Scores, predictions and times as a person at the terminal reads them."""

from __future__ import annotations

_ASCII = str.maketrans({"±": "+-", "…": "..", "·": "-", "━": "=", "╸": "=", "─": "-", "╌": ".", "┃": "|", "│": "|"})
_BLOCKS = " ▁▂▃▄▅▆▇█"


def score(value: float) -> str:
    """A score in [0, 1], such as ``.621`` or ``1.00``."""
    text = f"{value:.3f}"
    if text.startswith("0."):
        return text[1:]
    return text.replace("-0.", "-.", 1) if text.startswith("-0.") else f"{value:.2f}"


def predicted(mean: float, std: float) -> str:
    """A predicted score and its standard deviation, such as ``.58 ± .15``."""
    return f"{_two_digits(mean)} ± {_two_digits(std)}"


def clock_time(seconds: float) -> str:
    """Minutes and seconds such as ``6:05``, with hours in front from one hour on."""
    whole = max(0, int(seconds))
    minutes, hours = whole // 60, whole // 3600
    return f"{hours}:{minutes % 60:02d}:{whole % 60:02d}" if hours else f"{minutes}:{whole % 60:02d}"


def sparkline(values: list[float], width: int) -> str:
    """A curve in one row of letters, its least value lowest and its largest highest.

    Args:
        values: The curve, at least one value.
        width: Most letters it may take, at least 1; of a longer curve the last value of each part is shown.
    """
    n = min(width, len(values))
    shown = [values[(i + 1) * len(values) // n - 1] for i in range(n)]
    low, high = min(shown), max(shown)
    if high == low:
        return _BLOCKS[4] * n
    return "".join(_BLOCKS[1 + round(7 * (value - low) / (high - low))] for value in shown)


def in_ascii(text: str) -> str:
    """The same for a terminal that knows no other letters."""
    text = text.translate(_ASCII)
    for level, block in enumerate(_BLOCKS):
        text = text.replace(block, " ._-=+*##"[level])
    return text


def _two_digits(value: float) -> str:
    text = f"{value:.2f}"
    return text.replace("0.", ".", 1) if text.lstrip("-").startswith("0.") else text
