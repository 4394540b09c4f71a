"""Settings of ``import`` and ``describe``; light to import, so that the command line answers quickly."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

ScoreScale = Literal["unit", "percent", "nats"]
Ends = Literal["training", "stopped"]
CostUnit = Literal["milliseconds", "seconds", "minutes", "hours"]
Status = Literal["completed", "stopped", "failed", "diverged", "out_of_memory", "interrupted"]
NotANumber = Literal["refused", "diverged"]
DEFAULT_COST = "cost_s"


@dataclass(frozen=True)
class ColumnNames:
    """Which column of a table holds what.

    Args:
        task: Name of the task; null if all rows are of one, which is called as the file is. In four tables it may be a
            column of ``config`` or ``meta``; without one, runs of equal meta-features are one task.
        config_id: What tells one configuration's learning curve from another's, within a task; null if its
            hyperparameters do.
        fidelity: How far the training was, such as an epoch or a step. It orders the rows of a learning curve, which
            count as its slices 1, 2, 3 ... Null if each row is a whole training.
        score: Validation score, higher is better; see ``minimise`` for losses. A row whose score is empty is no slice,
            and its cost is part of the next one's.
        cost: Cost of this slice, a number or a duration such as ``0 days 00:01:30``; null, or the default where there
            is no such column, if no cost was recorded.
        test_score: Score on the test split, if there is one.
        seed: Seed of the trial, if configurations were repeated.
        status: How each trial ended: ``completed``, ``stopped`` (before the end of its training), ``failed`` or
            ``diverged``, ``out_of_memory``, or ``interrupted`` (by anything that is not the configuration's fault).
            The last row of a learning curve tells.
    """

    task: str | None = "task"
    config_id: str | None = "config_id"
    fidelity: str | None = "fidelity"
    score: str = "score"
    cost: str | None = DEFAULT_COST
    test_score: str | None = None
    seed: str | None = None
    status: str | None = None


@dataclass(frozen=True)
class TaskFacts:
    """Where a JSON file tells what is known of the tasks.

    Args:
        path: The file.
        meta_features: Its key under which each task has its descriptors: numbers become meta-features, text facts.
        folds: Its key under which each fold has a list of its tasks; the fold becomes the fact ``fold``.
        validation_records: Its key under which each task has the number of records that its scores were measured on,
            from which ``describe`` tells which differences may be luck.
    """

    path: str
    meta_features: str | None = None
    folds: str | None = None
    validation_records: str | None = None


@dataclass(frozen=True)
class ImportSettings:
    """Turns a table of learning curves into a meta-dataset.

    Args:
        table: A file with one row per learning curve and fidelity: Parquet, text with cells between commas, semicolons
            or tabs, or JSON (a list of records, or one per line; of what they nest each part is a column,
            ``config.lr``). Or a folder with ``config.csv``, ``curve.csv`` (one column per slice) and perhaps
            ``cost.csv`` and ``meta.csv``, each with one row per run.
        output: Folder of the meta-dataset.
        origin: Where the curves come from, for readers; say so if they were predicted by a model.
        licence: Under which licence they may be used.
        columns: Which column holds what.
        hyperparameters: Columns of the hyperparameters; those of ``space``, or all of ``config.csv``, if not given.
        space: YAML file of the search space. Without one it is inferred: ranges from the values, a log scale where a
            positive range spans more than a factor of 100, and conditions where cells are empty. Empty cells that no
            other hyperparameter explains, and text among numbers, are choices of their own. A name that can't head a
            column is changed: ``optimizer.lr`` to ``optimizer_lr``.
        default: The configuration that one would take without knowing better, by its ``config_id`` in the table.
            Without it, the recorded one nearest to the middle of all; ``space`` has its own.
        drop_first: Slices to drop at the start of every curve, such as an evaluation before training.
        shares: Look at each training at this many equal shares of it only, at the last slice before each; costs are
            summed. A shorter curve keeps its slices.
        ends: What a learning curve's last row is: the end of its own ``training``, or, where the curve is shorter than
            the longest of its task, where it was ``stopped``. Without it, the former, and the import tells how
            lengths differ. ``columns.status`` says it of each trial.
        statuses: What the words of ``columns.status`` mean, such as ``{finished: completed, killed: interrupted}``.
        cost_unit: Unit of costs that are numbers.
        cumulative_costs: Whether costs are counted from the start of each training.
        minimise: Whether lower scores are better: an error rate x becomes 1 - x.
        score_scale: ``unit`` for scores in [0, 1], ``percent``, or ``nats`` for a loss x that becomes exp(-x).
        nan: What a score that is not a number means: it is ``refused``, or the trial ``diverged`` there. A Parquet file
            may not tell it from an empty cell; there, ``diverged`` is also a curve that ends in empty cells.
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
    default: str | int | None = None
    drop_first: int = 0
    shares: int | None = None
    ends: Ends | None = None
    statuses: dict[str, Status] | None = None
    cost_unit: CostUnit = "seconds"
    cumulative_costs: bool = False
    minimise: bool = False
    score_scale: ScoreScale = "unit"
    nan: NotANumber = "refused"
    metric: str = "score"
    tasks: TaskFacts | None = None

    def __post_init__(self) -> None:
        if self.drop_first < 0:
            raise ValueError(
                f"`drop_first` is {self.drop_first}, but it counts the slices to leave out at the start of each curve. "
                "Write 0 to keep all."
            )
        if self.shares is not None and self.shares < 1:
            raise ValueError(
                f"`shares` is {self.shares}, but it counts the places at which each training is looked at. "
                "Write 1 for its end alone, or drop `shares` to keep all."
            )
        if self.score_scale == "nats" and not self.minimise:
            raise ValueError(
                "`score_scale` is `nats`, which is the scale of a loss, but `minimise` says that higher is better. "
                "Set `minimise: true`, or turn log-likelihoods into losses."
            )
        if self.ends is not None and self.columns.status is not None:
            raise ValueError(
                f"`ends` is {self.ends!r}, but the column {self.columns.status!r} (`columns.status`) already says how "
                "each trial ended. Drop one of the two."
            )
        if self.statuses and self.columns.status is None:
            raise ValueError(
                "`statuses` says what the words of a column mean, but `columns.status` names none. Name the column, or "
                "drop `statuses`."
            )
        if self.default is not None and self.space is not None:
            raise ValueError(
                f"`default` is {self.default!r}, but the search space {self.space} has a default of its own. "
                "Drop `default`, or change the space."
            )


@dataclass(frozen=True)
class DescribeSettings:
    """Prints what a meta-dataset holds, as Markdown.

    Args:
        meta_dataset: Folder of the meta-dataset, or the URI of an MLflow artifact such as ``runs:/ID/meta_dataset``.
        leave_out: Tasks that are not looked at, such as those kept for a last test.
        importance: Whether to measure how much each hyperparameter matters, which takes most of the time.
        beside: Further meta-datasets of the same search space, described with it as one: of other lengths of training,
            for example.
    """

    meta_dataset: str
    leave_out: list[str] = field(default_factory=list)
    importance: bool = True
    beside: list[str] = field(default_factory=list)
