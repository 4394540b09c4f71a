"""Draws a search: learning curves of all trials, and the incumbent over time."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl

mpl.use("agg")
from matplotlib import pyplot as plt

from lightning_quicktune.search.journal import JournalEntry
from lightning_quicktune.search.state import Incumbent

_INCUMBENT, _DEFAULT, _OTHER, _ZERO_SHOT = "#c1440e", "#1f5fa8", "#b8b8b8", "#4d4d4d"


def draw_search(
    entries: Sequence[JournalEntry],
    incumbent: Incumbent | None,
    default_id: str,
    default_scores: Sequence[float],
    zero_shot: float,
    metric: str,
    path: Path,
) -> None:
    """Writes the figure as PNG.

    Args:
        entries: What was trained, in order.
        incumbent: What was chosen; none if nothing was trained.
        default_id: The default configuration.
        default_scores: Its learning curve, also where it was trained after the search.
        zero_shot: Score of the base model without adapter.
        metric: Name of the score.
        path: File to write.
    """
    figure, (curves, progress) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    scores = {e.suggestion.configuration.id: e.observation.curve.scores for e in entries}
    incumbent_id = incumbent.configuration.id if incumbent is not None else None
    others = scores.keys() - {incumbent_id, default_id}
    for config_id in others:
        values = scores[config_id]
        curves.plot(range(1, len(values) + 1), values, "o-", color=_OTHER, markersize=3, linewidth=1)
    curves.plot([], [], "o-", color=_OTHER, markersize=3, label=f"other configurations ({len(others)})")
    if default_scores and default_id != incumbent_id:
        curves.plot(range(1, len(default_scores) + 1), default_scores, "s-", color=_DEFAULT, label="default")
    if incumbent_id is not None:
        chosen = scores[incumbent_id]
        label = "chosen (the default)" if default_id == incumbent_id else "chosen"
        curves.plot(range(1, len(chosen) + 1), chosen, "o-", color=_INCUMBENT, linewidth=2, label=label)
    curves.axhline(zero_shot, color=_ZERO_SHOT, linestyle="--", linewidth=1, label="zero-shot")
    curves.set(xlabel="fidelity (slices)", ylabel=f"{metric} on validation", title="Learning curves")
    curves.xaxis.get_major_locator().set_params(integer=True)
    curves.legend(frameon=False, fontsize=8)

    minutes, best = [0.0], [zero_shot]
    for entry in entries:
        minutes.append(entry.elapsed_s / 60)
        best.append(max([best[-1], *entry.observation.curve.scores]))
    progress.step(minutes, best, where="post", color=_INCUMBENT)
    progress.set(xlabel="search time (minutes)", ylabel=f"best {metric} so far", title="Incumbent")
    for axis in (curves, progress):
        axis.spines[["top", "right"]].set_visible(False)
        axis.grid(alpha=0.25)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)
    plt.close(figure)
