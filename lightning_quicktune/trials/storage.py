"""The folder of a trial: its record, and whose labels mean what they would mean now."""

from __future__ import annotations

import os
from pathlib import Path

from lightning_quicktune.files.whole import read_json, write_json
from lightning_quicktune.tracking.sent import SENT_FILE
from lightning_quicktune.trials.identity import LABEL_VERSION
from lightning_quicktune.types import Trial

RECORD = "trial.json"
FIT_YAML = "fit.yaml"


def check_output(folder: Path) -> None:
    """Makes the folder of results, and sees that files can be written there.

    Args:
        folder: Value of ``output``.

    Raises:
        ValueError: If it can't be made, or not be written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        writable = os.access(folder, os.W_OK | os.X_OK)
        reason = None if writable else "it can't be written to"
    except OSError as error:
        reason = error.strerror or str(error)
    if reason:
        raise ValueError(
            f"`output` is {str(folder)!r}, but no results can be kept there: {reason}. Set `output` to a folder that "
            "exists or can be made, and written to."
        )


def read_trial(folder: Path) -> Trial | None:
    """The trial record of a folder, if there is a readable one."""
    record = read_json(folder / RECORD)
    return Trial.from_dict(record) if record else None


def read_current(folder: Path) -> Trial | None:
    """The trial record of a folder, if its labels mean what they would mean now."""
    trial = read_trial(folder)
    return trial if trial is not None and trial.label_version == LABEL_VERSION else None


def put_aside_other_labels(folder: Path) -> int | None:
    """Makes room for a trial whose record has labels of another version; that record stays beside, under another name.

    Args:
        folder: Folder of the trial, in which no other process works.

    Returns:
        The version of the labels; none if there is no such record.

    Raises:
        ValueError: If a newer version of this program trains there: both would put the other's trials aside for ever.
    """
    trial = read_trial(folder)
    if trial is None or trial.label_version == LABEL_VERSION:
        return None
    if trial.label_version > LABEL_VERSION:
        raise ValueError(newer_labels(folder, trial.label_version, "output"))
    for path in (*folder.glob("*.ckpt*"), folder / SENT_FILE):
        path.unlink(missing_ok=True)
    os.replace(folder / RECORD, folder / f"trial-labels-{trial.label_version}.json")
    return trial.label_version


def newer_labels(folder: Path, version: int, key: str) -> str:
    """What to say of trials that a newer version of this program has trained.

    Args:
        folder: Where they are.
        version: The version of their labels.
        key: Key of the YAML that names the folder, or one around it.
    """
    return (
        f"{folder} holds trials with labels of version {version}, made by a newer lightning-quicktune; this one knows "
        f"version {LABEL_VERSION} and can't go on with them. Install the same version on all machines (`pip install "
        f"--upgrade lightning-quicktune`), or set `{key}` to another folder."
    )


def write_trial(folder: Path, trial: Trial) -> None:
    """Writes the trial record."""
    write_json(folder / RECORD, trial.to_dict())
