"""The short way for the commonest records: one text as question, one as answer, and keys that say nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from lightning_quicktune.data.fields import canonical, is_harmless, known_names
from lightning_quicktune.data.turns import Turn

_PAIRS = (
    ("instruction", "output"),
    ("instruction", "response"),
    ("prompt", "completion"),
    ("prompt", "response"),
    ("question", "answer"),
    ("input", "output"),
)
_MARKS = frozenset({"annotation_id", "_input_hash", "_task_hash", "_view_id"})  # of tools whose states are read first
_UNCLEAR = frozenset("[{(")  # what begins like this may be more than a text


@dataclass(frozen=True)
class QuickPlan:
    """How records with certain keys are read.

    Args:
        question: Key of the question.
        answer: Key of the answer.
        after: Key of an input behind the question, if there is one.
        empty: Keys that must say nothing.
        format: Name of the format.
        read: Keys that are read.
        ignored: Keys that aren't.
    """

    question: str
    answer: str
    after: str | None
    empty: tuple[str, ...]
    format: str
    read: frozenset[str]
    ignored: frozenset[str]

    def turns(self, raw: Mapping[str, Any]) -> tuple[Turn, ...] | None:
        """Question and answer; none where a value needs a closer look."""
        question, answer = raw[self.question], raw[self.answer]
        if not (_is_plain(question) and _is_plain(answer)):
            return None
        for key in self.empty:
            if raw[key] is not None and raw[key] != "":
                return None
        if self.after is not None and (after := raw[self.after]) is not None and after != "":
            if not _is_plain(after):
                return None
            question = f"{question}\n\n{after}"
        return Turn("user", question), Turn("assistant", answer)


@lru_cache(maxsize=1024)
def quick_plan(
    keys: tuple[str, ...], columns: tuple[tuple[str, str], ...], ignore: tuple[str, ...]
) -> QuickPlan | None:
    """The plan of records with these keys; none if they need to be looked at one by one.

    Args:
        keys: Keys of a record.
        columns: Pairs of a key that is known here and the key that stands for it.
        ignore: Keys that are to be left out.
    """
    kept = [key for key in keys if key not in ignore]
    typed = {name: key for key, name in known_names(dict.fromkeys(kept, "text"), dict(columns)).items()}
    pair = next((pair for pair in _PAIRS if pair[0] in typed and pair[1] in typed), None)
    if pair is None or any(canonical(key) in _MARKS or "." in key or "suggestion" in key for key in keys):
        return None
    after = typed.get("input") if pair[0] == "instruction" else None
    read = {typed[pair[0]], typed[pair[1]], *([after] if after is not None else [])}
    harmless = {key for name, key in typed.items() if is_harmless(name)}
    empty = tuple(key for key in kept if key not in read | harmless)
    ignored = frozenset(set(keys) - read - set(empty))
    return QuickPlan(typed[pair[0]], typed[pair[1]], after, empty, "/".join(pair), frozenset(read), ignored)


def _is_plain(value: Any) -> bool:
    """Whether a value is a text that is neither blank nor begins as lists and objects do."""
    if type(value) is not str or not value or value[0] in _UNCLEAR or value[0] <= " " or value[:6] == "array(":
        return False
    return value.isascii() or _encodes(value)


def _encodes(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return bool(text.strip())
