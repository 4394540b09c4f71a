"""Requests to end a process (SIGTERM), as a batch system sends them: taken as an interruption, so that trials pause."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Terminated(KeyboardInterrupt):
    """The process was asked to end, alone: unlike Ctrl-C, its workers know nothing of it."""


@contextmanager
def termination_as_interrupt() -> Iterator[None]:
    """Within it, a request to end is as Ctrl-C: trials are paused, and what is finished is kept.

    Without it, Lightning makes an error of the request in the next training step, which looks like the trial's own.
    """

    def interrupt(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # once is enough
        raise Terminated

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
