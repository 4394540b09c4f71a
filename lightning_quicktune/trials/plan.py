"""The plan of a trial, before it is trained."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lightning_quicktune.compose import FitConfig, configured, with_overrides
from lightning_quicktune.space.search_space import SearchSpace
from lightning_quicktune.trials.facts import versions
from lightning_quicktune.trials.identity import LABEL_VERSION
from lightning_quicktune.types import Configuration, LearningCurve, TaskInfo, Trial


@dataclass(frozen=True)
class TrialPlan:
    """One configuration on one task: all that a trial needs.

    Args:
        task: The task.
        fit: The fit YAML of the task, before the configuration's values are set.
        space: The search space of the configuration.
        configuration: What is trained.
        seed: Seed of adapter, data order and dropout.
        folder: Where record and checkpoints are kept, of this trial alone.
        test_each_slice: Whether the test split is measured after each slice.
    """

    task: TaskInfo
    fit: FitConfig
    space: SearchSpace
    configuration: Configuration
    seed: int
    folder: Path
    test_each_slice: bool = False

    @property
    def key(self) -> str:
        """What makes the trial unique in a collection, as ``Trial`` has it."""
        return f"{self.task.name}-{self.configuration.id}-{self.seed}"

    @property
    def resolved(self) -> FitConfig:
        """The fit YAML of this trial: run alone, it trains the same weights."""
        seeded = with_overrides(self.fit, {"seed_everything": self.seed, "trainer.max_epochs": self.task.max_fidelity})
        return configured(seeded, self.space, self.configuration)

    @property
    def blank(self) -> Trial:
        """The record before the first slice."""
        return Trial(
            task=self.task.name,
            base_model=self.task.base_model.name,
            metric=self.task.metric,
            configuration=self.configuration,
            seed=self.seed,
            max_fidelity=self.task.max_fidelity,
            curve=LearningCurve(),
            status="running",
            versions=versions(),
            fit=self.resolved,
            base_model_hash=self.task.base_model.weight_hash,
            content_digest=str(self.task.facts.get("content_digest", "")),
            label_version=LABEL_VERSION,
        )


@dataclass(frozen=True)
class WrittenPlan(TrialPlan):
    """A fit YAML that is trained as it is; the configuration only tells people what the search space knows of it."""

    @property
    def resolved(self) -> FitConfig:
        """The fit YAML of this trial."""
        return with_overrides(self.fit, {"seed_everything": self.seed, "trainer.max_epochs": self.task.max_fidelity})
