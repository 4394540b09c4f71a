"""Plain lines for whoever watches without a terminal: one for each event, and one at least every half minute."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from io import TextIOBase
from types import TracebackType
from typing import TextIO

from lightning_quicktune.tuning.live.saying import clock_time, in_ascii, score
from lightning_quicktune.tuning.live.seen import Event, Seen

SILENCE_S = 25.0  # after which a line says where things stand


class Lines(Seen):
    """Writes what is told as lines, each whole; beside them a thread breaks any silence.

    A pipe that nobody reads any more ends the lines, not the tuning.

    Args:
        stream: Where they go; standard error, as it is then, if left out.
        now: Time in seconds.
    """

    def __init__(self, stream: TextIO | TextIOBase | None = None, now: Callable[[], float] = time.monotonic) -> None:
        super().__init__(on_event=self._on_event, now=now)
        self._stream = stream
        self._last_s = now()
        self._closed = threading.Event()
        self._is_heard = True
        self._thread = threading.Thread(target=self._beat, name="heartbeat", daemon=True)

    def __enter__(self) -> Lines:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closed.set()

    def break_silence(self) -> None:
        """Says where things stand, if nothing has been said for ``SILENCE_S`` seconds."""
        with self.lock:
            if self.now() - self._last_s >= SILENCE_S and not self.is_done:
                self._write(self._standing())

    def _beat(self) -> None:
        while not self._closed.wait(1.0):
            self.break_silence()

    def _on_event(self, event: Event) -> None:
        self._write(event.words)

    def _standing(self) -> str:
        parts = [f"{self.stage_name} since {clock_time(self.stage_s)}: {self.doing}"]
        for running in self.running.values():
            step = f", step {running.step} of {running.of}" if running.of else ""
            parts.append(f"training {running.words}, slice {running.slice} of {running.to}{step}")
        if self.best is not None:
            parts.append(f"best {score(self.best.score)} after {self.slices} slices")
        return "; ".join(parts)

    def _write(self, words: str) -> None:
        self._last_s = self.now()
        if not self._is_heard:
            return
        stream = self._stream or sys.stderr
        left_s = self.clock.left_s if self.clock is not None else None
        left = f", {clock_time(left_s)} left" if left_s is not None else ""
        line = f"[{clock_time(self.spent_s)}{left}] {' '.join(words.split())}\n"
        try:
            stream.write(line if _knows(stream, line) else in_ascii(line))
            stream.flush()
        except (OSError, ValueError):  # closed at the other end, or here
            self._is_heard = False


def _knows(stream: TextIO | TextIOBase, text: str) -> bool:
    """Whether a stream can say all letters of a text."""
    try:
        text.encode(getattr(stream, "encoding", None) or "utf-8")
    except UnicodeEncodeError:
        return False
    return True
