"""A trial's seat in a cohort: its record, its recorder and its member, from the start of an attempt to its end."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import cast

import torch

from lightning_quicktune.compose import Composed, build, to_yaml
from lightning_quicktune.data.datamodule import TaskData
from lightning_quicktune.files.whole import write_text
from lightning_quicktune.finetune.cohort.checkpoint import Checkpoint, MemberCheckpoints, on_cpu
from lightning_quicktune.finetune.cohort.member import Member
from lightning_quicktune.finetune.finetuner import Finetuner
from lightning_quicktune.finetune.resuming import read_checkpoint
from lightning_quicktune.metadataset.outcome import tells
from lightning_quicktune.trials.attempts import checked_finetuner, failure_of, is_out_of_memory
from lightning_quicktune.trials.checkpoints import usable_checkpoint, write_slice
from lightning_quicktune.trials.plan import TrialPlan
from lightning_quicktune.trials.recorder import Phase, SliceCost, SliceRecorder
from lightning_quicktune.trials.storage import FIT_YAML, write_trial
from lightning_quicktune.types import LearningCurve, Trial, TrialStatus

log = logging.getLogger(__name__)


class Seat:
    """One trial of a cohort.

    Args:
        plan: What is trained.
        trial: Its record.
        fidelity: Slices to reach.
        on_record: Called with the trial's folder whenever its record has changed.
        on_step: Called after each pass of the cohort with its number in the slice, from 1, and how many there are.
    """

    def __init__(
        self,
        plan: TrialPlan,
        trial: Trial,
        fidelity: int,
        on_record: Callable[[Path], object],
        on_step: Callable[[int, int], None] | None = None,
    ) -> None:
        self.plan = plan
        self.fidelity = fidelity
        self.on_record = on_record
        self.on_step = on_step
        self.trial = replace(trial, status="running", failure=None)
        self.recorder = SliceRecorder(plan.folder, trial.overheads, lambda curve: None, plan.test_each_slice, 0.0)
        self.composed: Composed
        self.member: Member
        self.saved: Checkpoint | None = None

    @property
    def has_left(self) -> bool:
        """Whether it is no longer trained."""
        return self.trial.status != "running"

    @property
    def missing(self) -> int:
        """Slices that it is still to be trained."""
        return self.fidelity - self.trial.curve.fidelity

    def sit_down(self) -> None:
        """Builds the trial and finds the checkpoint that it goes on from; it leaves if that has all that is asked for.

        Raises:
            ValueError: If the fit YAML is wrong.
        """
        fit = self.plan.resolved
        self.composed = build(fit)
        checked_finetuner(self.plan, self.composed)
        path, curve = usable_checkpoint(self.plan.folder)
        self.saved = read_checkpoint(path) if path is not None else None
        self.trial = replace(self.trial, curve=curve)
        write_text(self.plan.folder / FIT_YAML, to_yaml(fit))
        self.keep()
        if not self.missing > 0:
            self.recorder.slices = list(curve.slices)
            self.tell()

    def set_up(self, checkpoints: MemberCheckpoints) -> None:
        """Builds the member and reads its data; the trial leaves if they can't be used.

        Args:
            checkpoints: Lends it a trainer.
        """
        try:
            self.member = Member(self.finetuner, self.data, self.composed.trainer, self.plan.seed, [self.recorder])
            checkpoints.set_up(self.member)
        except (TypeError, ValueError, RuntimeError) as error:
            if is_out_of_memory(error):
                raise
            self.fail(error)

    def release(self) -> None:
        """Lets go of what the cohort has lent."""
        if hasattr(self, "member"):
            self.member.release()

    @property
    def data(self) -> TaskData:
        """Its data module."""
        return cast("TaskData", self.composed.data)

    @property
    def finetuner(self) -> Finetuner:
        """Its module."""
        return cast("Finetuner", self.composed.model)

    def add_slice(self, validation: Mapping[str, float], test: Mapping[str, float], cost: SliceCost) -> bool:
        """Adds a slice to the curve; it is recorded with its checkpoint.

        Args:
            validation: Metrics of the validation split.
            test: Metrics of the test split, or nothing.
            cost: This trial's share.

        Returns:
            Whether it has the best score so far.
        """
        name = self.finetuner.score.name
        return self.recorder.add(validation[name], validation, test.get(name), test, cost)

    def progressed(self) -> Trial:
        """The record with all slices so far, which still says that the trial runs."""
        curve, recorder = LearningCurve(tuple(self.recorder.slices)), self.recorder
        return replace(self.trial, curve=curve, overheads=recorder.overheads, device=recorder.device)

    def write(self, checkpoint: Checkpoint, is_best: bool, record: Trial) -> None:
        """Writes the checkpoint of a slice, then its record: beside the training, because a disk answers slowly.

        Args:
            checkpoint: Its content, which may be views of what others have a part of.
            is_best: Whether the slice has the best score so far.
            record: From ``progressed``.
        """
        write_slice(on_cpu(checkpoint), self.plan.folder, is_best)
        write_trial(self.plan.folder, record)

    def tell_when(self, written: Future[None]) -> BaseException | None:
        """Tells of a slice as soon as it is safe; the trial leaves if it has come far enough.

        Args:
            written: What writes checkpoint and record.

        Returns:
            Why it couldn't be written, if so.
        """
        error = written.exception()
        if error is None:
            self.tell()
        return error

    def tell(self) -> None:
        """Tells of the slices so far, which are safe; the trial leaves if it has come far enough."""
        if self.has_left:
            return
        self.trial = self.progressed()
        done = self.trial.curve.fidelity
        if done >= self.fidelity:
            self.leave("completed" if done == self.plan.task.max_fidelity else "paused")
        else:
            self.on_record(self.plan.folder)

    def fail(self, error: Exception) -> None:
        """Ends the trial by an error.

        Args:
            error: What happened.
        """
        failure = failure_of(error, self.composed.data, self.plan.folder)
        status: TrialStatus = "failed" if tells(failure) else "interrupted"
        what = "failed" if status == "failed" else "was interrupted by an error"
        log.warning("Trial %s %s after %d slices: %s", self.trial.key, what, self.trial.curve.fidelity, error)
        self.leave(status, failure)

    def leave(self, status: TrialStatus, failure: str | None = None) -> None:
        """Ends the attempt.

        Args:
            status: What the record says.
            failure: Why, if it failed or was interrupted.
        """
        self.trial = replace(self.trial, status=status, failure=failure)
        self.keep()
        self.on_record(self.plan.folder)

    def share(self, phase: Phase, seconds: float) -> None:
        """Books its share of what the cohort took.

        Args:
            phase: What it counts as.
            seconds: This trial's share.
        """
        self.recorder.take_share(phase, seconds)

    def keep(self) -> None:
        """Writes the record."""
        self.trial = replace(self.trial, overheads=self.recorder.overheads, device=self.recorder.device)
        write_trial(self.plan.folder, self.trial)


def wait_for(device: torch.device) -> None:
    """Waits until a device has done what it was told, so that a clock shows what it took."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
