"""Answers that are spans of a context, as SQuAD has them."""

from __future__ import annotations

from typing import Any

from lightning_quicktune.data.fields import Fields
from lightning_quicktune.data.names import QUESTIONS
from lightning_quicktune.data.turns import BadRecordError
from lightning_quicktune.data.values import as_text, boolean, decoded, is_absent, shown

_IMPOSSIBLE = {"is_impossible": True, "answerable": False, "is_answerable": False}


def has_spans(fields: Fields) -> bool:
    """Whether the record has SQuAD's `answers`, or says that its question has none."""
    return fields.first(QUESTIONS) is not None and ("answers" in fields.typed or _is_impossible(fields))


def _is_impossible(fields: Fields) -> bool:
    return any(boolean(fields.values.get(name)) is mark for name, mark in _IMPOSSIBLE.items())


def read_spans(fields: Fields, unanswerable: str | None) -> str:
    """The first of the answers: the others are the same span as other people marked it.

    Args:
        fields: The record.
        unanswerable: Answer of a question that its context doesn't answer.

    Raises:
        BadRecordError: If there is no answer and ``unanswerable`` gives none, or `answers` has another form.
    """
    impossible = _is_impossible(fields)
    for name in _IMPOSSIBLE:
        fields.drop(name)
    given = fields.take("answers")
    texts = [] if is_absent(given) else _texts(given, fields.typed["answers"])
    if texts and not impossible:
        return as_text(texts[0], fields.typed["answers"], fields.cells)
    fields.drop("plausible_answers")
    if unanswerable is None:
        raise BadRecordError(
            "the question has no answer in its context: set `data.init_args.reading.unanswerable` to the text that is "
            "to be answered then"
        )
    return unanswerable


def _texts(given: Any, key: str) -> list[Any]:
    if isinstance(given, str):
        found = decoded(given)
        given = found if isinstance(found, (dict, list)) else [given]  # a text is one answer
    entries = given.get("text") if isinstance(given, dict) else given
    entries = [entries] if isinstance(entries, str) else entries
    if not isinstance(entries, (list, tuple)):
        raise BadRecordError(f"`{key}` is {shown(given)}, not a list of answers")
    if isinstance(given, dict):
        return [text for text in entries if not is_absent(text)]
    if all(isinstance(entry, dict) and "text" in entry for entry in entries):
        return [entry["text"] for entry in entries if not is_absent(entry["text"])]
    if len({str(entry) for entry in entries}) == 1:
        return list(entries)
    raise BadRecordError(f"`{key}` is {shown(given)}, which are {len(entries)} answers: keep the one that is meant")
