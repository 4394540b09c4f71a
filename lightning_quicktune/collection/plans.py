"""The trials that a collection consists of: configurations drawn and listed, of each task and seed."""

from __future__ import annotations

import zlib
from pathlib import Path

import yaml

from lightning_quicktune.collection.entries import entry_of
from lightning_quicktune.collection.parts import Parts
from lightning_quicktune.collection.settings import CollectSettings
from lightning_quicktune.compose import FitConfig, with_overrides
from lightning_quicktune.space.search_space import SearchSpace
from lightning_quicktune.trials.plan import TrialPlan
from lightning_quicktune.trials.task_setup import TaskSetup, set_up_task
from lightning_quicktune.types import Configuration, TaskInfo, Value


def plans(settings: CollectSettings, space: SearchSpace, setup: TaskSetup) -> list[TrialPlan]:
    """The trials of one task, every configuration with the first seed before any with the second.

    They are of the configurations that are drawn or listed now, and of those that the parts hold.

    Larger numbers of configurations or seeds only add trials.

    Args:
        settings: How many, and where they are kept.
        space: What configurations are drawn from.
        setup: The task.

    Raises:
        ValueError: If the space has too few configurations.
    """
    folder = Path(settings.output) / "trials" / setup.info.name
    return [
        TrialPlan(
            task=setup.info,
            fit=setup.fit,
            space=space,
            configuration=configuration,
            seed=seed,
            folder=folder / f"{configuration.id}-{seed}",
            test_each_slice=True,
        )
        for seed in range(settings.seed, settings.seed + settings.n_seeds)
        for configuration in [*configurations(settings, space, setup.info.name), *_kept(settings, space, setup.info)]
    ]


def _kept(settings: CollectSettings, space: SearchSpace, task: TaskInfo) -> list[Configuration]:
    """What the parts hold of the task and isn't drawn: draws move with the bounds of the space, trained trials stay."""
    if settings.parts is None:
        return []
    drawn = {c.id for c in configurations(settings, space, task.name)}
    return [c for c in Parts(Path(settings.parts)).configurations(task.name) if c.id not in drawn]


def task_folder(settings: CollectSettings, source: str) -> Path:
    """Where the record of a task of the collection is kept.

    Args:
        settings: Says where the collection is.
        source: Entry of ``tasks``.
    """
    return Path(settings.output) / "tasks" / entry_of(source).name


def task_of(settings: CollectSettings, recipe: FitConfig, source: str) -> TaskSetup:
    """A task of the collection, ready for trials; as ``set_up_task``.

    Args:
        settings: The collection.
        recipe: Its recipe.
        source: Entry of ``tasks``.
    """
    entry, folder = entry_of(source), task_folder(settings, source)
    fit = with_overrides(recipe, entry.overrides(settings.max_fidelity))
    return set_up_task(entry.source, fit, settings.max_fidelity, folder, name=entry.name)


def configurations(settings: CollectSettings, space: SearchSpace, task: str) -> list[Configuration]:
    """What is trained on one task: the default, the others that all tasks share, and those of this task alone.

    Args:
        settings: How many.
        space: What they are drawn from.
        task: Name of the task.

    Raises:
        ValueError: If the space has too few, or one that was listed is not in it.
    """
    n_drawn = settings.n_shared - 1  # the default is not drawn
    shared = [space.default, *space.sample(n_drawn, settings.seed)]
    own_seed = zlib.crc32(f"{settings.seed}:{task}".encode())
    known = {c.id for c in shared}
    others = [c for c in space.sample(n_drawn + settings.n_fresh, own_seed) if c.id not in known]
    drawn = [*shared, *others[: settings.n_fresh]]
    known = {c.id for c in drawn}
    return [*drawn, *(c for c in listed_configurations(settings, space) if c.id not in known)]


def listed_configurations(settings: CollectSettings, space: SearchSpace) -> list[Configuration]:
    """The configurations that the user has listed.

    Args:
        settings: Says in which file, if any.
        space: What they must be in.

    Raises:
        ValueError: If the file is no list of mappings, or one of them is not in the space.
    """
    if settings.configurations is None:
        return []
    entries = _read_list(Path(settings.configurations))
    for number, entry in enumerate(entries, start=1):
        try:
            space.check(Configuration(entry))
        except ValueError as error:
            raise ValueError(
                f"Entry {number} of `configurations: {settings.configurations}` is not in `space`. {error}"
            ) from error
    return [Configuration(entry) for entry in entries]


def _read_list(path: Path) -> list[dict[str, Value]]:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"`configurations: {path}` is not valid YAML: {error}. Mend it.") from error
    if not isinstance(content, list) or not content or not all(isinstance(entry, dict) for entry in content):
        raise ValueError(
            f"`configurations: {path}` is no list of configurations. Write one entry for each, such as "
            "`- {optimizer: adamw, lr: 0.001}`, with a value of every hyperparameter that is active."
        )
    return content


def in_shard(settings: CollectSettings, plan: TrialPlan) -> bool:
    """Whether a trial is run by this machine; depends on the trial alone, so that more trials move none.

    Args:
        settings: Which shard is run here.
        plan: The trial.
    """
    number, n_shards = settings.shard_of()
    return zlib.crc32(plan.key.encode()) % n_shards == number - 1
