"""The runner of a trial: one configuration on one task up to a fidelity, from wherever it was paused."""

from __future__ import annotations

import logging
import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from lightning.pytorch import Callback, Trainer, seed_everything

from lightning_quicktune.compose import Composed, build, quiet_upstream, to_yaml
from lightning_quicktune.files.whole import write_text
from lightning_quicktune.finetune.finetuner import Finetuner
from lightning_quicktune.metadataset.outcome import tells
from lightning_quicktune.trials.attempts import checked_finetuner, failure_of, interruptible, known_trial
from lightning_quicktune.trials.checkpoints import usable_checkpoint
from lightning_quicktune.trials.facts import device_info
from lightning_quicktune.trials.plan import TrialPlan
from lightning_quicktune.trials.ranks import failure_over_ranks, forget_failures, local_rank, note_failure, spread
from lightning_quicktune.trials.recorder import PauseAt, SliceRecorder, StepTeller
from lightning_quicktune.trials.storage import FIT_YAML, read_trial, write_trial
from lightning_quicktune.trials.trainer import known_reference_step_s, trial_trainer
from lightning_quicktune.types import LearningCurve, Trial, TrialStatus

log = logging.getLogger(__name__)


def run_trial(
    plan: TrialPlan,
    fidelity: int,
    on_record: Callable[[Path], object] | None = None,
    on_step: Callable[[int, int], None] | None = None,
    devices: int = 1,
) -> Trial:
    """Trains until the trial has ``fidelity`` slices, or ends without; why it did is recorded, not raised.

    A trial that diverged or ran out of memory has failed for good. One that any other error interrupted keeps its
    checkpoint, and the next call goes on from there.

    Args:
        plan: What to train.
        fidelity: Slices to reach, from 1 to the task's ``max_fidelity``.
        on_record: Called with the trial's folder whenever its record has changed: after each slice, and at the end.
        on_step: Called after each batch with its number in the slice, from 1, and how many there are.
        devices: Devices that train it together, each in a process that runs this program (``executors/child.py``).

    Returns:
        The trial record, which is also in the plan's folder.

    Raises:
        ValueError: If ``fidelity`` is outside its range, the fit YAML asks for several devices, or the folder holds a
            trial with other settings.
        OSError: If the disk is full, or a checkpoint can't be read now; the trial is as it was.
        KeyboardInterrupt: If the user stopped it; the trial is then paused.
    """
    began = time.perf_counter()
    trial, has_reached = known_trial(plan, fidelity)
    if has_reached:
        return trial
    attempt = _Attempt(plan, trial, fidelity, on_record or (lambda folder: None), began, devices)
    if on_step is not None:
        attempt.watching.append(StepTeller(on_step))
    with warnings.catch_warnings():
        quiet_upstream()
        attempt.train()
    return attempt.trial


def stop_trial(folder: Path, on_record: Callable[[Path], object]) -> None:
    """Marks a paused trial as stopped, because the search has ended without it; it can still be trained further.

    Args:
        folder: Folder of the trial.
        on_record: Called with the folder if the record has changed.
    """
    trial = read_trial(folder)
    if trial is not None and trial.status == "paused":
        write_trial(folder, replace(trial, status="stopped"))
        on_record(folder)


class _Attempt:
    """One fit of a trial, from building it to its end by pause, completion or failure."""

    def __init__(
        self,
        plan: TrialPlan,
        trial: Trial,
        fidelity: int,
        on_record: Callable[[Path], object],
        began: float,
        devices: int,
    ) -> None:
        self.plan = plan
        self.devices = devices
        self.rank = local_rank() if devices > 1 else 0  # whoever is first alone writes records
        self.fidelity = fidelity
        self.on_record = on_record
        self.trial = replace(trial, status="running", failure=None)
        self.recorder = SliceRecorder(plan.folder, trial.overheads, self._on_slice, plan.test_each_slice, began)
        self.watching: list[Callback] = []

    def train(self) -> None:
        seed_everything(self.plan.seed, verbose=False)
        fit = self.plan.resolved
        composed = build(spread(fit, self.devices))
        module = checked_finetuner(self.plan, composed)
        callbacks = [*self.watching, self.recorder, PauseAt(self.fidelity)]
        trainer = trial_trainer(composed, self.plan.folder, callbacks, self.devices)
        checkpoint, curve = usable_checkpoint(self.plan.folder)
        self.trial = replace(self.trial, curve=curve)
        if self.rank == 0:
            forget_failures(self.plan.folder)
            write_text(self.plan.folder / FIT_YAML, to_yaml(fit))
        self._keep()
        try:
            with interruptible():
                self._fit(trainer, module, composed, checkpoint)
            self._pause()
        except Exception as error:
            failure = failure_of(error, composed.data, self.plan.folder)
            if self.rank > 0:
                note_failure(self.plan.folder, self.rank, failure)
                raise
            if self.devices > 1:
                failure = failure_over_ranks(self.plan.folder, failure)
            status: TrialStatus = "failed" if tells(failure) else "interrupted"
            self.trial = replace(self.trial, status=status, failure=failure)
            what = "failed" if status == "failed" else "was interrupted by an error"
            log.warning("Trial %s %s after %d slices: %s", self.trial.key, what, self.trial.curve.fidelity, error)
        except KeyboardInterrupt:
            self._pause()
            raise
        finally:
            module.release()
            self.recorder.close()
            self._keep()
            self._tell()

    def _fit(self, trainer: Trainer, module: Finetuner, composed: Composed, checkpoint: Path | None) -> None:
        self._time_device(module, trainer.strategy.root_device)
        if checkpoint is not None:
            self.recorder.resumes()
        if self.trial.curve.fidelity < self.fidelity:
            trainer.fit(module, composed.data, ckpt_path=checkpoint, weights_only=True)

    def _time_device(self, module: Finetuner, device: torch.device) -> None:
        start = time.perf_counter()
        reference = known_reference_step_s(module, device)
        self.recorder.leave_out(time.perf_counter() - start)
        self.recorder.device = device_info(device, reference, self.devices)
        self.trial = replace(self.trial, device=self.recorder.device)

    def _pause(self) -> None:
        done = self.trial.curve.fidelity
        self.trial = replace(self.trial, status="completed" if done == self.plan.task.max_fidelity else "paused")

    def _on_slice(self, curve: LearningCurve) -> None:
        self.trial = replace(self.trial, curve=curve)
        self._keep()
        if curve.fidelity < self.fidelity:  # the last slice is told with the end of the attempt
            self._tell()

    def _keep(self) -> None:
        self.trial = replace(self.trial, overheads=self.recorder.overheads)
        if self.rank == 0:
            write_trial(self.plan.folder, self.trial)

    def _tell(self) -> None:
        if self.rank == 0:
            self.on_record(self.plan.folder)
