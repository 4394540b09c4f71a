"""Tables of text as rows: CSV as spreadsheets and libraries write it, and tab-separated values."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from lightning_quicktune.data.contents import decode, encoding_advice, encoding_problem
from lightning_quicktune.data.rows import Row

_DELIMITERS = (",", ";", "\t", "|")
_SAMPLED_ROWS = 20
_LONGEST_FIELD = 2**31 - 1  # the standard library stops at 131,072 characters


@dataclass(frozen=True)
class _Dialect:
    delimiter: str
    skips_blanks: bool = False  # after delimiters, where quotes stand behind them


def read_csv(path: Path, name: str, data: bytes) -> dict[str, list[Row]]:
    """Fields between commas, semicolons, tabs or bars, whichever the header and the first rows agree on."""
    return {"": _read(path, name, data, None)}


def read_tsv(path: Path, name: str, data: bytes) -> dict[str, list[Row]]:
    """Fields between tabs."""
    return {"": _read(path, name, data, "\t")}


def _read(path: Path, name: str, data: bytes, delimiter: str | None) -> list[Row]:
    text, clean = decode(path, data)
    text, n_lines, given = _without_separator_line(text)
    text_lines = list(io.StringIO(text, newline=""))
    lines = _fields(text_lines, _dialect(text_lines, delimiter or given))
    _, header, problem = next((row for row in lines if row[2] or any(map(str.strip, row[1]))), (0, [], None))
    if problem is not None:
        raise ValueError(f"`{path}` has no header that can be read: {problem}. {_header_advice(path)}")
    names = _column_names(path, header)
    filled = [row for row in lines if row[2] is not None or any(field.strip() for field in row[1])]
    names = _without_row_numbers(names, [fields for _, fields, problem in filled if problem is None])
    rows = []
    for line, fields, problem in filled:
        problem = problem or _row_problem(names, fields, clean)
        rows.append(Row(name, line + n_lines, None if problem else _entry(names, fields), problem))
    return rows


def _without_row_numbers(names: list[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Takes the name from the first column if it holds the row numbers that pandas writes."""
    if names and names[0] == "Unnamed: 0" and all(fields[0].strip().isdigit() for fields in rows):
        return ["", *names[1:]]
    return names


def _entry(names: Sequence[str], fields: Sequence[str]) -> dict[str, str | None]:
    padded = [*fields, *[None] * (len(names) - len(fields))]
    return {name: field for name, field in zip(names, padded, strict=False) if name}


def _without_separator_line(text: str) -> tuple[str, int, str | None]:
    """Takes away the first line of Excel's that names the delimiter, such as ``sep=;``."""
    first, _, rest = text.partition("\n")
    first = first.rstrip("\r")
    if first.lower().startswith("sep=") and len(first) == 5:
        return rest, 1, first[4]
    return text, 0, None


def _dialect(lines: Sequence[str], delimiter: str | None) -> _Dialect:
    """The first delimiter that splits the header and each of the first rows into as many fields."""
    candidates = (delimiter,) if delimiter else _DELIMITERS
    samples = {candidate: _sample(lines, _Dialect(candidate)) for candidate in candidates}
    splitting = [candidate for candidate, rows in samples.items() if rows and len(_trimmed(rows[0])) > 1]
    agreeing = [candidate for candidate in splitting if _agree(samples[candidate])]
    chosen = next(iter([*agreeing, *splitting, *candidates]))
    blanks = any(field.startswith(" ") and field.lstrip().startswith('"') for row in samples[chosen] for field in row)
    return _Dialect(chosen, blanks)


def _sample(lines: Sequence[str], dialect: _Dialect) -> list[list[str]]:
    """Header and first rows that aren't empty; nothing if not even the header can be read so."""
    rows = [row for row in islice(_fields(lines, dialect), _SAMPLED_ROWS) if row[2] or _trimmed(row[1])]
    if not rows or rows[0][2]:
        return []
    return [fields for _, fields, problem in rows if problem is None]


def _agree(rows: Sequence[Sequence[str]]) -> bool:
    """Whether every row has a field for each name of the first, and no text in further ones."""
    width = len(_trimmed(rows[0]))
    return all(len(_trimmed(row)) <= width <= len(row) for row in rows)


def _trimmed(fields: Sequence[str]) -> list[str]:
    width = max((number for number, field in enumerate(fields, start=1) if field.strip()), default=0)
    return list(fields[:width])


def _fields(lines: Sequence[str], dialect: _Dialect) -> Iterator[tuple[int, list[str], str | None]]:
    """Line, fields and problem of each row."""
    csv.field_size_limit(_LONGEST_FIELD)
    start = 0
    while start < len(lines):
        # strict, or a quote that is never closed would swallow the rest of the file as one answer
        reader = csv.reader(
            islice(lines, start, None),
            strict=True,
            delimiter=dialect.delimiter,
            skipinitialspace=dialect.skips_blanks,
        )
        read = 0
        try:
            for fields in reader:
                read = reader.line_num
                yield start + read, fields, None
            return
        except csv.Error as error:
            yield start + read + 1, [], f"not CSV: {error} (a quote that isn't closed or doubled?)"
            # an open quote takes in all lines to the end of the file, of which one alone is at fault
            at_end = start + reader.line_num == len(lines)
            start += read + 1 if at_end else reader.line_num


def _column_names(path: Path, header: Sequence[str]) -> list[str]:
    if problem := encoding_problem("".join(header)):
        raise ValueError(f"`{path}` has a header that is {problem}. {encoding_advice(str(path))}")
    names = [field.strip().lstrip("\ufeff") for field in _trimmed(header)]
    repeated = sorted({name for name in names if name and names.count(name) > 1})
    if repeated:
        raise ValueError(
            f"`{path}` has more than one column of the name {' and of the name '.join(map(repr, repeated))}, and only "
            "one can be meant. Rename or remove the others in the first row."
        )
    return names


def _header_advice(path: Path) -> str:
    return f"The first row must name the columns, for example `question,answer`. Mend the first row of `{path.name}`."


def _row_problem(names: Sequence[str], fields: Sequence[str], clean: bool) -> str | None:
    if any(field.strip() for field in fields[len(names) :]):
        return f"more fields than the {len(names)} columns of the header (a comma outside quotes?)"
    if "" in names and (problem := _unnamed_field(names, fields)):
        return problem
    if any("\0" in field for field in fields):
        return "holds a NUL character, which is no text"
    if clean:
        return None
    return next((problem for field in fields if (problem := encoding_problem(field)) is not None), None)


def _unnamed_field(names: Sequence[str], fields: Sequence[str]) -> str | None:
    """Complains of a field without a column's name, but not of a row number in the first."""
    for number, (name, field) in enumerate(zip(names, fields, strict=False), start=1):
        if not name and field.strip() and not (number == 1 and field.strip().isdigit()):
            return f"field {number} holds a text, but the first row gives its column no name"
    return None
