"""Which code replays were made by."""

from __future__ import annotations

import hashlib
from importlib.metadata import version
from pathlib import Path

_ROOMS = ("metadataset", "search", "space", "surrogate", "evaluation")
_AFTER_THE_REPLAYS = ("comparison.py", "figure.py", "intervals.py", "publish.py", "report.py", "summary.py")


def code_fingerprint(package: Path = Path(__file__).parents[1]) -> str:
    """Version of the package, and a hash of all sources that a replay's result depends on.

    Replays of methods whose code changed must not be compared with those of before. What only reads finished replays
    is left out, so that a report can be written anew.

    Args:
        package: Folder of the package.
    """
    digest = hashlib.sha256()
    for room in _ROOMS:
        for path in sorted((package / room).rglob("*.py")):
            if room != "evaluation" or path.name not in _AFTER_THE_REPLAYS:
                digest.update(f"{path.relative_to(package).as_posix()}\0".encode() + path.read_bytes())
    return f"{version('lightning-quicktune')} {digest.hexdigest()[:16]}"
