"""TensorBoard's event files of a search, as it happens."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lightning_quicktune.search.state import SearchState
from lightning_quicktune.trials.storage import read_trial
from lightning_quicktune.tuning.rows import Compared
from lightning_quicktune.tuning.watcher import Unwatched
from lightning_quicktune.tuning.words import describe
from lightning_quicktune.types import Configuration, Observation, TaskInfo, Value

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

_SEARCH = "search"  # the run of what is about no single trial
_SCORE, _BEST = "score", "best score"
_MOST_OPEN = 16  # files, each with a thread of its own


class EventFiles(Unwatched):
    """Writes the score of each trial after each slice, its hyperparameters, and the best score over all slices.

    Each trial is a run in TensorBoard, named by its configuration in words and the id that tells it from its likes. A
    search that goes on begins new files, which tell TensorBoard what they say anew.

    Args:
        folder: Where they go; ``tensorboard --logdir`` shows them.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._open: dict[str, SummaryWriter] = {}
        self._known: set[str] = set()  # runs that were written to
        self._written: dict[str, int] = {}  # slices of each configuration

    def described(self, task: TaskInfo, splits: dict[str, int]) -> None:
        """The task is known; zero-shot is where all begins."""
        if not (self.folder / _SEARCH).exists():
            self._write(_SEARCH, {_BEST: task.zero_shot_score}, 0)

    def recorded(self, folder: Path) -> None:
        """A slice of the trial in this folder has ended, or the trial has."""
        trial = read_trial(folder)
        if trial is not None:
            self._write_curve(trial.configuration, trial.curve.scores)

    def observed(self, observation: Observation, state: SearchState) -> None:
        """A suggestion of the search has ended."""
        self._write_curve(observation.configuration, observation.curve.scores)
        if state.incumbent is not None:
            self._write(_SEARCH, {_BEST: state.incumbent.score}, state.slices)

    def compared(self, row: Compared) -> None:
        """A row of the comparison has been tested."""
        self._write(f"tested {row.name}", {f"test {name}": v for name, v in row.test_metrics.items()}, row.fidelity)

    def close(self) -> None:
        """Closes all files."""
        while self._open:
            self._open.popitem()[1].close()

    def _write_curve(self, configuration: Configuration, scores: tuple[float, ...]) -> None:
        run, before = f"{_legal(describe(configuration))} {configuration.id[:6]}", self._written.get(configuration.id)
        if before is None:
            self._write_hyperparameters(run, configuration.values)
        for fidelity in range((before or 0) + 1, len(scores) + 1):
            self._write(run, {_SCORE: scores[fidelity - 1]}, fidelity)
        self._written[configuration.id] = len(scores)

    def _write_hyperparameters(self, run: str, values: Mapping[str, Value]) -> None:
        """A row of TensorBoard's table of hyperparameters, whose score is the last one that is written to the run."""
        from torch.utils.tensorboard import summary

        hparams: Any = summary.hparams  # neither is typed
        file: Any = self._writer(run, 1).file_writer
        for part in hparams(dict(values), {_SCORE: 0.0}):
            file.add_summary(part)

    def _write(self, run: str, values: Mapping[str, float], step: int) -> None:
        writer = self._writer(run, step)
        for name, value in values.items():
            writer.add_scalar(name, value, step)
        writer.flush()

    def _writer(self, run: str, step: int) -> SummaryWriter:
        """The open file of a run; the first one takes back what earlier sessions wrote from ``step`` on."""
        from torch.utils.tensorboard import SummaryWriter

        writer = self._open.pop(run, None)
        if writer is None:
            writer = SummaryWriter(str(self.folder / run), purge_step=None if run in self._known else step)
        self._known.add(run)
        self._open[run] = writer  # behind all others
        if len(self._open) > _MOST_OPEN:
            self._open.pop(next(iter(self._open))).close()
        return writer


def _legal(words: str) -> str:
    """Words that are a folder's name on every system."""
    return re.sub(r"[^\w.,+ -]", "_", words)[:100]
