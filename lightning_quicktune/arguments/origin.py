"""The sentence of ours at the bottom of an error that a package raised around it."""

from __future__ import annotations

import re
from types import TracebackType

_PACKAGE = __name__.partition(".")[0]
_WRAPPER = "jsonargparse"  # puts the types that it tried around whatever a class says of its arguments


def own_words(error: BaseException) -> str:
    """What ``error`` says, or what the error of ours said that jsonargparse put its own words around.

    Args:
        error: As it was caught.
    """
    inner: BaseException | None = error
    while inner is not None and _raised_in(inner.__traceback__) == _WRAPPER:
        inner = inner.__cause__ or inner.__context__
    if inner is not None and is_ours(inner):
        return str(inner)
    return _only_reason(str(error)) if _raised_in(error.__traceback__) == _WRAPPER else str(error)


def is_ours(error: BaseException) -> bool:
    """Whether a line of this package raised the error."""
    return _raised_in(error.__traceback__) == _PACKAGE


def _only_reason(text: str) -> str:
    """Of a list of types that were tried, what the one says that a class refused; the text itself if there is none."""
    tried = re.findall(r"^\s*- (.+?)(?=\n\s*- |\nGiven value type)", text, re.DOTALL | re.MULTILINE)
    told = [each for each in tried if not each.startswith("Expected a")]
    return " ".join((told[0] if told else text).split())


def _raised_in(traceback: TracebackType | None) -> str:
    """The package whose code raised an error with this traceback."""
    package = ""
    while traceback is not None:
        package = str(traceback.tb_frame.f_globals.get("__name__", "")).partition(".")[0]
        traceback = traceback.tb_next
    return package
