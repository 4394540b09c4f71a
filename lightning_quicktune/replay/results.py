"""The replays of an evaluation on disk, so that an interrupted one goes on."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from glob import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote

from lightning_quicktune.files.whole import write_whole
from lightning_quicktune.replay.calibration import Calibrated
from lightning_quicktune.replay.observed import Observed
from lightning_quicktune.replay.splits import Split

_VERSION = 5


@dataclass(frozen=True, order=True)
class ReplayKey:
    """What makes a replay one of a kind.

    Args:
        split: What was learned from, and what was searched.
        method: Name of the search method.
        task: Name of the task.
        seed: Seed of the replay.
    """

    split: Split
    method: str
    task: str
    seed: int


@dataclass(frozen=True)
class Replayed:
    """A finished replay.

    Args:
        key: Which one.
        horizon_s: Its budget in simulated seconds; nothing is known of what comes later.
        best: Its incumbents, in the order of time.
        thinking_s: CPU seconds the method took to choose.
        n_suggestions: How often it chose.
        calibration: How well it predicted the final scores that it hadn't seen, at some moments.
        fell_back: Whether it found the task unlike those that are known; none for methods without a guard.
    """

    key: ReplayKey
    horizon_s: float
    best: tuple[Observed, ...]
    thinking_s: float
    n_suggestions: int
    calibration: tuple[Calibrated, ...] = ()
    fell_back: bool | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Replayed:
        """Reads what ``to_dict`` wrote."""
        key = {**record["key"], "split": Split(**record["key"]["split"])}
        best = tuple(Observed(**each) for each in record["best"])
        calibration = tuple(Calibrated(**{**c, "covered": tuple(c["covered"])}) for c in record["calibration"])
        return cls(**{**record, "key": ReplayKey(**key), "best": best, "calibration": calibration})


class ReplayStore:
    """The folder ``replays``: one small file per batch of replays, and what they all have in common.

    Replays lie in a folder of the code they were made by: after a change of code they stay, and count again once it is
    taken back.

    Several processes may write at the same time; a file is there whole or not at all.

    Args:
        folder: Folder of the evaluation.
        identity: What must be the same for replays to be compared, in plain values for JSON.
        codes: The present code of each method, by its key; replays by other code, or of other methods, are passed over.

    Raises:
        ValueError: If the folder holds another evaluation.
    """

    def __init__(self, folder: Path, identity: Mapping[str, Any], codes: Mapping[str, str]) -> None:
        self.folder = folder / "replays"
        self._check(folder / "evaluation.json", {"version": _VERSION, **json.loads(json.dumps(identity))})
        self._done: dict[ReplayKey, Replayed] = {}
        for key, code in codes.items():
            for path in sorted(self.folder.glob(f"*/{escape(key)}/{code}/*.json")):
                self.add(Replayed.from_dict(record) for record in json.loads(path.read_text()))

    def find(self, key: ReplayKey, horizon_s: float) -> Replayed | None:
        """A replay that went at least as far as ``horizon_s``, if there is one."""
        found = self._done.get(key)
        return found if found is not None and found.horizon_s >= horizon_s else None

    def add(self, replays: Iterable[Replayed]) -> None:
        """Takes in finished replays; of two of a key, the longer one stays."""
        for replayed in replays:
            if self.find(replayed.key, replayed.horizon_s) is None:
                self._done[replayed.key] = replayed

    def _check(self, path: Path, wanted: dict[str, Any]) -> None:
        if not path.is_file():
            write_whole(path, (json.dumps(wanted, indent=1) + "\n").encode())
            return
        known = json.loads(path.read_text())
        differing = [name for name in {**known, **wanted} if known.get(name) != wanted.get(name)]
        if differing:
            changes = "; ".join(f"{n} was {known.get(n)!r} and is now {wanted.get(n)!r}" for n in differing)
            raise ValueError(
                f"{path} holds another evaluation: {changes}. Replays of both can't be compared. "
                "Set `output` to another folder, or go on with the settings of before."
            )


def write_replays(folder: Path, code: str, replays: Sequence[Replayed]) -> None:
    """Writes one batch of replays of a method on a task; on return it is on disk.

    Args:
        folder: Folder of the evaluation.
        code: The code that they were made by.
        replays: The batch.
    """
    key, seeds = replays[0].key, [each.key.seed for each in replays]
    # A longer horizon is another file, so that nothing that was finished is ever overwritten.
    name = f"{quote(key.task, safe='')}.{seeds[0]}-{seeds[-1]}.{replays[0].horizon_s:.6g}s.json"
    path = folder / "replays" / quote(key.split.name, safe="") / key.method / code / name
    write_whole(path, json.dumps([each.to_dict() for each in replays]).encode())
