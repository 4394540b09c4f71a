"""A trial's checkpoints: one write per slice, and the furthest one that can be read."""

from __future__ import annotations

import logging
import os
import shutil
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Trainer

from lightning_quicktune.finetune.resuming import read_checkpoint
from lightning_quicktune.types import LearningCurve, SliceResult

log = logging.getLogger(__name__)

LAST = "last.ckpt"
BEST = "best.ckpt"
_NEXT = ".next.ckpt"
CURVE = "SliceRecorder"  # under this key of ``callbacks`` a checkpoint holds its curve


def save_slice(trainer: Trainer, folder: Path, is_best: bool) -> None:
    """Writes the checkpoint of a slice, so that a kill at any moment leaves each file whole.

    ``best.ckpt`` is renewed first: where it is ahead of ``last.ckpt``, the slice is trained again and is the same.

    Args:
        trainer: The trainer, at the end of the slice.
        folder: Folder of the trial.
        is_best: Whether the slice has the best score so far.
    """
    trainer.save_checkpoint(folder / _NEXT)  # with several devices a collective: all have it, the first one writes
    if trainer.is_global_zero:
        _take_over(folder, is_best)


def write_slice(content: dict[str, Any], folder: Path, is_best: bool) -> None:
    """As ``save_slice``, of a checkpoint that has been made already.

    Args:
        content: The checkpoint, its tensors on the CPU.
        folder: Folder of the trial.
        is_best: Whether the slice has the best score so far.
    """
    torch.save(content, folder / _NEXT)
    _take_over(folder, is_best)


def _take_over(folder: Path, is_best: bool) -> None:
    if is_best:
        _link(folder / _NEXT, folder / BEST)
    os.replace(folder / _NEXT, folder / LAST)


def usable_checkpoint(folder: Path) -> tuple[Path | None, LearningCurve]:
    """The furthest checkpoint that can be read, and its curve; a damaged one is put aside and said in the log.

    Args:
        folder: Folder of the trial.

    Raises:
        OSError: If the file couldn't be read now, which says nothing of what it holds.
        MemoryError: Likewise.
    """
    for path in (folder / LAST, folder / BEST):
        if not path.is_file():
            continue
        try:
            state = read_checkpoint(path)
            slices = state["callbacks"][CURVE]["slices"]
        except (OSError, MemoryError):
            raise
        except Exception as error:  # a damaged file fails in many ways
            _put_aside(path, error)
        else:
            return path, LearningCurve(tuple(SliceResult(**s) for s in slices))
    return None, LearningCurve()


def drop_checkpoints(folder: Path) -> None:
    """Frees the disk of a trial that will not be trained further; its record stays."""
    for name in (LAST, BEST):
        for path in (folder / name, _aside(folder / name)):
            path.unlink(missing_ok=True)


def _aside(path: Path) -> Path:
    return path.with_name(f"{path.name}.damaged")


def _put_aside(path: Path, error: Exception) -> None:
    reason = " ".join(str(error).split())[:200]
    log.warning(
        "The checkpoint %s is damaged (%s); it is now %s. Going on from an earlier one or from scratch.",
        path,
        reason,
        _aside(path).name,
    )
    os.replace(path, _aside(path))


def _link(source: Path, target: Path) -> None:
    """Makes ``target`` the same file as ``source``, or a copy where the file system has no links."""
    unfinished = target.with_name(f".{target.name}")
    unfinished.unlink(missing_ok=True)
    try:
        os.link(source, unfinished)
    except OSError:
        shutil.copyfile(source, unfinished)
    os.replace(unfinished, target)
