"""The refit of trained surrogates on what was observed of the new task: default Quick-Tune."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Adam

from lightning_quicktune.surrogate.cost_model import CostModel
from lightning_quicktune.surrogate.performance_model import PerformanceModel
from lightning_quicktune.surrogate.scale import to_latent
from lightning_quicktune.types import Configuration, LearningCurve, TaskInfo

_STEPS = 20
_PERFORMANCE_LR, _COST_LR = 1e-4, 1e-3  # at 1e-3 a few curves make what is predicted of others worse
_MOST_POINTS, _EARLIER = 192, 128  # of the new task and of earlier ones; a step's time grows with their cube

Observed = Sequence[tuple[Configuration, LearningCurve]]


def refit_performance(model: PerformanceModel, task: TaskInfo, observed: Observed, seed: int) -> PerformanceModel:
    """A copy that was trained a little further on the new task, whose points join those of the earlier tasks.

    The further training maximises the marginal likelihood of the new task's points and some of the earlier ones
    together: that of a few points of one task alone is soon overfitted.

    Args:
        model: Trained on earlier tasks; it stays as it is.
        task: The new task.
        observed: Its learning curves so far.
        seed: Decides which points are trained on.

    References:
        Arango, Ferreira, Kadra, Hutter and Grabocka (2024), Quick-Tune, algorithm 1.
    """
    points = [(c, curve.scores[:t], score) for c, curve in observed for t, score in enumerate(curve.scores)]
    if len(points) < 2:  # one alone says nothing of a covariance
        return model
    random = np.random.default_rng(seed)
    kept = sorted(random.permutation(len(points))[:_MOST_POINTS].tolist())
    configurations, curves, scores = zip(*(points[i] for i in kept), strict=True)
    rows = model.inputs(task, configurations, curves, [len(curve) + 1 for curve in curves])
    inputs, latent = torch.from_numpy(rows), torch.from_numpy(to_latent(np.array(scores), task.zero_shot_score))
    refitted = PerformanceModel(model.card, len(model.support_latent) + len(kept))
    weights = model.state_dict()
    weights["support_inputs"] = torch.cat([model.support_inputs, inputs])
    weights["support_latent"] = torch.cat([model.support_latent, latent])
    refitted.load_state_dict(weights)
    earlier = torch.from_numpy(random.permutation(len(model.support_latent))[:_EARLIER])
    joint_inputs = torch.cat([model.support_inputs[earlier], inputs])
    gp, targets = refitted.gp, refitted.standardize(torch.cat([model.support_latent[earlier], latent]))
    _train(refitted, lambda: -gp.likelihood(gp.forward(joint_inputs)).log_prob(targets) / len(targets), _PERFORMANCE_LR)
    return refitted


def refit_cost(model: CostModel, task: TaskInfo, observed: Observed, reference_step_s: float) -> CostModel:
    """A copy that was trained a little further on the new task's seconds per slice.

    Args:
        model: Trained on earlier tasks; it stays as it is.
        task: The new task.
        observed: Its learning curves so far.
        reference_step_s: Seconds of one fixed step of the base model on the present device.
    """
    known = [(c, [s for s in curve.costs_s if math.isfinite(s) and s > 0]) for c, curve in observed]
    means = [(c, sum(seconds) / len(seconds)) for c, seconds in known if seconds]
    if not means:
        return model
    refitted = copy.deepcopy(model)
    inputs = refitted.inputs(task, [c for c, _ in means])
    per_record = torch.tensor([s for _, s in means], dtype=torch.float64) / (reference_step_s * task.records_per_slice)
    targets = per_record.log()
    _train(refitted, lambda: (refitted(inputs) - targets).square().mean(), _COST_LR)
    return refitted


def _train(model: nn.Module, loss: Callable[[], Tensor], lr: float) -> None:
    """A few steps of Adam; where the loss is not a number, the weights stay as they were."""
    before, optimizer = copy.deepcopy(model.state_dict()), Adam(model.parameters(), lr=lr)
    model.train()
    for _ in range(_STEPS):
        optimizer.zero_grad()
        loss().backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    model.eval()
    if not all(bool(torch.isfinite(p).all()) for p in model.parameters()):
        model.load_state_dict(before)
