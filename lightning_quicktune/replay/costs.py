"""Recorded costs as a replay pays them."""

from __future__ import annotations

import numpy as np

from lightning_quicktune.metadataset.table import OVERHEADS, MetaDataset


def has_costs(table: MetaDataset) -> bool:
    """Whether any slice has a cost of any kind.

    Args:
        table: The meta-dataset.
    """
    costs = table.trials[["cost_s", "cost_cpu_s"]].to_numpy(dtype=np.float64, na_value=np.nan)
    return bool((costs > 0).any())


def counted_in_slices(table: MetaDataset) -> MetaDataset:
    """The same meta-dataset where each slice costs 1, also one that failed, and nothing else costs anything.

    Args:
        table: The whole meta-dataset.
    """
    rows = table.trials
    trials, costs = rows.copy(), (rows["fidelity"] > 0).astype(float)
    trials[list(OVERHEADS)] = 0.0
    trials["unfinished_s"] = (rows["status"] == "failed").astype(float)
    trials["cost_s"], trials["cost_cpu_s"] = costs, costs
    return MetaDataset(trials, table.tasks.assign(meta_features_cost_s=0.0), table.space, table.meta)
