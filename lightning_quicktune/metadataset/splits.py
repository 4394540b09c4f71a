"""Splits of a meta-dataset: always by task, so that nothing of a held-out task is seen in training."""

from collections.abc import Collection

import numpy as np


def task_folds(names: Collection[str], n_folds: int, seed: int) -> list[tuple[str, ...]]:
    """Cuts the tasks into folds of nearly equal size; each fold is held out once.

    Args:
        names: Names of all tasks; their order does not matter.
        n_folds: How many folds.
        seed: Decides which task comes into which fold.

    Returns:
        The names held out in each fold, sorted.

    Raises:
        ValueError: If ``n_folds`` is below 2 or above the number of tasks.
    """
    distinct = sorted(set(names))
    if not 2 <= n_folds <= len(distinct):
        raise ValueError(
            f"`n_folds` is {n_folds}, but {len(distinct)} tasks can be cut into 2 to {len(distinct)} folds, "
            "each with a task to hold out. Lower `n_folds`, or add tasks to the meta-dataset."
        )
    order = np.random.default_rng(seed).permutation(len(distinct))
    return [tuple(sorted(distinct[i] for i in fold)) for fold in np.array_split(order, n_folds)]


def holdout(names: Collection[str], fraction: float, seed: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Holds out a share of the tasks, at least one, and leaves at least one.

    Args:
        names: Names of all tasks; their order does not matter.
        fraction: Share of the tasks to hold out, between 0 and 1.
        seed: Decides which tasks are held out.

    Returns:
        The names of the training tasks and of the held-out tasks, each sorted.

    Raises:
        ValueError: If there are fewer than two tasks, or the fraction is not between 0 and 1.
    """
    distinct = sorted(set(names))
    if not 0.0 < fraction < 1.0:
        raise ValueError(
            f"`validation_fraction` is {fraction}, but it must lie between 0 and 1 (both excluded), so that tasks are "
            "left on both sides. A fifth is a good start: `data.init_args.validation_fraction: 0.2`."
        )
    if len(distinct) < 2:
        raise ValueError(
            f"The meta-dataset has {len(distinct)} task ({', '.join(distinct) or 'none'}), but a surrogate needs at "
            "least 2: one to learn from and one to check the transfer on. "
            "Collect trials of another task with `lightning-quicktune collect`."
        )
    n_held = min(max(1, round(fraction * len(distinct))), len(distinct) - 1)
    order = np.random.default_rng(seed).permutation(len(distinct))
    held = {distinct[i] for i in order[:n_held]}
    return tuple(n for n in distinct if n not in held), tuple(n for n in distinct if n in held)
