"""JSON files of rows -> a table, in which an empty cell is told from a number that is none."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

ENDINGS = (".json", ".jsonl", ".ndjson")


def json_content(path: Path) -> Any:
    """What a JSON file holds, the list of its lines where each is a document of its own.

    Args:
        path: The file; it may be compressed by gzip.
    """
    raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    text = raw.decode("utf-8-sig")
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        if error.msg != "Extra data":
            raise
    return [json.loads(line) for line in text.splitlines() if line.strip()]


def json_table(content: Any, path: Path) -> pd.DataFrame:
    """The table of a list of records, or of columns by name.

    Args:
        content: What the file holds.
        path: The file, for messages.

    Returns:
        Cells as they are, ``None`` where there is none. Of a mapping in a record each key has a column, ``config.lr``,
        and a list is its text.

    Raises:
        ValueError: If the file holds anything else.
    """
    rows = [_flat(record) for record in _records(content, path)]
    names = list(dict.fromkeys(name for row in rows for name in row))
    return pd.DataFrame({name: pd.Series([row.get(name) for row in rows], dtype=object) for name in names})


def text_of(cell: Any) -> Any:
    """A list, an array or a mapping as JSON; any other cell as it is.

    Args:
        cell: What a column holds.
    """
    plain = cell.tolist() if isinstance(cell, np.ndarray) else cell
    return json.dumps(plain, default=str) if isinstance(plain, list | tuple | dict) else cell


def _records(content: Any, path: Path) -> list[dict[str, Any]]:
    if isinstance(content, list) and all(isinstance(record, dict) for record in content):
        return content
    if isinstance(content, dict) and (columns := _columns(content)):
        return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    held = "nothing" if not content else f"a {'mapping' if isinstance(content, dict) else type(content).__name__}"
    raise ValueError(
        f"{path} holds {held} that is no table: in JSON that is a list of records, such as "
        '[{"task": "a", "config_id": 0, "epoch": 1, "score": 0.5}], one such record per line, or a list of cells for '
        "each column. Write one record for each evaluation of each run."
    )


def _columns(content: dict[str, Any]) -> dict[str, list[Any]]:
    """Cells of each column, where a mapping is a table by columns: lists of one length, or mappings of equal keys."""
    many = [cells for cells in content.values() if _is_many(cells)]
    keys = {tuple(cells) if isinstance(cells, dict) else range(len(cells)) for cells in many}
    columns = {name: list(c.values()) if isinstance(c, dict) else c for name, c in content.items() if _is_many(c)}
    is_table = len(keys) == 1 and len(columns) == len(content)
    return columns if is_table and not any(_is_many(cell) for cells in columns.values() for cell in cells) else {}


def _is_many(cell: Any) -> bool:
    return isinstance(cell, dict | list)


def _flat(record: dict[str, Any], before: str = "") -> dict[str, Any]:
    cells: dict[str, Any] = {}
    for name, cell in record.items():
        if isinstance(cell, dict):
            cells |= _flat(cell, f"{before}{name}.")
        else:
            cells[f"{before}{name}"] = text_of(cell)
    return cells
