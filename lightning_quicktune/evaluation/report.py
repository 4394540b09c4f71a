"""The report of an evaluation, as Markdown."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd

from lightning_quicktune.evaluation.comparison import Comparison
from lightning_quicktune.evaluation.facts import facts
from lightning_quicktune.evaluation.figure import LOWEST
from lightning_quicktune.evaluation.findings import Findings, Folds
from lightning_quicktune.evaluation.settings import EvaluateSettings
from lightning_quicktune.evaluation.summary import Summary
from lightning_quicktune.replay.settings import SettingName
from lightning_quicktune.statistics.intervals import LEVEL
from lightning_quicktune.wording.markdown import markdown_table

_SETTINGS = {
    "known": "Known configurations: methods learn from other tasks what the very configurations of the pool did there.",
    "new": "New configurations: methods learn from other tasks and from one half of the configurations; the pool is "
    "the other half.",
}


def report(settings: EvaluateSettings, findings: Findings, folds: Folds, figures: Sequence[str]) -> str:
    """The whole report.

    Args:
        settings: How it was evaluated.
        findings: What was found.
        folds: Names of the folds that were replayed.
        figures: Paths of the figures, relative to the report.
    """
    parts = ["# Search methods on recorded trials", "\n".join(facts(settings, findings, folds))]
    parts += _primary(findings.comparisons)
    parts += [*(f"![]({path})" for path in figures), f"Regret below {LOWEST:g} is drawn at {LOWEST:g}."]
    parts += _settings(findings.summaries, settings, "")
    parts += _exploratory(findings.comparisons)
    parts += _calibration(findings.calibration)
    parts += _guarded(findings.fallen_back)
    parts += _settings(findings.development, settings, ", folds of development")
    parts += ["## Thinking", "CPU milliseconds per suggestion, median over replays.", _thinking(findings.thinking)]
    return "\n\n".join(parts) + "\n"


def _settings(summaries: Mapping[SettingName, Sequence[Summary]], settings: EvaluateSettings, which: str) -> list[str]:
    parts: list[str] = []
    for setting, several in summaries.items():
        parts += [f"## Setting: {setting}{which}", _SETTINGS[setting]]
        for summary in several:
            parts += _tables(summary, settings, setting)
    return parts


def _primary(comparisons: Sequence[Comparison]) -> list[str]:
    named = [each for each in comparisons if each.is_primary]
    if not named:
        return ["## Primary comparison", "None was named beforehand: everything below is exploratory."]
    (each,) = named
    return [
        "## Primary comparison",
        f"Named beforehand: {each.method} against {each.against} at {each.budget:g} full trainings, setting "
        f"{each.setting}. Regret is lower by **{each.gain:.3f}** "
        f"[{each.lower:.3f}, {each.upper:.3f}] ({LEVEL:.0%} interval; {each.standardised:.2f} standard deviations of "
        f"the tasks' differences; paired permutation test p = {_p(each.p)}).",
    ]


def _exploratory(comparisons: Sequence[Comparison]) -> list[str]:
    others = [each for each in comparisons if not each.is_primary]
    if not others:
        return []
    rows = [
        [
            e.setting,
            e.against,
            f"{e.budget:g}",
            f"{e.gain:.3f} [{e.lower:.3f}, {e.upper:.3f}]",
            f"{e.standardised:.2f}",
            _p(e.p),
        ]
        for e in others
    ]
    return [
        "## Exploratory comparisons",
        f"{others[0].method} against each other method, paired by task: how much lower its regret is. Not named "
        f"beforehand; p of {len(others)} permutation tests, corrected by Holm.",
        markdown_table(["setting", "against", "budget", "gain", "standardised", "p (Holm)"], rows),
    ]


def _calibration(means: pd.DataFrame) -> list[str]:
    if means.empty:
        return []
    columns = [column for column in means.columns if column.startswith("coverage_")]
    heads = [f"{column.removeprefix('coverage_')} % interval" for column in columns]
    rows = [
        [
            row["setting"],
            row["method"],
            f"{row['budget']:g}",
            *(f"{row[column]:.1%}" for column in columns),
            f"{row['log_density']:.2f}",
        ]
        for row in means.to_dict("records")
    ]
    return [
        "## Calibration",
        "How many of the final scores that a replay hadn't seen lie in the predicted central intervals, before any "
        "observation (0) and after a budget in full trainings; and the mean log density of these scores, in units of "
        "the task's best minus median score (higher is better). Means over replays, then over tasks.",
        markdown_table(["setting", "method", "budget", *heads, "log density"], rows),
    ]


def _guarded(fallen_back: Mapping[tuple[str, str], tuple[int, int]]) -> list[str]:
    if not fallen_back:
        return []
    rows = [[s, m, n, f"{times} ({times / n:.0%})"] for (s, m), (times, n) in fallen_back.items()]
    return [
        "## Guard",
        "How often a method found the task unlike those that are known, and went on without what it had learned.",
        markdown_table(["setting", "method", "replays", "fell back"], rows),
    ]


def _tables(summary: Summary, settings: EvaluateSettings, setting: SettingName) -> list[str]:
    primary = settings.primary
    wanted = primary.budget if primary and primary.budget in summary.budgets else summary.budgets[-1]
    parts = [
        f"### Mean normalised regret after a budget in {summary.unit}",
        f"With a {LEVEL:.0%} interval by bootstrap over tasks, those of one domain together, and over seeds"
        f"{_pools(settings, setting)}. 0 is the best score of the pool, 1 that of its median configuration.",
        _table(summary, _regret_cell(summary)),
        "### Mean rank",
        "1 is best; over tasks and seeds.",
        _table(summary, lambda m, b: "-" if np.isnan(summary.rank[m, b]) else f"{summary.rank[m, b]:.2f}"),
        f"### Wins, ties and losses at {wanted:g} {summary.unit}",
        f"On how many of {len(summary.tasks)} tasks the method of the row is better, equal, worse than that of the "
        "column.",
        _against(summary, summary.budgets.index(wanted)),
    ]
    if not np.isnan(summary.test_score).all():
        parts += [
            "### Mean test score",
            "Of the configuration and fidelity chosen on validation; - where some search had no slice yet.",
            _table(summary, _test_cell(summary)),
        ]
    return parts


def _pools(settings: EvaluateSettings, setting: SettingName) -> str:
    """How many pools the seeds choose from, where they differ: luck that seeds share counts as little as there are."""
    if setting == "known":
        return ""
    return f", which search {min(settings.n_seeds, 2 * settings.n_halvings)} different pools"


def _regret_cell(summary: Summary) -> Callable[[int, int], str]:
    return lambda m, b: f"{summary.regret[m, b]:.3f} [{summary.lower[m, b]:.3f}, {summary.upper[m, b]:.3f}]"


def _test_cell(summary: Summary) -> Callable[[int, int], str]:
    return lambda m, b: "-" if np.isnan(summary.test_score[m, b]) else f"{summary.test_score[m, b]:.4f}"


def _against(summary: Summary, budget: int) -> str:
    places = range(len(summary.methods))

    def cell(row: int, column: int) -> str:
        return "-" if row == column else "/".join(str(n) for n in summary.against[row, column, :, budget])

    rows = [[method, *(cell(row, column) for column in places)] for row, method in enumerate(summary.methods)]
    return markdown_table(["", *summary.methods], rows)


def _table(summary: Summary, cell: Callable[[int, int], str]) -> str:
    places = range(len(summary.budgets))
    rows = [[method, *(cell(m, b) for b in places)] for m, method in enumerate(summary.methods)]
    return markdown_table(["method", *(f"{budget:g}" for budget in summary.budgets)], rows)


def _thinking(thinking: Mapping[str, float]) -> str:
    return markdown_table(["method", "ms"], [[method, f"{1e3 * seconds:.2f}"] for method, seconds in thinking.items()])


def _p(value: float) -> str:
    return f"{value:.4f}" if value >= 1e-4 else "< 0.0001"
