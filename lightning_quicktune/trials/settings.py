"""What ``collect`` takes; light to import, so that the command line answers quickly."""

from __future__ import annotations

from dataclasses import dataclass, field

from jsonargparse.typing import Path_fr

from lightning_quicktune.tracking.settings import TrackingSettings


@dataclass(frozen=True)
class CollectSettings:
    """Runs trials of a search space over many tasks, and builds the meta-dataset of them.

    Args:
        tasks: Folders, files or hub ids of datasets, or ``suite:NAME`` for built-in tasks.
        recipe: Fit YAML that every trial starts from.
        space: YAML of the search space.
        output: Folder of the collection; the same command goes on where it stopped.
        max_fidelity: Slices of a full training.
        n_shared: Configurations that all tasks share; the default is one of them.
        n_fresh: Further configurations for each task alone.
        n_seeds: Trials of each configuration on each task: with ``seed``, ``seed + 1`` and so on.
        workers: Processes that run trials side by side; with more than one, each uses one thread.
        seed: Seed of the configurations, and the first seed of trials.
        tracking: Where MLflow keeps the trials.
        origin: How the meta-dataset came to be, in words.
        licence: Licence of the meta-dataset.
    """

    tasks: list[str]
    recipe: Path_fr
    space: Path_fr
    output: str
    max_fidelity: int
    n_shared: int = 8
    n_fresh: int = 0
    n_seeds: int = 1
    workers: int = 1
    seed: int = 0
    tracking: TrackingSettings = field(default_factory=lambda: TrackingSettings("meta-dataset"))
    origin: str = "collected by lightning-quicktune"
    licence: str = "unspecified"

    def __post_init__(self) -> None:
        for name, least in (("max_fidelity", 1), ("n_shared", 1), ("n_fresh", 0), ("n_seeds", 1), ("workers", 1)):
            if getattr(self, name) < least:
                raise ValueError(
                    f"`{name}` is {getattr(self, name)}, but it counts things, at least {least}. Raise it."
                )
        if not self.tasks:
            raise ValueError("`tasks` is empty, so there is nothing to run trials on. List some folders.")
