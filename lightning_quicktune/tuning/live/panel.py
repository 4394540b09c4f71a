"""A live panel at the foot of a terminal; what others print goes above it."""

from __future__ import annotations

import logging
import sys
from math import ceil
from types import TracebackType
from typing import Any, TextIO

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from lightning_quicktune.tuning.live.seen import Seen
from lightning_quicktune.tuning.live.view import view

_PER_SECOND = 4.0


class Panel(Seen):
    """Draws what is told, four times a second, until it is left.

    Its last state stays, unless an error ended the tuning before its task was known.

    Args:
        console: The terminal.
    """

    def __init__(self, console: Console) -> None:
        super().__init__()
        self._live = _Live(self, console)
        self._stderr: TextIO = sys.stderr

    def __enter__(self) -> Panel:
        self._stderr = sys.stderr
        self._live.start(refresh=True)
        _move_handlers(self._stderr, sys.stderr)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        proxy = sys.stderr
        self._live.transient = isinstance(error, Exception) and not self.task
        self._live.stop()
        _move_handlers(proxy, self._stderr)


class _Live(Live):
    """Rich's live display, whose lines may have been broken anew by the terminal since they were drawn."""

    def __init__(self, seen: Seen, console: Console) -> None:
        self._seen = seen
        self._lines: list[Text] = []
        self._columns = console.width
        super().__init__(
            console=console,
            refresh_per_second=_PER_SECOND,
            redirect_stdout=sys.stdout.isatty(),
            vertical_overflow="crop",
            get_renderable=self._draw,
        )

    def refresh(self) -> None:
        """Draws over what was drawn last, wherever that has come to lie."""
        with self._lock:
            columns = self.console.width
            if columns < self._columns and self._lines:
                height = sum(max(1, ceil(line.cell_len / columns)) for line in self._lines)
                self._live_render._shape = (columns, min(height, self.console.height))
            self._columns = columns
            super().refresh()

    def _draw(self) -> Group:
        size = self.console.size
        self._lines = view(self._seen, size.width, size.height - 1, self.console.options.ascii_only)
        return Group(*self._lines)


def _move_handlers(old: Any, new: Any) -> None:
    """Lets log handlers that write to one stream write to another."""
    known = [logging.root, *(each for each in logging.root.manager.loggerDict.values())]
    for logger in known:
        for handler in getattr(logger, "handlers", ()):
            if isinstance(handler, logging.StreamHandler) and handler.stream is old:
                handler.setStream(new)
