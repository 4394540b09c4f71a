"""What slices cost on a task, beyond what tells configurations apart: a level, and how it goes with records' length."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lightning_quicktune.metadataset.examples import TaskCurves
from lightning_quicktune.surrogate.curves.prior import CurvePrior
from lightning_quicktune.types import TaskInfo

_TOKENS = "train_tokens_median"
_SHRINKAGE = 0.1  # of the slope towards 0: sum of squares of log tokens that counts against it


@dataclass(frozen=True)
class ByTokens:
    """How costs go with the length of records.

    Args:
        slope: Of log cost over log tokens of a task's median record; 0 if nothing is known of it.
        log_tokens: Mean of the latter over the training tasks.
    """

    slope: float = 0.0
    log_tokens: float = 0.0

    def beyond(self, task: TaskInfo) -> float:
        """Log of how many times as much a task costs as one of usual length; 0 where its length is unknown."""
        tokens = _tokens(task)
        return self.slope * (math.log(tokens) - self.log_tokens) if tokens > 0 else 0.0


def fit_cost_level(prior: CurvePrior, tasks: Sequence[TaskCurves]) -> tuple[float, ByTokens]:
    """What ``prior`` leaves open of costs, as ``CurveModel`` wants it.

    The slope is a ridge regression's, over tasks.

    Args:
        prior: Learned from these tasks.
        tasks: Their trials.

    Returns:
        The level, not a number where no cost is known, and how it goes with tokens.
    """
    if prior.costs is None:
        return math.nan, ByTokens()
    rests = [(task.task, task.log_costs - prior.costs.predict(task.encoded)) for task in tasks]
    known = [(task, float(rest[np.isfinite(rest)].mean())) for task, rest in rests if np.isfinite(rest).any()]
    if not known:
        return math.nan, ByTokens()
    level = float(np.mean([rest for _, rest in known]))
    points = np.array([(math.log(_tokens(task)), rest) for task, rest in known if _tokens(task) > 0]).reshape(-1, 2)
    if len(points) < 2:
        return level, ByTokens()
    tokens, costs = (points - points.mean(0)).T
    slope = float(tokens @ costs / (tokens @ tokens + _SHRINKAGE))
    return level, ByTokens(slope, float(points[:, 0].mean()))


def _tokens(task: TaskInfo) -> float:
    return float(task.facts.get(_TOKENS, 0.0))
