"""Rows of a task as records, with all that is wrong in any of them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lightning_quicktune.data.contents import NOT_UTF8, encoding_advice
from lightning_quicktune.data.copies import answered_questions
from lightning_quicktune.data.files import ending
from lightning_quicktune.data.reading import ReadingSettings
from lightning_quicktune.data.records import format_advice, parse_record
from lightning_quicktune.data.report import ReadingReport
from lightning_quicktune.data.rows import Row
from lightning_quicktune.data.sources import read_parts
from lightning_quicktune.data.split_names import SplitName
from lightning_quicktune.data.turns import BadRecordError, Record
from lightning_quicktune.data.unread import UnreadTexts


@dataclass(frozen=True)
class ParsedTask:
    """What could be read of a task, and what could not.

    Args:
        records: Records of each split that is there, or of all under the first split's name.
        report: What was found in the files.
        n_rows: Rows of all files.
        file_problems: Why whole files can't be read.
        advice: What may help against the problems.
        is_one_file: Whether one file was named, to be cut into three.
        unread: Files whose names don't say of which split they are.
        notes: What a person may want to change, though all of it can be read.
    """

    records: Mapping[SplitName, list[Record]]
    report: ReadingReport
    n_rows: int
    file_problems: tuple[str, ...]
    advice: tuple[str, ...]
    is_one_file: bool
    unread: tuple[str, ...]
    notes: tuple[str, ...] = ()


_LACKING = re.compile(r"^\S.*?:\d+: (no known format|no `|format )")
_Found = Counter[tuple[str, frozenset[str], frozenset[str]]]
"""How many records have a format, keys that are read, and keys that are ignored."""


def parse_task(path: str, settings: ReadingSettings, unanswered: frozenset[SplitName] = frozenset()) -> ParsedTask:
    """Reads what can be read of a task, and says what can't.

    Args:
        path: A folder with files of the splits, one file, or the id of a public dataset.
        settings: How files become records.
        unanswered: Splits whose records may lack an answer; all records of one file where train is among them.

    Raises:
        FileNotFoundError: If nothing is at ``path``, or nothing to train on.
        ValueError: If it can't be told which files are meant.
    """
    parts = read_parts(path, settings.subset)
    problems: list[str] = []
    found: dict[SplitName, _Found] = {name: Counter() for name in parts.rows}
    texts = UnreadTexts(settings.ignore)
    records = {
        name: _parse(rows, settings, problems, found[name], texts, answer_required=name not in unanswered)
        for name, rows in parts.rows.items()
    }
    rows = [row for split in parts.rows.values() for row in split]
    advice = _advice(rows, problems) if problems else ()
    report = _report(problems, found)
    notes = (*texts.notes(), *answered_questions([record for split in records.values() for record in split]))
    return ParsedTask(records, report, len(rows), parts.problems, advice, parts.is_one_file, parts.unread, notes)


def _parse(
    rows: Sequence[Row],
    settings: ReadingSettings,
    problems: list[str],
    found: _Found,
    texts: UnreadTexts,
    *,
    answer_required: bool,
) -> list[Record]:
    """Reads what can be read, and adds what can't to ``problems``; a file has the format of its first record."""
    records = []
    expected: str | None = None
    for row in rows:
        try:
            if row.problem is not None:
                raise BadRecordError(row.problem)
            record, form, read, ignored = parse_record(row.value, row.file, row.line, settings, answer_required)
            expected = expected or form
            if form != expected:
                raise BadRecordError(f"format {form}, but the file began with {expected}")
            records.append(record)
            found[form, read, ignored] += 1
            if ignored:
                texts.add(row.value, record, read, ignored)
        except BadRecordError as error:
            keys = f" (keys: {', '.join(map(str, row.value))})" if isinstance(row.value, dict) else ""
            problems.append(_printable(f"{row.file}:{row.line}: {error}{keys}"))
    return records


def _report(problems: Sequence[str], found: Mapping[SplitName, _Found]) -> ReadingReport:
    formats: dict[SplitName, Counter[str]] = {name: Counter() for name in found}
    read_keys: Counter[str] = Counter()
    ignored_keys: Counter[str] = Counter()
    for name, counts in found.items():
        for (form, read, ignored), n_records in counts.items():
            formats[name][form] += n_records
            read_keys.update(dict.fromkeys(read, n_records))
            ignored_keys.update(dict.fromkeys(ignored, n_records))
    return ReadingReport(tuple(problems), formats, read_keys, ignored_keys)


def _advice(rows: Sequence[Row], problems: Sequence[str]) -> tuple[str, ...]:
    """What helps against problems that many rows share."""
    not_text = sorted({row.file for row in rows if row.problem is not None and row.problem.startswith(NOT_UTF8)})
    advice = [encoding_advice(file) for file in not_text]
    first = next((row.value for row in rows if isinstance(row.value, dict)), {})
    keys = [_printable(str(key)) for key in first]
    tables = sorted({row.file for row in rows if ending(row.file) in (".csv", ".tsv")})
    if tables and len(problems) == len(rows) and any(len(key) > 30 or key.endswith((".", "?", "!")) for key in keys):
        advice.append(
            f"The first row of `{tables[0]}` looks like a record, but it is taken as the names of the columns. If so, "
            "put a row such as `question,answer` before it."
        )
    return (*advice, format_advice(keys)) if any(map(_LACKING.search, problems)) else tuple(advice)


def _printable(text: str) -> str:
    """A text that any terminal takes, half a surrogate pair written out."""
    return text.encode(errors="backslashreplace").decode()
