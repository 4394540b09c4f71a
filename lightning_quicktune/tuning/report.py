"""Writes what a search did and found, as Markdown."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

from lightning_quicktune.metadataset.noise import score_noise, validation_records
from lightning_quicktune.search.guarded_searcher import Verdict
from lightning_quicktune.search.journal import JournalEntry
from lightning_quicktune.search.state import SearchResult
from lightning_quicktune.space.border import AtBorder, at_border
from lightning_quicktune.space.search_space import SearchSpace
from lightning_quicktune.surrogate.intervals import COVERAGE, intervals_of_scores
from lightning_quicktune.tuning.comparison import Compared
from lightning_quicktune.types import Configuration, TaskInfo

_FORECASTS = 16  # first ones that are shown
METRICS = ("answer_likelihood", "label_accuracy", "exact_match", "token_f1", "rouge_l", "loss")


def headline(task: TaskInfo, rows: Sequence[Compared], result: SearchResult) -> str:
    """What was found, in one line."""
    scores = {row.name: row.test_metrics[task.metric] for row in rows}
    beside = ", ".join(f"{name} {value:.3f}" for name, value in scores.items() if name != "incumbent")
    if "incumbent" not in scores:
        return f"{task.name}: {task.metric} on test {beside}; nothing was searched."
    tried = len({e.suggestion.configuration.id for e in result.entries})
    return (
        f"{task.name}: {task.metric} {scores['incumbent']:.3f} on test ({beside}), after {result.state.slices} slices "
        f"of {tried} configurations in {result.state.elapsed_s / 60:.1f} minutes."
    )


def report(
    task: TaskInfo,
    searcher: str,
    result: SearchResult,
    rows: Sequence[Compared],
    space: SearchSpace,
    figure: str,
    verdict: Verdict | None = None,
    interrupted: Collection[str] = (),
) -> str:
    """The whole report.

    Args:
        task: The task.
        searcher: Who chose.
        result: What was trained.
        rows: The comparison on the test split.
        space: The search space.
        figure: Path of the figure, relative to the report.
        verdict: Whether the task is like those that are known, where that was asked.
        interrupted: Configurations whose trials were given up because of errors, by id.
    """
    incumbent = result.incumbent
    parts = [
        f"# Tuning {task.name}",
        headline(task, rows, result),
        "\n".join(
            [
                f"- Base model: {task.base_model.name} ({task.base_model.n_parameters / 1e6:.1f} M parameters)",
                f"- Searcher: {searcher}; stopped because the budget was spent."
                if result.stopped_by == "budget"
                else f"- Searcher: {searcher}; stopped because nothing was left to suggest.",
                f"- A slice is {task.records_per_slice} training records, a full training {task.max_fidelity} slices.",
                f"- Describing the task took {task.meta_features_cost_s:.1f} s; choosing took "
                f"{sum(e.thinking_s for e in result.entries):.1f} s in all.",
            ]
        ),
        "## On the test split",
        _comparison_table(rows),
        f"![Learning curves and incumbent]({figure})",
    ]
    if verdict is not None:
        title = "## Unlike what is known" if verdict.is_unlike else "## Predicted and observed"
        parts += [title, verdict.words, _forecast_table(verdict)]
    if incumbent is not None:
        tried = [e.suggestion.configuration for e in result.entries]
        borders = at_border(space, incumbent.configuration, tried)
        parts += ["## The chosen configuration", _configuration_table(incumbent.configuration, space)]
        parts += [border_list(borders)] if borders else []
        luck = _luck(task, result.entries)
        parts += [luck] if luck else []
        parts += ["## What was trained, in order", _history_table(result.entries, interrupted)]
    return "\n\n".join(parts) + "\n"


def border_list(borders: Sequence[AtBorder]) -> str:
    """What to say of hyperparameters at the border, as a Markdown list.

    Args:
        borders: From ``at_border``, at least one.
    """
    return "\n".join(f"- {border.words}" for border in borders)


def _luck(task: TaskInfo, entries: Sequence[JournalEntry]) -> str | None:
    """How exactly the best score was measured; none where the number of validation records is unknown."""
    curves = {e.suggestion.configuration.id: e.observation.curve.scores for e in entries if e.observation.curve.scores}
    scores = np.full((len(curves), max(map(len, curves.values()), default=0)), np.nan)
    for row, curve in zip(scores, curves.values(), strict=True):
        row[: len(curve)] = curve
    final = np.array([curve[-1] for curve in curves.values()])
    noise = score_noise(scores, final, validation_records(task))
    if noise is None:
        return None
    said = f"The best score was measured on {noise.n_records} validation records: a standard error of "
    said += f"{noise.standard_error:.3f}, if it is a share of right answers."
    if len(curves) == 1:
        return said
    said += f" It is the best of {len(curves)} configurations, and {noise.n_alike or 'none'} of the others came nearer"
    return f"{said}{', so which of them was chosen may be luck' if noise.n_alike else ''}."


def _comparison_table(rows: Sequence[Compared]) -> str:
    metrics = [m for m in METRICS if all(m in row.test_metrics for row in rows)]
    lines = [
        f"| | configuration | slices | validation score | {' | '.join(metrics)} |",
        "|---|---|---|---|" + "---|" * len(metrics),
    ]
    for row in rows:
        values = " | ".join(f"{row.test_metrics[m]:.3f}" for m in metrics)
        lines.append(
            f"| {row.name} | {row.config_id or '-'} | {row.fidelity} | {row.validation_score:.3f} | {values} |"
        )
    return "\n".join(lines)


def _forecast_table(verdict: Verdict) -> str:
    lines = [f"| configuration | slice | predicted ({COVERAGE:.0%} interval) | observed |", "|---|---|---|---|"]
    for f in verdict.forecasts[:_FORECASTS]:
        score, lower, upper = (float(end[0]) for end in intervals_of_scores(np.array([f.mean]), np.array([f.std])))
        predicted = f"{score:.3f} ({lower:.3f} to {upper:.3f})"
        lines.append(f"| {f.configuration.id} | {f.fidelity} | {predicted} | {f.observed:.3f} |")
    if len(verdict.forecasts) > _FORECASTS:
        lines += ["", f"The first {_FORECASTS} of {len(verdict.forecasts)} scores that were compared."]
    return "\n".join(lines)


def _configuration_table(configuration: Configuration, space: SearchSpace) -> str:
    default = space.default.values
    lines = ["| hyperparameter | chosen | default |", "|---|---|---|"]
    for name in space.names:
        chosen, usual = configuration.values.get(name), default.get(name)
        lines.append(f"| {name} | {_shown(chosen)} | {_shown(usual)} |")
    return "\n".join(lines)


def _shown(value: object) -> str:
    if value is None:
        return "(inactive)"
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _history_table(entries: Sequence[JournalEntry], interrupted: Collection[str]) -> str:
    lines = [
        "| minutes | configuration | what | score | seconds |",
        "|---|---|---|---|---|",
    ]
    reached: dict[str, int] = {}
    for entry in entries:
        config_id, curve = entry.suggestion.configuration.id, entry.observation.curve
        before = reached.get(config_id, 0)
        reached[config_id] = curve.fidelity
        what = f"resumed at slice {before}, " if before else "started, "
        if entry.repeated:
            what = f"began again at slice {before - entry.repeated} ({entry.repeated} trained once more), "
        ended = "interrupted by errors, twice" if config_id in interrupted else "failed"
        what += ended if entry.observation.failed else f"trained to slice {curve.fidelity}"
        score = f"{curve.scores[-1]:.4f}" if curve.scores else "-"
        lines.append(
            f"| {entry.elapsed_s / 60:.1f} | {config_id} | {what} | {score} | {entry.observation.cost_s:.1f} |"
        )
    return "\n".join(lines)
