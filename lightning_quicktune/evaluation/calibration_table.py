"""Calibration of many replays as a table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import pandas as pd

from lightning_quicktune.replay.calibration import LEVELS, Calibrated


def calibration_table(cells: Iterable[tuple[Mapping[str, object], Sequence[Calibrated]]]) -> pd.DataFrame:
    """One row per replay and moment.

    Args:
        cells: What names a replay, by column, and what was found in it.
    """
    return pd.DataFrame(
        [
            {**names, "budget": each.budget, "n": each.n, "log_density": each.log_density}
            | {f"coverage_{level:.0%}".rstrip("%"): share for level, share in zip(LEVELS, each.covered, strict=True)}
            for names, several in cells
            for each in several
        ]
    )


def mean_calibration(table: pd.DataFrame) -> pd.DataFrame:
    """Means over replays of a task, then over tasks, by setting, method and budget, in the order of the rows.

    Args:
        table: Rows of ``calibration_table``.
    """
    keys = ["setting", "method", "budget"]
    numbers = table.drop(columns=["seed", "n"]).groupby([*keys, "task"], sort=False).mean()
    return numbers.groupby(level=keys, sort=False).mean().reset_index()
