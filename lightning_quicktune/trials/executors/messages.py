"""What a worker's process says to its driver, as JSON: whatever arrives is read, never run."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightning_quicktune.trials.executors.worker import Ended, Event, Idle, LeftOver, Raised, Recorded, Stepped
from lightning_quicktune.types import Trial

_KINDS: Mapping[str, type[Exception]] = {
    "FileNotFoundError": FileNotFoundError,
    "OSError": OSError,
    "ValueError": ValueError,
}  # which callers tell errors by, a subclass before its class


def event_bytes(event: Event) -> bytes:
    """An event as a message.

    Args:
        event: What a worker says.
    """
    return json.dumps({"event": type(event).__name__, **_values(event)}).encode()


def read_event(message: bytes) -> Event:
    """Reads what ``event_bytes`` has made; an error is of the kinds that ``Raised.of`` knows.

    Args:
        message: One whole message.

    Raises:
        ValueError: If it is none.
    """
    said = json.loads(message)
    match said.pop("event"):
        case "Recorded":
            return Recorded(Path(said["folder"]))
        case "Stepped":
            return Stepped(**said)
        case "Ended":
            trial = said.pop("trial")
            return Ended(trial=None if trial is None else Trial.from_dict(trial), **said)
        case "LeftOver":
            return LeftOver(tuple(said["keys"]), said["size"])
        case "Idle":
            return Idle()
        case "Raised":
            return Raised(_error(**said))
        case other:
            raise ValueError(f"A worker said {other!r}, which is no event. Run the same command again.")


def _values(event: Event) -> dict[str, Any]:
    match event:
        case Recorded(folder):
            return {"folder": str(folder)}
        case Ended(trial=trial):
            return {**vars(event), "trial": None if trial is None else trial.to_dict()}
        case Raised(OSError(errno=int(number)) as error):
            file = None if error.filename is None else os.fsdecode(error.filename)
            return {"kind": "OSError", "words": error.strerror, "number": number, "file": file}
        case Raised(error):
            kind = next((name for name, each in _KINDS.items() if isinstance(error, each)), "RuntimeError")
            return {"kind": kind, "words": str(error)}
        case _:
            return vars(event)


def _error(kind: str, words: str, number: int | None = None, file: str | None = None) -> Exception:
    return _KINDS.get(kind, RuntimeError)(words) if number is None else OSError(number, words, file)
