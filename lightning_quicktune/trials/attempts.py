"""The beginning and end of every attempt at a trial, alone or in a cohort."""

from __future__ import annotations

import errno
import logging
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from lightning_quicktune.compose import Composed
from lightning_quicktune.files.whole import disk_full
from lightning_quicktune.finetune.finetuner import DivergedError, Finetuner
from lightning_quicktune.trials.identity import CONTENT_CHANGED, LABEL_VERSION, differences, label_settings
from lightning_quicktune.trials.plan import TrialPlan
from lightning_quicktune.trials.storage import put_aside_other_labels, read_trial, write_trial
from lightning_quicktune.types import Trial

log = logging.getLogger(__name__)

_CONTEXT = 2**30  # bytes of a GPU that libraries, or a desktop, hold beside what tensors do


def known_trial(plan: TrialPlan, fidelity: int) -> tuple[Trial, bool]:
    """The record that a trial goes on with, and whether there is nothing more to do.

    Args:
        plan: The trial.
        fidelity: Slices to reach.

    Raises:
        ValueError: If ``fidelity`` is outside its range, or the folder holds a trial with other settings.
    """
    if not 1 <= fidelity <= plan.task.max_fidelity:
        raise ValueError(
            f"A trial of {plan.task.name} can't reach fidelity {fidelity}: its schedule has {plan.task.max_fidelity} "
            "slices. Raise `max_fidelity`."
        )
    other_labels = put_aside_other_labels(plan.folder)
    known, blank = read_trial(plan.folder), plan.blank
    if other_labels is not None:
        log.warning(
            "Trial %s was trained with labels of version %d, and the same settings train otherwise now (version %d): "
            "it starts anew.",
            blank.key,
            other_labels,
            LABEL_VERSION,
        )
    if known is not None:
        _check_same(plan, known, blank)
        if known.versions != blank.versions:
            log.warning(
                "Trial %s began with other versions: %s. Its record may not reproduce it.",
                known.key,
                "; ".join(differences(known.versions, blank.versions)),
            )
        if (
            known.status == "paused" and known.curve.fidelity == plan.task.max_fidelity
        ):  # asked to end after its last slice
            known = replace(known, status="completed")
            write_trial(plan.folder, known)
        # A record that says `running` is of a killed process: then what the checkpoint holds counts.
        reached = known.status not in ("running", "interrupted") and known.curve.fidelity >= fidelity
        if known.status == "failed" or reached:
            return known, True
    return known or blank, False


def checked_finetuner(plan: TrialPlan, composed: Composed) -> Finetuner:
    """The finetuner of a trial, with its task's base model loaded.

    Args:
        plan: The trial.
        composed: What its fit YAML describes.

    Raises:
        ValueError: If it is none, or the base model is another one.
    """
    module, expected = composed.model, plan.task.base_model
    if not isinstance(module, Finetuner):
        raise ValueError(
            f"Trials train a Finetuner, but `model.class_path` is {type(module).__name__}. Set it in `recipe`."
        )
    if module.loaded.info.weight_hash != expected.weight_hash:
        raise ValueError(
            f"The task {plan.task.name} was described with weights {expected.weight_hash} of "
            f"{expected.name}, but `model.init_args.base_model` now gives {module.loaded.info.weight_hash}. Put "
            "the base model back, or set `output` to another folder."
        )
    return module


@contextmanager
def interruptible() -> Iterator[None]:
    """An interruption stays of its kind; Lightning turns it into an exit, and then makes SIGINT ignored.

    In another thread than the main one, as of an actor, it fails at the latter, and the interruption with it.
    """
    handler = signal.getsignal(signal.SIGINT)
    try:
        yield
    except (SystemExit, ValueError) as stop:
        interruption = stop.__context__
        if not isinstance(interruption, KeyboardInterrupt):
            raise
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, handler)
        raise type(interruption) from None


def _check_same(plan: TrialPlan, known: Trial, now: Trial) -> None:
    """Refuses to go on with a trial that was trained with other settings or data."""
    before, after = ({"max_fidelity": t.max_fidelity, **label_settings(t.fit)} for t in (known, now))
    changes = differences(before, after)
    if known.content_digest != now.content_digest:
        changes.append(CONTENT_CHANGED)
    if changes:
        raise ValueError(
            f"{plan.folder} holds this trial with other settings: {'; '.join(changes)}. Slices of both can't be one "
            "learning curve: set `output` to another folder, or put the settings back."
        )


def failure_of(error: Exception, data: Any, folder: Path) -> str:
    """What the record says of an error; a full disk is no trial's and is raised."""
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        raise disk_full(folder, error) from error
    if isinstance(error, DivergedError):
        return "diverged"
    text = " ".join(str(error).split())
    if is_out_of_memory(error):
        others = memory_of_others()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        batch = f"batch of {data.batch_size} records of at most {data.token_settings.max_length} tokens"
        if others:  # which says nothing of the configuration
            return f"error: {type(error).__name__}: no room for a {batch} beside {others / 2**30:.1f} GiB of others"
        return f"out_of_memory: {batch}"
    return f"error: {type(error).__name__}: {text[:500]}"


def memory_of_others() -> int:
    """Bytes of the GPU that other processes hold; 0 without a GPU, or if they hold hardly any."""
    if not torch.cuda.is_available():
        return 0
    free, total = torch.cuda.mem_get_info()
    others = total - free - torch.cuda.memory_reserved() - _CONTEXT
    return max(others, 0)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory, of the device or of the machine, was too small."""
    return isinstance(error, (torch.cuda.OutOfMemoryError, MemoryError)) or "not enough memory" in str(error)
