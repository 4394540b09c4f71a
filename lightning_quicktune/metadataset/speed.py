"""Costs of trials that ran on machines of several speeds, as of one."""

from __future__ import annotations

import numpy as np

from lightning_quicktune.metadataset.table import OVERHEADS, MetaDataset


def at_one_speed(table: MetaDataset) -> MetaDataset:
    """The same meta-dataset with CPU seconds, of any kind, as of one machine of median speed.

    A slice that took as many reference steps as another one costs as much, on whichever machine the two ran.

    Args:
        table: The whole meta-dataset.

    Raises:
        ValueError: If a slice with costs has no reference step.
    """
    rows = table.trials
    steps_s = rows["reference_step_s"].to_numpy(dtype=np.float64, na_value=np.nan)
    known, paid = steps_s > 0, rows["cost_cpu_s"].to_numpy(dtype=np.float64, na_value=np.nan) > 0
    if (paid & ~known).any():
        raise ValueError(
            f"{int((paid & ~known).sum())} of {len(rows)} slices have no `reference_step_s`, so nobody knows how fast "
            "their machine was. Write `cost: cost_cpu_s` or `cost: slices` in place of `cost: reference`, or name "
            "another meta-dataset as `costs_of`."
        )
    median_s = float(np.median(steps_s[known])) if known.any() else np.nan
    factors = np.divide(median_s, steps_s, out=np.ones(len(rows)), where=known)
    trials = rows.assign(reference_step_s=np.where(known, median_s, np.nan), cost_s=rows["cost_cpu_s"])
    for name in ("cost_s", "cost_cpu_s", "unfinished_s", *OVERHEADS):
        trials[name] = trials[name] * factors
    return MetaDataset(trials, table.tasks, table.space, table.meta)
