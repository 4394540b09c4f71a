"""Trains one configuration on one task up to a fidelity, from wherever it was paused."""

from __future__ import annotations

import errno
import logging
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, Trainer, seed_everything
from lightning.pytorch.callbacks import BasePredictionWriter, Checkpoint, ModelCheckpoint

from lightning_quicktune.compose import (
    Composed,
    FitConfig,
    build,
    configured,
    quiet_upstream,
    to_yaml,
    with_overrides,
)
from lightning_quicktune.finetune.module import CausalLMFinetuner, DivergedError
from lightning_quicktune.finetune.reference import reference_step_s
from lightning_quicktune.space.search_space import SearchSpace
from lightning_quicktune.trials.facts import device_info, versions
from lightning_quicktune.trials.recorder import PauseAt, SliceRecorder
from lightning_quicktune.trials.storage import BEST, FIT_YAML, LAST, disk_full, read_trial, write_text, write_trial
from lightning_quicktune.types import Configuration, LearningCurve, Overheads, SliceResult, TaskInfo, Trial

log = logging.getLogger(__name__)

_QUIET = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False, "num_sanity_val_steps": 0}


@dataclass(frozen=True)
class TrialPlan:
    """One configuration on one task: all that a trial needs.

    Args:
        task: The task.
        fit: The fit YAML of the task, before the configuration's values are set.
        space: The search space of the configuration.
        configuration: What is trained.
        seed: Seed of adapter, data order and dropout.
        folder: Where record and checkpoints are kept, of this trial alone.
        test_each_slice: Whether the test split is measured after each slice.
    """

    task: TaskInfo
    fit: FitConfig
    space: SearchSpace
    configuration: Configuration
    seed: int
    folder: Path
    test_each_slice: bool = False

    @property
    def resolved(self) -> FitConfig:
        """The fit YAML of this trial: run alone, it trains the same weights."""
        seeded = with_overrides(self.fit, {"seed_everything": self.seed, "trainer.max_epochs": self.task.max_fidelity})
        return configured(seeded, self.space, self.configuration)

    @property
    def blank(self) -> Trial:
        """The record before the first slice."""
        return Trial(
            task=self.task.name,
            base_model=self.task.base_model.name,
            metric=self.task.metric,
            configuration=self.configuration,
            seed=self.seed,
            max_fidelity=self.task.max_fidelity,
            curve=LearningCurve(),
            status="running",
            versions=versions(),
        )


def run_trial(plan: TrialPlan, fidelity: int, on_record: Callable[[Path], object] | None = None) -> Trial:
    """Trains until the trial has ``fidelity`` slices, or has failed; a failure is recorded, not raised.

    Args:
        plan: What to train.
        fidelity: Slices to reach, from 1 to the task's ``max_fidelity``.
        on_record: Called with the trial's folder whenever its record has changed: after each slice, and at the end.

    Returns:
        The trial record, which is also in the plan's folder.

    Raises:
        ValueError: If ``fidelity`` is outside its range, or the fit YAML asks for several devices.
        OSError: If the disk is full.
    """
    if not 1 <= fidelity <= plan.task.max_fidelity:
        raise ValueError(
            f"A trial of {plan.task.name} can't reach fidelity {fidelity}: its schedule has {plan.task.max_fidelity} "
            "slices. Raise `max_fidelity`."
        )
    known = read_trial(plan.folder)
    # A record that says `running` is of a killed process: then what the checkpoint holds counts.
    if known is not None and known.status != "running" and (known.failure or known.curve.fidelity >= fidelity):
        return known
    write_text(plan.folder / FIT_YAML, to_yaml(plan.resolved))
    attempt = _Attempt(plan, known or plan.blank, on_record or (lambda folder: None))
    write_trial(plan.folder, attempt.trial)
    with warnings.catch_warnings():
        quiet_upstream()
        attempt.train(fidelity)
    attempt.keep()
    return attempt.trial


def trial_device(fit: FitConfig) -> torch.device:
    """The device that trials of this fit YAML use."""
    trainer = Trainer(**{**build(fit).trainer, **_QUIET, "callbacks": None})
    device: torch.device = trainer.strategy.root_device
    return device


def time_reference_step(fit: FitConfig) -> float:
    """Seconds of the base model's reference step on the device that trials of this fit YAML use."""
    model = build(fit).model
    if not isinstance(model, CausalLMFinetuner):
        raise ValueError(f"`model.class_path` is {type(model).__name__}, which has no base model to time.")
    return reference_step_s(model.loaded, trial_device(fit))


class _Attempt:
    """One fit of a trial, from building it to its end by pause, completion or failure."""

    def __init__(self, plan: TrialPlan, trial: Trial, on_record: Callable[[Path], object]) -> None:
        self.plan = plan
        self.on_record = on_record
        self.trial = replace(trial, status="running")
        self.recorder = SliceRecorder(self._on_slice, plan.test_each_slice)

    def train(self, fidelity: int) -> None:
        start = time.perf_counter()
        seed_everything(self.plan.seed, verbose=False)
        composed = build(self.plan.resolved)
        module = composed.model
        if not isinstance(module, CausalLMFinetuner):
            raise ValueError(
                f"Trials train a CausalLMFinetuner, but `model.class_path` is {type(module).__name__}. "
                "Set it in `recipe`."
            )
        trainer = _trainer(composed, self.plan.folder, [self.recorder, PauseAt(fidelity)])
        try:
            device = trainer.strategy.root_device
            if self.trial.device is None:
                reference = reference_step_s(module.loaded, device)
                self.trial = replace(self.trial, device=device_info(device, reference))
            checkpoint, curve = _usable_checkpoint(self.plan.folder)
            self.trial = replace(self.trial, curve=curve)
            self._spend(time.perf_counter() - start, resumed=checkpoint is not None)
            if curve.fidelity < fidelity:
                trainer.fit(module, composed.data, ckpt_path=checkpoint, weights_only=True)
            done = self.trial.curve.fidelity
            self.trial = replace(self.trial, status="completed" if done == self.plan.task.max_fidelity else "paused")
        except Exception as error:
            self.trial = replace(self.trial, status="failed", failure=_failure(error, composed, self.plan.folder))
            log.warning("Trial %s failed after %d slices: %s", self.trial.key, self.trial.curve.fidelity, error)
        finally:
            module.release()

    def _on_slice(self, curve: LearningCurve) -> None:
        overheads = replace(self.trial.overheads, test_s=self.recorder.test_s)
        self.trial = replace(self.trial, curve=curve, overheads=overheads)
        self.keep()

    def keep(self) -> None:
        """Writes the record."""
        write_trial(self.plan.folder, self.trial)
        self.on_record(self.plan.folder)

    def _spend(self, seconds: float, resumed: bool) -> None:
        before = self.trial.overheads
        overheads: Overheads = (
            replace(before, resume_s=before.resume_s + seconds)
            if resumed
            else replace(before, start_s=before.start_s + seconds)
        )
        self.trial = replace(self.trial, overheads=overheads)


def _trainer(composed: Composed, folder: Path, callbacks: list[Callback]) -> Trainer:
    arguments = dict(composed.trainer)
    if arguments.get("devices") not in (1, "1", "auto") or int(arguments.get("num_nodes") or 1) > 1:
        raise ValueError(
            f"Trials run inside this process and train on one device, but `trainer.devices` is {arguments['devices']}. "
            "Set `trainer.devices: 1` in `recipe`; to train one configuration on several, run `fit` on its fit.yaml."
        )
    if arguments.get("devices") == "auto":
        arguments["devices"] = 1
    checkpoint = ModelCheckpoint(
        dirpath=folder,
        filename=Path(BEST).stem,
        monitor="score",
        mode="max",
        save_last=True,
        save_on_train_epoch_end=True,
        enable_version_counter=False,
    )
    own = [c for c in arguments.get("callbacks") or [] if not isinstance(c, (Checkpoint, BasePredictionWriter))]
    arguments["callbacks"] = [*own, *callbacks, checkpoint]
    return Trainer(**{**arguments, **_QUIET, "default_root_dir": folder})


def _usable_checkpoint(folder: Path) -> tuple[str | None, LearningCurve]:
    """The furthest checkpoint that can be read, and its curve; a damaged one is removed and said in the log."""
    for path in (folder / LAST, folder / BEST):
        if not path.is_file():
            continue
        try:
            state = torch.load(path, map_location="cpu", weights_only=True)
            slices = state["callbacks"][SliceRecorder.__name__]["slices"]
        except Exception as error:
            reason = " ".join(str(error).split())[:200]
            log.warning(
                "The checkpoint %s is damaged (%s); going on from an earlier one or from scratch.", path, reason
            )
            path.unlink()
        else:
            return str(path), LearningCurve(tuple(SliceResult(**s) for s in slices))
    return None, LearningCurve()


def _failure(error: Exception, composed: Composed, folder: Path) -> str:
    """What the record says of a failure; a full disk is nobody's failure and is raised."""
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        raise disk_full(folder, error) from error
    if isinstance(error, DivergedError):
        return "diverged"
    text = " ".join(str(error).split())
    if isinstance(error, (torch.cuda.OutOfMemoryError, MemoryError)) or "not enough memory" in text:
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        data: Any = composed.data
        return f"out_of_memory: batch of {data.batch_size} records of at most {data.token_settings.max_length} tokens"
    return f"error: {type(error).__name__}: {text[:500]}"
