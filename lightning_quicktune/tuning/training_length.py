"""How long a full training is: as experience has it, or shorter where the budget is too short for that."""

from __future__ import annotations

import math

import numpy as np

from lightning_quicktune.compose import FitConfig
from lightning_quicktune.search.build import build_searcher
from lightning_quicktune.search.knowledge import SearchContext
from lightning_quicktune.space.search_space import SearchSpace
from lightning_quicktune.surrogate.threads import one_thread
from lightning_quicktune.trials.task_setup import SHORTENED_FROM
from lightning_quicktune.tuning.experience import BY_CURVES, Experience
from lightning_quicktune.tuning.pace import BEFORE, CAUTION, REPORT_S
from lightning_quicktune.tuning.settings import TuneSettings
from lightning_quicktune.tuning.timekeeper import Timekeeper
from lightning_quicktune.types import Configuration, TaskInfo

ANSWERS = 0.04  # share of the budget that generating one row's answers may take
_TESTED = 2  # the base model and what is chosen


def full_training(settings: TuneSettings, experience: Experience, recipe: FitConfig) -> int:
    """Slices of a full training where there is time for one.

    Args:
        settings: What to tune.
        experience: What earlier tasks taught.
        recipe: The fit YAML as it was read.

    Raises:
        ValueError: If nothing says so.
    """
    chosen = settings.max_fidelity or experience.max_fidelity or (recipe.get("trainer") or {}).get("max_epochs")
    if chosen is None:
        raise ValueError(
            "Nothing says how long a full training is: `max_fidelity` is not set, there are no `surrogates`, and "
            "`recipe` has no `trainer.max_epochs`. Set `max_fidelity` to a number of slices."
        )
    return int(chosen)


def may_be_shortened(settings: TuneSettings, experience: Experience) -> bool:
    """Whether the budget may say how long a full training is: nobody else did, and experience knows several lengths."""
    if settings.max_fidelity is not None or settings.searcher not in BY_CURVES or experience.curves is None:
        return False
    shortest, longest = experience.curves.prior.lengths
    return shortest < longest


def affordable_length(
    task: TaskInfo,
    settings: TuneSettings,
    experience: Experience,
    space: SearchSpace,
    pool: tuple[Configuration, ...],
    timekeeper: Timekeeper,
    reference_step_s: float,
) -> int:
    """Slices of a full training: as many as the budget has for what the searcher would begin with.

    On a real model a training that ends was worth more than as many slices of a longer one, in miniature about as much
    (`tools/benchmarks/shorter_trainings.py`). It is never shorter than the shortest that experience knows.

    Args:
        task: The task as described, with the full training that it has where there is time for one.
        settings: What to tune, and how long.
        experience: What earlier tasks taught, with curves.
        space: The search space.
        pool: Candidates.
        timekeeper: The whole budget.
        reference_step_s: Seconds of the base model's reference step here.
    """
    assert experience.curves is not None  # of `may_be_shortened`
    slices = float(settings.budget.slices or math.inf)
    if timekeeper.left_s is not None:
        with one_thread():
            costs_s = experience.curves.predict_cost(task, pool, reference_step_s)
            free_s = _for_search_s(task, settings, timekeeper, float(np.median(costs_s))) / CAUTION
            if free_s < task.max_fidelity * costs_s.max():  # nor where nobody knows
                context = SearchContext(pool, task, space, reference_step_s, settings.seed, knowledge=experience)
                first = build_searcher(settings.searcher, context).ask()
                place = 0 if first is None else pool.index(first.configuration)
                slices = min(slices, free_s / costs_s[place])
    shortest = min(experience.curves.prior.lengths[0], task.max_fidelity)
    return task.max_fidelity if slices >= task.max_fidelity else max(int(slices), shortest)


def shortened_words(task: TaskInfo) -> str | None:
    """That a task's trainings are shorter than experience has them, for people; none if they aren't."""
    longest = task.facts.get(SHORTENED_FROM)
    if longest is None:
        return None
    return (
        f"A full training has {task.max_fidelity} slices here in place of {longest}: the budget is too short for "
        "more of what would be tried first, and a short training that ends is worth more than part of a long one. For "
        f"longer ones raise the budget in another `output`, or set `max_fidelity: {longest}`."
    )


def _for_search_s(task: TaskInfo, settings: TuneSettings, timekeeper: Timekeeper, usual_slice_s: float) -> float:
    """Seconds that are left once all is tested and reported, and compared what takes a fair share of the time."""
    facts, budget_s = task.facts, timekeeper.budget_s or 0.0
    records = float(facts.get("test_records", 0)) / max(float(facts.get("validation_records", 0)), 1.0)
    test_s = float(facts.get("zero_shot_s", 0.0)) * records + ANSWERS * budget_s
    free_s = (timekeeper.left_s or 0.0) - _TESTED * test_s - REPORT_S * timekeeper.slowness
    compared_s = task.max_fidelity * usual_slice_s + test_s
    for name in settings.compare if settings.budget.slices is None else ():
        if CAUTION * compared_s <= BEFORE[name] * free_s:
            free_s -= compared_s
    return free_s
