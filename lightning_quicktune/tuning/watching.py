"""Who watches a tuning: a panel where there is a terminal, plain lines elsewhere; and several at once."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable
from typing import Any

from lightning_quicktune.tuning.lines import Lines
from lightning_quicktune.tuning.panel import Panel

log = logging.getLogger(__name__)


def onlooker() -> Panel | Lines:
    """The panel if standard error is a terminal that can move its cursor, else plain lines."""
    from rich.console import Console

    if sys.stderr is None or not sys.stderr.isatty() or os.environ.get("TERM") in ("dumb", "unknown"):
        return Lines()
    return Panel(Console(stderr=True))


class Several:
    """A watcher that passes everything on to others; one that raises is told nothing more.

    Args:
        watchers: Who is told, in this order.
    """

    def __init__(self, *watchers: Any) -> None:
        self._watchers = list(watchers)

    def __getattr__(self, name: str) -> Callable[..., None]:
        def tell(*told: Any) -> None:
            for watcher in list(self._watchers):
                try:
                    getattr(watcher, name)(*told)
                except Exception as error:  # a watcher may never stop what it watches
                    self._watchers.remove(watcher)
                    log.warning("%s stopped watching: %s", type(watcher).__name__, error)

        return tell
