"""Finished trials as small Parquet files, with which a collection goes on from a clean clone on another machine."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import pandas as pd

from lightning_quicktune.files.whole import read_json, write_json, write_whole
from lightning_quicktune.trials.identity import LABEL_VERSION, settings_digest
from lightning_quicktune.trials.task_setup import IDENTITY, TASK_RECORD
from lightning_quicktune.types import Configuration, Trial

_TASKS = "tasks"
_COLUMNS = ("key", "settings", "record")


@dataclass(frozen=True)
class KeptTrial:
    """A trial as a part holds it.

    Args:
        trial: The record, without its fit YAML: the collection that it belongs to makes the same one again.
        settings: Digest of what changes a label in that YAML.
    """

    trial: Trial
    settings: str


class Parts:
    """A folder of ``part-*.parquet``, each of whole finished trials, and of the records of their tasks.

    A part is written once, under a name made of its trials, so that the folder can be kept in a version control.

    Args:
        folder: Where the parts are.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._keys: dict[str, frozenset[str]] = {}

    def keys(self) -> set[str]:
        """Keys of all trials in the parts that have ended and whose labels are those of now; each part is read once."""
        for path in self._paths():
            if path.name not in self._keys:
                self._keys[path.name] = frozenset(kept.trial.key for kept in _kept(path) if _counts(kept.trial))
        return set().union(*self._keys.values())

    def configurations(self, task: str) -> list[Configuration]:
        """The configurations of a task's trials that have ended and whose labels are those of now, by their ids.

        Args:
            task: Name of the task.
        """
        found = _configurations(tuple(self._paths())).get(task, {})
        return [found[name] for name in sorted(found)]

    def newest(self) -> float:
        """When the newest part was written, in seconds since the epoch; 0 if there is none."""
        return max((path.stat().st_mtime for path in self._paths()), default=0.0)

    def read(self) -> list[KeptTrial]:
        """All trials; one that is in several parts comes as often.

        Raises:
            ValueError: If a part can't be read.
        """
        return [kept for path in self._paths() for kept in _kept(path)]

    def write(self, trials: Sequence[Trial]) -> Path | None:
        """Writes those trials that are in no part yet as one part, whole or not at all.

        Args:
            trials: Finished trials.

        Returns:
            The part; none if there was nothing to write.
        """
        known = self.keys()
        rows = [_row(t) for t in sorted(trials, key=lambda t: t.key) if t.key not in known]
        if not rows:
            return None
        content = io.BytesIO()
        pd.DataFrame(rows, columns=list(_COLUMNS)).to_parquet(content, index=False, compression="zstd")
        name = hashlib.sha256(json.dumps(rows).encode()).hexdigest()[:12]
        path = self.folder / f"part-{name}.parquet"
        write_whole(path, content.getvalue())
        return path

    def write_tasks(self, folders: Iterable[Path]) -> None:
        """Keeps the records of tasks that aren't kept yet.

        Args:
            folders: Folder of each task, named as the task.
        """
        for folder in folders:
            path, record = self.folder / _TASKS / f"{folder.name}.json", read_json(folder / TASK_RECORD)
            if record is not None and not path.exists():
                facts = {name: value for name, value in record["facts"].items() if name != "path"}
                identity = read_json(folder / IDENTITY) or {}
                write_json(path, {"task": {**record, "facts": facts}, "identity": identity})

    def restore_task(self, folder: Path) -> None:
        """Puts the kept record of a task back, if the task isn't described there yet; setting it up checks it.

        Args:
            folder: Folder of the task, named as the task.

        Raises:
            ValueError: If the kept record is damaged.
        """
        path = self.folder / _TASKS / f"{folder.name}.json"
        if path.exists() and not (folder / TASK_RECORD).exists():
            kept = read_json(path)
            if kept is None or not {"task", "identity"} <= kept.keys():
                raise ValueError(
                    f"The task record {path} can't be read, so nothing says what its trials in `parts` were run on. "
                    "It must be a file that `collect` wrote, whole. Fetch it again, or set `parts` to another folder."
                )
            write_json(folder / IDENTITY, kept["identity"])
            write_json(folder / TASK_RECORD, kept["task"])

    def _paths(self) -> list[Path]:
        return sorted(self.folder.glob("part-*.parquet"))


@lru_cache(maxsize=4)
def _configurations(paths: tuple[Path, ...]) -> dict[str, dict[str, Configuration]]:
    """By task and id; a part never changes under its name."""
    found: dict[str, dict[str, Configuration]] = {}
    for trial in (kept.trial for path in paths for kept in _kept(path) if _counts(kept.trial)):
        found.setdefault(trial.task, {})[trial.configuration.id] = trial.configuration
    return found


def _counts(trial: Trial) -> bool:
    return trial.has_ended and trial.label_version == LABEL_VERSION


def _row(trial: Trial) -> tuple[str, str, str]:
    record = replace(trial, fit={}).to_dict()
    return trial.key, settings_digest(trial.fit), json.dumps(record, separators=(",", ":"), sort_keys=True)


def _kept(path: Path) -> list[KeptTrial]:
    frame = _read(path)
    with _whole(path):
        pairs = zip(frame["settings"], frame["record"], strict=True)
        return [KeptTrial(Trial.from_dict(json.loads(record)), settings) for settings, record in pairs]


def _read(path: Path) -> pd.DataFrame:
    raw = io.BytesIO(path.read_bytes())  # what fails here says nothing of the file; from memory on, everything does
    with _whole(path):
        frame = pd.read_parquet(raw)
        missing = [c for c in _COLUMNS if c not in frame.columns]
        if missing:
            raise ValueError(f"it has no column {missing[0]!r}")
    return frame


@contextmanager
def _whole(path: Path) -> Iterator[None]:
    """What goes wrong with a part's content says that the part is damaged."""
    try:
        yield
    except MemoryError:
        raise
    except Exception as error:  # a damaged file fails in many ways
        raise _unreadable(path, next(iter(str(error).splitlines()), type(error).__name__)) from error


def _unreadable(path: Path, reason: str) -> ValueError:
    return ValueError(
        f"The part {path} can't be read: {reason}. It must be a file that `collect` wrote into `parts`, whole. Fetch "
        "it again, or delete it: its trials are then run again."
    )
