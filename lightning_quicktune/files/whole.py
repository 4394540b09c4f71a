"""Files that are there whole or not at all, whatever ends the process that writes them."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def staged(path: Path) -> Iterator[Path]:
    """A file beside ``path`` to be written, which takes its place at the end, unless something fails before.

    Args:
        path: The file; its folder is made if it is missing.

    Raises:
        OSError: If the disk is full; what was there before is still valid.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield unfinished
        with unfinished.open("rb") as file:
            os.fsync(file.fileno())
        os.replace(unfinished, path)
    except OSError as error:
        raise disk_full(path, error) if error.errno == errno.ENOSPC else error from error
    finally:
        unfinished.unlink(missing_ok=True)


def remove_unfinished(folder: Path) -> None:
    """Removes what processes that were killed while they wrote have left in a folder.

    Args:
        folder: Nobody writes to it meanwhile; folders in it are left alone.
    """
    for path in folder.glob(".*.tmp"):
        if path.name.removesuffix(".tmp").rpartition(".")[2].isdigit():
            path.unlink(missing_ok=True)


def write_whole(path: Path, content: bytes) -> None:
    """Writes a whole file or nothing; on return it is on disk.

    Args:
        path: The file; its folder is made if it is missing.
        content: What it will hold.

    Raises:
        OSError: If the disk is full; what was there before is still valid.
    """
    with staged(path) as unfinished:
        unfinished.write_bytes(content)


def write_text(path: Path, text: str) -> None:
    """Writes a whole text file or nothing, as ``write_whole``."""
    write_whole(path, text.encode())


def write_json(path: Path, record: Mapping[str, Any]) -> None:
    """Writes a JSON document whole or not at all, as ``write_whole``."""
    write_text(path, json.dumps(record, indent=1, ensure_ascii=False) + "\n")


def read_json(path: Path) -> dict[str, Any] | None:
    """Reads a JSON document; none if it isn't there or is damaged."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, json.JSONDecodeError, UnicodeDecodeError):
        return None
    return content if isinstance(content, dict) else None


def disk_full(path: Path, error: OSError) -> OSError:
    """The error to show for a full disk."""
    return OSError(
        error.errno,
        f"The disk is full, so `{path}` could not be written; what was written before is still valid. Free some space "
        "(checkpoints of stopped trials are `*.ckpt`), then run the same command again",
    )
