"""What ``evaluate`` takes; light to import, so that the command line answers quickly."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from lightning_quicktune.tracking.settings import TrackingSettings

MethodName = Literal["transfer", "successive_halving", "random", "default"]
CostName = Literal["cost_s", "cost_cpu_s"]


@dataclass(frozen=True)
class SurrogateTraining:
    """How the surrogates of each fold are trained.

    Args:
        epochs: Epochs, each followed by a validation on held-out training tasks.
        steps_per_epoch: Training steps between two validations.
        n_support: Points of the training tasks that predictions come from.
    """

    epochs: int = 20
    steps_per_epoch: int = 100
    n_support: int = 1024

    def __post_init__(self) -> None:
        for name in ("epochs", "steps_per_epoch", "n_support"):
            _check_count(f"surrogates.{name}", getattr(self, name), 1)


@dataclass(frozen=True)
class EvaluateSettings:
    """Replays search methods on a meta-dataset and compares their regret.

    Args:
        meta_dataset: Folder of the meta-dataset, or the URI of an MLflow artifact such as ``runs:/ID/meta_dataset``.
        output: Folder of this evaluation; the same command goes on where it stopped.
        methods: Search methods to compare.
        budgets: What a search may spend, in full trainings; regret is reported at each.
        n_folds: Parts that the tasks are cut into; each is replayed with surrogates trained on the others.
        n_seeds: Replays of each method on each task.
        seed: Seed of folds, surrogates and intervals; the first seed of the replays.
        cost: Recorded cost that moves the simulated clock: wall seconds, or CPU seconds where the machine was shared.
        charge_thinking: Whether the time a method takes to choose is spent from its budget too.
        surrogates: How the surrogates of ``transfer`` are trained.
        tracking: Where MLflow keeps the evaluation.
    """

    meta_dataset: str
    output: str
    methods: list[MethodName] = field(default_factory=lambda: ["transfer", "successive_halving", "random"])
    budgets: list[float] = field(default_factory=lambda: [0.5, 1.0, 2.0, 3.0, 5.0, 10.0])
    n_folds: int = 5
    n_seeds: int = 3
    seed: int = 0
    cost: CostName = "cost_s"
    charge_thinking: bool = True
    surrogates: SurrogateTraining = field(default_factory=SurrogateTraining)
    tracking: TrackingSettings = field(default_factory=lambda: TrackingSettings("evaluate"))

    def __post_init__(self) -> None:
        _check_count("n_folds", self.n_folds, 2)
        _check_count("n_seeds", self.n_seeds, 1)
        if not self.methods or len(set(self.methods)) < len(self.methods):
            raise ValueError(
                f"`methods` is {self.methods}, but each method is replayed once per task and seed. "
                "List at least one, and each once."
            )
        if not self.budgets or self.budgets[0] <= 0 or sorted(set(self.budgets)) != self.budgets:
            raise ValueError(
                f"`budgets` is {self.budgets}, but regret is reported after rising numbers of full trainings, each "
                "above 0. Write them in rising order, for example `budgets: [0.5, 1, 2, 5]`."
            )


def _check_count(name: str, value: int, least: int) -> None:
    if value < least:
        raise ValueError(f"`{name}` is {value}, but it counts things, at least {least}. Raise `{name}`.")
