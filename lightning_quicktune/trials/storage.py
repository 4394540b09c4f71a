"""What a trial's folder holds, and writing it so that a kill or a full disk leaves it valid."""

from __future__ import annotations

import errno
import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lightning_quicktune.tracking.sent import SENT_FILE
from lightning_quicktune.trials.identity import LABEL_VERSION
from lightning_quicktune.types import Trial

RECORD = "trial.json"
FIT_YAML = "fit.yaml"


def write_text(path: Path, text: str) -> None:
    """Writes a whole file or nothing.

    Raises:
        OSError: If the disk is full; what was there before is still valid.
    """
    write_bytes(path, text.encode())


def write_bytes(path: Path, content: bytes) -> None:
    """Writes a whole file or nothing.

    Raises:
        OSError: If the disk is full; what was there before is still valid.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with unfinished.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(unfinished, path)
    except OSError as error:
        unfinished.unlink(missing_ok=True)
        raise disk_full(path, error) if error.errno == errno.ENOSPC else error from error


def disk_full(path: Path, error: OSError) -> OSError:
    """The error to show for a full disk."""
    return OSError(
        error.errno,
        f"The disk is full, so `{path}` could not be written; what was written before is still valid. Free some space "
        "(checkpoints of stopped trials are `*.ckpt`), then run the same command again",
    )


def check_output(folder: Path) -> None:
    """Makes the folder of results, and sees that files can be written there.

    Args:
        folder: Value of ``output``.

    Raises:
        ValueError: If it can't be made, or not be written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        writable = os.access(folder, os.W_OK | os.X_OK)
        reason = None if writable else "it can't be written to"
    except OSError as error:
        reason = error.strerror or str(error)
    if reason:
        raise ValueError(
            f"`output` is {str(folder)!r}, but no results can be kept there: {reason}. Set `output` to a folder that "
            "exists or can be made, and written to."
        )


@contextmanager
def exclusive(folder: Path) -> Iterator[bool]:
    """Whether this process alone may work in ``folder``; the lock ends with the process, however it ends."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True


def write_json(path: Path, record: Mapping[str, Any]) -> None:
    """Writes a JSON document whole or not at all."""
    write_text(path, json.dumps(record, indent=1, ensure_ascii=False) + "\n")


def read_json(path: Path) -> dict[str, Any] | None:
    """Reads a JSON document; none if it isn't there or is damaged."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, json.JSONDecodeError, UnicodeDecodeError):
        return None
    return content if isinstance(content, dict) else None


def read_trial(folder: Path) -> Trial | None:
    """The trial record of a folder, if there is a readable one."""
    record = read_json(folder / RECORD)
    return Trial.from_dict(record) if record else None


def read_current(folder: Path) -> Trial | None:
    """The trial record of a folder, if its labels mean what they would mean now."""
    trial = read_trial(folder)
    return trial if trial is not None and trial.label_version == LABEL_VERSION else None


def put_aside_other_labels(folder: Path) -> int | None:
    """Makes room for a trial whose record has labels of another version; that record stays beside, under another name.

    Args:
        folder: Folder of the trial, in which no other process works.

    Returns:
        The version of the labels; none if there is no such record.
    """
    trial = read_trial(folder)
    if trial is None or trial.label_version == LABEL_VERSION:
        return None
    for path in (*folder.glob("*.ckpt*"), folder / SENT_FILE):
        path.unlink(missing_ok=True)
    os.replace(folder / RECORD, folder / f"trial-labels-{trial.label_version}.json")
    return trial.label_version


def write_trial(folder: Path, trial: Trial) -> None:
    """Writes the trial record."""
    write_json(folder / RECORD, trial.to_dict())
