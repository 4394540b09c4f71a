"""Rows of a task as records, with all that is wrong in any of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lightning_quicktune.data.contents import NOT_UTF8, encoding_advice
from lightning_quicktune.data.files import ending
from lightning_quicktune.data.reading import ReadingSettings
from lightning_quicktune.data.records import format_advice, format_name, parse_record
from lightning_quicktune.data.rows import Row
from lightning_quicktune.data.sources import read_parts
from lightning_quicktune.data.split_names import SplitName
from lightning_quicktune.data.turns import BadRecordError, Record


@dataclass(frozen=True)
class ParsedTask:
    """What could be read of a task, and what could not.

    Args:
        records: Records of each split that is there, or of all under the first split's name.
        formats: How many records of a split have which format.
        n_rows: Rows of all files.
        problems: Each row that can't be used, with file, line and reason.
        file_problems: Why whole files can't be read.
        advice: What may help against the problems.
        is_one_file: Whether one file was named, to be cut into three.
        unread: Files whose names don't say of which split they are.
    """

    records: Mapping[SplitName, list[Record]]
    formats: Mapping[SplitName, Counter[str]]
    n_rows: int
    problems: tuple[str, ...]
    file_problems: tuple[str, ...]
    advice: tuple[str, ...]
    is_one_file: bool
    unread: tuple[str, ...]


def parse_task(path: str, settings: ReadingSettings) -> ParsedTask:
    """Reads what can be read of a task, and says what can't.

    Args:
        path: A folder with files of the splits, one file, or the id of a public dataset.
        settings: How files become records.

    Raises:
        FileNotFoundError: If nothing is at ``path``, or nothing to train on.
        ValueError: If it can't be told which files are meant.
    """
    parts = read_parts(path, settings.subset)
    problems: list[str] = []
    formats: dict[SplitName, Counter[str]] = {name: Counter() for name in parts.rows}
    records = {name: _parse(rows, problems, formats[name]) for name, rows in parts.rows.items()}
    rows = [row for split in parts.rows.values() for row in split]
    advice = _advice(rows, len(problems)) if problems else ()
    return ParsedTask(
        records, formats, len(rows), tuple(problems), parts.problems, advice, parts.is_one_file, parts.unread
    )


def _parse(rows: Sequence[Row], problems: list[str], formats: Counter[str]) -> list[Record]:
    """Reads what can be read, and adds what can't to ``problems``; a file has the format of its first record."""
    records = []
    expected: str | None = None
    for row in rows:
        try:
            if row.problem is not None:
                raise BadRecordError(row.problem)
            record = parse_record(row.value, row.file, row.line)
            found = format_name(row.value)
            expected = expected or found
            if found != expected:
                raise BadRecordError(f"format {found}, but the file began with {expected}")
            records.append(record)
        except BadRecordError as error:
            keys = f" (keys: {', '.join(map(str, row.value))})" if isinstance(row.value, dict) else ""
            problems.append(_printable(f"{row.file}:{row.line}: {error}{keys}"))
    if expected is not None:
        formats[expected] = len(records)
    return records


def _advice(rows: Sequence[Row], n_problems: int) -> tuple[str, ...]:
    """What helps against problems that many rows share."""
    not_text = sorted({row.file for row in rows if row.problem is not None and row.problem.startswith(NOT_UTF8)})
    advice = [encoding_advice(file) for file in not_text]
    first = next((row.value for row in rows if isinstance(row.value, dict)), {})
    keys = [_printable(str(key)) for key in first]
    tables = sorted({row.file for row in rows if ending(row.file) in (".csv", ".tsv")})
    if tables and n_problems == len(rows) and any(len(key) > 30 or key.endswith((".", "?", "!")) for key in keys):
        advice.append(
            f"The first row of `{tables[0]}` looks like a record, but it is taken as the names of the columns. If so, "
            "put a row such as `question,answer` before it."
        )
    return (*advice, format_advice(keys))


def _printable(text: str) -> str:
    """A text that any terminal takes, half a surrogate pair written out."""
    return text.encode(errors="backslashreplace").decode()
