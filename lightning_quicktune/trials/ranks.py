"""One trial on several devices: whether they are there, its steps, shared out, and failures of other than the first."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from pathlib import Path

import torch

from lightning_quicktune.compose import FitConfig, build, with_overrides
from lightning_quicktune.data.datamodule import TaskData
from lightning_quicktune.files.whole import read_json, write_json
from lightning_quicktune.metadataset.outcome import tells
from lightning_quicktune.trials.plan import TrialPlan
from lightning_quicktune.trials.trainer import trial_device

_PATIENCE_S = 2.0  # for another device to say why it ended
_NOTE = ".rank-{}.failure.json"


def local_rank() -> int:
    """Number of this process's device in its trial, from 0."""
    return int(os.environ.get("LOCAL_RANK", "0"))


def spread(fit: FitConfig, devices: int) -> FitConfig:
    """The fit YAML of the same steps on several devices, each of which takes as many records at once as fit now.

    Args:
        fit: A fit YAML for one device.
        devices: How many there are.

    Raises:
        ValueError: If the records of a step can't be shared out evenly.
    """
    if devices == 1:
        return fit
    composed = build(fit)
    batch = composed.data.batch_size if isinstance(composed.data, TaskData) else 1
    step = batch * int(composed.trainer.get("accumulate_grad_batches") or 1)
    if step % devices:
        raise ValueError(
            f"`executor.devices` is {devices}, but a step of a trial has {step} records (`data.init_args.batch_size` "
            "times `trainer.accumulate_grad_batches`), which can't be shared out evenly. Set `executor.devices` to a "
            "number that divides the steps of all trials: of the configurations of the search space and, in a search, "
            "of what `compare` names."
        )
    of_each = step // devices
    at_once = max(n for n in range(1, min(batch, of_each) + 1) if of_each % n == 0)
    keys = {"data.init_args.batch_size": at_once, "trainer.accumulate_grad_batches": of_each // at_once}
    return with_overrides(fit, keys)


def check_spread(plans: Iterable[TrialPlan], devices: int) -> None:
    """Refuses trials whose steps can't be shared out to so many devices, or more devices than there are.

    Args:
        plans: The trials.
        devices: How many devices each has.

    Raises:
        ValueError: If there is such a trial, or a device is missing.
    """
    if devices > 1:
        fits = [plan.resolved for plan in plans]
        name, n_there = _there(trial_device(fits[0]).type)
        if devices > n_there:
            raise ValueError(
                f"`executor.devices` is {devices}, but this machine has {n_there} {name}{'s' * (n_there != 1)} for "
                f"this command, and each device of a trial takes one. Set it to {n_there} or less."
            )
        for fit in fits:
            spread(fit, devices)


def _there(kind: str) -> tuple[str, int]:
    """What a device of a kind is called, and how many there are."""
    if kind == "cuda":
        return "GPU", torch.cuda.device_count()
    return ("CPU", n_cpus()) if kind == "cpu" else (kind, 1)


def n_cpus() -> int:
    """CPUs that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def note_failure(folder: Path, rank: int, failure: str) -> None:
    """Keeps why a device other than the first has ended, for the first one's record.

    Args:
        folder: Folder of the trial.
        rank: The device's number.
        failure: Why, as a record says it.
    """
    write_json(folder / _NOTE.format(rank), {"failure": failure})


def noted_failure(folder: Path, patience_s: float = 0.0) -> str | None:
    """What another device has noted, if it says something of the configuration.

    Args:
        folder: Folder of the trial.
        patience_s: Seconds that it may yet take.
    """
    until = time.monotonic() + patience_s
    while True:
        notes = [note for path in folder.glob(_NOTE.format("*")) if (note := read_json(path)) is not None]
        telling = [str(note["failure"]) for note in notes if tells(str(note["failure"]))]
        if telling or time.monotonic() >= until:
            return telling[0] if telling else None
        time.sleep(0.1)


def failure_over_ranks(folder: Path, own: str) -> str:
    """What the record says where the first device has failed: what another one says, if its own says nothing.

    Args:
        folder: Folder of the trial.
        own: Its own failure, which often is just that another device is gone.
    """
    return own if tells(own) else noted_failure(folder, _PATIENCE_S) or own


def forget_failures(folder: Path) -> None:
    """Removes what earlier attempts have noted."""
    for path in folder.glob(_NOTE.format("*")):
        path.unlink(missing_ok=True)
