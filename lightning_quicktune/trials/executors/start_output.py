"""What a worker's process writes while it starts: passed on as it comes, and its end kept for whoever must explain."""

from __future__ import annotations

import os
import threading
from contextlib import suppress

_KEPT_BYTES = 4000
_LINES = 4
_PATIENCE_S = 5.0  # for the last words of a process that has ended, on a busy machine
_STDERR = 2


class StartOutput:
    """Reads what a process writes until the process writes elsewhere, or ends.

    Args:
        reading: File descriptor of the pipe's end to read; closed when nobody writes to it any more.
    """

    def __init__(self, reading: int) -> None:
        self._kept = b""
        self._thread = threading.Thread(target=self._pass_on, args=(reading,), daemon=True)
        self._thread.start()

    def last_lines(self) -> str:
        """The last lines of what was written, in one; empty if there are none."""
        self._thread.join(_PATIENCE_S)
        lines = [" ".join(line.split()) for line in self._kept.decode(errors="replace").splitlines()]
        return " | ".join([line for line in lines if line][-_LINES:])

    def _pass_on(self, reading: int) -> None:
        with open(reading, "rb", buffering=0) as pipe:
            while chunk := pipe.read(_KEPT_BYTES):
                self._kept = (self._kept + chunk)[-_KEPT_BYTES:]
                with suppress(OSError):  # nobody may read what this process says
                    os.write(_STDERR, chunk)
