"""Settings of ``evaluate``; light to import, so that the command line answers quickly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from lightning_quicktune.replay.settings import ReplaySettings, SettingName
from lightning_quicktune.tracking.settings import TrackingSettings


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
class EvaluateSettings(ReplaySettings):
    """Replays search methods on a meta-dataset and compares their regret.

    Args:
        primary: The comparison that was named beforehand, if there is one.
        tracking: Where MLflow keeps the evaluation.
    """

    primary: PrimaryComparison | None = None
    tracking: TrackingSettings = field(default_factory=lambda: TrackingSettings("evaluate"))

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.primary is not None:
            self._check_primary(self.primary)

    @property
    def limits(self) -> tuple[str, ...]:
        """Labels of what no method can do, which is shown but not compared."""
        return tuple(each.shown for each in self.entries if each.name == "oracle")

    @property
    def first_method(self) -> str:
        """Label of the method that is compared with the others."""
        return self.primary.method if self.primary else self.compared[0]

    def _check_primary(self, primary: PrimaryComparison) -> None:
        labels = self.compared
        others = [label for label in labels if label != primary.method]
        self._check_named("method", primary.method, labels, "methods")
        self._check_named("against", primary.against, others, "methods")
        self._check_named("budget", primary.budget, self.budgets, "budgets")
        self._check_named("setting", primary.setting, self.setting_names, "setting")

    def _check_named(self, name: str, value: str | float, known: Sequence[str | float], owner: str) -> None:
        if value not in known:
            raise ValueError(
                f"`primary.{name}` is {value!r}, but it must be one of {', '.join(map(str, known)) or 'none'}, which "
                f"are evaluated. Change it, or `{owner}`."
            )
