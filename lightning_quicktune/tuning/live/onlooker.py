"""Who shows a tuning to a person: a panel where there is a terminal, plain lines elsewhere."""

from __future__ import annotations

import os
import sys

from lightning_quicktune.tuning.live.lines import Lines
from lightning_quicktune.tuning.live.panel import Panel


def onlooker() -> Panel | Lines:
    """The panel if standard error is a terminal whose cursor can be moved, else plain lines."""
    from rich.console import Console

    is_terminal = sys.stderr is not None and sys.stderr.isatty()
    if not is_terminal or os.environ.get("TERM", "").lower() in ("dumb", "unknown"):
        return Lines()
    return Panel(Console(stderr=True))
