"""Writes what an evaluation found, as Markdown."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from lightning_quicktune.evaluation.comparison import Comparison
from lightning_quicktune.evaluation.figure import LOWEST
from lightning_quicktune.evaluation.intervals import LEVEL
from lightning_quicktune.evaluation.regret import EQUAL
from lightning_quicktune.evaluation.settings import EvaluateSettings, SettingName
from lightning_quicktune.evaluation.summary import Summary

_SETTINGS = {
    "known": "Known configurations: methods learn from other tasks what the very configurations of the pool did there.",
    "new": "New configurations: methods learn from other tasks and from one half of the configurations; the pool is "
    "the other half.",
}

_FREE = (
    "; thinking is free, so that seconds of this machine aren't added to those of the machine the trials were recorded "
    "on: see its price below."
)


@dataclass(frozen=True, eq=False)
class Findings:
    """What goes into a report.

    Args:
        summaries: The comparison at the settings' budgets, by setting; those in seconds follow those in full trainings.
        comparisons: One method against the others, the primary one first.
        calibration: Means by setting, method and budget, of methods that predict distributions; may be empty.
        thinking: CPU seconds per suggestion of each method, median over replays.
        fallen_back: How many replays of a guarded method fell back, of how many, by setting and method.
        left_out: Why tasks were not replayed, by name.
        charges_thinking: Whether thinking was paid.
    """

    summaries: Mapping[SettingName, Sequence[Summary]]
    comparisons: Sequence[Comparison]
    calibration: pd.DataFrame
    thinking: Mapping[str, float]
    fallen_back: Mapping[tuple[str, str], tuple[int, int]]
    left_out: Mapping[str, str]
    charges_thinking: bool


def report(settings: EvaluateSettings, findings: Findings, test_folds: Sequence[str], figures: Sequence[str]) -> str:
    """The whole report.

    Args:
        settings: How it was evaluated.
        findings: What was found.
        test_folds: Names of the folds that were replayed.
        figures: Paths of the figures, relative to the report.
    """
    parts = ["# Search methods on recorded trials", "\n".join(_facts(settings, findings, test_folds))]
    parts += _primary(findings.comparisons)
    parts += [*(f"![]({path})" for path in figures), f"Regret below {LOWEST:g} is drawn at {LOWEST:g}."]
    for setting, summaries in findings.summaries.items():
        parts += [f"## Setting: {setting}", _SETTINGS[setting]]
        for summary in summaries:
            parts += _tables(summary, settings, setting)
    parts += _exploratory(findings.comparisons)
    parts += _calibration(findings.calibration)
    parts += _guarded(findings.fallen_back)
    parts += ["## Thinking", "CPU milliseconds per suggestion, median over replays.", _thinking(findings.thinking)]
    return "\n\n".join(parts) + "\n"


def _facts(settings: EvaluateSettings, findings: Findings, test_folds: Sequence[str]) -> list[str]:
    n_tasks = len(next(iter(findings.summaries.values()))[0].tasks)
    learned = (
        "all other folds" if settings.train_folds is None else f"folds {settings.train_folds} but the replayed one"
    )
    described = [method.shown for method in settings.entries if method.describes_the_task]
    lines = [
        f"- Meta-dataset: {settings.meta_dataset}",
        f"- Tasks: {n_tasks} replayed, {len(findings.left_out)} left out; {settings.n_seeds} seeds.",
        f"- Folds by {settings.folds}: {', '.join(test_folds)} replayed; methods learn from {learned}"
        + (f", {settings.train_share:.0%} of these tasks." if settings.train_share < 1 else "."),
        "- Time: counted in slices, whatever they cost; thinking is free."
        if settings.cost == "slices"
        else f"- Time: recorded `{settings.cost}`"
        + ("; methods pay for their thinking in CPU seconds of this machine." if findings.charges_thinking else _FREE)
        + " What is learned before the new task is known is free.",
        f"- {', '.join(described)} pay for the meta-features of the task."
        if described
        else "- No method uses meta-features.",
    ]
    refitted = [method.shown for method in settings.entries if method.name == "quicktune"]
    if refitted:
        lines.append(
            f"- {', '.join(refitted)} refits its surrogates at every observation up to the 20th, then at every tenth."
        )
    if settings.shuffle_configurations:
        lines.append("- Control: each replayed task gives every configuration the trials of another one.")
    alike = "; ".join(_alike(findings.summaries))
    if alike:
        lines.append(f"- One replay per task: {alike}; every seed gives the same, so that seeds add nothing.")
    return lines + [f"- Left out: {name}, {reason}." for name, reason in findings.left_out.items()]


def _alike(summaries: Mapping[SettingName, Sequence[Summary]]) -> list[str]:
    """Methods whose replays were the same with every seed, by setting."""
    found: list[str] = []
    for setting, (summary, *_) in summaries.items():
        varies = (np.ptp(summary.per_seed, axis=2) > EQUAL).any(axis=(1, 2))
        names = [method for method, varying in zip(summary.methods, varies, strict=True) if not varying]
        if names and summary.per_seed.shape[2] > 1:
            found.append(f"{', '.join(names)} in {setting}")
    return found


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
    lines = ["| setting | against | budget | gain | standardised | p (Holm) |", "|---|---|---|---|---|---|"]
    lines += [
        f"| {e.setting} | {e.against} | {e.budget:g} | {e.gain:.3f} [{e.lower:.3f}, {e.upper:.3f}] "
        f"| {e.standardised:.2f} | {_p(e.p)} |"
        for e in others
    ]
    return [
        "## Exploratory comparisons",
        f"{others[0].method} against each other method, paired by task: how much lower its regret is. Not named "
        f"beforehand; p of {len(others)} permutation tests, corrected by Holm.",
        "\n".join(lines),
    ]


def _calibration(means: pd.DataFrame) -> list[str]:
    if means.empty:
        return []
    columns = [column for column in means.columns if column.startswith("coverage_")]
    heads = [f"{column.removeprefix('coverage_')} % interval" for column in columns]
    lines = ["| setting | method | budget | " + " | ".join(heads) + " | log density |", "|---" * (4 + len(heads)) + "|"]
    for row in means.to_dict("records"):
        cells = [row["setting"], row["method"], f"{row['budget']:g}", *(f"{row[column]:.1%}" for column in columns)]
        lines.append("| " + " | ".join([*cells, f"{row['log_density']:.2f}"]) + " |")
    return [
        "## Calibration",
        "How many of the final scores that a replay hadn't seen lie in the predicted central intervals, before any "
        "observation (0) and after a budget in full trainings; and the mean log density of these scores, in units of "
        "the task's best minus median score (higher is better). Means over replays, then over tasks.",
        "\n".join(lines),
    ]


def _guarded(fallen_back: Mapping[tuple[str, str], tuple[int, int]]) -> list[str]:
    if not fallen_back:
        return []
    lines = ["| setting | method | replays | fell back |", "|---|---|---|---|"]
    lines += [f"| {s} | {m} | {n} | {times} ({times / n:.0%}) |" for (s, m), (times, n) in fallen_back.items()]
    return [
        "## Guard",
        "How often a method found the task unlike those that are known, and went on without what it had learned.",
        "\n".join(lines),
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
        _table(summary, lambda m, b: f"{summary.rank[m, b]:.2f}"),
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
    lines = ["| | " + " | ".join(summary.methods) + " |", "|---|" + "---|" * len(summary.methods)]
    for row, method in enumerate(summary.methods):
        cells = [
            "-" if row == column else "/".join(str(n) for n in summary.against[row, column, :, budget])
            for column in range(len(summary.methods))
        ]
        lines.append(f"| {method} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _table(summary: Summary, cell: Callable[[int, int], str]) -> str:
    lines = [
        "| method | " + " | ".join(f"{budget:g}" for budget in summary.budgets) + " |",
        "|---|" + "---|" * len(summary.budgets),
    ]
    for m, method in enumerate(summary.methods):
        lines.append(f"| {method} | " + " | ".join(cell(m, b) for b in range(len(summary.budgets))) + " |")
    return "\n".join(lines)


def _thinking(thinking: Mapping[str, float]) -> str:
    lines = ["| method | ms |", "|---|---|"]
    return "\n".join(lines + [f"| {method} | {1e3 * seconds:.2f} |" for method, seconds in thinking.items()])


def _p(value: float) -> str:
    return f"{value:.4f}" if value >= 1e-4 else "< 0.0001"
