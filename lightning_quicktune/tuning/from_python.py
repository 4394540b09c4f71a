"""``tune`` and ``recommend`` as functions: what the command line does, with Python values."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

from jsonargparse.typing import Path_fr

from lightning_quicktune.arguments.names import closest_name
from lightning_quicktune.tracking.settings import TrackingSettings
from lightning_quicktune.trials.executors.settings import ExecutorSettings
from lightning_quicktune.tuning.one_line import complete
from lightning_quicktune.tuning.outcome import Outcome
from lightning_quicktune.tuning.recommend import Recommended
from lightning_quicktune.tuning.recommend import recommend as recommended
from lightning_quicktune.tuning.settings import RecommendSettings, SurrogateSources, TuneSettings
from lightning_quicktune.tuning.tune import tune as tuned
from lightning_quicktune.types import Budget, Value

log = logging.getLogger(__name__)
Settings = TypeVar("Settings")

_GROUPS: Mapping[str, type[Any]] = {
    "budget": Budget,
    "executor": ExecutorSettings,
    "surrogates": SurrogateSources,
    "tracking": TrackingSettings,
}


@dataclass(frozen=True)
class Result:
    """What a search found.

    Args:
        headline: It in one line.
        scores: Score on the test split of what was compared, by name; ``chosen`` is what was found.
        configuration: The chosen hyperparameters; empty if nothing was trained.
        adapter: Folder of the chosen adapter, for peft; none likewise.
        report: The report.
        outcome: All that was done and found.
    """

    headline: str
    scores: Mapping[str, float]
    configuration: Mapping[str, Value]
    adapter: Path | None
    report: Path
    outcome: Outcome

    def _repr_markdown_(self) -> str:
        """How a notebook shows it."""
        rows = "".join(f"| {name} | {score:.3f} |\n" for name, score in self.scores.items())
        metric = self.outcome.task.metric
        return f"{self.headline}\n\n| | {metric} on test |\n|---|---|\n{rows}\nReport: `{self.report}`"


def tune(
    task: str | Path,
    model: str | None = None,
    minutes: float | None = None,
    *,
    slices: int | None = None,
    trials: int | None = None,
    target: float | None = None,
    **settings: Any,
) -> Result:
    """Finds the best adapter for a dataset within a budget, by transfer from earlier tasks.

    Args:
        task: Folder, file or hub id of the dataset, or ``suite:NAME`` for a built-in task.
        model: Name of a base model, as after ``--model``; or a folder, ``.gguf`` file or hub id.
        minutes: Time for everything until the report.
        slices: Slices of training, over all trials.
        trials: Configurations to try.
        target: Validation score that is enough.
        settings: Any other setting of ``lightning-quicktune tune``, by its name; groups are mappings.

    Returns:
        Scores, configuration, adapter and report.

    Raises:
        FileNotFoundError: If data, base model or experience aren't there.
        TypeError: If there is no such setting.
        ValueError: If something is missing, or they don't fit each other.
    """
    seconds = None if minutes is None else 60 * minutes
    budget = {"seconds": seconds, "slices": slices, "trials": trials, "target": target}
    spent = {name: value for name, value in budget.items() if value is not None}
    given = {"task": str(task), "model": model, **({"budget": spent} if spent else {}), **settings}
    found = tuned(_settings(TuneSettings, given))
    outcome = found.outcome
    return Result(
        headline=found.headline,
        scores={row.name: row.test_metrics[outcome.task.metric] for row in outcome.rows},
        configuration=outcome.incumbent.configuration.values if outcome.incumbent else {},
        adapter=found.adapter,
        report=found.report,
        outcome=outcome,
    )


def recommend(task: str | Path, model: str | None = None, **settings: Any) -> Recommended:
    """Names the configurations to try first on a dataset, by what earlier tasks taught; trains nothing.

    Args:
        task: As for ``tune``.
        model: As for ``tune``.
        settings: Any other setting of ``lightning-quicktune recommend``, by its name; groups are mappings.

    Returns:
        Configurations with their predicted curves and costs.

    Raises:
        FileNotFoundError: If data, base model or experience aren't there.
        TypeError: If there is no such setting.
        ValueError: If something is missing, or they don't fit each other.
    """
    return recommended(_settings(RecommendSettings, {"task": str(task), "model": model, **settings}))


def _settings(kind: type[Settings], given: Mapping[str, Any]) -> Settings:
    """The settings of a subcommand, completed; groups may be mappings."""
    names = [field.name for field in fields(kind)]  # type: ignore[arg-type]
    for name in given:
        if name not in names:
            close = closest_name(name, names)
            hint = f"Did you mean `{close}`?" if close else f"There are {', '.join(names)}."
            raise TypeError(f"There is no setting `{name}`. {hint}")
    line = complete(given, kind)
    for note in line.notes:
        log.warning(note)
    settings = {**given, **line.under, "model": line.model}
    for name, group in _GROUPS.items():
        if isinstance(settings.get(name), Mapping):
            settings[name] = group(**settings[name])
    for name in ("recipe", "space"):
        if settings.get(name) is not None:
            settings[name] = Path_fr(str(settings[name]))
    return kind(**settings)
