"""What a folder remembers of the MLflow run that stands for it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from lightning_quicktune.files.whole import write_json
from lightning_quicktune.tracking.content import RunContent

SENT_FILE = "sent.json"


@dataclass(frozen=True)
class Sent:
    """What MLflow already has of a record.

    Args:
        uri: Tracking URI it was sent to, without its password.
        experiment: Name of the experiment.
        created_ms: When the experiment was made: a database that took another's place has another time.
        run_id: The run that stands for the record.
        started_ms: Start of that run, in milliseconds since 1970.
        digest: Digest of the record as it was sent; empty if only the run was created.
        status: Status of the run.
        fidelity: Largest step that was sent.
        n_points: Number of metric values that were sent.
        tags: Tags as they were sent.
        result: Digest of the result as it was sent; empty if none was.
    """

    uri: str
    experiment: str
    created_ms: int
    run_id: str
    started_ms: int
    digest: str
    status: str
    fidelity: int
    n_points: int
    tags: Mapping[str, str]
    result: str = ""

    def new_steps(self, content: RunContent) -> int:
        """First step whose metrics MLflow does not have in full.

        Sending a point twice does no harm, for its time stamp is the same; so if a value was added to a slice that
        had been sent (a test score), all are sent again.
        """
        known = sum(point.step <= self.fidelity for point in content.points)
        return self.fidelity + 1 if known == self.n_points else 0

    def write(self, folder: Path) -> None:
        """Writes it into the folder, all or nothing."""
        write_json(folder / SENT_FILE, asdict(self))


def read_sent(folder: Path, uri: str, experiment: str, created_ms: int) -> Sent | None:
    """What was sent from a folder to this very experiment; none if nothing was, or if the note is unreadable."""
    sent = _read(folder)
    if sent is None or (sent.uri, sent.experiment, sent.created_ms) != (uri, experiment, created_ms):
        return None
    return sent


def noted_run_id(folder: Path, uri: str, experiment: str) -> str | None:
    """The run that stands for a folder, as far as its note says; none if it says nothing of this experiment.

    Args:
        folder: Folder of a search.
        uri: Tracking URI, without its password.
        experiment: Name of the experiment.
    """
    sent = _read(folder)
    return sent.run_id if sent is not None and (sent.uri, sent.experiment) == (uri, experiment) else None


def forget(folder: Path) -> None:
    """Drops the note of a folder, so that its record is sent as a new run."""
    (folder / SENT_FILE).unlink(missing_ok=True)


def says_sent(folder: Path, uri: str, experiment: str, digest: str) -> bool:
    """Whether the note of a folder says that this very record was sent, which is all that can be told unasked.

    Args:
        folder: Folder of one trial or task.
        uri: Tracking URI, without its password.
        experiment: Name of the experiment.
        digest: Digest of the record.
    """
    sent = _read(folder)
    return sent is not None and (sent.uri, sent.experiment, sent.digest) == (uri, experiment, digest)


def _read(folder: Path) -> Sent | None:
    try:
        return Sent(**json.loads((folder / SENT_FILE).read_text(encoding="utf-8")))
    except (FileNotFoundError, ValueError, TypeError):  # the run is found again by its tags
        return None
