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
from lightning_quicktune.tuning.predicted import PredictedSlice
from lightning_quicktune.tuning.rows import RowName
from lightning_quicktune.tuning.tried import chosen_curve, tried
from lightning_quicktune.tuning.verdict_words import recipe_name

_LEVELS: tuple[tuple[RowName, str], ...] = (("recipe", RECIPE), ("strong", STRONG), ("default", DEFAULT))
_MARKED = 40  # curves that still have room for a mark at each slice


def learning_curves(outcome: Outcome) -> Picture | None:
    """The curve of every configuration, the chosen one's over the band that was predicted; none without a choice."""
    if not chosen_curve(outcome):
        return None
    with settings():
        figure, axes = canvas(3.7)
        ends = draw_curves(axes, outcome)
        figure.legend(loc="outside upper left", ncols=3, columnspacing=1.0, handlelength=1.6)
        drawn = inline(figure, "curves", f"Learning curves; {ends}")
    band = (
        f" Shaded: the {100 * COVERAGE:.0f} % interval predicted of it before it was trained." if _band(outcome) else ""
    )
    return Picture(drawn, f"Learning curves on the validation split; {ends}.{band}")


def score_over_time(outcome: Outcome) -> Picture | None:
    """The best score so far against the minutes of the search; none if no trial of it has a score."""
    if not any(each.scores for each in tried(outcome)):
        return None
    with settings():
        figure, axes = canvas(3.2)
        ends = draw_progress(axes, outcome)
        figure.legend(loc="outside upper left", ncols=3, columnspacing=1.0, handlelength=1.6)
        drawn = inline(figure, "time", f"Best validation score so far, {ends}")
    return Picture(drawn, f"Best validation score so far, {ends}. A dot is where a trial stood when it was paused.")


def draw_curves(axes: Axes, outcome: Outcome) -> str:
    """Draws all learning curves of an outcome with a chosen one.

    Args:
        axes: Where to draw.
        outcome: What the search did.

    Returns:
        Where the chosen one begins and ends, in words.
    """
    scores, band = chosen_curve(outcome), _band(outcome)
    others = [each for each in tried(outcome) if each.scores and each.configuration.id != _chosen_id(outcome)]
    mark = "o" if len(others) < _MARKED else ""
    for place, each in enumerate(others):
        label = f"{len(others)} other{'s' if len(others) > 1 else ''}" if place == 0 else None
        _curve(axes, each.scores, color=OTHER, marker=mark, markersize=2.5, linewidth=0.8, alpha=0.6, label=label)
    if band:
        slices = [s.fidelity for s in band]
        lower, upper = [s.lower for s in band], [s.upper for s in band]
        axes.fill_between(slices, lower, upper, color=CHOSEN, alpha=0.15, linewidth=0, label="predicted")
        axes.plot(slices, [s.score for s in band], color=CHOSEN, linestyle=":", linewidth=1.2)
    _curve(axes, scores, color=CHOSEN, marker="o", markersize=4, linewidth=2, label="chosen", zorder=3)
    _draw_references(axes, outcome, as_curves=True)
    axes.set(xlabel="slices trained", ylabel=_metric(outcome), xlim=(0.8, outcome.task.max_fidelity + 0.2))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=10))
    return f"the chosen one went from {scores[0]:.3f} to {max(scores):.3f}"


def draw_progress(axes: Axes, outcome: Outcome) -> str:
    """Draws the best score so far of a search that has one.

    Args:
        axes: Where to draw.
        outcome: What the search did.

    Returns:
        From where to where it went, in words.
    """
    entries = [e for e in outcome.result.entries if e.observation.curve.scores]
    minutes, best = [0.0], [outcome.task.zero_shot_score]
    for entry in entries:
        minutes.append(entry.elapsed_s / 60)
        best.append(max(best[-1], *entry.observation.curve.scores))
    last = [e.observation.curve.scores[-1] for e in entries]
    axes.plot(minutes[1:], last, linestyle="", marker="o", markersize=3, color=OTHER, label="trial")
    axes.step(minutes, best, where="post", color=CHOSEN, linewidth=2, label="best so far")
    _draw_references(axes, outcome, as_curves=False)
    axes.set(xlabel="minutes of search", ylabel=_metric(outcome))
    return f"from {best[0]:.3f} without training to {best[-1]:.3f} after {minutes[-1]:.1f} minutes"


def _curve(axes: Axes, scores: Sequence[float], **style: object) -> None:
    axes.plot(range(1, len(scores) + 1), scores, **style)  # type: ignore[arg-type]  # styles are of many types


def _draw_references(axes: Axes, outcome: Outcome, as_curves: bool) -> None:
    """What is compared with, as curves where they are known and wanted, else as level lines at the best score."""
    axes.axhline(outcome.task.zero_shot_score, color=INK, linestyle=":", linewidth=1, label="zero-shot")
    called = {"recipe": recipe_name(outcome), "strong": "strong recipe", "default": "default"}
    for name, colour in _LEVELS:
        row, words = outcome.row(name), called[name]
        if row is not None and as_curves and row.curve:
            _curve(axes, row.curve, color=colour, linestyle="--", linewidth=1.4, label=words)
        elif row is not None:
            axes.axhline(row.validation_score, color=colour, linestyle="--", linewidth=1.2, label=words)
    axes.grid(linewidth=0.5)


def _chosen_id(outcome: Outcome) -> str | None:
    return outcome.incumbent.configuration.id if outcome.incumbent is not None else None


def _band(outcome: Outcome) -> Sequence[PredictedSlice]:
    return outcome.bands.get(_chosen_id(outcome) or "", ())


def _metric(outcome: Outcome) -> str:
    return outcome.task.metric.replace("_", " ")
