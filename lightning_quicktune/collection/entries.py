"""An entry of ``tasks``: a dataset, and for how long is trained on it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lightning_quicktune.trials.task_setup import task_name

RECORDS_PER_SLICE = "data.init_args.records_per_slice"
_LENGTH = re.compile(r"(.+)@([1-9]\d*)")


@dataclass(frozen=True)
class TaskEntry:
    """A dataset, and for how long is trained on it.

    Args:
        source: Folder, file, hub id or ``suite:NAME`` of the dataset.
        records: Records of a full training; as the recipe says if none.
    """

    source: str
    records: int | None = None

    @property
    def name(self) -> str:
        """The name that tables carry: of the dataset, with the length of training where the entry says it."""
        name = task_name(self.source)
        return name if self.records is None else f"{name}@{self.records}"

    def overrides(self, max_fidelity: int) -> dict[str, Any]:
        """What the entry changes in the recipe.

        Args:
            max_fidelity: Slices of a full training.

        Raises:
            ValueError: If the records can't be cut into as many slices.
        """
        if self.records is None:
            return {}
        if self.records % max_fidelity:
            fitting = max(self.records // max_fidelity, 1) * max_fidelity
            raise ValueError(
                f"`tasks` has {self.source}@{self.records}, but {self.records} records can't be cut into "
                f"`max_fidelity: {max_fidelity}` slices of equal size. Write {self.source}@{fitting}."
            )
        return {RECORDS_PER_SLICE: self.records // max_fidelity}


def entry_of(text: str) -> TaskEntry:
    """Reads ``SOURCE`` or ``SOURCE@RECORDS``; a file or folder of that very name has no length.

    Args:
        text: Entry of ``tasks``.
    """
    found = _LENGTH.fullmatch(text)
    if found is None or Path(text).exists():
        return TaskEntry(text)
    return TaskEntry(found[1], int(found[2]))
