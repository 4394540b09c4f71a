"""What the methods that are compared need."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from lightning_quicktune.evaluation.pool import TaskPool
from lightning_quicktune.search.names import SearcherName
from lightning_quicktune.types import Configuration

Lesson = Literal["surrogates", "prior"]

_LESSONS: dict[SearcherName, Lesson] = {"transfer": "surrogates", "quicktune": "surrogates", "curve_transfer": "prior"}
_DESCRIBED = ("transfer", "quicktune", "nearest_task_portfolio")


def lesson_of(method: SearcherName) -> Lesson | None:
    """What is learned from the other tasks once per fold, and takes long, for a method; none for cheap ones."""
    return _LESSONS.get(method)


def describes_the_task(method: SearcherName) -> bool:
    """Whether a method needs the task's meta-features, and so pays for them."""
    return method in _DESCRIBED


def check_default(methods: Sequence[SearcherName], default: Configuration, pools: Mapping[str, TaskPool]) -> None:
    """Refuses to replay the default configuration where it was not recorded, before anything is trained.

    Args:
        methods: What is to be replayed.
        default: The default configuration of the search space.
        pools: What was recorded, by task.

    Raises:
        ValueError: If it is to be replayed and a task lacks it.
    """
    lacking = sorted(name for name, pool in pools.items() if default.id not in pool.trials)
    if "default" in methods and lacking:
        raise ValueError(
            f"`methods` has `default`, but the default configuration ({default.id}) was not recorded on "
            f"{len(lacking)} tasks ({', '.join(lacking[:5])}), so it can't be replayed there. Take `default` out of "
            "`methods`, or collect its trials."
        )
