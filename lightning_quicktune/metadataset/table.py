"""The meta-dataset: trials of many tasks as two tables, with access by trial and by task."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

import pandas as pd

from lightning_quicktune.metadataset.outcome import Outcome, final_score, outcome
from lightning_quicktune.space.search_space import SearchSpace
from lightning_quicktune.types import BaseModelInfo, Configuration, TaskInfo, Value

SCHEMA_VERSION = 1  # a change needs a migration of what was written before

TRIAL_KEYS = ("task", "config_id", "seed", "fidelity")
OVERHEADS = ("start_s", "resume_s", "unfinished_s")  # seconds of the whole trial; 0 in tables that lack them
TRIAL_COLUMNS = (
    *TRIAL_KEYS,
    "score",
    "cost_s",
    "cost_cpu_s",
    "cost_tokens",
    "status",
    "failure",
    "reference_step_s",
    "max_fidelity",
    *OVERHEADS,
)
TASK_COLUMNS = (
    "task",
    "base_model",
    "base_model_parameters",
    "base_model_hash",
    "base_model_quantization",
    "metric",
    "zero_shot_score",
    "max_fidelity",
    "records_per_slice",
    "meta_features_cost_s",
)
METRIC, TEST, META, FACT = "metric/", "test/", "meta/", "fact/"


@dataclass(frozen=True)
class CurveRow:
    """One recorded trial, as far as surrogates and replay need it.

    Args:
        task: Name of the task.
        configuration: What was trained.
        seed: Seed of the trial.
        scores: Validation score after each slice, without gaps; ends before the first one that is not a number.
        costs_s: Wall-clock seconds of each of these slices.
        costs_cpu_s: CPU seconds of each of these slices.
        reference_step_s: Seconds of the reference step where the trial ran, not a number if unknown; if it moved, an
            average that gives the same sum of costs in reference steps as its slices do.
        status: Status of the trial.
        failure: Why it failed, if it did.
        max_fidelity: Slices of its own full training; trainings of one task may differ in length.
        unfinished_s: Seconds it spent on slices that did not end, such as the one in which it diverged.
    """

    task: str
    configuration: Configuration
    seed: int
    scores: tuple[float, ...]
    costs_s: tuple[float, ...]
    costs_cpu_s: tuple[float, ...]
    reference_step_s: float
    status: str
    failure: str | None
    max_fidelity: int
    unfinished_s: float = 0.0

    @property
    def fidelity(self) -> int:
        """Slices with a score."""
        return len(self.scores)

    @property
    def outcome(self) -> Outcome:
        """What came of it."""
        return outcome(self.status, self.failure, self.fidelity, self.max_fidelity)

    @property
    def final(self) -> float:
        """Score at the end of its own training, not a number where there is none."""
        return final_score(self.outcome, self.scores)


@dataclass(frozen=True, eq=False)
class MetaDataset:
    """Trials of a search space over many tasks.

    Args:
        trials: One row per task, configuration, seed and fidelity. A trial that failed before its first slice has
            one row, of fidelity 0 and without a score.
        tasks: One row per task: base model, metric, meta-features and facts.
        space: Where the configurations come from.
        meta: Schema version, origin, licence and counts.
    """

    trials: pd.DataFrame
    tasks: pd.DataFrame
    space: SearchSpace
    meta: dict[str, Any]

    @property
    def label_version(self) -> int:
        """What its labels mean beside their settings: 1 in tables that don't say, as ``Trial`` has it."""
        return int(self.meta.get("label_version", 1))

    @property
    def task_names(self) -> tuple[str, ...]:
        """Names of all tasks, sorted."""
        return tuple(sorted(self.tasks["task"]))

    @property
    def datasets(self) -> dict[str, str]:
        """Dataset of each task, by the task's name: what is held out, is held out with all its lengths of training."""
        return {name: self.task_info(name).dataset for name in self.task_names}

    def task_info(self, name: str) -> TaskInfo:
        """The record of one task, without the meta-features and facts it lacks.

        Args:
            name: Name of the task.

        Raises:
            ValueError: If the meta-dataset has no such task.
        """
        found = self.tasks[self.tasks["task"] == name]
        if found.empty:
            raise ValueError(
                f"The meta-dataset has no task {name!r}. It has {', '.join(self.task_names)}. "
                "Give one of these names, or add the task's trials with `lightning-quicktune collect`."
            )
        row = {column: cell_value(found[column].tolist()[0]) for column in found.columns}
        known = {column: value for column, value in row.items() if value is not None}
        return TaskInfo(
            name=name,
            base_model=BaseModelInfo(
                name=row["base_model"],
                n_parameters=row["base_model_parameters"],
                weight_hash=row["base_model_hash"],
                quantization=row["base_model_quantization"],
            ),
            metric=row["metric"],
            max_fidelity=row["max_fidelity"],
            records_per_slice=row["records_per_slice"],
            zero_shot_score=math.nan if row["zero_shot_score"] is None else row["zero_shot_score"],
            meta_features={c.removeprefix(META): float(v) for c, v in known.items() if c.startswith(META)},
            meta_features_cost_s=row["meta_features_cost_s"],
            facts={c.removeprefix(FACT): v for c, v in known.items() if c.startswith(FACT)},
        )

    def curves(self, tasks: Collection[str] | None = None) -> list[CurveRow]:
        """Every trial, ordered by task, configuration and seed.

        Args:
            tasks: Names of the tasks whose trials are wanted; all of them if not given.

        Raises:
            ValueError: If a trial's fidelities are not 1, 2, 3 ... without a gap.
        """
        frame = self.trials if tasks is None else self.trials[self.trials["task"].isin(list(tasks))]
        return list(_rows(frame.sort_values(list(TRIAL_KEYS), kind="stable"), self.space.names))

    def select(self, tasks: Collection[str]) -> MetaDataset:
        """The same meta-dataset with fewer tasks, such as the training side of a fold.

        Args:
            tasks: Names of the tasks to keep.
        """
        names = [self.task_info(name).name for name in tasks]
        trials = self.trials[self.trials["task"].isin(names)].reset_index(drop=True)
        kept = self.tasks[self.tasks["task"].isin(names)].reset_index(drop=True)
        return MetaDataset(trials, kept, self.space, {**self.meta, **counts(trials, kept)})


def counts(trials: pd.DataFrame, tasks: pd.DataFrame) -> dict[str, int]:
    """Numbers of tasks, trials and slices, for ``meta.json``.

    Args:
        trials: Table of trials.
        tasks: Table of tasks.
    """
    return {
        "n_tasks": len(tasks),
        "n_trials": len(trials[["task", "config_id", "seed"]].drop_duplicates()),
        "n_slices": int((trials["fidelity"] > 0).sum()),
    }


def configurations_of(trials: pd.DataFrame, names: tuple[str, ...]) -> dict[str, Configuration]:
    """Every configuration in a table of trials, by its id, in the order of ids.

    Args:
        trials: The table, or some of its rows.
        names: Hyperparameters of the search space.
    """
    heads = trials.drop_duplicates("config_id").sort_values("config_id")
    columns = [heads[name].tolist() for name in names]
    rows = zip(*columns, strict=True)
    found = (_configuration(dict(zip(names, row, strict=True))) for row in rows)
    return dict(zip(heads["config_id"].tolist(), found, strict=True))


def cell_value(cell: Any) -> Any:
    """A table's cell as a plain Python value; ``None`` where it is empty.

    Args:
        cell: What the column holds.
    """
    return None if pd.isna(cell) else cell


def _rows(frame: pd.DataFrame, names: tuple[str, ...]) -> Iterator[CurveRow]:
    columns = {name: frame[name].tolist() for name in TRIAL_COLUMNS}
    keys = list(zip(columns["task"], columns["config_id"], columns["seed"], strict=True))
    known = configurations_of(frame, names)
    start = 0
    for stop in range(1, len(keys) + 1):
        if stop < len(keys) and keys[stop] == keys[start]:
            continue
        _check_fidelities(keys[start], columns["fidelity"][start:stop])
        yield _row(columns, start, stop, known[columns["config_id"][start]])
        start = stop


def _row(columns: dict[str, list[Any]], start: int, stop: int, configuration: Configuration) -> CurveRow:
    scores = [math.nan if pd.isna(s) else float(s) for s in columns["score"][start:stop]]
    n = next((i for i, score in enumerate(scores) if not math.isfinite(score)), len(scores))
    costs_s = tuple(float(c) for c in columns["cost_s"][start : start + n])
    return CurveRow(
        task=columns["task"][start],
        configuration=configuration,
        seed=columns["seed"][start],
        scores=tuple(scores[:n]),
        costs_s=costs_s,
        costs_cpu_s=tuple(float(c) for c in columns["cost_cpu_s"][start : start + n]),
        reference_step_s=_reference_step_s(costs_s, columns["reference_step_s"][start : max(start + n, start + 1)]),
        status=columns["status"][stop - 1],
        failure=cell_value(columns["failure"][stop - 1]),
        max_fidelity=int(columns["max_fidelity"][stop - 1]),
        unfinished_s=float(columns["unfinished_s"][stop - 1]),
    )


def _reference_step_s(costs_s: tuple[float, ...], cells: list[Any]) -> float:
    seconds = [math.nan if pd.isna(cell) else float(cell) for cell in cells]
    if len(set(seconds)) == 1 or not costs_s:
        return seconds[0]
    steps = sum(cost / step for cost, step in zip(costs_s, seconds, strict=True) if step > 0)
    known_s = sum(cost for cost, step in zip(costs_s, seconds, strict=True) if step > 0)
    return known_s / steps if steps > 0 else math.nan


def _configuration(cells: dict[str, Any]) -> Configuration:
    values: dict[str, Value] = {name: cell for name, cell in cells.items() if cell_value(cell) is not None}
    return Configuration(values)


def _check_fidelities(key: tuple[str, str, int], fidelities: list[int]) -> None:
    if fidelities not in ([0], list(range(1, len(fidelities) + 1))):
        raise ValueError(
            f"The trial of task {key[0]!r}, configuration {key[1]} and seed {key[2]} has the fidelities {fidelities}, "
            "but a learning curve needs 1, 2, 3 ... without a gap (or a single 0 if no slice ended). "
            "Write each part of `trials/` with whole trials, from their first slice on."
        )
