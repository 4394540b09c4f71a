"""The outcome of a trial: what counts as failed, as trained to the end and as neither, and what its final score is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np
import pandas as pd
from jaxtyping import Bool

Outcome = Literal["full", "failed", "partial", "interrupted"]

ENDED: tuple[Outcome, ...] = ("full", "failed")  # a searcher stops what looks bad: other ends lack for a reason
TELLING = ("diverged", "out_of_memory")  # failures that say something of the configuration


def outcome(status: str, failure: str | None, fidelity: int, max_fidelity: int) -> Outcome:
    """What came of a trial.

    ``failed``: the configuration itself diverged or needed too much memory; such a trial is experience, and worth no
    more than the worst of its task. ``interrupted``: by any other error, which says nothing of the configuration; such
    a trial is tried again and is no experience. ``full``: trained to the end of its own training, where its last score
    is its final score. ``partial``: none of these, such as what a searcher stopped, whose end is missing for a reason.

    Args:
        status: Status of the trial.
        failure: Why it failed, if it did.
        fidelity: Slices with a score.
        max_fidelity: Slices of this trial's own full training.
    """
    if status == "interrupted":
        return "interrupted"
    if status == "failed":
        return "failed" if tells(failure) else "interrupted"
    return "full" if fidelity >= max_fidelity > 0 else "partial"


def tells(failure: str | None) -> bool:
    """Whether a failure says something of the configuration.

    Args:
        failure: Why a trial failed; the text may go on after its kind.
    """
    return failure is not None and failure.startswith(TELLING)


def final_score(came: Outcome, scores: Sequence[float]) -> float:
    """Score at the end of a trial's own training; not a number where it did not get there or failed.

    Args:
        came: What came of the trial.
        scores: Score after each slice.
    """
    return scores[-1] if came == "full" else math.nan


def outcomes(ends: pd.DataFrame) -> dict[Outcome, Bool[np.ndarray, " N"]]:
    """The same of many trials: which of them had each outcome.

    Args:
        ends: The last row of each trial, as ``trials.parquet`` has it.
    """
    columns = (ends[name].tolist() for name in ("status", "failure", "fidelity", "max_fidelity"))
    found = [
        outcome(status, None if pd.isna(failure) else failure, fidelity, max_fidelity)
        for status, failure, fidelity, max_fidelity in zip(*columns, strict=True)
    ]
    kinds = np.array(found, dtype=object)
    return {kind: kinds == kind for kind in ("full", "failed", "partial", "interrupted")}
