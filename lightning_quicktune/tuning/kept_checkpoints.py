"""Which checkpoints of a search stay on the disk, and what a trial without one must repeat."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from lightning_quicktune.search.journal import JournalEntry
from lightning_quicktune.trials.checkpoints import BEST, LAST, drop_checkpoints
from lightning_quicktune.trials.storage import read_trial
from lightning_quicktune.types import Trial


def drop_failed(trials: Path, incumbent: str | None) -> None:
    """Drops the checkpoints of trials that have failed for good; the best one of the incumbent stays.

    Args:
        trials: Folder of the trials.
        incumbent: Id of the configuration with the best score; none before the first.
    """
    for folder, trial in _with_checkpoints(trials):
        if trial.status != "failed":
            continue
        if trial.configuration.id == incumbent:
            (folder / LAST).unlink(missing_ok=True)
        else:
            drop_checkpoints(folder)


def keep_best(trials: Path, n: int, incumbent: str | None, needed: Collection[str] = ()) -> int:
    """Drops all checkpoints but those of the best trials.

    Args:
        trials: Folder of the trials.
        n: How many trials keep theirs.
        incumbent: Id of the configuration with the best score, the first to keep its own; none without a score.
        needed: Ids of configurations that keep theirs besides.

    Returns:
        How many trials lost theirs.
    """

    def rank(pair: tuple[Path, Trial]) -> tuple[bool, float]:
        return pair[1].configuration.id == incumbent, max(pair[1].curve.scores, default=0.0)

    ranked = sorted(_with_checkpoints(trials), key=rank, reverse=True)
    left = [folder for folder, trial in ranked[n:] if trial.configuration.id not in needed]
    for folder in left:
        drop_checkpoints(folder)
    return len(left)


def slices_to_repeat(trials: Path, entries: Sequence[JournalEntry]) -> dict[str, int]:
    """Slices that trials of a search must repeat before they go on, by configuration id; none for most.

    Args:
        trials: Folder of the trials.
        entries: What the search has observed.
    """
    reached = {e.suggestion.configuration.id: e.observation.curve.fidelity for e in entries}
    found = [(path.parent, t) for path in trials.glob("*/trial.json") if (t := read_trial(path.parent))]
    ended = {trial.configuration.id for folder, trial in found if trial.has_ended and _is_searched(folder, trial)}
    with_checkpoints = [pair for pair in _with_checkpoints(trials) if _is_searched(*pair)]
    kept = {trial.configuration.id: trial.curve.fidelity for _, trial in with_checkpoints}
    lacking = {config_id: n - kept.get(config_id, 0) for config_id, n in reached.items() if config_id not in ended}
    return {config_id: n for config_id, n in lacking.items() if n > 0}


def _is_searched(folder: Path, trial: Trial) -> bool:
    """Whether a trial is one that the search suggests, not a recipe as written that says the same configuration."""
    return folder.name == f"{trial.configuration.id}-{trial.seed}"


def _with_checkpoints(trials: Path) -> list[tuple[Path, Trial]]:
    folders = sorted({path.parent for name in (LAST, BEST) for path in trials.glob(f"*/{name}")})
    return [(folder, trial) for folder in folders if (trial := read_trial(folder)) is not None]
