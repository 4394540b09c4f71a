"""Sources of rows: a folder with files of the splits, one file, or a public dataset."""

from __future__ import annotations

import hashlib
import os
import re
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lightning_quicktune.data.arrow_files import saved_files
from lightning_quicktune.data.contents import unreadable
from lightning_quicktune.data.files import READERS, empty, read_tables
from lightning_quicktune.data.folders import CARD, choose_files, could_be_records
from lightning_quicktune.data.hub import fetch, is_hub_id, load_rows
from lightning_quicktune.data.rows import Row
from lightning_quicktune.data.split_names import SPLITS, SplitName, outer_folder, says_split, split_word

_HUB_ADDRESS = re.compile(r"(?:hf://|huggingface\.co/)datasets/([\w.-]+(?:/[\w.-]+)?)")
_DEPTH = 4  # folders below the task's that are looked into
_SETTLED_S = 2.0  # a file changed later than this before it was read may change again in the same tick of the clock


@dataclass(frozen=True)
class Parts:
    """The rows of a task before anything is known of their format.

    Args:
        rows: Rows of each split that is there, or of all under the first split's name.
        problems: Why whole files can't be read.
        is_one_file: Whether one file was named, to be cut into three.
        unread: Files and folders beside those of the splits that could have been read, had their names said that they
            are one.
    """

    rows: Mapping[SplitName, list[Row]]
    problems: tuple[str, ...] = ()
    is_one_file: bool = False
    unread: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Located:
    folder: Path
    files: Mapping[SplitName, list[str]]
    is_one_file: bool = False
    unread: tuple[str, ...] = ()


def content_digest(path: str, subset: str | None = None) -> str:
    """Changes whenever the records at a path may have changed.

    Of a public dataset that only ``datasets`` can read, just its id is known.

    Args:
        path: Folder, file or public id.
        subset: Which of several datasets in it is meant, if one was named.
    """
    digest = hashlib.sha256(repr((path, subset)).encode())
    located = _locate(path, subset)
    if located is not None:
        for split, names in located.files.items():
            for name in names:
                digest.update(f"{split}\0{name}\0{_file_digest(located.folder / name)}".encode())
    return digest.hexdigest()


def read_parts(path: str, subset: str | None = None) -> Parts:
    """Reads the rows of a task.

    Args:
        path: A folder with files of the splits, one file, or the id of a public dataset.
        subset: Which of several datasets in it is meant, if one was named.

    Returns:
        The rows, and why whole files can't be read: all of them, not the first alone.

    Raises:
        FileNotFoundError: If nothing is at ``path``, or nothing to train on.
        ValueError: If it can't be told which files are meant, or where a split is.
    """
    located = _locate(path, subset)
    if located is None:
        return Parts(_by_split(load_rows(path, subset), path))
    problems: list[str] = []
    tables = {split: _read_split(located, split, problems) for split in located.files}
    if len(tables) == 1 and tables["train"] and "" not in tables["train"]:
        return Parts(_by_split(tables["train"], path))
    rows = {split: found.get("", []) for split, found in tables.items()}
    return Parts(rows, tuple(problems), located.is_one_file, located.unread)


def _read_split(located: _Located, split: SplitName, problems: list[str]) -> dict[str, list[Row]]:
    """Rows of a split's files, one after another; under splits of its own if its one file names them."""
    names, n_before = located.files[split], len(problems)
    tables: dict[str, list[Row]] = {}
    for name in names:
        try:
            found = read_tables(located.folder / name, name)
            if [split_word(key) for key in found] == [split] and len(located.files) > 1:
                found = {"": next(iter(found.values()))}
            if "" not in found and (len(names) > 1 or len(located.files) > 1):
                raise ValueError(
                    f"`{located.folder / name}` holds the splits {', '.join(found)}, but its name says that it is "
                    f"{split}. Keep one list in it, or name it alone as `data.init_args.path`."
                )
            for key, rows in found.items():
                tables.setdefault(key, []).extend(rows)
        except ValueError as error:
            problems.append(str(error))
    if not any(tables.values()) and len(problems) == n_before:
        problems.append(empty(located.folder / names[0]))
    return tables


def _by_split(tables: Mapping[str, list[Row]], path: str) -> dict[SplitName, list[Row]]:
    """Rows by the split that each table's name is a word for."""
    if len(tables) == 1 and split_word(next(iter(tables))) is None:
        return {"train": next(iter(tables.values()))}
    parts: dict[SplitName, list[Row]] = {}
    for name, rows in tables.items():
        split = split_word(name)
        if split is None or split in parts:
            raise ValueError(
                f"`{path}` has the splits {', '.join(tables)}, but each must be one of {', '.join(SPLITS)}, and only "
                "once. Save it as a folder with train, validation and test files, and name that as "
                "`data.init_args.path`."
            )
        parts[split] = rows
    if "train" not in parts:
        raise FileNotFoundError(
            f"The train split is missing: `{path}` has {', '.join(tables)} alone. Add one, or save what is meant as "
            "one file and name that as `data.init_args.path` to have it split."
        )
    return {split: parts[split] for split in SPLITS if split in parts}


def _locate(path: str, subset: str | None) -> _Located | None:
    """The files at a path, or none for a public dataset whose files can't be read as they are."""
    local = Path(path).expanduser()
    try:
        if local.is_file():
            return _Located(local.parent, {"train": [local.name]}, is_one_file=True)
        if local.is_dir():
            return _located_in(local, subset, str(local))
    except PermissionError as error:
        raise ValueError(unreadable(local, error)) from error
    if not is_hub_id(path):
        raise FileNotFoundError(_nothing_at(path, local))
    folder = fetch(path, subset)
    return None if folder is None else _located_in(folder, subset, path)


def _located_in(folder: Path, subset: str | None, where: str) -> _Located:
    names = sorted(_names(folder))
    card = folder / CARD
    text = card.read_text("utf-8", errors="replace") if CARD in names else None
    files = choose_files(names, text, subset, where)
    chosen = {split: _saved(folder, found) for split, found in files.items()}
    read = {name for found in files.values() for name in found}
    others = [name for name in names if could_be_records(name) and name not in read]
    return _Located(folder, chosen, unread=_unread(others, read, subset))


def _unread(others: Sequence[str], read: Collection[str], subset: str | None) -> tuple[str, ...]:
    """Files that a person may take for a part of the task, and folders of which no file is read.

    Those of another subset than the one that was named are none.
    """
    of_subset, folders = {outer_folder(name) for name in read}, {Path(name).parent for name in read}
    found = []
    for name in others:
        parent = Path(name).parent
        if "/" in name and parent not in folders:
            found += [f"{parent.as_posix()}/"] if subset is None else []
        elif not says_split(name) or outer_folder(name) in of_subset:
            found.append(name)
    return tuple(dict.fromkeys(found))


def _names(folder: Path) -> Iterator[str]:
    """Files in a folder and a few folders below it, but not in hidden ones."""

    def refuse(error: OSError) -> None:
        raise error

    for parent, folders, files in os.walk(folder, onerror=refuse):
        inner = Path(parent).relative_to(folder)
        if len(inner.parts) >= _DEPTH:
            folders.clear()
        folders[:] = [name for name in folders if not name.startswith((".", "_"))]
        yield from ((inner / name).as_posix() for name in files)


def _saved(folder: Path, names: list[str]) -> list[str]:
    """The order of shards that ``datasets`` saved."""
    if not names[0].endswith(".arrow"):
        return names
    parent = Path(names[0]).parent
    return [(parent / file).as_posix() for file in saved_files(folder / parent, [Path(name).name for name in names])]


def _nothing_at(path: str, local: Path) -> str:
    if found := _HUB_ADDRESS.search(path):
        return (
            f"`{path}` is an address, but a public dataset is named by its id. Set `data.init_args.path` to "
            f"{found.group(1)}."
        )
    place = str(local) if local.is_absolute() else f"{path}` in `{Path.cwd()}"
    return (
        f"Nothing is at `{place}`, but records should be: a folder with files of the splits ({', '.join(SPLITS)}), or "
        f"one file ending in {', '.join(READERS)}. A public dataset is named by its id, `owner/name`. Correct "
        "`data.init_args.path`."
    )


_digests: dict[Path, tuple[tuple[int, ...], str]] = {}


def _file_digest(path: Path) -> str:
    """Digest of a file's bytes, which are read again only where the file may have changed."""
    try:
        stat = path.stat()
        state = (stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino)
        known = _digests.get(path)
        if known is not None and known[0] == state:
            return known[1]
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ValueError(unreadable(path, error)) from error
    if time.time() - max(stat.st_mtime, stat.st_ctime) > _SETTLED_S:
        _digests[path] = (state, digest)
    return digest
