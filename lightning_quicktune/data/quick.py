"""The short way for the commonest records: plain texts under known keys, beside keys that say nothing."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from lightning_quicktune.data.conversation import plain_turn
from lightning_quicktune.data.fields import canonical, is_harmless, known_names
from lightning_quicktune.data.names import LISTS
from lightning_quicktune.data.turns import Turn

_PAIRS = (
    ("instruction", "output"),
    ("instruction", "response"),
    ("prompt", "completion"),
    ("prompt", "response"),
    ("question", "answer"),
    ("input", "output"),
)
# of tools whose states are read first
_MARKS = frozenset(
    {"annotation_id", *("_input_hash", "_task_hash", "_view_id", "_annotator_id", "_session_id", "_timestamp")}
)
# what begins like this may be more than a text, or less
_UNCLEAR = frozenset("[{(abn<")
_UNCLEAR_TEXT = re.compile(r"[\[{(]|array\(|b['\"]|(nan|<NA>)\s*$")


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
        if not _are_empty(raw, self.empty):
            return None
        if self.after is not None and (after := raw[self.after]) is not None and after != "":
            if not _is_plain(after):
                return None
            question = f"{question}\n\n{after}"
        return Turn("user", question), Turn("assistant", answer)


@dataclass(frozen=True)
class QuickListPlan:
    """How records with a list of turns, and nothing else, are read.

    Args:
        key: Key of the list.
        empty: Keys that must say nothing.
        format: Name of the format.
        read: Keys that are read.
        ignored: Keys that aren't.
    """

    key: str
    empty: tuple[str, ...]
    format: str
    read: frozenset[str]
    ignored: frozenset[str]

    def turns(self, raw: Mapping[str, Any]) -> tuple[Turn, ...] | None:
        """The turns, where a user speaks first and an assistant last; none where a value needs a closer look."""
        entries = raw[self.key]
        if type(entries) is not list or not _are_empty(raw, self.empty):
            return None
        turns = [turn for turn in map(plain_turn, entries) if turn is not None]
        if not turns or len(turns) < len(entries) or turns[-1].role != "assistant":
            return None
        second = turns[1].role if turns[0].role == "system" else turns[0].role
        return tuple(turns) if second == "user" else None


def _are_empty(raw: Mapping[str, Any], keys: tuple[str, ...]) -> bool:
    return not keys or all(raw[key] is None or raw[key] == "" for key in keys)


@lru_cache(maxsize=1024)
def quick_plan(
    keys: tuple[str, ...], columns: tuple[tuple[str, str], ...], ignore: tuple[str, ...]
) -> QuickPlan | QuickListPlan | None:
    """The plan of records with these keys; none if they need to be looked at one by one.

    Args:
        keys: Keys of a record.
        columns: Pairs of a key that is known here and the key that stands for it.
        ignore: Keys that are to be left out.
    """
    kept = [key for key in keys if key not in ignore]
    typed = {name: key for key, name in known_names(dict.fromkeys(kept, "text"), dict(columns)).items()}
    if any(canonical(key) in _MARKS or "." in key or "suggestion" in key for key in keys):
        return None
    listed = next((name for name in LISTS if name in typed), None)
    pair = next((pair for pair in _PAIRS if pair[0] in typed and pair[1] in typed), None)
    if listed is None and pair is None:
        return None
    after = typed.get("input") if pair is not None and pair[0] == "instruction" else None
    read = {typed[name] for name in ((listed,) if listed is not None else pair or ())}
    read |= {after} if after is not None and listed is None else set()
    empty = tuple(key for name, key in typed.items() if key not in read and not is_harmless(name))
    ignored = frozenset(set(keys) - read - set(empty))
    if listed is not None:
        return QuickListPlan(typed[listed], empty, listed, frozenset(read), ignored)
    question, answer = pair or ("", "")
    return QuickPlan(typed[question], typed[answer], after, empty, f"{question}/{answer}", frozenset(read), ignored)


def _is_plain(value: Any) -> bool:
    """Whether a value is a text that is neither blank nor begins as lists and objects do."""
    if type(value) is not str or not value or value[0] <= " ":
        return False
    if value[0] in _UNCLEAR and _UNCLEAR_TEXT.match(value):
        return False
    return value.isascii() or _encodes(value)


def _encodes(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return bool(text.strip())
