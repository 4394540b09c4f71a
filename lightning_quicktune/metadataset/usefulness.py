"""Criteria of a useful table, from which something can be learned, as measured on the table itself."""

from __future__ import annotations

import math
from collections import Counter
from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float

from lightning_quicktune.metadataset.agreement import between_tasks, regret_of_one_for_all, with_final
from lightning_quicktune.metadataset.arrays import CurveArrays
from lightning_quicktune.metadataset.outcome import outcomes
from lightning_quicktune.metadataset.table import METRIC, MetaDataset

COLLAPSED = "below half of the zero-shot likelihood at the end"
LIKELIHOOD, ZERO_SHOT_LOSS = "answer_likelihood", "zero_shot_loss"
FEWEST = 3  # configurations with several seeds without which a task says nothing of noise
TOP = 90.0  # per cent of the others that a configuration of the top tenth beats


class SeedNoise(NamedTuple):
    """How much seeds and configurations move the final score of one task.

    Args:
        task: Name of the task.
        n_configurations: Configurations that were trained to the end with more than one seed.
        n_trials: Their trials.
        seed_std: Standard deviation between seeds of one configuration, pooled over configurations.
        configuration_std: Standard deviation between configurations, with the seeds' part taken out of it.
    """

    task: str
    n_configurations: int
    n_trials: int
    seed_std: float
    configuration_std: float

    @property
    def ratio(self) -> float:
        """Configurations over seeds; not a number where seeds change nothing."""
        return self.configuration_std / self.seed_std if self.seed_std > 0 else math.nan


class Criterion(NamedTuple):
    """One property of a table from which configurations can be transferred.

    Args:
        what: What is measured.
        measured: Its value, not a number where the table can't tell.
        wanted: The range that it should be in.
        holds: Whether it is in that range.
        is_share: Whether the value is a share.
    """

    what: str
    measured: float
    wanted: str
    holds: bool
    is_share: bool = False


def criteria(table: MetaDataset, arrays: CurveArrays, default: Float[np.ndarray, " N"]) -> list[Criterion]:
    """Measures what a useful table has.

    Args:
        table: The meta-dataset.
        arrays: Its learning curves.
        default: Per cent of other configurations that the default one beats, on each task.
    """
    noise = _median([found.ratio for found in seed_noise(table)])
    regret, tasks = _median(regret_of_one_for_all(arrays)), _median(between_tasks(arrays))
    outside, fidelities = share_outside_top(default), _median(with_final(arrays, 0.0))
    failed, ended = sum(failures(table).values()), n_ended(table)
    share = failed / ended if ended else math.nan
    return [
        Criterion("spread of configurations over spread of seeds, median of tasks", noise, "at least 3", noise >= 3.0),
        Criterion(
            "normalised regret of the best configuration of the other tasks, median", regret, "above 0.1", regret > 0.1
        ),
        Criterion("tasks with the default outside the top 10 %", outside, "at least 50 %", outside >= 0.5, True),
        Criterion("rank correlation of two tasks' final scores, median", tasks, "0.3 to 0.9", 0.3 <= tasks <= 0.9),
        Criterion(
            "rank correlation of first and final score, median of tasks",
            fidelities,
            "0.3 to 0.9",
            0.3 <= fidelities <= 0.9,
        ),
        Criterion("trials that fail or collapse", share, "some, at most 15 %", 0.0 < share <= 0.15, True),
    ]


def share_outside_top(beaten: Float[np.ndarray, " N"]) -> float:
    """Share of tasks on which a configuration is not in the top tenth; not a number if it ended on none.

    Args:
        beaten: Per cent of other configurations that it beats on each task, not a number where it never ended.
    """
    known = beaten[np.isfinite(beaten)]
    return float((known < TOP).mean()) if len(known) else math.nan


def seed_noise(table: MetaDataset) -> list[SeedNoise]:
    """Compares seeds with configurations on each task where at least three configurations have several seeds.

    Args:
        table: The meta-dataset.

    References:
        Searle, Casella and McCulloch (1992), Variance Components, chapter 3 (one-way classification).
    """
    rows = table.trials[(table.trials["fidelity"] == table.trials["max_fidelity"]) & table.trials["score"].notna()]
    groups = rows.groupby(["task", "config_id"])["score"].agg(["count", "mean", "var"]).reset_index()
    repeated = groups[groups["count"] > 1]
    return [_noise(str(task), found) for task, found in repeated.groupby("task") if len(found) >= FEWEST]


def failures(table: MetaDataset) -> dict[str, int]:
    """Number of trials that came to nothing, by kind: those that failed, and those that ended worse than useless.

    A trial ends worse than useless if its validation likelihood is then below half of that of the untrained model.

    Args:
        table: The meta-dataset.
    """
    ends, failed, full = _ends(table)
    kinds = Counter(str(kind)[:60] for kind in ends["failure"][failed].fillna("unknown"))
    kinds[COLLAPSED] = int((_collapsed(table, ends) & full & ~failed).sum())
    return {kind: count for kind, count in kinds.most_common() if count}


def n_ended(table: MetaDataset) -> int:
    """Number of trials that failed or were trained to the end.

    Args:
        table: The meta-dataset.
    """
    _, failed, full = _ends(table)
    return int((failed | full).sum())


def without_zero_shot(table: MetaDataset) -> list[str]:
    """Names of the tasks on which it is not known how likely the untrained model finds the answers.

    Args:
        table: The meta-dataset.
    """
    return [name for name, likelihood in _zero_shot_likelihoods(table).items() if not math.isfinite(likelihood)]


def _noise(task: str, found: pd.DataFrame) -> SeedNoise:
    count, mean, variance = (found[name].to_numpy(dtype=np.float64) for name in ("count", "mean", "var"))
    seeds = float(np.average(variance, weights=count - 1))
    between = max(float(np.var(mean, ddof=1)) - seeds * float((1 / count).mean()), 0.0)
    return SeedNoise(task, len(found), int(count.sum()), math.sqrt(seeds), math.sqrt(between))


def _ends(table: MetaDataset) -> tuple[pd.DataFrame, Bool[np.ndarray, " T"], Bool[np.ndarray, " T"]]:
    """The last row of each trial, whether it failed, and whether it was trained to the end."""
    ends = table.trials.drop_duplicates(["task", "config_id", "seed"], keep="last")
    found = outcomes(ends)
    return ends, found["failed"], found["full"]


def _collapsed(table: MetaDataset, ends: pd.DataFrame) -> Bool[np.ndarray, " T"]:
    """Whether a trial's last validation likelihood (the score itself, or a metric beside it) is that low."""
    metric = dict(zip(table.tasks["task"], table.tasks["metric"], strict=True))
    name = METRIC + LIKELIHOOD
    beside = ends[name] if name in ends else pd.Series(np.nan, ends.index)
    likelihood = ends["score"].where(ends["task"].map(metric) == LIKELIHOOD, beside)
    zero_shot = ends["task"].map(_zero_shot_likelihoods(table))
    return (likelihood < 0.5 * zero_shot).fillna(False).to_numpy(dtype=bool)


def _zero_shot_likelihoods(table: MetaDataset) -> dict[str, float]:
    infos = [table.task_info(name) for name in table.task_names]
    losses = {info.name: info.meta_features.get(ZERO_SHOT_LOSS, math.nan) for info in infos}
    scores = {info.name: info.zero_shot_score for info in infos if info.metric == LIKELIHOOD}
    return {name: math.exp(-loss) for name, loss in losses.items()} | scores


def _median(values: Float[np.ndarray, " P"] | list[float]) -> float:
    known = np.asarray(values, dtype=np.float64)
    known = known[np.isfinite(known)]
    return float(np.median(known)) if len(known) else math.nan
