"""Text of records for a page: all of it as long as that can be read, and safe to write."""

from __future__ import annotations

from dataclasses import dataclass

SHORT = 700  # characters that are shown at once
LONG = 6000  # characters that are kept at all, folded
_UNSEEN = {code: "\N{REPLACEMENT CHARACTER}" for code in (*range(9), 11, 12, *range(14, 32), *range(0x7F, 0xA0))}


@dataclass(frozen=True)
class Clipped:
    """A text in two parts.

    Args:
        start: What is shown at once.
        rest: What is folded; empty for a short text.
        n_left_out: Characters beyond both.
    """

    start: str
    rest: str
    n_left_out: int


def clipped(text: str) -> Clipped:
    """The text without control characters and lone surrogates, which no page can hold, in two parts."""
    plain = text.encode("utf-8", "replace").decode("utf-8").translate(_UNSEEN)
    if len(plain) <= SHORT + SHORT // 4:  # no fold for a few words
        return Clipped(plain, "", 0)
    return Clipped(plain[:SHORT], plain[SHORT:LONG], max(len(plain) - LONG, 0))
