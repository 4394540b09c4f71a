"""Parallel coordinates, lying down: a line of values for each hyperparameter, a path through them for each trial."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes

from lightning_quicktune.space.categorical import CategoricalDomain
from lightning_quicktune.space.hyperparameter import Domain
from lightning_quicktune.tuning.outcome import Outcome
from lightning_quicktune.tuning.page.svg import CHOSEN, FAINT, INK, OTHER, Picture, canvas, inline, settings
from lightning_quicktune.tuning.tried import Tried, tried, varied
from lightning_quicktune.tuning.words import shown
from lightning_quicktune.types import Value

_MOST = 9  # hyperparameters that are drawn
_OFF = 1.14  # place of what is not active, to the right of all values
_LABELLED = 6  # choices that still have room for their names
_GOOD = 0.25  # share of the trials that are drawn darker


def parallel_coordinates(outcome: Outcome) -> Picture | None:
    """Which values the trials had and how well they did; none where fewer than two can be compared."""
    found = [each for each in tried(outcome) if each.scores]
    names = _names(outcome, found)
    if len(found) < 2 or not names:
        return None
    domains = {h.name: h.domain for h in outcome.space.hyperparameters}
    levels = range(len(names), -1, -1)  # the score is the lowest
    chosen = outcome.incumbent.configuration.id if outcome.incumbent else None
    best, worst = found[0].best or 0.0, found[-1].best or 0.0
    with settings():
        figure, axes = canvas(0.68 * len(names) + 1.0)
        for name, level in zip(names, levels, strict=False):
            is_off = any(name not in each.configuration.values for each in found)
            _line(axes, name, level, _labels(domains[name]), is_off)
        _line(axes, outcome.task.metric, 0, [(0.0, f"{worst:.3f}"), (1.0, f"{best:.3f}")], False)
        for place, each in reversed(list(enumerate(found))):
            path = [_place(domains[name], each.configuration.values.get(name)) for name in names]
            path.append(((each.best or 0.0) - worst) / ((best - worst) or 1.0))
            is_chosen = each.configuration.id == chosen
            is_good = place < _GOOD * len(found)
            axes.plot(
                path,
                list(levels),
                color=CHOSEN if is_chosen else OTHER,
                linewidth=2.2 if is_chosen else 1.1 if is_good else 0.7,
                alpha=1.0 if is_chosen else 0.9 if is_good else 0.3,
                zorder=3 if is_chosen else 2,
            )
        axes.set(xlim=(-0.02, _OFF + 0.04), ylim=(-0.55, len(names) + 0.5))
        axes.set_axis_off()
        drawn = inline(figure, "parallel", f"Values of {len(found)} trials in {len(names)} hyperparameters")
    return Picture(
        drawn,
        f"Each path is a trial, from its hyperparameters down to its best score; the best {100 * _GOOD:.0f} % are "
        f"darker{', the thick one was chosen' if any(e.configuration.id == chosen for e in found) else ''}.",
    )


def _names(outcome: Outcome, found: Sequence[Tried]) -> list[str]:
    """Hyperparameters in which trials differ; where they are too many, those that matter most, in the space's order."""
    names = varied([each.configuration for each in found], outcome.space.names)
    shares = dict(outcome.importance)
    most = sorted(names, key=lambda name: -shares.get(name, 0.0))[:_MOST]
    return [name for name in names if name in most]


def _line(axes: Axes, name: str, level: int, labels: Sequence[tuple[float, str]], is_off: bool) -> None:
    """One line of values with its name above and its values below."""
    axes.plot([0, 1], [level, level], color=FAINT, linewidth=3, solid_capstyle="round", zorder=1)
    axes.text(0, level + 0.16, name.replace("_", " "), fontsize=11, weight="bold", ha="left", va="bottom", zorder=4)
    marks = [*labels, (_OFF, "off")] if is_off else labels
    for place, words in marks:
        axes.plot([place], [level], color=OTHER, marker="|", markersize=7, zorder=1)
        side = "left" if place == 0 else "center" if place < 1 or place == _OFF else "right"
        axes.text(place, level - 0.16, words, fontsize=10, color=INK, ha=side, va="top", zorder=4)


def _labels(domain: Domain) -> list[tuple[float, str]]:
    if not isinstance(domain, CategoricalDomain):
        return [(0.0, shown(domain.lower)), (1.0, shown(domain.upper))]
    places = [(_place(domain, choice), shown(choice)) for choice in domain.choices]
    return places if len(places) <= _LABELLED else [places[0], places[-1]]


def _place(domain: Domain, value: Value | None) -> float:
    if value is None:
        return _OFF
    if isinstance(domain, CategoricalDomain):  # the user's own recipe may have a value that is no choice
        return domain.index(value) / (len(domain.choices) - 1) if domain.find(value) is not None else _OFF
    return domain.encode(min(max(float(value), domain.lower), domain.upper))[0]
