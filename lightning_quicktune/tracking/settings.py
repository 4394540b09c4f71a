"""Where runs are tracked; light to import, so that the command line answers quickly."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class TrackingSettings:
    """Where MLflow keeps the runs of a command.

    Args:
        experiment: Name of the MLflow experiment; it is created if it is missing.
        uri: Tracking URI; ``mlflow.db`` in the present folder if left out, which ``mlflow ui`` shows there.
    """

    experiment: str
    uri: str | None = None
