"""``tune``: a dataset, a base model and a budget; out comes the best adapter, with the report that shows why."""

from __future__ import annotations

import shlex
import sys
import time
from typing import TYPE_CHECKING

from lightning_quicktune.arguments.typed_key import TASK_PATH, typed_as
from lightning_quicktune.cli.one_line import parse_line
from lightning_quicktune.tracking.delivery import mlflow_line
from lightning_quicktune.tuning.printed import keep_printed, printed_before, what_is_read
from lightning_quicktune.tuning.settings import TuneSettings

if TYPE_CHECKING:
    from lightning_quicktune.tuning.tune import Tuned


def run(args: list[str]) -> None:
    """Runs the subcommand."""
    began = time.monotonic()
    settings = parse_line("tune", TuneSettings, args)
    reads = what_is_read(settings)
    text = printed_before(settings, reads)
    if text is None:
        tuned = _tune(settings, began, shlex.join(["lightning-quicktune", "tune", *args]))
        text = _text(tuned)
        if tuned.is_complete:
            keep_printed(settings, reads, text)
    sys.stdout.write(text)


def _tune(settings: TuneSettings, began: float, command: str) -> Tuned:
    from lightning_quicktune.tuning.live.onlooker import onlooker

    with onlooker() as watcher:  # shown before the libraries are loaded, which takes seconds
        from lightning_quicktune.tuning.tune import tune

        with typed_as("task", TASK_PATH):
            return tune(settings, watcher, began, command)


def _text(tuned: Tuned) -> str:
    found = f"adapter  {tuned.adapter}\nrecipe   {tuned.fit_yaml}\n" if tuned.adapter else ""
    return (
        f"\n{tuned.headline}\n\nreport   {tuned.report}\n{found}"
        f"{mlflow_line(tuned.run_id, tuned.tracking_uri, tuned.delivery, tuned.table)}\n"
    )
