"""Settings of ``collect``; light to import, so that the command line answers quickly."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal

from jsonargparse.typing import Path_fr

from lightning_quicktune.tracking.settings import TrackingSettings
from lightning_quicktune.trials.cohort_limit import check_cohort
from lightning_quicktune.trials.executors.settings import ExecutorSettings

_LEAST = {"max_fidelity": 1, "n_shared": 1, "n_fresh": 0, "n_seeds": 1, "workers": 1, "parts_every": 1}


@dataclass(frozen=True)
class CollectSettings:
    """Runs trials of a search space over many tasks, and builds the meta-dataset of them.

    Args:
        tasks: Folders, files or hub ids of datasets, or ``suite:NAME`` for built-in tasks. ``shop.jsonl@2400`` trains
            for 2,400 records, as a task of its own beside ``shop.jsonl``, whose length the recipe says.
        recipe: Fit YAML that every trial starts from.
        space: YAML of the search space.
        output: Folder of the collection; the same command goes on where it stopped.
        max_fidelity: Slices of a full training.
        n_shared: Configurations that all tasks share; the default is one of them.
        n_fresh: Further configurations for each task alone.
        configurations: YAML list of further configurations that all tasks share, each a mapping of hyperparameters.
        n_seeds: Trials of each configuration on each task: with ``seed``, ``seed + 1`` and so on.
        workers: Trials, or cohorts, that run side by side, in processes of one thread each.
        cohort: Trials of one task that each worker trains at once, in one pass over the frozen base model; ``auto`` for
            as many as memory holds, one on a CPU.
        executor: Where trials run, if not so: on several devices, or on a cluster.
        seed: Seed of the configurations, and the first seed of trials.
        parts: Folder that keeps finished trials as small files, from which the collection goes on on another machine;
            they stay in the collection, also where they would not be drawn from the space as it is now.
        parts_only: Whether ``parts`` are all that is wanted: neither is MLflow told nor a table built, as on a machine
            without either; the same collection elsewhere takes the parts over.
        parts_every: Finished trials of one such file; fewer where the last file is a quarter of an hour old.
        resume_from: Meta-dataset (a folder, or ``runs:/ID/meta_dataset``) whose trials are taken over, not run again.
        shard: Which trials are run here, such as ``1/3``: the first of three parts without a trial in common.
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
    cohort: int | Literal["auto"] = 1
    executor: ExecutorSettings = field(default_factory=ExecutorSettings)
    seed: int = 0
    parts: str | None = None
    parts_only: bool = False
    parts_every: int = 50
    resume_from: str | None = None
    shard: str | None = None
    configurations: Path_fr | None = None
    tracking: TrackingSettings = field(default_factory=lambda: TrackingSettings("meta-dataset"))
    origin: str = "collected by lightning-quicktune"
    licence: str = "unspecified"

    def __post_init__(self) -> None:
        for name, least in _LEAST.items():
            if getattr(self, name) < least:
                raise ValueError(
                    f"`{name}` is {getattr(self, name)}, but it counts things, at least {least}. Raise it."
                )
        check_cohort(self.cohort)
        self.executor.kind_for(self.workers, self.cohort)
        if self.parts_only and self.parts is None:
            raise ValueError(
                "`parts_only` is true, but `parts` names no folder, so nothing that is trained would be kept. Set "
                "`parts` to a folder, or leave `parts_only` out."
            )
        if not self.tasks:
            raise ValueError("`tasks` is empty, so there is nothing to run trials on. List some folders.")
        self.shard_of()

    def shard_of(self) -> tuple[int, int]:
        """Number of the shard, from 1, and how many there are.

        Raises:
            ValueError: If ``shard`` is no such pair.
        """
        if self.shard is None:
            return 1, 1
        found = re.fullmatch(r"([1-9]\d*)/([1-9]\d*)", self.shard)
        if found is None or int(found[1]) > int(found[2]):
            raise ValueError(
                f"`shard` is {self.shard!r}, but it says which of how many: from `1/3` to `3/3` for three machines. "
                "Give each machine another number, or leave `shard` out to run all trials here."
            )
        return int(found[1]), int(found[2])
