"""Locks between processes that end with the process that holds them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from lightning_quicktune.files.whole import remove_unfinished


@contextmanager
def exclusive(folder: Path) -> Iterator[bool]:
    """Whether this process alone may work in ``folder``; waits for nobody, and holds until the block or process ends.

    What a process that was killed has left half written there is removed: only who holds the lock writes.

    Args:
        folder: The folder; made if it is missing. Its file ``lock`` stays when the lock is gone.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(str(folder / "lock"))
    try:
        lock.acquire(timeout=0)
    except Timeout:
        yield False
        return
    try:
        remove_unfinished(folder)
        yield True
    finally:
        lock.release()
