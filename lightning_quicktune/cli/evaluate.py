"""``evaluate``: replays search methods on a meta-dataset and compares their regret."""

from __future__ import annotations

import sys

from lightning_quicktune.cli.parsing import parse_settings
from lightning_quicktune.evaluation.settings import EvaluateSettings


def run(args: list[str]) -> None:
    """Runs the subcommand."""
    settings = parse_settings("evaluate", EvaluateSettings, args)
    from lightning_quicktune.evaluation.evaluate import evaluate

    evaluated = evaluate(settings)
    sys.stdout.write(f"{evaluated.report.read_text()}\nreport   {evaluated.report}\nMLflow   run {evaluated.run_id}\n")
