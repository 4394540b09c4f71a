"""``evaluate``: replays search methods on a meta-dataset and compares their regret."""

from __future__ import annotations

import sys
from pathlib import Path

from lightning_quicktune.cli.parsing import parse_settings
from lightning_quicktune.evaluation.settings import EvaluateSettings
from lightning_quicktune.tracking.delivery import mlflow_line
from lightning_quicktune.tracking.places import resolve_uri


def run(args: list[str]) -> None:
    """Runs the subcommand."""
    settings = parse_settings("evaluate", EvaluateSettings, args)
    report, run_id = _evaluated(settings)
    line = mlflow_line(run_id, resolve_uri(settings.tracking.uri))
    sys.stdout.write(f"{report.read_text()}\nreport   {report}\n{line}\n")


def _evaluated(settings: EvaluateSettings) -> tuple[Path, str | None]:
    """Where the report is, and its MLflow run."""
    if settings.variants:
        from lightning_quicktune.evaluation.overview import evaluate_variants

        found = evaluate_variants(settings)
        return found.report, found.run_id
    from lightning_quicktune.evaluation.evaluate import evaluate

    evaluated = evaluate(settings)
    return evaluated.report, evaluated.run_id
