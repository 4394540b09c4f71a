"""The formats people keep records of text data in."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lightning_quicktune.data.turns import BadRecordError, Record, Role, Turn

ROLES: Mapping[str, Role] = {
    "system": "system",
    "user": "user",
    "human": "user",
    "assistant": "assistant",
    "gpt": "assistant",
}


@dataclass(frozen=True)
class FlatFormat:
    """A format with one key per part of a record.

    Args:
        question: Key of the question, required.
        answer: Key of the answer, required.
        before: Key of an optional text that precedes the question.
        after: Key of an optional text that follows it.
    """

    question: str
    answer: str
    before: str | None = None
    after: str | None = None

    @property
    def keys(self) -> tuple[str, ...]:
        """Keys that a record of this format needs."""
        return (self.question, self.answer)

    def turns(self, raw: Mapping[str, Any]) -> list[Turn]:
        """Reads one record."""
        parts = [_optional_text(raw, self.before), _text(raw, self.question), _optional_text(raw, self.after)]
        system = _optional_text(raw, "system")
        head = [Turn("system", system)] if system else []
        user = Turn("user", "\n\n".join(part for part in parts if part))
        return [*head, user, Turn("assistant", _text(raw, self.answer))]


@dataclass(frozen=True)
class ListFormat:
    """A format with a list of turns.

    Args:
        turns_key: Key of the list.
        role: Key of a turn's role.
        content: Key of a turn's text.
    """

    turns_key: str
    role: str
    content: str

    @property
    def keys(self) -> tuple[str, ...]:
        """Keys that a record of this format needs."""
        return (self.turns_key,)

    def turns(self, raw: Mapping[str, Any]) -> list[Turn]:
        """Reads one record; a system turn without text is left out."""
        entries = raw[self.turns_key]
        if not isinstance(entries, list) or not entries:
            raise BadRecordError(f"`{self.turns_key}` is {_shown(entries)}, not a list of turns")
        turns = [self._turn(number, entry) for number, entry in enumerate(entries, start=1)]
        return [turn for turn in turns if turn is not None]

    def _turn(self, number: int, entry: Any) -> Turn | None:
        if not isinstance(entry, dict):
            raise BadRecordError(f"turn {number} is {_shown(entry)}, not an object")
        role = entry.get(self.role)
        if not isinstance(role, str) or role not in ROLES:
            raise BadRecordError(f"turn {number} has `{self.role}` {_shown(role)}, not one of {', '.join(ROLES)}")
        if ROLES[role] == "system" and entry.get(self.content) in ("", None):
            return None
        try:
            return Turn(ROLES[role], _text(entry, self.content))
        except BadRecordError as error:
            raise BadRecordError(f"turn {number}: {error}") from None


RecordFormat = FlatFormat | ListFormat

FORMATS: Mapping[str, RecordFormat] = {
    "messages (role, content)": ListFormat("messages", role="role", content="content"),
    "conversations (from, value)": ListFormat("conversations", role="from", content="value"),
    "instruction/input/output": FlatFormat("instruction", "output", after="input"),
    "prompt/completion": FlatFormat("prompt", "completion"),
    "question/answer": FlatFormat("question", "answer", before="context"),
}


def parse_record(raw: Any, file: str, line: int, *, answer_required: bool = True) -> Record:
    """Reads one record of any of the ``FORMATS``.

    Args:
        raw: What the file holds at this place, such as a decoded JSON object.
        file: Name of the file.
        line: Line in it.
        answer_required: Whether the last turn must be the assistant's.

    Returns:
        The record.

    Raises:
        BadRecordError: If it has no known format, or no answer, or an empty or non-text part.
    """
    if not isinstance(raw, dict):
        raise BadRecordError(f"{_shown(raw)} is not an object with keys")
    found = format_name(raw)
    if found is None:
        raise BadRecordError("no known format")
    form = FORMATS[found]
    if not answer_required and isinstance(form, FlatFormat) and raw.get(form.answer) in ("", None):
        turns = form.turns({**raw, form.answer: "-"})[:-1]
    else:
        turns = form.turns(raw)
    if not turns or (answer_required and turns[-1].role != "assistant"):
        raise BadRecordError("the last turn is not the assistant's, so there is no answer")
    if all(turn.role != "user" for turn in turns):
        raise BadRecordError("no turn is the user's, so there is no question")
    return Record(tuple(turns), file, line)


def format_name(raw: Mapping[str, Any]) -> str | None:
    """The first of the ``FORMATS`` whose keys are all there, else the first whose question is, else none."""
    for name, candidate in FORMATS.items():
        if all(key in raw for key in candidate.keys):
            return name
    return next((name for name, candidate in FORMATS.items() if candidate.keys[0] in raw), None)


def format_advice(keys: list[str]) -> str:
    """Says which formats exist and which is nearest to a record with these keys."""
    nearest = max(FORMATS, key=lambda name: _closeness(keys, FORMATS[name]))
    return (
        f"Keys of the first record: {', '.join(keys) or 'none'}. Formats tried: {'; '.join(FORMATS)}. "
        f"Nearest: {nearest}, which needs {' and '.join(f'`{key}`' for key in FORMATS[nearest].keys)}."
    )


def _closeness(keys: list[str], candidate: RecordFormat) -> float:
    best = [
        max((difflib.SequenceMatcher(None, key, wanted).ratio() for key in keys), default=0.0)
        for wanted in candidate.keys
    ]
    return sum(best) / len(best)


def _text(raw: Mapping[str, Any], key: str) -> str:
    """A required text."""
    if key not in raw:
        raise BadRecordError(f"no `{key}`")
    value = raw[key]
    if not isinstance(value, str):
        raise BadRecordError(f"`{key}` is {_shown(value)}, not a text")
    if not value.strip():
        raise BadRecordError(f"`{key}` is empty")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise BadRecordError(f"`{key}` has half a surrogate pair, which is no text") from None
    return value


def _optional_text(raw: Mapping[str, Any], key: str | None) -> str:
    """An optional text; empty, null and absent are the same."""
    value = raw.get(key) if key is not None else None
    return "" if value is None or value == "" else _text(raw, str(key))


def _shown(value: Any) -> str:
    shown = "null" if value is None else repr(value)
    return shown if len(shown) <= 40 else shown[:37] + "..."
