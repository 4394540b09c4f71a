"""A meta-dataset of invented trials for benchmarks of surrogates and searchers."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from lightning_quicktune.metadataset.build import build
from lightning_quicktune.metadataset.folder import load
from lightning_quicktune.metadataset.table import MetaDataset
from lightning_quicktune.types import Configuration, DeviceInfo, LearningCurve, SliceResult, TaskInfo, Trial

STEP_S = 0.01
DEVICE = DeviceInfo("invented", count=1, threads=1, load_average=0.0, reference_step_s=STEP_S)


def invented_trials(n_trials: int, n_tasks: int, n_slices: int) -> MetaDataset:
    """Trials of the search space of the shipped meta-dataset, over tasks whose records resemble its own.

    Scores rise along saturating curves to what a smooth random function of configuration and task says.

    Args:
        n_trials: Trials in all.
        n_tasks: Tasks that they are spread over.
        n_slices: Slices of each.
    """
    shipped, random = load("nano"), np.random.default_rng(0)
    first = [shipped.task_info(name) for name in shipped.task_names]
    tasks = [
        replace(first[i % len(first)], name=f"invented-{i}", max_fidelity=n_slices, zero_shot_score=0.2)
        for i in range(n_tasks)
    ]
    configurations = shipped.space.sample(n_trials // n_tasks, seed=0)
    encoded = shipped.space.encode(configurations)
    shared = random.normal(size=encoded.shape[1])
    trials = []
    for task in tasks:
        finals = np.sin(encoded @ (shared + 0.5 * random.normal(size=len(shared))))
        trials += [_trial(task, c, float(f)) for c, f in zip(configurations, finals, strict=True)]
    return build(trials, tasks, shipped.space, "invented for benchmarks", "Apache-2.0")


def _trial(task: TaskInfo, configuration: Configuration, final: float) -> Trial:
    latents = [final * (1 - math.exp(-3 * f / task.max_fidelity)) for f in range(1, task.max_fidelity + 1)]
    cost_s = STEP_S * task.records_per_slice * (1 + abs(final))
    slices = tuple(
        SliceResult(f, 1 / (1 + math.exp(-latent)), cost_s, cost_s, cost_tokens=0)
        for f, latent in enumerate(latents, start=1)
    )
    return Trial(
        task=task.name,
        base_model=task.base_model.name,
        metric=task.metric,
        configuration=configuration,
        seed=0,
        max_fidelity=task.max_fidelity,
        curve=LearningCurve(slices),
        status="completed",
        device=DEVICE,
    )
