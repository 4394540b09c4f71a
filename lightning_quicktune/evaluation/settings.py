"""Settings of ``evaluate``; light to import, so that the command line answers quickly."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Literal

from lightning_quicktune.replay.settings import CostName, ReplaySettings, SettingName
from lightning_quicktune.tracking.settings import TrackingSettings

_NAME = re.compile(r"\w[\w.-]*")


@dataclass(frozen=True)
class PrimaryComparison:
    """The one comparison that was named before any result was seen; all others are exploratory.

    Args:
        method: The method that is expected to win, by its label.
        against: The method that it must beat.
        budget: After how many full trainings they are compared.
        setting: Whether the pool's configurations are known from other tasks, or new.
    """

    method: str
    against: str
    budget: float
    setting: SettingName


@dataclass(frozen=True)
class Claim:
    """A statement that one method has less regret than another.

    Args:
        says: The statement, in words.
        method: The method that is said to be better, by its label.
        against: The method that it is said to beat.
    """

    says: str
    method: str
    against: str


@dataclass(frozen=True)
class Variant:
    """One of several evaluations that are laid side by side: what it has in place of the common settings.

    Args:
        name: How it is called in tables, and the folder in ``output`` that it is kept in.
        meta_dataset: As in the common settings, and so are all others.
        learn_from: Meta-datasets to learn from.
        setting: ``known``, ``new`` or both.
        folds: How tasks are held out.
        n_folds: Number of random folds.
        test_folds: Names of the folds that are replayed.
        held_out: Names of the tasks of the one fold that is replayed.
        train_share: Share of the training tasks that is learned from.
        configuration_share: Share of the configurations of which trials are learned from.
        cost: Recorded cost that moves the simulated clock.
        shuffle_configurations: Whether all that was learned of configurations is made wrong.
    """

    name: str
    meta_dataset: str | None = None
    learn_from: list[str] | None = None
    setting: Literal["known", "new", "both"] | None = None
    folds: str | None = None
    n_folds: int | None = None
    test_folds: list[int | str] | None = None
    held_out: list[str] | None = None
    train_share: float | None = None
    configuration_share: float | None = None
    cost: CostName | None = None
    shuffle_configurations: bool | None = None

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ValueError(
                f"`variants` has the name {self.name!r}, but it is the name of a folder and of metrics in MLflow. "
                "Write it with letters, digits and `_.-`."
            )


@dataclass(frozen=True)
class EvaluateSettings(ReplaySettings):
    """Replays search methods on a meta-dataset and compares their regret.

    Args:
        primary: The comparison that was named beforehand, if there is one.
        variants: Evaluations with other meta-datasets, folds or shares, which are laid side by side; each is kept as
            one of its own in ``output``.
        claims: What the overview of the variants says how each of them bears out.
        tracking: Where MLflow keeps the evaluation.
    """

    primary: PrimaryComparison | None = None
    variants: list[Variant] = field(default_factory=list)
    claims: list[Claim] = field(default_factory=list)
    tracking: TrackingSettings = field(default_factory=lambda: TrackingSettings("evaluate"))

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.primary is not None:
            self._check_primary(self.primary)
        names = [variant.name for variant in self.variants]
        if len(set(names)) < len(names):
            raise ValueError(f"`variants` has the names {names}, but each has a folder of its own. Name each once.")
        if self.claims and not self.variants:
            raise ValueError(
                "`claims` are borne out or not by `variants`, of which there are none. List the meta-datasets in "
                "`variants`, or name one comparison as `primary`."
            )
        for claim in self.claims:
            self._check_named("claims.method", claim.method, self.compared, "methods")
            others = [label for label in self.compared if label != claim.method]
            self._check_named("claims.against", claim.against, others, "methods")

    @property
    def limits(self) -> tuple[str, ...]:
        """Labels of what no method can do, which is shown but not compared."""
        return tuple(each.shown for each in self.entries if each.name == "oracle")

    @property
    def first_method(self) -> str:
        """Label of the method that is compared with the others."""
        return self.primary.method if self.primary else self.compared[0]

    def of_variant(self, variant: Variant) -> EvaluateSettings:
        """The settings of one variant, as an evaluation of its own.

        Args:
            variant: What it has of its own.
        """
        own = {f.name: getattr(variant, f.name) for f in fields(variant) if f.name != "name"}
        changes = {name: value for name, value in own.items() if value is not None}
        output = str(Path(self.output) / variant.name)
        return replace(self, variants=[], claims=[], output=output, **changes)

    def _check_primary(self, primary: PrimaryComparison) -> None:
        labels = self.compared
        others = [label for label in labels if label != primary.method]
        self._check_named("primary.method", primary.method, labels, "methods")
        self._check_named("primary.against", primary.against, others, "methods")
        self._check_named("primary.budget", primary.budget, self.budgets, "budgets")
        self._check_named("primary.setting", primary.setting, self.setting_names, "setting")

    def _check_named(self, name: str, value: str | float, known: Sequence[str | float], owner: str) -> None:
        if value not in known:
            raise ValueError(
                f"`{name}` is {value!r}, but it must be one of {', '.join(map(str, known)) or 'none'}, which "
                f"are evaluated. Change it, or `{owner}`."
            )
