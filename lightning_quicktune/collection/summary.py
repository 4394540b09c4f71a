"""The summary of a collection: what it took, in numbers that can be quoted."""

from __future__ import annotations

import resource
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from lightning_quicktune.types import Overheads, Trial

_BYTES_PER_UNIT = 1 if sys.platform == "darwin" else 1024  # of ru_maxrss


def summarize(trials: Sequence[Trial], begun: Mapping[str, int], seconds: float, workers: int) -> dict[str, Any]:
    """Counts, speed and overheads; speed and shares are of the trials that this start of the command ran.

    Args:
        trials: All trials of the collection that have ended or were interrupted by an error, one record each.
        begun: Slices that each of those had which this start has run, before it did, by key.
        seconds: Wall-clock seconds of this start.
        workers: Processes that ran trials side by side.

    Returns:
        Plain values for JSON. What counts as a trial or a failure has ended; ``interrupted`` counts those that are
        taken up again at the next start. ``training_share`` is the part of all workers' time spent in training and
        validation; ``overhead_s`` has the mean seconds of a trial outside its slices, by kind.
    """
    ran = [trial for trial in trials if trial.key in begun]
    ended, n_new = [trial for trial in trials if trial.has_ended], sum(trial.has_ended for trial in ran)
    in_slices = sum(sum(trial.curve.costs_s[begun[trial.key] :]) for trial in ran)
    return {
        "trials": len(ended),
        "failures": dict(Counter(_kind(trial.failure) for trial in ended if trial.failure)),
        "interrupted": len(trials) - len(ended),
        "new_trials": n_new,
        "seconds": seconds,
        "workers": workers,
        "trials_per_hour": n_new / seconds * 3600,
        "training_share": in_slices / (seconds * workers),
        "overhead_s": _mean_overheads(ran),
        "peak_memory_bytes": peak_memory_bytes(),
    }


def peak_memory_bytes() -> int:
    """Most memory that this process or one of its ended children has had at once."""
    who = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return max(resource.getrusage(w).ru_maxrss for w in who) * _BYTES_PER_UNIT


def _kind(failure: str) -> str:
    """``error: ...`` without its message."""
    return failure.split(":", 1)[0]


def _mean_overheads(trials: Sequence[Trial]) -> dict[str, float]:
    each = [asdict(trial.overheads) for trial in trials]
    return {name: sum(e[name] for e in each) / len(each) for name in asdict(Overheads())} if each else {}
