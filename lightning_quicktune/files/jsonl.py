"""Files of JSON lines that are appended to, where a kill costs at most the line that it met."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def append_line(path: Path, record: Mapping[str, Any]) -> None:
    """Appends one line; on return it is on disk.

    Args:
        path: The file, in a folder that exists.
        record: Plain values for JSON.
    """
    with path.open("ab") as file:
        file.write(json.dumps(record).encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())


def complete_lines(path: Path) -> list[bytes]:
    """The lines of a file, none if it isn't there; what a kill left of the last one is cut off the file.

    Args:
        path: The file.
    """
    if not path.exists():
        return []
    content = path.read_bytes()
    *lines, rest = content.split(b"\n")
    if rest:
        os.truncate(path, len(content) - len(rest))
    return lines
