"""Splits of a meta-dataset: always by dataset, so that nothing of a held-out task is seen in training.

Tasks of one dataset, which differ in how long is trained, are held out together.
"""

from collections.abc import Mapping

import numpy as np


def task_folds(datasets: Mapping[str, str], n_folds: int, seed: int) -> list[tuple[str, ...]]:
    """Cuts the tasks into folds of nearly equal numbers of datasets; each fold is held out once.

    Args:
        datasets: Dataset of each task, by the task's name; their order does not matter.
        n_folds: How many folds.
        seed: Decides which dataset comes into which fold.

    Returns:
        The names of the tasks held out in each fold, sorted.

    Raises:
        ValueError: If ``n_folds`` is below 2 or above the number of datasets.
    """
    distinct = sorted(set(datasets.values()))
    if not 2 <= n_folds <= len(distinct):
        raise ValueError(
            f"`n_folds` is {n_folds}, but tasks of {len(distinct)} datasets can be cut into 2 to {len(distinct)} "
            "folds, each with a dataset to hold out. Lower `n_folds`, or add tasks to the meta-dataset."
        )
    order = np.random.default_rng(seed).permutation(len(distinct))
    return [_of(datasets, {distinct[i] for i in fold}) for fold in np.array_split(order, n_folds)]


def holdout(datasets: Mapping[str, str], fraction: float, seed: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Holds out the tasks of a share of the datasets, at least one, and leaves at least one.

    Args:
        datasets: Dataset of each task, by the task's name; their order does not matter.
        fraction: Share of the datasets to hold out, between 0 and 1.
        seed: Decides which are held out.

    Returns:
        The names of the training tasks and of the held-out tasks, each sorted.

    Raises:
        ValueError: If there are tasks of fewer than two datasets, or the fraction is not between 0 and 1.
    """
    distinct = sorted(set(datasets.values()))
    if not 0.0 < fraction < 1.0:
        raise ValueError(
            f"`validation_fraction` is {fraction}, but it must lie between 0 and 1 (both excluded), so that tasks are "
            "left on both sides. A fifth is a good start: `data.init_args.validation_fraction: 0.2`."
        )
    if len(distinct) < 2:
        raise ValueError(
            f"The meta-dataset has tasks of {len(distinct)} dataset ({', '.join(distinct) or 'none'}), but a surrogate "
            "needs at least 2: one to learn from and one to check the transfer on. "
            "Collect trials of another task with `lightning-quicktune collect`."
        )
    n_held = min(max(1, round(fraction * len(distinct))), len(distinct) - 1)
    order = np.random.default_rng(seed).permutation(len(distinct))
    held = {distinct[i] for i in order[:n_held]}
    return _of(datasets, set(distinct) - held), _of(datasets, held)


def _of(datasets: Mapping[str, str], wanted: set[str]) -> tuple[str, ...]:
    """Names of the tasks of some datasets, sorted."""
    return tuple(sorted(name for name, dataset in datasets.items() if dataset in wanted))
