"""Tables of Arrow as rows: Parquet, Feather, Arrow streams, and the folders that ``datasets`` saves."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from lightning_quicktune.data.contents import unreadable
from lightning_quicktune.data.rows import Row


def read_parquet(path: Path, name: str, data: bytes) -> dict[str, list[Row]]:
    """Rows of a Parquet file.

    Raises:
        ValueError: If it isn't Parquet.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    from lightning_quicktune.data.arrow_values import json_leaves

    if not data:
        return {"": []}
    try:
        file = pq.ParquetFile(io.BytesIO(data))
        table = file.read()
    except (pa.ArrowException, OSError) as error:
        raise ValueError(_not_a_table(path, "Parquet", error)) from error
    return {"": table_rows(name, table, json_leaves(file.schema))}


def read_arrow(path: Path, name: str, data: bytes) -> dict[str, list[Row]]:
    """Rows of an Arrow stream, or of an Arrow file, which Feather is too.

    Raises:
        ValueError: If it is neither.
    """
    import pyarrow as pa

    if not data:
        return {"": []}
    opened: Callable[[pa.BufferReader], Any] = pa.ipc.open_file if data.startswith(b"ARROW1") else pa.ipc.open_stream
    try:
        table = opened(pa.BufferReader(data)).read_all()
    except (pa.ArrowException, OSError) as error:
        raise ValueError(_not_a_table(path, "Arrow", error)) from error
    return {"": table_rows(name, table, iter(()))}


def table_rows(name: str, table: Any, leaves: Iterator[bool]) -> list[Row]:
    """Rows of a table, with values such as a text file would hold.

    Args:
        name: What the rows are said to come from.
        table: The Arrow table.
        leaves: Whether each leaf is marked as JSON by the file itself.
    """
    from lightning_quicktune.data.arrow_values import conversion

    table = _without_midnight(table)
    notes = _notes(table.schema.metadata)
    parts = {field.name: conversion(field, notes.get(field.name), leaves) for field in table.schema}
    needed = {key: part for key, part in parts.items() if part is not None}
    if len(parts) < len(table.schema):
        raise ValueError(
            f"`{name}` has two columns of one name among {', '.join(table.schema.names)}, and only one can be meant. "
            "Rename or remove one of them."
        )
    return [_converted(row, needed) if needed else row for row in _plain_rows(name, table)]


def saved_files(folder: Path, names: Sequence[str]) -> list[str]:
    """The files of a folder that ``datasets`` saved, in its order, or ``names`` if it is none.

    Raises:
        ValueError: If a file is missing, or its order stands in another file.
    """
    state_file = folder / "state.json"
    if not state_file.is_file():
        return list(names)
    try:
        state = json.loads(state_file.read_bytes())
        listed = [str(entry["filename"]) for entry in state["_data_files"]]
    except OSError as error:
        raise ValueError(unreadable(state_file, error)) from error
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"`{state_file}` isn't what `save_to_disk` writes: {error!r}. Save the dataset again, or remove the file."
        ) from error
    if state.get("_indices_files") or state.get("_indices_data_files"):
        raise ValueError(
            f"`{folder}` was saved by an old version of datasets with its order in a file of indices, which isn't "
            "read. Load it there, call `flatten_indices()` and save it again."
        )
    if missing := [file for file in listed if not (folder / file).is_file()]:
        raise ValueError(f"`{folder}` lacks {', '.join(missing)}, which its state.json names. Copy the folder again.")
    return listed


def _without_midnight(table: Any) -> Any:
    """Makes dates of times without a zone where a whole column is of midnights: so were they written once."""
    import pyarrow as pa
    import pyarrow.compute as pc

    for number, field in enumerate(table.schema):
        if not pa.types.is_timestamp(field.type) or field.type.tz is not None:
            continue
        times = table.column(number)
        dates = times.cast(pa.date32(), safe=False)
        if pc.all(pc.equal(dates.cast(field.type), times)).as_py():
            table = table.set_column(number, pa.field(field.name, pa.date32()), dates)
    return table


def _notes(metadata: Any) -> dict[str, Any]:
    """What ``datasets`` noted of the columns."""
    try:
        features = json.loads((metadata or {}).get(b"huggingface", b"{}"))["info"]["features"]
    except (ValueError, KeyError, TypeError):
        return {}
    return features if isinstance(features, dict) else {}


def _plain_rows(name: str, table: Any) -> Iterator[Row]:
    try:
        entries = table.to_pylist()
    except (ValueError, OverflowError):  # text that isn't UTF-8, times that Python can't hold
        for number in range(table.num_rows):
            yield _plain_row(name, number, table)
        return
    for number, entry in enumerate(entries, start=1):
        yield Row(name, number, entry)


def _plain_row(name: str, number: int, table: Any) -> Row:
    try:
        return Row(name, number + 1, table.slice(number, 1).to_pylist()[0])
    except (ValueError, OverflowError) as error:
        return Row(name, number + 1, None, f"holds a value that can't be read: {error}")


def _converted(row: Row, parts: dict[str, Callable[[Any], Any]]) -> Row:
    if row.problem is not None:
        return row
    entry = dict(row.value)
    for key, part in parts.items():
        try:
            entry[key] = part(entry[key])
        except ValueError as error:
            return row._replace(problem=f"`{key}`: {error}")
    return row._replace(value=entry)


def _not_a_table(path: Path, kind: str, error: Exception) -> str:
    return (
        f"`{path}` isn't {kind}: {error}. Nothing can be told of its records. Write it again, or name another file as "
        "`data.init_args.path`."
    )
