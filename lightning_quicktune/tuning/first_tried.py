"""What is tried first where there is too little experience to learn from."""

from __future__ import annotations

from pathlib import Path

from lightning_quicktune.metadataset.outcome import ENDED
from lightning_quicktune.metadataset.table import MetaDataset
from lightning_quicktune.search.learned_order import learned_order
from lightning_quicktune.space.mapping import map_configuration
from lightning_quicktune.space.search_space import SearchSpace
from lightning_quicktune.trials.task_setup import TaskSetup
from lightning_quicktune.tuning.experience import BY_CURVES, Experience
from lightning_quicktune.tuning.reference_plans import strong_plan
from lightning_quicktune.tuning.settings import TuneSettings
from lightning_quicktune.types import Configuration, TaskInfo

_OF_TASKS = 2  # configurations that earlier tasks name


def first_tried(
    settings: TuneSettings, experience: Experience, setup: TaskSetup, space: SearchSpace
) -> tuple[Configuration, ...]:
    """What did best on the few earlier tasks, then the point of the space that is nearest to a common strong recipe.

    Args:
        settings: The search.
        experience: What earlier tasks taught.
        setup: The new task.
        space: The search space.

    Returns:
        None where the experience is large enough to learn from, or the searcher needs other things than that.
    """
    if settings.experience is None or settings.searcher not in BY_CURVES or experience.curves is not None:
        return ()
    strong = strong_plan(setup, space, settings.seed, Path(settings.output)).configuration
    best = () if experience.table is None else best_of(experience.table, setup.info)
    return tuple(dict.fromkeys([*best, map_configuration(strong, space, space)]))


def best_of(table: MetaDataset, task: TaskInfo) -> tuple[Configuration, ...]:
    """A few configurations of which one does well on each earlier task; the best where none can be ranked.

    Args:
        table: Trials of earlier tasks.
        task: The new task.
    """
    full = [row for row in table.curves() if row.outcome == "full"]
    ended = [row.task for row in table.curves() if row.outcome in ENDED]
    if full and max(map(ended.count, ended)) > 1:
        tried = tuple(dict.fromkeys(row.configuration for row in full))
        return learned_order("portfolio", tried, task, table)[:_OF_TASKS]
    return tuple(row.configuration for row in sorted(full, key=lambda row: -row.final))[:_OF_TASKS]
