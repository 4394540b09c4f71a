"""Rows of text files, each with its line, before anything is known of their format."""

from __future__ import annotations

import codecs
import csv
import io
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Row:
    """What a file holds at one place.

    Args:
        file: Name of the file.
        line: Line, or number of the record where a format has no lines, from 1.
        value: The decoded value; none if it could not be decoded.
        problem: Why it could not be decoded.
    """

    file: str
    line: int
    value: Any
    problem: str | None = None


def read_rows(path: Path) -> list[Row]:
    """Reads a ``.jsonl``, ``.json``, ``.csv`` or ``.parquet`` file.

    Args:
        path: The file.

    Returns:
        Its rows in order, at least one. A line that isn't JSON is a row with a ``problem``.

    Raises:
        ValueError: If the file can't be read, is empty, isn't UTF-8, isn't JSON as a whole, isn't Parquet, or has
            another ending.
    """
    reader = READERS.get(path.suffix)
    if reader is None:
        raise ValueError(
            f"`{path}` ends in {path.suffix or 'nothing'}, but records are read from files that end in "
            f"{', '.join(READERS)}. Convert it, or name another file as `data.init_args.path`."
        )
    rows = reader(path)
    if not rows:
        raise ValueError(
            f"`{path}` is empty: it holds no record, so there is nothing to train on or to score. "
            "Fill it, or name another file or folder as `data.init_args.path`."
        )
    return rows


def read_bytes(path: Path) -> bytes:
    """Reads a whole file.

    Raises:
        ValueError: If it can't be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise ValueError(unreadable(path, error)) from error


def unreadable(path: Path, error: OSError) -> str:
    """Says that a file or folder can't be read, and why."""
    return (
        f"`{path}` can't be read: {error.strerror or error}. Records come from it, so it must be a file, or a folder "
        "of files, that this user may read. Mend that, or name another as `data.init_args.path`."
    )


def _read_text(path: Path) -> str:
    data = read_bytes(path)
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise ValueError(_not_utf8(path, "it begins with the byte order mark of UTF-16", "utf-16"))
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        problem = f"byte {data[error.start]:#04x} in line {line}"
        raise ValueError(_not_utf8(path, problem, "latin1")) from error


def _not_utf8(path: Path, problem: str, encoding: str) -> str:
    return (
        f"`{path}` isn't UTF-8: {problem}. Text in another encoding would reach the model garbled. Save the file as "
        f"UTF-8, for example with `iconv -f {encoding} -t utf-8 {path.name}`, or name another as `data.init_args.path`."
    )


def _read_jsonl(path: Path) -> list[Row]:
    return _json_lines(path.name, _read_text(path))


def _json_lines(name: str, text: str) -> list[Row]:
    # not splitlines(): JSON strings may hold U+2028 and its kind
    return [_json_row(name, number, line) for number, line in enumerate(text.split("\n"), start=1) if line.strip()]


def _json_row(name: str, number: int, line: str) -> Row:
    try:
        return Row(name, number, json.loads(line))
    except json.JSONDecodeError as error:
        return Row(name, number, None, f"not JSON: {error.msg} at column {error.colno}")
    except (RecursionError, ValueError):  # brackets within brackets; a number of thousands of digits
        return Row(name, number, None, "not JSON that can be read: nested too deeply, or too long a number")


def _read_json(path: Path) -> list[Row]:
    """A JSON list of records; JSON Lines in a ``.json`` file, as some tools write them, are understood too."""
    text = _read_text(path)
    if not text.strip():
        return []
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        if isinstance(_json_row(path.name, 1, text.strip().split("\n")[0]).value, dict):
            return _json_lines(path.name, text)
        raise ValueError(
            f"`{path}` isn't JSON: {error.msg} in line {error.lineno}, column {error.colno}. A .json file holds one "
            "list of records. Mend it, or rename the file to .jsonl if it has one record per line."
        ) from error
    except (RecursionError, ValueError) as error:
        raise ValueError(
            f"`{path}` can't be read: it is nested too deeply, or holds too long a number. A .json file holds one "
            "list of records, whose texts are strings. Mend it, or name another file as `data.init_args.path`."
        ) from error
    if isinstance(value, dict) and len(text.strip().split("\n")) == 1:
        return [Row(path.name, 1, value)]
    if not isinstance(value, list):
        raise ValueError(
            f"`{path}` holds a JSON {type(value).__name__}, but a .json file of records is one list `[{{...}}, ...]`. "
            "Keep only the list of records in it."
        )
    return [Row(path.name, number, entry) for number, entry in enumerate(value, start=1)]


def _read_csv(path: Path) -> list[Row]:
    csv.field_size_limit(2**31 - 1)  # the standard library stops at 131,072 characters
    # strict, or a quote that is never closed would swallow the rest of the file as one answer
    reader = csv.DictReader(io.StringIO(_read_text(path), newline=""), strict=True)
    rows = []
    while (row := _next_csv_row(path.name, reader)) is not None:
        rows.append(row)
    return rows


def _next_csv_row(name: str, reader: csv.DictReader[str]) -> Row | None:
    try:
        entry = next(reader, None)
    except csv.Error as error:
        return Row(name, reader.line_num, None, f"not CSV: {error} (a quote that isn't closed or doubled?)")
    if entry is None or None not in entry:
        return None if entry is None else Row(name, reader.line_num, entry)
    n_columns = len(reader.fieldnames or ())
    problem = f"more fields than the {n_columns} columns of the header (a comma outside quotes?)"
    return Row(name, reader.line_num, None, problem)


def _read_parquet(path: Path) -> list[Row]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    data = read_bytes(path)
    try:
        entries = pq.read_table(io.BytesIO(data)).to_pylist() if data else []
    except (pa.ArrowException, OSError) as error:
        raise ValueError(
            f"`{path}` isn't Parquet: {error}. Nothing can be told of its records. Write it again, or name another "
            "file as `data.init_args.path`."
        ) from error
    return [Row(path.name, number, entry) for number, entry in enumerate(entries, start=1)]


READERS: Mapping[str, Callable[[Path], list[Row]]] = {
    ".jsonl": _read_jsonl,
    ".json": _read_json,
    ".csv": _read_csv,
    ".parquet": _read_parquet,
}
