"""Figures of a search: learning curves with what was predicted, and the score over time."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from lightning_quicktune.surrogate.intervals import COVERAGE
from lightning_quicktune.tuning.outcome import Outcome
from lightning_quicktune.tuning.page.svg import (
    CHOSEN,
    DEFAULT,
    INK,
    OTHER,
    RECIPE,
    STRONG,
    Picture,
    canvas,
    inline,
    settings,
)
from lightning_quicktune.tuning.tried import tried

_LINES = {"recipe": ("your recipe", RECIPE), "strong": ("published recipe", STRONG), "default": ("default", DEFAULT)}
_MARKED = 40  # curves that still have room for a mark at each slice


def learning_curves(outcome: Outcome) -> Picture | None:
    """The curve of every configuration, the chosen one's over the band that was predicted; none without a score."""
    found = [each for each in tried(outcome) if each.scores]
    if not found or outcome.incumbent is None:
        return None
    chosen = outcome.incumbent.configuration.id
    band = outcome.bands.get(chosen, ())
    with settings():
        figure, axes = canvas(3.7)
        mark = "o" if len(found) <= _MARKED else ""
        for each in found:
            if each.configuration.id != chosen:
                _curve(axes, each.scores, color=OTHER, marker=mark, markersize=2.5, linewidth=0.8, alpha=0.6)
        if len(found) > 1:
            axes.plot([], [], color=OTHER, linewidth=0.8, label=f"{len(found) - 1} others")
        if band:
            slices = [s.fidelity for s in band]
            lower, upper = [s.lower for s in band], [s.upper for s in band]
            axes.fill_between(slices, lower, upper, color=CHOSEN, alpha=0.15, linewidth=0, label="predicted")
            axes.plot(slices, [s.score for s in band], color=CHOSEN, linestyle=":", linewidth=1.2)
        scores = next(each.scores for each in found if each.configuration.id == chosen)
        _curve(axes, scores, color=CHOSEN, marker="o", markersize=4, linewidth=2, label="chosen")
        _levels(axes, outcome)
        axes.set(xlabel="slices trained", ylabel=_metric(outcome), xlim=(0.8, outcome.task.max_fidelity + 0.2))
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=10))
        _finish(axes)
        drawn = inline(figure, "curves", f"Learning curves of {len(found)} configurations; {_ends(scores)}")
    predicted = f" Shaded: the {COVERAGE:.0%} interval predicted of the chosen one before it was trained." if band else ""
    return Picture(drawn, f"Learning curves on the validation split; {_ends(scores)}.{predicted}")


def score_over_time(outcome: Outcome) -> Picture | None:
    """The best score so far against the minutes of the search; none without a score."""
    entries = [e for e in outcome.result.entries if e.observation.curve.scores]
    if not entries:
        return None
    minutes, best = [0.0], [outcome.task.zero_shot_score]
    for entry in entries:
        minutes.append(entry.elapsed_s / 60)
        best.append(max(best[-1], *entry.observation.curve.scores))
    with settings():
        figure, axes = canvas(3.2)
        last = [e.observation.curve.scores[-1] for e in entries]
        axes.plot(minutes[1:], last, linestyle="", marker="o", markersize=3, color=OTHER, label="trial")
        axes.step(minutes, best, where="post", color=CHOSEN, linewidth=2, label="best so far")
        _levels(axes, outcome)
        axes.set(xlabel="minutes of search", ylabel=_metric(outcome))
        _finish(axes)
        found = f"from {best[0]:.3f} without training to {best[-1]:.3f} after {minutes[-1]:.1f} minutes"
        drawn = inline(figure, "time", f"Best validation score so far, {found}")
    return Picture(drawn, f"Best validation score so far: {found}. A dot is where a trial stood when it was paused.")


def _curve(axes: Axes, scores: Sequence[float], **style: object) -> None:
    axes.plot(range(1, len(scores) + 1), scores, **style)


def _levels(axes: Axes, outcome: Outcome) -> None:
    """What is compared with, as level lines."""
    axes.axhline(outcome.task.zero_shot_score, color=INK, linestyle=":", linewidth=1, label="zero-shot")
    for name, (words, colour) in _LINES.items():
        row = outcome.row(name)  # type: ignore[arg-type]
        if row is not None:
            axes.axhline(row.validation_score, color=colour, linestyle="--", linewidth=1.2, label=words)


def _finish(axes: Axes) -> None:
    axes.grid(linewidth=0.5)
    axes.figure.legend(loc="outside upper left", ncols=3, columnspacing=1.0, handlelength=1.6)  # type: ignore[union-attr]


def _metric(outcome: Outcome) -> str:
    return outcome.task.metric.replace("_", " ")


def _ends(scores: Sequence[float]) -> str:
    return f"the chosen one went from {scores[0]:.3f} to {max(scores):.3f}"
