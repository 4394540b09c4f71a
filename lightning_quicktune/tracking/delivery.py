"""What MLflow has of a command's records and report, in words."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from lightning_quicktune.tracking.places import shown_uri


@dataclass(frozen=True)
class Delivery:
    """How the sending of several records went.

    Args:
        n_records: Records in all.
        n_lacking: Those of them that MLflow lacks, in full or in part.
        uri: Where MLflow is, without a password.
        reason: What kept the last of them; none if nothing is lacking.
    """

    n_records: int
    n_lacking: int
    uri: str
    reason: str | None = None

    @property
    def words(self) -> str:
        """What is lacking; for deliveries that lack something. Why was said when MLflow first took nothing."""
        return f"MLflow at {self.uri} lacks {self.n_lacking} of {self.n_records} records"


def mlflow_line(run_id: str | None, uri: str, delivery: Delivery | None = None, table: str | None = None) -> str:
    """Where MLflow shows what a command did, or what it lacks.

    Args:
        run_id: The run that holds the report; none if MLflow did not take it.
        uri: Resolved tracking URI.
        delivery: How the sending of the records went, if there were any.
        table: Where a browser shows all runs; none to name the run alone.
    """
    shown = shown_uri(uri)
    if run_id is None:
        words = f"the report was not taken by {shown}"
    elif shown.startswith("http"):
        words = table or f"run {run_id} at {shown}"
    else:
        words = f"run {run_id}; `mlflow ui --backend-store-uri {shlex.quote(shown)}` shows it"
        words += f" at {table}" if table else ""
    if delivery is not None and delivery.n_lacking:
        words += f"; {delivery.n_lacking} of {delivery.n_records} records are lacking there"
        words += f" ({delivery.reason})" if run_id else ""  # else it was said with that of the report
    if run_id is None or (delivery is not None and delivery.n_lacking):
        words += "; all is on this disk, and the same command sends it once MLflow answers"
    return f"MLflow   {words}"
