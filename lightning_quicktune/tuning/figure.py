"""Draws a search for the Markdown report: learning curves of all trials, and the best score over time."""

from __future__ import annotations

from pathlib import Path

from matplotlib.figure import Figure

from lightning_quicktune.tuning.outcome import Outcome
from lightning_quicktune.tuning.page.search_figures import draw_curves, draw_progress
from lightning_quicktune.tuning.page.svg import quiet_glyphs, settings


def draw_search(outcome: Outcome, path: Path) -> None:
    """Writes the figure as PNG.

    Args:
        outcome: What the search did: some trial of it has a score.
        path: File to write.
    """
    with settings(), quiet_glyphs():
        figure = Figure(figsize=(11, 4.8), layout="constrained")
        curves, progress = figure.subplots(1, 2)
        draw_curves(curves, outcome)
        draw_progress(progress, outcome)
        for axes in (curves, progress):
            axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=3)  # below, where no curve runs
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=150)
