"""The report of reading a task: formats, keys, records that can't be used."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from lightning_quicktune.data.split_names import SplitName


@dataclass(frozen=True)
class ReadingReport:
    """What was found in the files of a task, as ``inspect`` shows it.

    Args:
        problems: Each record that can't be used: file, line and reason.
        formats: How many records of a split have which format.
        read: How many records each key was read of, by what the files call it.
        ignored: The same of keys that hold something and were not read.
        shared_questions: Records of a split whose question is in a later split too.
    """

    problems: tuple[str, ...] = ()
    formats: Mapping[SplitName, Mapping[str, int]] = field(default_factory=dict)
    read: Mapping[str, int] = field(default_factory=dict)
    ignored: Mapping[str, int] = field(default_factory=dict)
    shared_questions: Mapping[SplitName, int] = field(default_factory=dict)
