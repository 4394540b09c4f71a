"""Records in JSON documents of other shapes than a list: wrapped, by split, by column, by key, by paragraph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lightning_quicktune.data.split_names import split_word

Tables = dict[str, list[Any]]
"""Entries by the name of the split that a document gives them; all under ``""`` if it gives none."""

# lists of objects that belong to one record
_PARTS_OF_RECORDS = {
    *("messages", "conversations", "conversation", "contents", "turns", "dialog", "dialogue", "history", "rounds"),
    *("prompt", "completion", "chosen", "rejected", "tools", "functions", "tool_calls", "responses", "annotations"),
    *("choices", "options", "answers", "context", "contexts", "documents", "passages", "entities", "spans"),
}
_KEYS_OF_RECORDS = {
    *("question", "answer", "prompt", "completion", "response", "instruction", "input", "output", "query", "text"),
    *("messages", "conversations", "contents", "system"),
}
# texts that an object says of the list in it
_ABOUT_COLLECTIONS = {
    *("name", "title", "description", "summary", "version", "date", "created", "author", "source", "url", "homepage"),
    *("license", "copyright", "citation", "comment", "note", "notes", "info"),
}


def tables(document: Any) -> Tables | None:
    """Finds the records of a JSON document.

    Args:
        document: A decoded list or object.

    Returns:
        Its entries, or none if it is no collection of records (an object may still be one record).
    """
    if isinstance(document, list):
        return {"": _flat(document)}
    if not isinstance(document, dict) or not document:
        return None
    by_split = _by_split(document)
    if by_split is not None:
        return by_split
    readings = (shape(document) for shape in (_wrapped, _split_orientation, _columns, _keyed))
    rows = next((rows for rows in readings if rows is not None), None)
    return None if rows is None else {"": _flat(rows)}


def _by_split(document: Mapping[str, Any]) -> Tables | None:
    """``{"train": [...], "validation": [...]}``, each in any shape, beside what is no collection."""
    parts = {key: value for key, value in document.items() if isinstance(value, dict | list) and value}
    if not parts or not all(map(split_word, parts)):
        return None
    found = {key: tables(value) for key, value in parts.items()}
    if any(table is None or "" not in table for table in found.values()):
        return None
    return {key: table[""] for key, table in found.items() if table is not None}


def _wrapped(document: Mapping[str, Any]) -> list[Any] | None:
    """The one list of objects of an object that is no record itself, such as ``{"version": "1", "data": [...]}``."""
    if document and all(value == [] for value in document.values()):
        return []
    lists = {key: value for key, value in document.items() if _is_list_of_objects(value)}
    if "rows" in lists and all(isinstance(entry.get("row"), dict) for entry in lists["rows"]):
        return [entry["row"] for entry in lists["rows"]]  # as the dataset viewer of the hub gives them
    if len(lists) != 1 or next(iter(lists)).lower() in _PARTS_OF_RECORDS:
        return None
    return None if _is_record(document) else next(iter(lists.values()))


def _is_record(document: Mapping[str, Any]) -> bool:
    """Whether an object with a list of objects may be one record that the list belongs to."""
    if any(key.lower() in _KEYS_OF_RECORDS and value for key, value in document.items()):
        return True
    texts = [key for key, value in document.items() if isinstance(value, str) and " " in value]
    return any(key.lower() not in _ABOUT_COLLECTIONS for key in texts)


def _is_list_of_objects(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(entry, dict) for entry in value)


def _split_orientation(document: Mapping[str, Any]) -> list[Any] | None:
    """``{"columns": [...], "data": [[...], ...]}``."""
    names, data = document.get("columns"), document.get("data")
    if not (isinstance(names, list) and isinstance(data, list) and data):
        return None
    if not all(isinstance(row, list) and len(row) == len(names) for row in data):
        return None
    return [dict(zip(names, row, strict=True)) for row in data]


def _columns(document: Mapping[str, Any]) -> list[Any] | None:
    """One list, or one object by row number, for each column."""
    columns = list(document.values())
    if len(columns) < 2:
        return None
    if all(isinstance(column, list) and column for column in columns):
        same = len({len(column) for column in columns}) == 1
        if not same or any(isinstance(entry, dict) for column in columns for entry in column):
            return None
        return [dict(zip(document, row, strict=True)) for row in zip(*columns, strict=True)]
    if not all(isinstance(column, dict) and column and all(map(str.isdigit, column)) for column in columns):
        return None
    if all(map(str.isdigit, document)) or len({tuple(column) for column in columns}) > 1:
        return None
    return [{name: column[row] for name, column in document.items()} for row in columns[0]]


def _keyed(document: Mapping[str, Any]) -> list[Any] | None:
    """One record for each row number, as in ``{"0": {...}, "1": {...}}``."""
    if document and all(map(str.isdigit, document)) and all(isinstance(value, dict) for value in document.values()):
        return list(document.values())
    return None


def _flat(entries: Sequence[Any]) -> list[Any]:
    """Takes SQuAD's articles apart into one entry per question."""
    flat: list[Any] = []
    for entry in entries:
        paragraphs = entry.get("paragraphs") if isinstance(entry, dict) else None
        flat += _questions(entry, paragraphs) if _is_list_of_objects(paragraphs) else [entry]
    return flat


def _questions(article: Mapping[str, Any], paragraphs: Any) -> list[Any]:
    title = {"title": article["title"]} if "title" in article else {}
    return [
        {**title, "context": paragraph.get("context"), **question, "answers": _answers(question.get("answers"))}
        for paragraph in paragraphs
        for question in paragraph.get("qas") or ()
    ]


def _answers(answers: Any) -> Any:
    """One object of lists, as the hub's copies have it."""
    if not isinstance(answers, list) or not all(isinstance(answer, dict) for answer in answers):
        return answers
    return {key: [answer.get(key) for answer in answers] for key in ("text", "answer_start")}
