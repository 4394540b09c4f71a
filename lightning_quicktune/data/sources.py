"""Where rows come from: a folder with one file per split, one file, or a public dataset."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Literal

from lightning_quicktune.data.files import READERS, Row, read_bytes, read_rows, unreadable

SplitName = Literal["train", "validation", "test"]
SPLITS: tuple[SplitName, ...] = ("train", "validation", "test")


def content_digest(path: str) -> str:
    """Changes whenever the records at ``path`` may have changed; of a public dataset, only its id is known."""
    digest = hashlib.sha256(path.encode())
    for file in _find_files(path).values():
        digest.update(file.name.encode() + b"\0" + hashlib.sha256(read_bytes(file)).digest())
    return digest.hexdigest()


def read_parts(path: str) -> dict[SplitName, list[Row]]:
    """Rows of the three splits, or of all records under the first split's name.

    Args:
        path: A folder with one file per split, one file, or an id for ``datasets.load_dataset``.

    Raises:
        FileNotFoundError: If nothing is at ``path``, or a split is missing.
        ValueError: If a split is there twice, or a file can't be read.
    """
    if files := _find_files(path):
        return {name: read_rows(file) for name, file in files.items()}
    if Path(path).suffix in READERS or path.startswith((".", "/", "~")) or path.count("/") > 1:
        raise FileNotFoundError(
            f"Nothing is at `{path}`, but records should be: a folder with one file per split "
            f"({', '.join(SPLITS)}), or one file ending in {', '.join(READERS)}. Correct `data.init_args.path`."
        )
    return _load_public(path)


def _find_files(path: str) -> dict[SplitName, Path]:
    """A file per split, or one under the first split's name, or none if nothing is here."""
    local = Path(path).expanduser()
    try:
        if local.is_file():
            return {"train": local}
        return _split_files(local) if local.is_dir() else {}
    except PermissionError as error:
        raise ValueError(unreadable(local, error)) from error


def _split_files(folder: Path) -> dict[SplitName, Path]:
    found = {name: [folder / (name + ending) for ending in READERS] for name in SPLITS}
    files = {name: [file for file in candidates if file.exists()] for name, candidates in found.items()}
    for name, candidates in files.items():
        if not candidates:
            there = ", ".join(sorted(file.name for file in folder.iterdir())) or "nothing"
            raise FileNotFoundError(
                f"The {name} split is missing: `{folder}` holds {there}, but a task folder needs train, validation and "
                f"test files ending in {', '.join(READERS)}. Add or rename the file, or name one file as "
                "`data.init_args.path` to have it split."
            )
        if len(candidates) > 1:
            raise ValueError(
                f"The {name} split is there twice: {' and '.join(file.name for file in candidates)} in `{folder}`, "
                "and only one can be meant. Remove one of them, or name another folder as `data.init_args.path`."
            )
    return {name: candidates[0] for name, candidates in files.items()}


def _load_public(path: str) -> dict[SplitName, list[Row]]:
    from datasets import load_dataset

    try:
        loaded = load_dataset(path)
    except Exception as error:  # the hub's client raises many kinds
        raise FileNotFoundError(
            f"`{path}` is neither a folder nor a file here, and could not be loaded as a public dataset either "
            f"({type(error).__name__}: {error}). Correct `data.init_args.path`, or download the dataset as files."
        ) from error
    rows = {name: [Row(f"{path}/{name}", n, r) for n, r in enumerate(part, start=1)] for name, part in loaded.items()}
    if len(rows) == 1:
        return {"train": next(iter(rows.values()))}
    if missing := [name for name in SPLITS if name not in rows]:
        raise ValueError(
            f"The public dataset `{path}` has the splits {', '.join(rows)}, but {' and '.join(missing)} is needed too. "
            "Save it as a folder with train, validation and test files, and name that as `data.init_args.path`."
        )
    return {name: rows[name] for name in SPLITS}
