"""Writes what an evaluation found, as Markdown."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from lightning_quicktune.evaluation.regret import LEVEL
from lightning_quicktune.evaluation.settings import EvaluateSettings
from lightning_quicktune.evaluation.summary import Summary


def report(
    settings: EvaluateSettings,
    summary: Summary,
    tasks: Sequence[str],
    left_out: Mapping[str, str],
    figure: str,
) -> str:
    """The whole report.

    Args:
        settings: How it was evaluated.
        summary: The comparison at the settings' budgets.
        tasks: Tasks that were replayed.
        left_out: Why others were not, by name.
        figure: Path of the figure, relative to the report.
    """
    parts = [
        "# Search methods on recorded trials",
        "\n".join(_facts(settings, tasks, left_out)),
        "## Mean normalised regret",
        f"After a budget in full trainings, with a {LEVEL:.0%} interval by bootstrap over tasks, those of one domain "
        "together. 0 is the best score known, 1 that of the median configuration.",
        _table(summary, _regret_cell(summary)),
        f"![Regret over budget]({figure})",
        "## Mean rank",
        "1 is best; over tasks and seeds.",
        _table(summary, lambda m, b: f"{summary.rank[m, b]:.2f}"),
        "## Wins",
        f"Tasks of {len(tasks)} with the lowest regret; equal ones all count.",
        _table(summary, lambda m, b: str(summary.wins[m, b])),
    ]
    if not np.isnan(summary.test_score).all():
        parts += [
            "## Mean test score",
            "Of the configuration and fidelity chosen on validation; - where some search had no slice yet.",
            _table(summary, _test_cell(summary)),
        ]
    return "\n\n".join(parts) + "\n"


def _facts(settings: EvaluateSettings, tasks: Sequence[str], left_out: Mapping[str, str]) -> list[str]:
    lines = [
        f"- Meta-dataset: {settings.meta_dataset}",
        f"- Tasks: {len(tasks)} replayed, {len(left_out)} left out; {settings.n_folds} folds by task, "
        f"{settings.n_seeds} seeds.",
        f"- Time: recorded `{settings.cost}`"
        + ("; methods pay for their thinking." if settings.charge_thinking else "; thinking is free."),
        "- `transfer` pays for describing the task; its surrogates never saw the tasks of the fold."
        if "transfer" in settings.methods
        else "- No method uses surrogates.",
    ]
    return lines + [f"- Left out: {name}, {reason}." for name, reason in left_out.items()]


def _regret_cell(summary: Summary) -> Callable[[int, int], str]:
    return lambda m, b: f"{summary.regret[m, b]:.3f} [{summary.lower[m, b]:.3f}, {summary.upper[m, b]:.3f}]"


def _test_cell(summary: Summary) -> Callable[[int, int], str]:
    return lambda m, b: "-" if np.isnan(summary.test_score[m, b]) else f"{summary.test_score[m, b]:.4f}"


def _table(summary: Summary, cell: Callable[[int, int], str]) -> str:
    lines = [
        "| method | " + " | ".join(f"{budget:g}" for budget in summary.budgets) + " |",
        "|---|" + "---|" * len(summary.budgets),
    ]
    for m, method in enumerate(summary.methods):
        lines.append(f"| {method} | " + " | ".join(cell(m, b) for b in range(len(summary.budgets))) + " |")
    return "\n".join(lines)
