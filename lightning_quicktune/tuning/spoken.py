"""Tells the terminal of a tuning, a line for each thing that happens."""

from __future__ import annotations

import sys

from lightning_quicktune.search.state import SearchState
from lightning_quicktune.tuning.watcher import Stage, Unwatched
from lightning_quicktune.types import Observation


class Spoken(Unwatched):
    """Writes lines to standard error."""

    def stage(self, name: Stage, words: str) -> None:
        """Says what begins."""
        _say(words)

    def observed(self, observation: Observation, state: SearchState) -> None:
        """Says what came of a suggestion."""
        curve, incumbent = observation.curve, state.incumbent
        what = f"slice {curve.fidelity}: {curve.scores[-1]:.4f}" if curve.scores else "no slice"
        what += " (ended early)" if observation.failed else ""
        best = f"best {incumbent.score:.4f} by {incumbent.configuration.id}" if incumbent else "nothing yet"
        _say(f"[{state.elapsed_s:6.0f} s, {state.slices:3d} slices] {observation.configuration.id} {what}; {best}")

    def note(self, words: str) -> None:
        """Says it."""
        _say(words)


def _say(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()
