"""The report of an evaluation in MLflow."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from lightning_quicktune.evaluation.comparison import Comparison
from lightning_quicktune.evaluation.summary import Summary
from lightning_quicktune.files.whole import write_whole
from lightning_quicktune.replay.settings import SettingName
from lightning_quicktune.tracking.settings import TrackingSettings
from lightning_quicktune.tracking.tracker import Tracker

log = logging.getLogger(__name__)


def publish(
    folder: Path, note: Path, metrics: Mapping[str, float], tags: Mapping[str, str], tracking: TrackingSettings
) -> str | None:
    """Makes one MLflow run of a report; the same results again find the first one's.

    Args:
        folder: The report.
        note: File that remembers which results were sent.
        metrics: Metrics of the run.
        tags: Tags of the run.
        tracking: Where MLflow is.

    Returns:
        The run's id; none if the server was away.
    """
    digest = hashlib.sha256((folder / "results.parquet").read_bytes()).hexdigest()
    known = json.loads(note.read_text()) if note.is_file() else {}
    tracker = Tracker(tracking.uri, tracking.experiment)
    if known.get("results") == digest and tracker.has_run(str(known["run_id"])):
        return str(known["run_id"])
    try:
        run_id = tracker.log_folder(
            folder, "evaluation", "evaluate", kind="evaluation", tags=dict(tags), metrics=dict(metrics)
        )
    except Exception as error:  # a server that is away in any way must not cost the result
        log.warning("MLflow at %s did not take the report (%s); it is in %s.", tracker.shown_uri, error, folder)
        return None
    write_whole(note, json.dumps({"run_id": run_id, "results": digest}).encode())
    return run_id


def metrics_of(
    summaries: Mapping[SettingName, Sequence[Summary]], comparisons: Sequence[Comparison], calibration: pd.DataFrame
) -> dict[str, float]:
    """Mean regrets, the primary comparison, and calibration.

    Args:
        summaries: What was found, by setting.
        comparisons: Comparisons of methods.
        calibration: Means by setting, method and budget; may be empty.
    """
    metrics = {
        f"{setting}/{method}/regret_{budget:g}{'s' if summary.unit == 's' else ''}": float(summary.regret[m, b])
        for setting, several in summaries.items()
        for summary in several
        for m, method in enumerate(summary.methods)
        for b, budget in enumerate(summary.budgets)
    }
    for each in comparisons:
        if each.is_primary:
            metrics |= {"primary/gain": each.gain, "primary/lower": each.lower, "primary/upper": each.upper}
    for row in calibration.to_dict("records"):
        name = f"{row.pop('setting')}/{row.pop('method')}"
        at = row.pop("budget")
        metrics |= {f"{name}/{what}_at_{at:g}": float(value) for what, value in row.items()}
    return metrics
