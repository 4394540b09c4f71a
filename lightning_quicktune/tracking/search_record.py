"""What is kept of a search for MLflow, in ``search.json``, however long nobody answers there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from lightning_quicktune.types import Trial

SearchStatus = Literal["running", "paused", "completed", "failed"]


@dataclass(frozen=True)
class SearchFolder:
    """Where a search keeps its record, for whoever sends its trials.

    Args:
        folder: Holds ``search.json``, and ``result`` at the end.
        id: Id of the search, as its record has it.
        name_trial: What the run of a trial is called.
    """

    folder: Path
    id: str
    name_trial: Callable[[Trial], str]


@dataclass(frozen=True)
class Measured:
    """A score of a search, and when it was measured.

    Args:
        value: The score.
        slices: Slices that the search had trained.
        at_s: Seconds of the budget that were spent.
    """

    value: float
    slices: int
    at_s: float


@dataclass(frozen=True)
class SearchRecord:
    """One search, from its first second on.

    Args:
        id: What makes it unique among all searches.
        name: What it is called.
        settings: What the user set when it was begun, by key.
        status: Whether it is running, paused by the user, completed, or ended by an error.
        best: The best score each time that the search was told of a trial.
        metrics: Other scores by name, each as it was measured last.
        tags: All else, in words; settings that were changed later among them.
        result: Digest of the folder ``result`` beside the record; empty until that is whole.
    """

    id: str
    name: str
    settings: Mapping[str, str]
    status: SearchStatus = "running"
    best: tuple[Measured, ...] = ()
    metrics: Mapping[str, Measured] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    result: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> SearchRecord:
        """Reads what ``to_dict`` wrote."""
        best = tuple(Measured(**each) for each in record["best"])
        metrics = {name: Measured(**each) for name, each in record["metrics"].items()}
        return cls(**{**record, "best": best, "metrics": metrics})
