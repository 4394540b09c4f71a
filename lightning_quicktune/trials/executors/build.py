"""The executor of trials that a YAML describes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal

import torch

from lightning_quicktune.compose import FitConfig
from lightning_quicktune.trials.cohort_size import MOST
from lightning_quicktune.trials.executors.in_process import InProcessExecutor
from lightning_quicktune.trials.executors.orders import TrialExecutor
from lightning_quicktune.trials.executors.pool import PoolExecutor
from lightning_quicktune.trials.executors.processes import Launches, Processes
from lightning_quicktune.trials.executors.settings import ExecutorSettings
from lightning_quicktune.trials.executors.worker import Brief, Place
from lightning_quicktune.trials.executors.workplace import Workplace


def build_executor(
    settings: ExecutorSettings,
    workers: int,
    cohort: int | Literal["auto"],
    fit: FitConfig,
    place: Place | None = None,
    on_record: Callable[[Path], object] | None = None,
    on_step: Callable[[str, int, int], object] | None = None,
) -> TrialExecutor:
    """Builds it; workers start with the first order.

    Args:
        settings: Where trials run.
        workers: Trials, or cohorts, that run side by side.
        cohort: Trials of a task that a worker trains at once, or ``auto`` for as many as its memory holds.
        fit: A fit YAML of the trials.
        place: MLflow experiment that workers tell of their trials, while nobody else works on them; none for nothing.
        on_record: Called here with a trial's folder whenever its record has changed.
        on_step: Called here with a configuration's id, a batch's number in its slice, from 1, and how many there are.

    Raises:
        ValueError: If the settings don't fit each other.
        ModuleNotFoundError: If Ray is wanted and not installed.
    """
    kind = settings.kind_for(workers)
    most = MOST if cohort == "auto" else cohort
    says_steps = on_step is not None
    if kind == "in_process":
        return InProcessExecutor(Brief(cohort, 1, place, None, says_steps), most, on_record, on_step)
    sharing = settings.sharing(workers, torch.cuda.device_count())
    brief = Brief(cohort, sharing, place, None if kind == "subprocess" else fit, says_steps, settings.devices)
    return PoolExecutor(_workplace(kind, settings, workers, brief), workers, most, on_record, on_step)


def _workplace(kind: str, settings: ExecutorSettings, workers: int, brief: Brief) -> Workplace:
    if kind == "processes":
        return Processes(brief, settings.threads_for(workers))
    if kind == "ray":
        from lightning_quicktune.trials.executors.ray_actors import RayCluster

        return RayCluster(settings, brief, workers)
    return Launches(brief, settings.threads_for(workers))
