"""Results on disk, one line each, so that an interrupted synthesis goes on where it was."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from lightning_quicktune.files.jsonl import append_line, complete_lines


class Journal:
    """A JSONL file of results by key, read at once and appended to.

    Args:
        path: The file; its folder is made if it is missing.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._results: dict[str, dict[str, Any]] = {}
        self._load()

    def get(self, key: str) -> dict[str, Any] | None:
        """The result of that key, if there is one."""
        return self._results.get(key)

    def add(self, key: str, result: dict[str, Any]) -> None:
        """Appends a result; it is on disk when this returns."""
        append_line(self.path, {"key": key, **result})
        self._results[key] = result

    def _load(self) -> None:
        for number, line in enumerate(complete_lines(self.path), start=1):
            try:
                result = json.loads(line)
                self._results[result.pop("key")] = result
            except (ValueError, KeyError, AttributeError, TypeError) as error:
                raise ValueError(
                    f"{self.path}, line {number}, is damaged: {line[:80]!r}. Each line is the result of calls that "
                    "were paid for, so none is dropped unseen. Delete that line, and only it is done again."
                ) from error
