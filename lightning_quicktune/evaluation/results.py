"""The replays of an evaluation on disk, so that an interrupted one goes on."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lightning_quicktune.evaluation.regret import Observed

_VERSION = 1


@dataclass(frozen=True)
class ReplayKey:
    """What makes a replay one of a kind.

    Args:
        fold: Fold in which the task was held out.
        method: Name of the search method.
        seed: Seed of the replay.
        task: Name of the task.
    """

    fold: int
    method: str
    seed: int
    task: str


@dataclass(frozen=True)
class Replayed:
    """A finished replay.

    Args:
        key: Which one.
        horizon: Its budget in full trainings; nothing is known of what comes later.
        best: Its incumbents, in the order of time.
    """

    key: ReplayKey
    horizon: float
    best: tuple[Observed, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {**asdict(self.key), "horizon": self.horizon, "best": [asdict(each) for each in self.best]}

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Replayed:
        """Reads what ``to_dict`` wrote."""
        key = ReplayKey(record["fold"], record["method"], record["seed"], record["task"])
        return cls(key, record["horizon"], tuple(Observed(**each) for each in record["best"]))


class ReplayLog:
    """The file ``replays.jsonl``: what is evaluated, then one line per finished replay.

    A last line cut short by a kill is dropped.

    Args:
        folder: Where the file lies or will lie.
        identity: What must be the same for replays to be compared, in plain values for JSON.

    Raises:
        ValueError: If the file belongs to another evaluation.
    """

    def __init__(self, folder: Path, identity: Mapping[str, Any]) -> None:
        self.path = folder / "replays.jsonl"
        folder.mkdir(parents=True, exist_ok=True)
        plain = {"version": _VERSION, **json.loads(json.dumps(identity))}
        lines = self._complete_lines()
        if lines:
            self._check(json.loads(lines[0]), plain)
        else:
            self._append(plain)
        self._done = {each.key: each for each in (Replayed.from_dict(json.loads(line)) for line in lines[1:])}

    def find(self, key: ReplayKey, horizon: float) -> Replayed | None:
        """A replay that went at least as far as ``horizon``, if there is one."""
        found = self._done.get(key)
        return found if found is not None and found.horizon >= horizon else None

    def add(self, replayed: Replayed) -> None:
        """Writes a finished replay down; on return it is on disk."""
        self._append(replayed.to_dict())
        self._done[replayed.key] = replayed

    def _complete_lines(self) -> list[bytes]:
        if not self.path.is_file():
            return []
        content = self.path.read_bytes()
        whole = content[: content.rfind(b"\n") + 1]
        if len(whole) < len(content):
            os.truncate(self.path, len(whole))
        return whole.splitlines()

    def _append(self, record: Mapping[str, Any]) -> None:
        with self.path.open("ab") as file:
            file.write(json.dumps(record).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())

    def _check(self, known: dict[str, Any], wanted: dict[str, Any]) -> None:
        differing = [name for name in {**known, **wanted} if known.get(name) != wanted.get(name)]
        if differing:
            changes = "; ".join(f"{n} was {known.get(n)!r} and is now {wanted.get(n)!r}" for n in differing)
            raise ValueError(
                f"{self.path} holds another evaluation: {changes}. Replays of both can't be compared. "
                "Set `output` to another folder, or go on with the settings of before."
            )


def write_whole(path: Path, content: bytes) -> None:
    """Writes a whole file or nothing.

    Args:
        path: The file; its folder is made if it is missing.
        content: What it will hold.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        unfinished.write_bytes(content)
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)
