"""A tuning that is set up: task, search space, experience, and what trains its trials."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from lightning_quicktune.compose import FitConfig, read_yaml, with_overrides
from lightning_quicktune.presets.places import configs_folder
from lightning_quicktune.space.search_space import SearchSpace
from lightning_quicktune.tracking.delivery import Delivery
from lightning_quicktune.tracking.tracker import Tracker
from lightning_quicktune.trials.cohort_size import fitting_cohort
from lightning_quicktune.trials.executors.build import build_executor
from lightning_quicktune.trials.executors.suggested import SuggestedTrials
from lightning_quicktune.trials.plan import TrialPlan
from lightning_quicktune.trials.ranks import check_spread
from lightning_quicktune.trials.recipe import check_search
from lightning_quicktune.trials.task_setup import TaskSetup, set_up_task
from lightning_quicktune.tuning.candidates import candidates_of
from lightning_quicktune.tuning.comparison import splits_of
from lightning_quicktune.tuning.contribution import check_contribution
from lightning_quicktune.tuning.experience import BY_CURVES, BY_TRIALS, Experience, base_model_name, load_experience
from lightning_quicktune.tuning.experience_folder import as_it_was, check_there
from lightning_quicktune.tuning.first_tried import first_tried
from lightning_quicktune.tuning.reference_plans import reference_plans
from lightning_quicktune.tuning.settings import TuneSettings
from lightning_quicktune.tuning.short_budget import ShortBudget
from lightning_quicktune.tuning.timekeeper import Timekeeper
from lightning_quicktune.tuning.training_length import (
    affordable_length,
    full_training,
    may_be_shortened,
    shortened_words,
)
from lightning_quicktune.tuning.watcher import Watcher
from lightning_quicktune.types import Configuration, TaskInfo

log = logging.getLogger(__name__)
MOST_IN_SEARCH = 8  # more choices at once know too little of each other


@dataclass(frozen=True, eq=False)
class Job:
    """What every part of a tuning works on.

    Args:
        settings: What the user set.
        output: Folder of this search.
        recipe: The fit YAML as it was read.
        space: The search space.
        experience: What earlier tasks taught.
        setup: The task, described.
        executor: Trains trials.
        pool: Candidates, the default among them.
        tracker: Where MLflow is.
        timekeeper: The whole budget.
        watcher: Is told of everything.
        first: What is trained first where there is too little experience to learn from.
    """

    settings: TuneSettings
    output: Path
    recipe: FitConfig
    space: SearchSpace
    experience: Experience
    setup: TaskSetup
    executor: SuggestedTrials
    pool: tuple[Configuration, ...]
    tracker: Tracker
    timekeeper: Timekeeper
    watcher: Watcher
    first: tuple[Configuration, ...] = ()

    @property
    def trials(self) -> Path:
        """Folder of all trials."""
        return self.output / "trials"

    @property
    def result(self) -> Path:
        """Folder of what was found."""
        return self.output / "result"

    def deliver(self) -> Delivery:
        """Sends what MLflow lacks of the task and of all trials, whatever came of them; says how much that is."""
        folders = sorted(path.parent for path in self.trials.glob("*/trial.json"))
        delivery = self.tracker.deliver([self.output / "task"], folders)
        if delivery.n_lacking:
            log.warning("%s. All are in %s and are sent at the end, or at the next start.", delivery.words, self.output)
        return delivery


def set_up(settings: TuneSettings, timekeeper: Timekeeper, watcher: Watcher, tracker: Tracker) -> Job:
    """Reads everything, checks that it fits together, and describes the task.

    Args:
        settings: What to tune, and how long.
        timekeeper: The whole budget.
        watcher: Is told of everything.
        tracker: Where MLflow is.

    Raises:
        FileNotFoundError: If data, base model, recipe or surrogates aren't there.
        ValueError: If they don't fit each other, or describing took all the time there is.
        ModuleNotFoundError: If what runs the trials is not installed.
    """
    output = Path(settings.output)
    settings.executor.check_installed()
    recipe = with_overrides(read_yaml(Path(settings.recipe)), settings.overrides)
    if settings.experience:
        check_there(settings.experience, settings.contribute)
    source = as_it_was(settings.experience, output)
    experience = load_experience(settings.surrogates, source, settings.searcher not in BY_TRIALS)
    space = _space(settings, experience)
    if experience.models or experience.table:
        experience.use_in(space, base_model_name(recipe), settings.allow_other_base_model, settings.partial)
    check_search(recipe, space)
    watcher.stage("describing", f"Describing {settings.task} and the base model ...")
    is_taught = settings.searcher in BY_CURVES | BY_TRIALS
    candidates = candidates_of(space, settings.pool_size, settings.seed, experience if is_taught else None)
    budget = ShortBudget(settings, timekeeper, recipe, experience.curves, candidates)

    def shortened(task: TaskInfo) -> int:
        return affordable_length(task, settings, experience, space, candidates, timekeeper, budget.reference_step_s)

    setup = set_up_task(
        settings.task,
        recipe,
        full_training(settings, experience, recipe),
        output / "task",
        budget.check,
        shortened=shortened if may_be_shortened(settings, experience) else None,
    )
    watcher.described(setup.info, splits_of(setup.info))
    if words := shortened_words(setup.info):
        watcher.note(words)
    if settings.contribute:
        check_contribution(settings.contribute, space, setup.info)
    budget.check()
    first = first_tried(settings, experience, setup, space)
    pool = tuple(dict.fromkeys([*first, *candidates]))
    executor = _executor(settings, recipe, setup, space, pool, watcher)
    job = Job(settings, output, recipe, space, experience, setup, executor, pool, tracker, timekeeper, watcher, first)
    job.deliver()
    return job


def _executor(
    settings: TuneSettings,
    recipe: FitConfig,
    setup: TaskSetup,
    space: SearchSpace,
    pool: tuple[Configuration, ...],
    watcher: Watcher,
) -> SuggestedTrials:
    folder = Path(settings.output) / "trials"
    plans = [TrialPlan(setup.info, setup.fit, space, one, settings.seed, folder / one.id) for one in pool]
    compared = reference_plans(settings.compare, setup, recipe, space, settings.seed, folder)
    check_spread([*plans, *compared.values()], settings.executor.devices)
    most = settings.cohort if isinstance(settings.cohort, int) else _fitting(plans, settings)
    if most * settings.workers > 1:
        watcher.note(f"Up to {most * settings.workers} trials are trained at the same time.")
    executor = build_executor(
        settings.executor, settings.workers, most, setup.fit, on_record=watcher.recorded, on_step=watcher.step
    )
    return SuggestedTrials(executor, setup, space, folder, settings.seed)


def _fitting(plans: Sequence[TrialPlan], settings: TuneSettings) -> int:
    """Trials that a worker can train at once, as far as memory and choices go."""
    sharing = settings.executor.sharing(settings.workers, torch.cuda.device_count())
    return min(MOST_IN_SEARCH, fitting_cohort(plans, sharing))


def _space(settings: TuneSettings, experience: Experience) -> SearchSpace:
    if settings.space is not None:
        return SearchSpace.from_yaml(Path(settings.space))
    if experience.space is None and settings.experience:  # that is yet to be made
        return SearchSpace.from_yaml(configs_folder() / "space" / "lora.yaml")
    if experience.space is None:
        raise ValueError(
            "There is no search space: set `space` to a YAML such as configs/space/lora.yaml, or `surrogates` or "
            "`experience`, which bring their own."
        )
    return experience.space
