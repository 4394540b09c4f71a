"""JSON Lines and JSON documents as rows."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lightning_quicktune.data.contents import decode, encoding_problem
from lightning_quicktune.data.json_shapes import tables
from lightning_quicktune.data.rows import Row

_TOO_DEEP = "nested too deeply, or too long a number"
_SPACE = re.compile(r"\s*")


class _RepeatedKeys(dict[str, Any]):
    """An object that names a key twice, of which decoders keep the last value without a word."""

    key: str


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    entry = dict(pairs)
    if len(entry) == len(pairs):
        return entry
    other = next((key for key, value in pairs if value != entry[key]), None)
    if other is None:
        return entry
    repeated = _RepeatedKeys(entry)
    repeated.key = other
    return repeated


_DECODER = json.JSONDecoder(object_pairs_hook=_object)


def read_json_lines(path: Path, name: str, data: bytes) -> dict[str, list[Row]]:
    """One object per line; a document in such a file is read as one.

    Raises:
        ValueError: If it isn't text, or a document that isn't JSON.
    """
    text, clean = decode(path, data)
    begin = _after_space(text, 0)
    end = text.find("\n", begin)
    first = text[begin : end if end >= 0 else len(text)]
    if end >= 0 and _after_space(text, end) < len(text) and isinstance(_line(name, 1, first).value, dict):
        return {"": _lines(name, text, clean)}
    try:
        return _document(path, name, text, clean)
    except ValueError:
        if first.strip() in ("[", "{", "[{"):
            raise
        return {"": _lines(name, text, clean)}


def read_json(path: Path, name: str, data: bytes) -> dict[str, list[Row]]:
    """A list of records or another of the shapes that ``tables`` knows; objects one after another are read too.

    Raises:
        ValueError: If it isn't JSON, or holds no list of records.
    """
    text, clean = decode(path, data)
    return _document(path, name, text, clean)


def _document(path: Path, name: str, text: str, clean: bool) -> dict[str, list[Row]]:
    if not text.strip():
        return {"": []}
    try:
        document = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        return {"": _not_one_document(path, name, text, clean, error)}
    except (RecursionError, ValueError) as error:
        raise ValueError(
            f"`{path}` can't be read: it is {_TOO_DEEP}. A .json file holds one list of records, whose texts are "
            "strings. Mend it, or name another file as `data.init_args.path`."
        ) from error
    return {split: [*_rows(name, entries, clean)] for split, entries in _tables(path, document).items()}


def _tables(path: Path, document: Any) -> dict[str, list[Any]]:
    try:
        found = tables(document)
    except RecursionError:
        found = None
    if found is None and isinstance(document, dict) and not _is_table_of_tables(document):
        return {"": [document]}
    if found is None:
        shown = (
            f"object with the keys {', '.join(list(document)[:8])}" if isinstance(document, dict) else repr(document)
        )
        raise ValueError(
            f"`{path}` holds the JSON {shown[:200]}, in which no list of records can be told, but a .json file is one "
            "list `[{...}, ...]`, or an object with one such list, or one for each split. Keep only "
            "that in it, or name another file as `data.init_args.path`."
        )
    return found


def _is_table_of_tables(document: dict[str, Any]) -> bool:
    """Whether nothing in it could be the text of a record."""
    return bool(document) and all(isinstance(value, dict) for value in document.values())


def _not_one_document(path: Path, name: str, text: str, clean: bool, error: json.JSONDecodeError) -> list[Row]:
    """JSON Lines or other objects one after another, as some tools write them into ``.json`` files."""
    first = _line(name, 1, text.strip().lstrip("\ufeff").split("\n")[0])
    if isinstance(first.value, dict):
        return _lines(name, text, clean)
    try:
        return [*_rows(name, [*_objects(text)], clean)]
    except (RecursionError, ValueError):
        raise ValueError(
            f"`{path}` isn't JSON: {error.msg} in line {error.lineno}, column {error.colno}. A .json file holds one "
            "list of records. Mend it, or rename the file to .jsonl if it has one record per line."
        ) from error


def _objects(text: str) -> Iterator[Any]:
    end = _after_space(text, 0)
    while end < len(text):
        value, end = _DECODER.raw_decode(text, end)
        if not isinstance(value, dict):
            raise ValueError("only whole objects may follow one another")
        yield value
        end = _after_space(text, end)


def _after_space(text: str, start: int) -> int:
    match = _SPACE.match(text, start)
    return match.end() if match else start


def _lines(name: str, text: str, clean: bool) -> list[Row]:
    # not splitlines(): JSON strings may hold U+2028 and its kind
    lines = enumerate(text.split("\n"), start=1)
    if clean:
        return [_line(name, number, line) for number, line in lines if line.strip()]
    return [_unsure_line(name, number, line) for number, line in lines if line.strip()]


def _unsure_line(name: str, number: int, line: str) -> Row:
    problem = encoding_problem(line)
    return _line(name, number, line) if problem is None else Row(name, number, None, problem)


def _line(name: str, number: int, line: str) -> Row:
    try:
        value = _DECODER.decode(line)
    except json.JSONDecodeError as error:
        if line.startswith("\ufeff"):  # files that were put together
            return _line(name, number, line.lstrip("\ufeff"))
        what = "a comma behind the object" if line[error.pos :].strip() == "," else error.msg
        return Row(name, number, None, f"not JSON: {what} at column {error.colno}")
    except (RecursionError, ValueError):  # brackets within brackets; a number of thousands of digits
        return Row(name, number, None, f"not JSON that can be read: {_TOO_DEEP}")
    if _may_have_problems(line, value):
        return Row(name, number, value, _problem_of(value, clean=True))
    return Row(name, number, value)


def _may_have_problems(line: str, value: Any) -> bool:
    """Whether to look closer; a repeated key is remembered by the type of its object."""
    return type(value) is _RepeatedKeys or "\\u0000" in line or line.count("{") > 1


def _rows(name: str, entries: list[Any], clean: bool) -> Iterator[Row]:
    for number, entry in enumerate(entries, start=1):
        problem = _problem_of(entry, clean)
        yield Row(name, number, entry if clean or problem is None else None, problem)


def _problem_of(entry: Any, clean: bool) -> str | None:
    try:
        return _problem(entry, clean)
    except RecursionError:
        return f"not JSON that can be read: {_TOO_DEEP}"


def _problem(value: Any, clean: bool) -> str | None:
    """What makes an entry unusable that decoders let pass."""
    if isinstance(value, str):
        if "\0" in value:
            return "holds a NUL character, which is no text"
        return None if clean else encoding_problem(value)
    if isinstance(value, _RepeatedKeys):
        return f"the key `{value.key}` is there twice, and only one can be meant"
    parts = [*value.values(), *value] if isinstance(value, dict) else value if isinstance(value, list) else ()
    return next((problem for part in parts if (problem := _problem(part, clean)) is not None), None)
