"""The search in MLflow: one run that holds its report."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from lightning_quicktune.files.whole import read_json, write_json
from lightning_quicktune.search.guarded_searcher import Verdict
from lightning_quicktune.tracking.tracker import Tracker
from lightning_quicktune.tuning.comparison import Compared
from lightning_quicktune.types import TaskInfo

log = logging.getLogger(__name__)


def publish(
    tracker: Tracker,
    output: Path,
    task: TaskInfo,
    rows: Sequence[Compared],
    n_observations: int,
    verdict: Verdict | None,
) -> str | None:
    """Sends ``result`` as a run of its own; a second call finds the first one's, unless there is more to say.

    Args:
        tracker: Where MLflow is.
        output: Folder of the search.
        task: Its task.
        rows: The comparison on the test split.
        n_observations: How much was observed.
        verdict: Whether the task is like those that are known, where that was asked.

    Returns:
        Id of the run; none if MLflow was away.
    """
    note, names = output / "mlflow.json", [row.name for row in rows]
    known = read_json(note)
    if (
        known is not None
        and (known["n_observations"], known.get("rows", names)) == (n_observations, names)
        and tracker.has_run(str(known["run_id"]))
    ):
        return str(known["run_id"])
    metrics = {f"{row.name}/test_{name}": value for row in rows for name, value in row.test_metrics.items()}
    tags = {"task": task.name, "base_model": task.base_model.name}
    if verdict is not None:
        tags["guard"] = "unlike" if verdict.is_unlike else "alike"
        metrics["guard/evidence"] = verdict.evidence
    folder = output / "result"
    try:
        run_id = tracker.log_folder(folder, "result", f"tune {task.name}", kind="tune", tags=tags, metrics=metrics)
    except Exception as error:  # a server that is away in any way must not cost the result
        log.warning("MLflow at %s did not take the report (%s); it is in %s.", tracker.shown_uri, error, folder)
        return None
    write_json(note, {"run_id": run_id, "n_observations": n_observations, "rows": names})
    return run_id
