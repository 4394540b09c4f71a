"""The search in MLflow: one run that holds its report."""

from __future__ import annotations

import logging
from pathlib import Path

from lightning_quicktune.files.whole import read_json, write_json
from lightning_quicktune.tracking.tracker import Tracker
from lightning_quicktune.tuning.outcome import Outcome

log = logging.getLogger(__name__)


def publish(tracker: Tracker, output: Path, outcome: Outcome) -> str | None:
    """Sends ``result`` as a run of its own; a second call finds the first one's, unless there is more to say.

    Args:
        tracker: Where MLflow is.
        output: Folder of the search.
        outcome: All that was done and found.

    Returns:
        Id of the run; none if MLflow was away.
    """
    note, task = output / "mlflow.json", outcome.task
    names, n_observations = [row.name for row in outcome.rows], len(outcome.result.entries)
    known = read_json(note)
    if (
        known is not None
        and (known["n_observations"], known.get("rows", names)) == (n_observations, names)
        and tracker.has_run(str(known["run_id"]))
    ):
        return str(known["run_id"])
    metrics = {f"{row.name}/test_{name}": value for row in outcome.rows for name, value in row.test_metrics.items()}
    tags = {"task": task.name, "base_model": task.base_model.name}
    if outcome.verdict is not None:
        tags["guard"] = "unlike" if outcome.verdict.is_unlike else "alike"
        metrics["guard/evidence"] = outcome.verdict.evidence
    folder = output / "result"
    try:
        run_id = tracker.log_folder(folder, "result", f"tune {task.name}", kind="tune", tags=tags, metrics=metrics)
    except Exception as error:  # a server that is away in any way must not cost the result
        log.warning("MLflow at %s did not take the report (%s); it is in %s.", tracker.shown_uri, error, folder)
        return None
    write_json(note, {"run_id": run_id, "n_observations": n_observations, "rows": names})
    return run_id
