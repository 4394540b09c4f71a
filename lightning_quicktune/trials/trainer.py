"""The Trainer of a trial, the device it is on, and what that device's reference step takes."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.callbacks import BasePredictionWriter, Checkpoint

from lightning_quicktune.compose import Composed, FitConfig, build
from lightning_quicktune.finetune.base_model import BaseModelSettings
from lightning_quicktune.finetune.finetuner import Finetuner
from lightning_quicktune.finetune.reference import reference_step_s

_QUIET = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False, "num_sanity_val_steps": 0}
_reference: dict[tuple[BaseModelSettings, str, int], float] = {}


def trial_trainer(
    composed: Composed, folder: Path, callbacks: list[Callback], devices: int = 1, **instead: Any
) -> Trainer:
    """The trainer of a fit YAML, without its writers of checkpoints, predictions and logs.

    Args:
        composed: What the fit YAML describes.
        folder: Folder of the trial.
        callbacks: Callbacks of the trial, called after those of the YAML.
        devices: Devices that train it together.
        instead: Arguments of the Trainer to use instead of the YAML's.

    Raises:
        ValueError: If the YAML asks for several devices.
    """
    arguments = dict(composed.trainer)
    if arguments.get("devices") not in (1, "1", "auto") or int(arguments.get("num_nodes") or 1) > 1:
        raise ValueError(
            "A recipe of trials describes the training on one device, but `trainer.devices` is "
            f"{arguments['devices']}. Set `trainer.devices: 1` in `recipe`; to train each trial on several, set "
            "`executor.kind: subprocess` and `executor.devices`."
        )
    arguments["devices"] = devices
    if devices > 1:
        arguments["use_distributed_sampler"] = False  # the data module deals records itself
        if arguments.get("strategy") in (None, "auto"):
            arguments["strategy"] = "ddp"
    own = [c for c in arguments.get("callbacks") or [] if not isinstance(c, (Checkpoint, BasePredictionWriter))]
    return Trainer(**{**arguments, **_QUIET, "callbacks": [*own, *callbacks], "default_root_dir": folder, **instead})


def plain_trainer(fit: FitConfig) -> Trainer:
    """A trainer with device and precision of a fit YAML, and nothing that watches it."""
    return Trainer(**{**build(fit).trainer, **_QUIET, "callbacks": None})


def trial_device(fit: FitConfig) -> torch.device:
    """The device that trials of this fit YAML use."""
    device: torch.device = plain_trainer(fit).strategy.root_device
    return device


def time_reference_step(fit: FitConfig, threads: int | None = None) -> float:
    """Seconds of the base model's reference step, as it tells what slices take on the device that trials use.

    On several threads of a CPU that is the geometric mean of what it takes on one and on all of them: slices, whose
    steps are small, gain less by threads (SmolLM2-135M, two threads: 1.3 times, the reference step 1.7 times).

    Args:
        fit: The fit YAML.
        threads: Threads of the workers that train them; as many as this process has if none.
    """
    model = build(fit).model
    if not isinstance(model, Finetuner):
        raise ValueError(f"`model.class_path` is {type(model).__name__}, which has no base model to time.")
    _ = model.loaded  # which sets this process's threads by its size
    device, before = trial_device(fit), torch.get_num_threads()
    several = threads or before
    try:
        torch.set_num_threads(several)
        together = known_reference_step_s(model, device)
        if several == 1 or device.type != "cpu":
            return together
        torch.set_num_threads(1)
        return math.sqrt(together * known_reference_step_s(model, device))
    finally:
        torch.set_num_threads(before)


def known_reference_step_s(module: Finetuner, device: torch.device) -> float:
    """Seconds of the base model's reference step, timed once per process, device and number of threads."""
    key = (module.base_model, str(device), torch.get_num_threads())
    if key not in _reference:
        _reference[key] = reference_step_s(module.loaded, device)
    return _reference[key]
