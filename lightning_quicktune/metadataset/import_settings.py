"""What ``import`` and ``describe`` take; light to import, so that the command line answers quickly."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

ScoreScale = Literal["unit", "percent"]


@dataclass(frozen=True)
class ColumnNames:
    """Which column of a table holds what.

    Args:
        task: Name of the task. In four tables it may be a column of ``config`` or ``meta``; without one, runs of equal
            meta-features are one task.
        config_id: What tells one configuration's learning curve from another's, within a task.
        fidelity: How far the training was; evenly spaced numbers count as slices 1, 2, 3 ...
        score: Validation score, higher is better.
        cost: Seconds of this slice; null where no cost was recorded.
        test_score: Score on the test split, if there is one.
        seed: Seed of the trial, if configurations were repeated.
    """

    task: str = "task"
    config_id: str = "config_id"
    fidelity: str = "fidelity"
    score: str = "score"
    cost: str | None = "cost_s"
    test_score: str | None = None
    seed: str | None = None


@dataclass(frozen=True)
class TaskFacts:
    """Where a JSON file tells what is known of the tasks.

    Args:
        path: The file.
        meta_features: Its key under which each task has its descriptors: numbers become meta-features, text facts.
        folds: Its key under which each fold has a list of its tasks; the fold becomes the fact ``fold``.
    """

    path: str
    meta_features: str | None = None
    folds: str | None = None


@dataclass(frozen=True)
class ImportSettings:
    """Turns a table of learning curves into a meta-dataset.

    Args:
        table: A Parquet or CSV file with one row per learning curve and fidelity; or a folder with ``config.csv``,
            ``curve.csv`` (one column per slice) and perhaps ``cost.csv`` and ``meta.csv``, each with one row per run.
        output: Folder of the meta-dataset.
        origin: Where the curves come from, for readers; say so if they were predicted by a model.
        licence: Under which licence they may be used.
        columns: Which column holds what.
        hyperparameters: Columns of the hyperparameters; those of ``space``, or all of ``config.csv``, if not given.
        space: YAML file of the search space. Without one it is inferred: ranges from the values, a log scale where a
            positive range spans more than a factor of 100, and conditions where cells are empty.
        drop_first: Slices to drop at the start of every curve, such as an evaluation before training.
        score_scale: ``unit`` for scores in [0, 1], or ``percent``.
        metric: Name of the score.
        tasks: What is known of the tasks, if a file tells.
    """

    table: str
    output: str
    origin: str
    licence: str
    columns: ColumnNames = field(default_factory=ColumnNames)
    hyperparameters: list[str] | None = None
    space: str | None = None
    drop_first: int = 0
    score_scale: ScoreScale = "unit"
    metric: str = "score"
    tasks: TaskFacts | None = None

    def __post_init__(self) -> None:
        if self.drop_first < 0:
            raise ValueError(
                f"`drop_first` is {self.drop_first}, but it counts the slices to leave out at the start of each curve. "
                "Write 0 to keep all."
            )


@dataclass(frozen=True)
class DescribeSettings:
    """Prints what a meta-dataset holds, as Markdown.

    Args:
        meta_dataset: Folder of the meta-dataset, or the URI of an MLflow artifact such as ``runs:/ID/meta_dataset``.
        leave_out: Tasks that are not looked at, such as those kept for a last test.
        importance: Whether to measure how much each hyperparameter matters, which takes most of the time.
    """

    meta_dataset: str
    leave_out: list[str] = field(default_factory=list)
    importance: bool = True
