"""Endings of the trials of a foreign table, and the length of the whole training of each."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool, Int

from lightning_quicktune.metadataset.import_settings import ImportSettings

# What may stand in a status column -> status and failure, as our tables have them.
ENDINGS: dict[str, tuple[str, str | None]] = {
    "completed": ("completed", None),
    "stopped": ("stopped", None),
    "failed": ("failed", "diverged"),
    "diverged": ("failed", "diverged"),
    "out_of_memory": ("failed", "out_of_memory"),
    "interrupted": ("failed", "error: interrupted"),
}
MEANINGS = {
    "complete": "completed",
    "finished": "completed",
    "done": "completed",
    "terminated": "completed",
    "success": "completed",
    "pruned": "stopped",
    "early_stopped": "stopped",
    "running": "stopped",
    "paused": "stopped",
    "fail": "failed",
    "error": "interrupted",
    "crashed": "interrupted",
    "killed": "interrupted",
    "oom": "out_of_memory",
    "nan": "diverged",
}


def endings(
    said: Sequence[Any] | None,
    task: Int[np.ndarray, " T"],
    length: Int[np.ndarray, " T"],
    diverged: Bool[np.ndarray, " T"],
    settings: ImportSettings,
) -> pd.DataFrame:
    """Status, failure and whole length of each trial.

    The whole length is what was recorded where a training was completed. Of any other it is the longest recorded of
    the task, and one slice more than was recorded of what was stopped.

    Args:
        said: What the status column says of each trial; none if there is no such column.
        task: Task of each trial.
        length: Rows with a score of each trial.
        diverged: Whether a score of the trial is no number.
        settings: What the end of a curve means where no column tells.

    Raises:
        ValueError: If the column has a word of its own.
    """
    longest = np.zeros(int(task.max(initial=-1)) + 1, dtype=np.int64)
    np.maximum.at(longest, task, length)
    whole = np.maximum(longest[task], 1)
    if said is None:
        shorter = (length < whole) & (settings.ends == "stopped")
        words = np.where(shorter, "stopped", "completed").astype(object)
    else:
        words = _checked(said, settings)
    words[diverged] = "diverged"
    known = [ENDINGS[word] for word in words]
    status = np.array([status for status, _ in known], dtype=object)
    whole = np.where(status == "completed", np.maximum(length, 1), whole)
    whole = np.where(status == "stopped", np.maximum(whole, length + 1), whole)
    failure = pd.array([failure for _, failure in known], dtype="string")
    return pd.DataFrame({"status": pd.array(status, dtype="string"), "failure": failure, "max_fidelity": whole})


def lengths_note(task: Int[np.ndarray, " T"], length: Int[np.ndarray, " T"]) -> list[str]:
    """What to say of curves that differ in length within a task.

    Args:
        task: Task of each trial.
        length: Rows with a score of each trial.
    """
    known = pd.DataFrame({"task": task, "length": length})
    n_tasks = int((known.groupby("task")["length"].nunique() > 1).sum())
    if not n_tasks:
        return []
    return [
        f"the learning curves have {known['length'].nunique()} lengths, from {length.min()} to {length.max()} slices, "
        f"and on {n_tasks} tasks they differ: the last row of each is taken as the end of its own training; where "
        "trials were stopped before, say so by `ends: stopped` or `columns.status`"
    ]


def _checked(said: Sequence[Any], settings: ImportSettings) -> np.ndarray:
    statuses = settings.statuses or {}
    found = ["" if pd.isna(word) else str(word) for word in said]
    words = np.array([statuses.get(word, word) for word in found], dtype=object)
    foreign = pd.Series(words)[~np.isin(words, list(ENDINGS))].value_counts()
    if len(foreign):
        meant = {word: MEANINGS.get(str(word).lower().replace(" ", "_")) for word in foreign.index}
        listed = [
            f"{word or 'an empty cell'!r} ({n}{f', perhaps {meant[word]}' if meant[word] else ''})"
            for word, n in foreign.head(8).items()
        ]
        example = ", ".join(f"{json.dumps(word)}: {meant[word] or 'interrupted'}" for word in foreign.index[:8])
        raise ValueError(
            f"The column {settings.columns.status!r} says {', '.join(listed)} of trials, but a status is one of "
            f"{', '.join(ENDINGS)}. Say what each word means, such as `statuses: {{{example}}}`, or drop "
            "`columns.status`."
        )
    return words
