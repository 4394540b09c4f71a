"""A trial's checkpoints: one write per slice, and the furthest one that can be read."""

from __future__ import annotations

import logging
import os
import shutil
from pathlib import Path

from lightning.pytorch import Trainer

from lightning_quicktune.finetune.resuming import read_checkpoint
from lightning_quicktune.types import LearningCurve, SliceResult

log = logging.getLogger(__name__)

LAST = "last.ckpt"
BEST = "best.ckpt"
CURVE = "SliceRecorder"  # under this key of ``callbacks`` a checkpoint holds its curve


def save_slice(trainer: Trainer, folder: Path, is_best: bool) -> None:
    """Writes the checkpoint of a slice, so that a kill at any moment leaves each file whole.

    ``best.ckpt`` is renewed first: where it is ahead of ``last.ckpt``, the slice is trained again and is the same.

    Args:
        trainer: The trainer, at the end of the slice.
        folder: Folder of the trial.
        is_best: Whether the slice has the best score so far.
    """
    unfinished = folder / ".next.ckpt"
    trainer.save_checkpoint(unfinished)
    if is_best:
        _link(unfinished, folder / BEST)
    os.replace(unfinished, folder / LAST)


def usable_checkpoint(folder: Path) -> tuple[Path | None, LearningCurve]:
    """The furthest checkpoint that can be read, and its curve; a damaged one is removed and said in the log.

    Args:
        folder: Folder of the trial.
    """
    for path in (folder / LAST, folder / BEST):
        if not path.is_file():
            continue
        try:
            state = read_checkpoint(path)
            slices = state["callbacks"][CURVE]["slices"]
        except Exception as error:
            reason = " ".join(str(error).split())[:200]
            log.warning(
                "The checkpoint %s is damaged (%s); going on from an earlier one or from scratch.", path, reason
            )
            path.unlink()
        else:
            return path, LearningCurve(tuple(SliceResult(**s) for s in slices))
    return None, LearningCurve()


def drop_checkpoints(folder: Path) -> None:
    """Frees the disk of a trial that will not be trained further; its record stays."""
    for name in (LAST, BEST):
        (folder / name).unlink(missing_ok=True)


def _link(source: Path, target: Path) -> None:
    """Makes ``target`` the same file as ``source``, or a copy where the file system has no links."""
    unfinished = target.with_name(f".{target.name}")
    unfinished.unlink(missing_ok=True)
    try:
        os.link(source, unfinished)
    except OSError:
        shutil.copyfile(source, unfinished)
    os.replace(unfinished, target)
