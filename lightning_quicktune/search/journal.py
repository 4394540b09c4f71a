"""The state of a search on disk."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lightning_quicktune.files.jsonl import append_line, complete_lines
from lightning_quicktune.types import Configuration, LearningCurve, Observation, SliceResult, Suggestion

_VERSION = 1


@dataclass(frozen=True)
class JournalEntry:
    """One suggestion and what came of it.

    Args:
        suggestion: What was asked for.
        observation: What came of it; its ``cost_s`` includes ``thinking_s``.
        thinking_s: Seconds the searcher took to suggest it, and to take in what came just before.
        elapsed_s: Wall-clock seconds of the whole search when it ended.
        repeated: Slices that were trained again, because the trial's checkpoint was gone; they cost like new ones.
    """

    suggestion: Suggestion
    observation: Observation
    thinking_s: float
    elapsed_s: float
    repeated: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; ``config_id`` is written for readers and ignored by ``from_dict``."""
        return {
            "config_id": self.suggestion.configuration.id,
            "configuration": dict(self.suggestion.configuration.values),
            "fidelity": self.suggestion.fidelity,
            "curve": [asdict(s) for s in self.observation.curve.slices],
            "failed": self.observation.failed,
            "cost_s": self.observation.cost_s,
            "thinking_s": self.thinking_s,
            "elapsed_s": self.elapsed_s,
            "repeated": self.repeated,
        }

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> JournalEntry:
        """Reads what ``to_dict`` wrote."""
        configuration = Configuration(record["configuration"])
        curve = LearningCurve(tuple(SliceResult(**s) for s in record["curve"]))
        observation = Observation(configuration, curve, record["failed"], record["cost_s"])
        suggestion = Suggestion(configuration, record["fidelity"])
        return cls(suggestion, observation, record["thinking_s"], record["elapsed_s"], record.get("repeated", 0))


class Journal:
    """The file ``observations.jsonl``: who searches, then one line per observation, each safe on disk at once.

    A last line cut short by a kill is dropped; everything before it counts.

    Args:
        folder: Where the file lies or will lie.
        identity: What makes this search the same one when it goes on: task, base model, space, pool, searcher and
            their seeds, in plain values for JSON.
        later: Names of it that earlier versions did not write: a search of theirs goes on without comparing them.
    """

    def __init__(self, folder: str | Path, identity: Mapping[str, Any], later: Collection[str] = ()) -> None:
        self.path = Path(folder) / "observations.jsonl"
        self._identity = json.loads(json.dumps(identity))
        self._later = frozenset(later)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        lines = self._read_lines()
        if lines:
            self._check_identity(lines[0])
        else:
            self._write_line({"version": _VERSION, "identity": self._identity})
        self._entries = [self._parse(line, number) for number, line in enumerate(lines[1:], start=2)]

    @property
    def entries(self) -> tuple[JournalEntry, ...]:
        """All observations so far, those of earlier sessions first."""
        return tuple(self._entries)

    def append(self, entry: JournalEntry) -> None:
        """Writes one observation; on return it is on disk."""
        self._write_line(entry.to_dict())
        self._entries.append(entry)

    def _read_lines(self) -> list[bytes]:
        """Complete lines; a last one that isn't JSON is what a kill left of it."""
        lines = complete_lines(self.path)
        if lines and not _is_json(lines[-1]):
            lines = lines[:-1]
            os.truncate(self.path, sum(len(line) + 1 for line in lines))
        return lines

    def _write_line(self, record: Mapping[str, Any]) -> None:
        try:
            append_line(self.path, record)
        except OSError as error:
            raise OSError(
                f"`{self.path}` can't be written: {error}. What isn't on disk would be trained again after a restart, "
                "so the search stops. Free some space or check the folder's rights, then start the same command again: "
                "everything before this observation is kept."
            ) from error

    def _check_identity(self, line: bytes) -> None:
        header = json.loads(line) if _is_json(line) else None
        if not isinstance(header, dict) or header.get("version") != _VERSION or "identity" not in header:
            raise ValueError(
                f"`{self.path}` does not begin with the header of a search of version {_VERSION}, so it can't be "
                "continued. Use another output folder, or move the file away."
            )
        stored = header["identity"]
        compared = {*stored, *self._identity} - (self._later - stored.keys())
        names = sorted(n for n in compared if stored.get(n) != self._identity.get(n))
        if names:
            changes = ", ".join(f"{n} was {stored.get(n)!r} and is now {self._identity.get(n)!r}" for n in names)
            raise ValueError(
                f"`{self.path}` belongs to another search: {changes}. Its observations would mislead this one. "
                "To go on with the earlier search, give it the same settings; for a new one, use another output folder."
            )

    def _parse(self, line: bytes, number: int) -> JournalEntry:
        try:
            return JournalEntry.from_dict(json.loads(line))
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(
                f"Line {number} of `{self.path}` is damaged ({type(error).__name__}: {error}); only the last one "
                "may be cut short. Restore the file from a copy, delete that line to train its slices again, or use "
                "another output folder."
            ) from error


def _is_json(line: bytes) -> bool:
    try:
        json.loads(line)
    except ValueError:
        return False
    return True
