"""``evaluate``: replays search methods on a meta-dataset and compares their regret."""

from __future__ import annotations

import sys

from lightning_quicktune.cli.parsing import parse_settings
from lightning_quicktune.evaluation.settings import EvaluateSettings
from lightning_quicktune.tracking.delivery import mlflow_line
from lightning_quicktune.tracking.places import resolve_uri


def run(args: list[str]) -> None:
    """Runs the subcommand."""
    settings = parse_settings("evaluate", EvaluateSettings, args)
    from lightning_quicktune.evaluation.evaluate import evaluate

    evaluated = evaluate(settings)
    line = mlflow_line(evaluated.run_id, resolve_uri(settings.tracking.uri))
    sys.stdout.write(f"{evaluated.report.read_text()}\nreport   {evaluated.report}\n{line}\n")
