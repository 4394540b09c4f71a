"""The limits of a meta-dataset: values beyond the border of what was tried, differences that may be luck."""

from __future__ import annotations

import math

from lightning_quicktune.metadataset.arrays import CurveArrays
from lightning_quicktune.metadataset.border import borders
from lightning_quicktune.metadataset.noise import score_noise, validation_records
from lightning_quicktune.metadataset.table import MetaDataset
from lightning_quicktune.space.search_space import SearchSpace
from lightning_quicktune.wording.markdown import markdown_table, number


def border_part(arrays: CurveArrays, space: SearchSpace) -> str:
    """On how many tasks the best configuration has the smallest or the largest value that was tried.

    Args:
        arrays: Learning curves of the tasks.
        space: Where the configurations come from.
    """
    head = ["## Best values on the border", ""]
    found = {name: border for name, border in borders(arrays, space).items() if border.n_tasks}
    if not found:
        return "\n".join([*head, "No hyperparameter has an order and three values that were tried on a task."])
    rows = [[name, str(b.n_smallest), str(b.n_largest), str(b.n_tasks)] for name, b in found.items()]
    columns = ["hyperparameter", "best is the smallest tried", "best is the largest tried", "of tasks"]
    notes = []
    for name, border in found.items():
        n = max(border.n_smallest, border.n_largest)
        side = "smallest" if border.n_smallest == n else "largest"
        if 2 * n > border.n_tasks and (n > 1 or len(arrays.tasks) == 1):
            notes.append(
                f"`{name}`: on {n} of {border.n_tasks} tasks the best configuration has the {side} value that was "
                "tried, so a better one may lie beyond: widen its range if it can be."
            )
    return "\n".join(
        [*head, markdown_table(columns, rows, right_from=1), *(line for note in notes for line in ("", note))]
    )


def noise_part(dataset: MetaDataset, arrays: CurveArrays) -> str:
    """Below which regret a difference may be luck, on each task whose number of validation records is known.

    Args:
        dataset: The meta-dataset.
        arrays: Its learning curves.
    """
    head = ["## Noise of scores", ""]
    rows = []
    for name, scores, final in zip(arrays.tasks, arrays.scores, arrays.final, strict=True):
        found = score_noise(scores, final, validation_records(dataset.task_info(name)))
        if found is not None:
            regret = number(found.regret) if math.isfinite(found.regret) else "any"
            rows.append([name, str(found.n_records), number(found.standard_error, 4), regret, str(found.n_alike)])
    if not rows:
        return "\n".join([*head, "No task tells how many records its scores were measured on (`validation_records`)."])
    columns = ["task", "records", "standard error of the best score", "normalised regret", "like the best"]
    note = (
        "The standard error is that of a share of right answers. Below that regret the better of two configurations "
        "may be so by luck; so many others can't be told from the best."
    )
    return "\n".join([*head, markdown_table(columns, rows, right_from=1), "", note])
