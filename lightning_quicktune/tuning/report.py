"""What a search did and found, as Markdown."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

from lightning_quicktune.search.guarded_searcher import Verdict
from lightning_quicktune.search.journal import JournalEntry
from lightning_quicktune.space.border import AtBorder
from lightning_quicktune.surrogate.intervals import COVERAGE, intervals_of_scores
from lightning_quicktune.tuning.outcome import Outcome
from lightning_quicktune.tuning.rows import RowName
from lightning_quicktune.tuning.tried import borders, chosen_from, luck, runner_up
from lightning_quicktune.tuning.verdict_words import (
    gain_words,
    judgement,
    measured,
    metric_names,
    row_title,
    row_words,
    spaced,
)
from lightning_quicktune.tuning.words import describe, shown

_FORECASTS = 16  # first ones that are shown
_LONGEST = 300  # characters of an answer


def report(outcome: Outcome, figure: str | None) -> str:
    """The whole report.

    Args:
        outcome: What the search did and found.
        figure: Path of the figure, relative to the report; none if there is none.
    """
    task, result, verdict = outcome.task, outcome.result, outcome.verdict
    judged, sizes = judgement(outcome), ", ".join(f"{n} {name}" for name, n in outcome.splits.items())
    why = "the budget was spent" if result.stopped_by == "budget" else "nothing was left to suggest"
    parts = [
        f"# Tuning {inline(task.name)}",
        inline(headline(outcome)),
        f"**{judged.title}.** {judged.sentence}",
        "## On the test split",
        _comparison_table(outcome),
        *(_section("To bear in mind", _list(outcome.left_out)) if outcome.left_out else []),
        *([f"Going on: {outcome.outlook.words}"] if outcome.outlook else []),
        *(_section("Answers side by side", _answers_table(outcome)) if outcome.answers else []),
        "## The search",
        "\n".join(
            [
                f"- Base model: {inline(task.base_model.name)} ({task.base_model.n_parameters / 1e6:.1f} M parameters)",
                f"- Records: {sizes}",
                f"- Searcher: {outcome.searcher}; stopped because {why}.",
                f"- A slice is {task.records_per_slice} training records, a full training {task.max_fidelity} slices.",
                f"- Describing the task took {task.meta_features_cost_s:.1f} s; choosing took "
                f"{sum(e.thinking_s for e in result.entries):.1f} s in all.",
            ]
        ),
        *([f"![Learning curves, and the best score over time]({figure})"] if figure else []),
    ]
    if verdict is not None:
        title = "Unlike what is known" if verdict.is_unlike else "Predicted and observed"
        parts += [f"## {title}", verdict.words, _forecast_table(verdict)]
    if outcome.importance:
        shares = [f"{inline(name)}: {share:.0%}" for name, share in outcome.importance]
        parts += _section("What mattered", _list(shares))
    if outcome.similar:
        alike = [f"{inline(each.task)} ({each.closeness:.2f}): {inline(each.words)}" for each in outcome.similar]
        parts += _section("The most similar earlier tasks", _list(alike))
    if outcome.incumbent is not None:
        parts += _chosen(outcome)
    if result.entries:
        parts += _section("What was trained, in order", _history_table(result.entries, outcome.interrupted))
    parts += _section("Start it again", f"```shell\n{outcome.command}\n```")
    return "\n\n".join(parts) + "\n"


def headline(outcome: Outcome) -> str:
    """What was found, in one line."""
    task, chosen = outcome.task, outcome.row("chosen")
    others = [row for row in outcome.rows if row.name != "chosen"]
    beside = ", ".join(f"{row_title(outcome, row.name)} {measured(row, task.metric)}" for row in others)
    if chosen is None or outcome.incumbent is None:
        return f"{task.name}: {spaced(task.metric)} on test: {beside or 'not measured'}; nothing was chosen."
    source, gain, gained = chosen_from(outcome), outcome.gain, ""
    if gain is not None:
        over = row_words(outcome, gain.over)
        gained = f", which is {over}" if gain.over == source else f"; {gain_words(gain)} over {over}"
    return (
        f"{task.name}: {spaced(task.metric)} {measured(chosen, task.metric)} on test"
        f"{f' ({beside})' if beside else ''}{gained}, with {describe(outcome.incumbent.configuration)}."
    )


def border_list(borders: Sequence[AtBorder]) -> str:
    """What to say of hyperparameters at the border, as a Markdown list.

    Args:
        borders: From ``at_border``, at least one.
    """
    return _list([border.words for border in borders])


def inline(text: str) -> str:
    """A text as one line of Markdown that shows it as it is, in tables too."""
    plain = " ".join(text.encode("utf-8", "replace").decode("utf-8").split())
    for sign in "\\`*_[]<>|#":
        plain = plain.replace(sign, f"\\{sign}")
    return plain


def _section(title: str, content: str) -> list[str]:
    return [f"## {title}", content]


def _list(sentences: Sequence[str]) -> str:
    return "\n".join(f"- {sentence}" for sentence in sentences)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _comparison_table(outcome: Outcome) -> str:
    metrics = metric_names(outcome)
    rows = [
        [
            row_title(outcome, row.name),
            inline(describe(row.values)) if row.values else "-",
            str(row.fidelity),
            f"{row.validation_score:.3f}",
            *(measured(row, metric) for metric in metrics),
        ]
        for row in outcome.rows
    ]
    return _table(["", "configuration", "slices", "validation score", *metrics], rows)


def _answers_table(outcome: Outcome) -> str:
    rows = [
        [_short(a.question), _short(a.reference), _short(a.base), _short(a.recipe), _short(a.chosen)]
        for a in outcome.answers
    ]
    names: tuple[RowName, ...] = ("zero-shot", "recipe", "chosen")
    return _table(["question", "reference", *(row_title(outcome, name) for name in names)], rows)


def _short(text: str | None) -> str:
    if text is None:
        return "-"
    return inline(text if len(text) <= _LONGEST else f"{text[:_LONGEST]} ...")


def _forecast_table(verdict: Verdict) -> str:
    rows = []
    for f in verdict.forecasts[:_FORECASTS]:
        score, lower, upper = (float(end[0]) for end in intervals_of_scores(np.array([f.mean]), np.array([f.std])))
        predicted = f"{score:.3f} ({lower:.3f} to {upper:.3f})"
        rows.append([inline(describe(f.configuration)), str(f.fidelity), predicted, f"{f.observed:.3f}"])
    table = _table(["configuration", "slice", f"predicted ({COVERAGE:.0%} interval)", "observed"], rows)
    if len(verdict.forecasts) > _FORECASTS:
        table += f"\n\nThe first {_FORECASTS} of {len(verdict.forecasts)} scores that were compared."
    return table


def _chosen(outcome: Outcome) -> list[str]:
    assert outcome.incumbent is not None  # asked by the caller
    chosen, default, space = outcome.incumbent.configuration, outcome.space.default.values, outcome.space
    rows = [[inline(n), inline(_of(chosen.values.get(n))), inline(_of(default.get(n)))] for n in space.names]
    at = borders(outcome)
    parts = _section("The chosen configuration", _table(["hyperparameter", "chosen", "default"], rows))
    parts += [border_list(at)] if at else []
    second = runner_up(outcome)
    if second is not None:
        parts.append(f"Runner-up: {inline(describe(second.configuration))}, {second.best:.3f} on validation.")
    noise = luck(outcome)
    return [*parts, noise] if noise else parts


def _of(value: object) -> str:
    return "(inactive)" if value is None else shown(value)  # type: ignore[arg-type]


def _history_table(entries: Sequence[JournalEntry], interrupted: Collection[str]) -> str:
    rows: list[list[str]] = []
    reached: dict[str, int] = {}
    for entry in entries:
        configuration, curve = entry.suggestion.configuration, entry.observation.curve
        before = reached.get(configuration.id, 0)
        reached[configuration.id] = curve.fidelity
        what = f"resumed at slice {before}, " if before else "started, "
        if entry.repeated:
            what = f"began again at slice {before - entry.repeated} ({entry.repeated} trained once more), "
        ended = "interrupted by errors, twice" if configuration.id in interrupted else "failed"
        what += ended if entry.observation.failed else f"trained to slice {curve.fidelity}"
        score = f"{curve.scores[-1]:.4f}" if curve.scores else "-"
        words, minutes = inline(describe(configuration)), f"{entry.elapsed_s / 60:.1f}"
        rows.append([minutes, words, what, score, f"{entry.observation.cost_s:.1f}"])
    return _table(["minutes", "configuration", "what", "score", "seconds"], rows)
