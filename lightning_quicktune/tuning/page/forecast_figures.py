"""Figures of numbers with their intervals: the gain, and what was predicted against what was observed."""

from __future__ import annotations

import numpy as np
from matplotlib.ticker import MaxNLocator

from lightning_quicktune.surrogate.intervals import COVERAGE, intervals_of_scores
from lightning_quicktune.tuning.outcome import Outcome
from lightning_quicktune.tuning.page.svg import CHOSEN, FAINT, INK, OFF, OTHER, Picture, canvas, inline, settings
from lightning_quicktune.tuning.tried import chosen_from

_ROOM = 0.12  # of the width of the intervals, around them
_NONE = 1e-9  # a tick that is 0 but for rounding


def gain_interval(outcome: Outcome) -> Picture | None:
    """The gain on the test split with its interval, beside nothing gained; none if it was not compared with another."""
    gain = outcome.gain
    if gain is None or chosen_from(outcome) == gain.over:
        return None
    ends = [min(gain.lower, 0.0), max(gain.upper, 0.0)]
    room = _ROOM * max(ends[1] - ends[0], 0.01)
    with settings():
        figure, axes = canvas(0.9, width=4.0)
        axes.axvline(0.0, color=INK, linewidth=1, linestyle=":")
        axes.plot([gain.lower, gain.upper], [0, 0], color=CHOSEN, linewidth=5, alpha=0.35, solid_capstyle="butt")
        axes.plot([gain.value], [0], color=CHOSEN, marker="o", markersize=9)
        axes.set(xlim=(ends[0] - room, ends[1] + room), ylim=(-1, 1), yticks=[])
        axes.spines["left"].set_visible(False)
        axes.xaxis.set_major_locator(MaxNLocator(5))
        axes.xaxis.set_major_formatter(lambda x, _: f"{x:+.2g}" if abs(x) > _NONE else "0")
        words = f"{gain.value:+.3f}, 95 % interval {gain.lower:+.3f} to {gain.upper:+.3f}"
        return Picture(inline(figure, "gain", f"Gain {words}"), "Gain and its 95 % interval; dotted: no difference.")


def predicted_observed(outcome: Outcome) -> Picture | None:
    """What was predicted of each score from those before it, against the score; none without predictions."""
    if outcome.verdict is None or not outcome.verdict.forecasts:
        return None
    forecasts = outcome.verdict.forecasts
    observed = np.array([f.observed for f in forecasts])
    score, lower, upper = intervals_of_scores(
        np.array([f.mean for f in forecasts]), np.array([f.std for f in forecasts])
    )
    inside = (lower <= observed) & (observed <= upper)
    with settings():
        figure, axes = canvas(4.2)
        ends = [min(lower.min(), observed.min()), max(upper.max(), observed.max())]
        axes.plot(ends, ends, color=INK, linestyle=":", linewidth=1)
        axes.vlines(observed, lower, upper, color=FAINT, linewidth=2)
        axes.plot(observed[inside], score[inside], color=OTHER, marker="o", markersize=4, linestyle="")
        axes.plot(observed[~inside], score[~inside], color=OFF, marker="X", markersize=6, linestyle="")
        axes.set(xlabel="observed", ylabel="predicted before")
        axes.grid(linewidth=0.5)
        interval = f"the {100 * COVERAGE:.0f} % interval predicted of them"
        held = f"{int(inside.sum())} of {len(forecasts)} scores lie in {interval}"
        drawn = inline(figure, "forecasts", f"Predicted against observed scores: {held}")
    crosses = "" if inside.all() else " (crosses do not)"
    return Picture(drawn, f"{held}{crosses}; on the dotted line, prediction and score agree.")
