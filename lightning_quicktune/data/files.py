"""Files of any format that is read, as rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from lightning_quicktune.data.arrow_files import read_arrow, read_parquet
from lightning_quicktune.data.contents import COMPRESSIONS, read_bytes
from lightning_quicktune.data.csv_files import read_csv, read_tsv
from lightning_quicktune.data.json_files import read_json, read_json_lines
from lightning_quicktune.data.rows import Row

READERS: Mapping[str, Callable[[Path, str, bytes], dict[str, list[Row]]]] = {
    ".jsonl": read_json_lines,
    ".ndjson": read_json_lines,
    ".json": read_json,
    ".csv": read_csv,
    ".tsv": read_tsv,
    ".parquet": read_parquet,
    ".arrow": read_arrow,
    ".feather": read_arrow,
}
_CONVERSIONS: Mapping[str, str] = {
    ".xlsx": "Save the sheet as CSV UTF-8",
    ".xls": "Save the sheet as CSV UTF-8",
    ".ods": "Save the sheet as CSV UTF-8",
    ".zip": "Unpack it",
    ".tar": "Unpack it",
    ".tgz": "Unpack it",
    ".7z": "Unpack it",
    ".rar": "Unpack it",
    ".pkl": "Loading a pickle can run any code, so it isn't done; write it as Parquet or JSON Lines",
    ".pickle": "Loading a pickle can run any code, so it isn't done; write it as Parquet or JSON Lines",
    ".pt": "Loading a pickle can run any code, so it isn't done; write it as Parquet or JSON Lines",
    ".py": "Scripts that load data aren't run; write what it gives as Parquet or JSON Lines",
    **dict.fromkeys((".sqlite", ".sqlite3", ".db"), "Export the table that is meant as CSV UTF-8"),
    **dict.fromkeys(
        (".tfrecord", ".avro", ".orc", ".h5", ".npy", ".npz"), "Write its records as Parquet or JSON Lines"
    ),
}
_NOT_OF_FOLDERS: Mapping[str, str] = {  # endings of files that stand beside data too
    **dict.fromkeys((".xml", ".yaml", ".yml", ".toml"), "Write its records as JSON Lines"),
    **dict.fromkeys(
        (".txt", ".md", ".pdf", ".html", ".htm", ".docx"),
        "If it is a document, `lightning-quicktune synthesize` makes questions and answers of it; if it holds records, "
        "write them as JSON Lines",
    ),
}


def ending(name: str) -> str:
    """The ending that tells the format, in lower case, without that of a compression."""
    path = Path(name.lower())
    return Path(path.stem).suffix if path.suffix in COMPRESSIONS else path.suffix


def is_readable(name: str) -> bool:
    """Whether the name of a file says that it can be read."""
    return ending(name) in READERS


def conversion(name: str) -> str | None:
    """What to do with a file of an ending that is known but not read."""
    return _CONVERSIONS.get(ending(name))


def read_tables(path: Path, name: str) -> dict[str, list[Row]]:
    """Reads a file.

    Args:
        path: The file.
        name: What its rows say they come from.

    Returns:
        Its rows in order, under the split that the file itself names for them, or else under ``""``. A line that can't
        be decoded is a row with a ``problem``.

    Raises:
        ValueError: If the file can't be read as a whole, or has another ending.
    """
    reader = READERS.get(ending(path.name))
    if reader is None:
        advice = conversion(path.name) or _NOT_OF_FOLDERS.get(ending(path.name), "Write its records as JSON Lines")
        raise ValueError(
            f"`{path}` ends in {path.suffix or 'nothing'}, but records are read from files that end in "
            f"{', '.join(READERS)}, packed or not. {advice}, or name another file as `data.init_args.path`."
        )
    return reader(path, name, read_bytes(path))


def empty(path: Path) -> str:
    """Says that a file holds nothing."""
    return (
        f"`{path}` is empty: it holds no record, so there is nothing to train on or to score. "
        "Fill it, or name another file or folder as `data.init_args.path`."
    )
