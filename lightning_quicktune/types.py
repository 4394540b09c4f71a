"""Frozen records that cross folders, each checked once, and the protocol of whatever runs trials."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from functools import cached_property
from typing import Any, Literal, Protocol, TypeVar, runtime_checkable

Value = bool | int | float | str
Asked = TypeVar("Asked", contravariant=True)
Answered = TypeVar("Answered", covariant=True)
TrialStatus = Literal["running", "paused", "completed", "stopped", "failed", "interrupted"]


@dataclass(frozen=True, eq=False)
class Configuration:
    """One point of a search space.

    Args:
        values: Value of each active hyperparameter, by name; an inactive (conditional) one is absent.
    """

    values: Mapping[str, Value]

    @cached_property  # asked for many times in each step of a search
    def id(self) -> str:
        """Twelve hexadecimal digits that depend on the names and values alone, not on their order."""
        # 1 and 1.0 are the same choice; True is not 1.
        plain = {k: float(v) if isinstance(v, int) and not isinstance(v, bool) else v for k, v in self.values.items()}
        return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()[:12]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Configuration) and self.id == other.id

    def __hash__(self) -> int:
        return hash(self.id)


@dataclass(frozen=True)
class SliceResult:
    """What one slice of a trial brought and cost.

    Args:
        fidelity: Slices trained when this one had ended, from 1.
        score: Validation score, higher is better.
        cost_s: Wall-clock seconds of training and validating this slice.
        cost_cpu_s: CPU seconds of the same, summed over threads.
        cost_tokens: Tokens (without padding) that the model read in the same.
        metrics: Raw validation metrics, by name.
        test_score: Score on the test split, if it was measured; never shown to searchers.
        test_metrics: Raw test metrics, by name.
        device: Where this slice was trained, as ``DeviceInfo`` names it; none if unknown.
        threads: Threads of PyTorch that it was trained with; none if unknown.
        reference_step_s: Seconds of the reference step there, see ``DeviceInfo``; none if unknown.
        cohort_size: Trials that shared the passes of this slice; 1 for one that was trained alone. The costs are this
            trial's share of theirs, by the tokens that the model read for each.
    """

    fidelity: int
    score: float
    cost_s: float
    cost_cpu_s: float
    cost_tokens: int
    metrics: Mapping[str, float] = field(default_factory=dict)
    test_score: float | None = None
    test_metrics: Mapping[str, float] = field(default_factory=dict)
    device: str | None = None
    threads: int | None = None
    reference_step_s: float | None = None
    cohort_size: int = 1


@dataclass(frozen=True)
class LearningCurve:
    """The slices of one trial, from the first on, without a gap."""

    slices: tuple[SliceResult, ...] = ()

    def __post_init__(self) -> None:
        fidelities = [s.fidelity for s in self.slices]
        if fidelities != list(range(1, len(fidelities) + 1)):
            raise ValueError(
                f"A learning curve needs the fidelities 1, 2, 3 ... without a gap, but got {fidelities}. "
                "If a trial was resumed, keep the slices from before the pause."
            )

    @property
    def fidelity(self) -> int:
        """Slices trained so far."""
        return len(self.slices)

    @property
    def scores(self) -> tuple[float, ...]:
        """Score after each slice, higher is better, shape ``(F,)``."""
        return tuple(s.score for s in self.slices)

    @property
    def costs_s(self) -> tuple[float, ...]:
        """Wall-clock seconds that each slice took, shape ``(F,)``."""
        return tuple(s.cost_s for s in self.slices)


@dataclass(frozen=True)
class Overheads:
    """Seconds that a trial spent outside its finished slices; they are no part of ``cost_s``.

    Args:
        start_s: From the call to the first training batch, for a trial that begins; the reference step is left out.
        resume_s: The same for each time that it went on from a checkpoint, summed.
        test_s: Evaluating the test split, summed.
        save_s: Writing checkpoints and records, telling the tracker, and cleaning up, summed.
        unfinished_s: Training and validating slices that did not end, because of a failure or an interruption, summed.
    """

    start_s: float = 0.0
    resume_s: float = 0.0
    test_s: float = 0.0
    save_s: float = 0.0
    unfinished_s: float = 0.0


@dataclass(frozen=True)
class DeviceInfo:
    """Where a trial ran: what its costs can be compared with.

    Args:
        name: Device as PyTorch or the operating system calls it.
        count: Devices used at once.
        threads: Threads of PyTorch.
        load_average: Load of the machine over the last minute when the trial started.
        reference_step_s: Seconds of one fixed forward and backward step of the base model on this device.
    """

    name: str
    count: int
    threads: int
    load_average: float
    reference_step_s: float


@dataclass(frozen=True)
class BaseModelInfo:
    """Which frozen weights a task uses.

    Args:
        name: Short name that tables carry, such as ``smollm2-135m-q4_1-dequantized``.
        n_parameters: Parameters in all.
        weight_hash: Hexadecimal digest of the weights.
        quantization: How the weights were rounded, or ``none``.
    """

    name: str
    n_parameters: int
    weight_hash: str
    quantization: str = "none"


@dataclass(frozen=True)
class TaskInfo:
    """A task (dataset x base model): what is known of it before any trial.

    Args:
        name: Unique name of the dataset.
        base_model: The frozen model that is finetuned.
        metric: Name of the score.
        max_fidelity: Longest learning curve, in slices.
        records_per_slice: Training records of one slice, the same for every configuration.
        zero_shot_score: Validation score of the base model without an adapter, in [0, 1].
        meta_features: Descriptors by name; never from the test split.
        meta_features_cost_s: Seconds it took to compute them.
        facts: What a person wants to know of it (sizes, files); never an input of a surrogate.
    """

    name: str
    base_model: BaseModelInfo
    metric: str
    max_fidelity: int
    records_per_slice: int
    zero_shot_score: float
    meta_features: Mapping[str, float] = field(default_factory=dict)
    meta_features_cost_s: float = 0.0
    facts: Mapping[str, Value] = field(default_factory=dict)

    @property
    def dataset(self) -> str:
        """Name of the dataset; tasks that train on it for different lengths, such as ``shop@480``, share it."""
        return str(self.facts.get("dataset", self.name.partition("@")[0]))

    @property
    def training_records(self) -> int:
        """Records of a full training, those counted again that come again."""
        return self.max_fidelity * self.records_per_slice

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> TaskInfo:
        """Reads what ``to_dict`` wrote."""
        return cls(**{**record, "base_model": BaseModelInfo(**record["base_model"])})


@dataclass(frozen=True)
class Trial:
    """One configuration on one task, as far as it has been trained: the trial record.

    ``fit``, run on data and base model of these digests with these versions and as many threads, trains the same
    weights bit for bit.

    Args:
        task: Name of the task.
        base_model: Name of the base model.
        metric: Name of the score.
        configuration: What was trained.
        seed: Seed of adapter, data order and dropout.
        max_fidelity: Slices of a full training; sets the length of the learning-rate schedule.
        curve: Scores and costs so far.
        status: ``running``, ``paused``, ``completed``, ``stopped`` (by the searcher), ``failed`` (which says something
            of the configuration) or ``interrupted`` (by an error that doesn't, so that it is tried again).
        failure: Why it failed (``diverged`` or ``out_of_memory: ...``) or was interrupted (``error: ...``).
        overheads: Seconds outside the slices.
        device: Where it ran last.
        versions: Version of each package that can change a label.
        fit: The fit YAML of the trial, as a dictionary; what it leaves out is the default of these versions.
        base_model_hash: Digest of the base model's weights, as ``BaseModelInfo`` has it.
        content_digest: Digest of the task's data.
        label_version: What its scores mean beside all this: trials of two versions can't be compared.
    """

    task: str
    base_model: str
    metric: str
    configuration: Configuration
    seed: int
    max_fidelity: int
    curve: LearningCurve
    status: TrialStatus
    failure: str | None = None
    overheads: Overheads = field(default_factory=Overheads)
    device: DeviceInfo | None = None
    versions: Mapping[str, str] = field(default_factory=dict)
    fit: Mapping[str, Any] = field(default_factory=dict)
    base_model_hash: str = ""
    content_digest: str = ""
    label_version: int = 1

    @property
    def key(self) -> str:
        """What makes a trial unique in a collection: task, configuration and seed."""
        return f"{self.task}-{self.configuration.id}-{self.seed}"

    @property
    def has_ended(self) -> bool:
        """Whether it will never be trained further, so that it may be kept elsewhere and its checkpoints dropped."""
        return self.status in ("completed", "failed")

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; ``config_id`` is written for readers and ignored by ``from_dict``."""
        record = asdict(self)
        record["configuration"] = dict(self.configuration.values)
        record["config_id"] = self.configuration.id
        record["curve"] = [asdict(s) for s in self.curve.slices]
        return record

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Trial:
        """Reads what ``to_dict`` wrote.

        Raises:
            ValueError: If it has fields that aren't known here.
        """
        plain = {k: v for k, v in record.items() if k != "config_id"}
        if unknown := sorted(plain.keys() - {each.name for each in fields(cls)}):
            raise ValueError(
                f"The record of a trial on {record.get('task')!r} has {', '.join(map(repr, unknown))}, which this "
                "version of lightning-quicktune doesn't know: a newer one wrote it. Install the same version on all "
                "machines that work on one collection (`pip install --upgrade lightning-quicktune`)."
            )
        plain["configuration"] = Configuration(record["configuration"])
        plain["curve"] = LearningCurve(tuple(SliceResult(**s) for s in record["curve"]))
        plain["overheads"] = Overheads(**record["overheads"])
        plain["device"] = DeviceInfo(**record["device"]) if record["device"] else None
        if record["status"] == "failed" and (record["failure"] or "").startswith(
            "error"
        ):  # as earlier versions wrote it
            plain["status"] = "interrupted"
        return cls(**plain)


@dataclass(frozen=True)
class Suggestion:
    """What a searcher wants next: train ``configuration`` until it has ``fidelity`` slices."""

    configuration: Configuration
    fidelity: int


@dataclass(frozen=True)
class Observation:
    """What came of a suggestion.

    Args:
        configuration: What was trained.
        curve: The whole learning curve so far; shorter than asked for if the trial failed.
        failed: Whether nothing more comes of the trial: its configuration failed, or errors keep interrupting it.
        cost_s: Seconds that this suggestion took, overheads included.
    """

    configuration: Configuration
    curve: LearningCurve
    failed: bool
    cost_s: float


@dataclass(frozen=True)
class Budget:
    """What a whole search may spend, whichever ends first.

    Args:
        seconds: Wall-clock seconds.
        slices: Slices of training, over all trials.
        trials: Configurations that are tried.
        target: Validation score that is enough, in (0, 1].
    """

    seconds: float | None = None
    slices: int | None = None
    trials: int | None = None
    target: float | None = None

    def __post_init__(self) -> None:
        if self.seconds is None and self.slices is None and self.trials is None and self.target is None:
            raise ValueError(
                "The search has no budget: set `budget.seconds` (wall-clock time), `budget.slices` (of training), "
                "`budget.trials` (configurations to try) or `budget.target` (a score that is enough)."
            )
        for name, value in (("seconds", self.seconds), ("slices", self.slices), ("trials", self.trials)):
            if value is not None and not value > 0:
                raise ValueError(
                    f"`budget.{name}` is {value}, but a search needs more than 0 to train anything. "
                    f"Raise `budget.{name}`; the summary of any earlier search tells what one slice costs."
                )
        if self.target is not None and not 0 < self.target <= 1:
            raise ValueError(
                f"`budget.target` is {self.target}, but scores are between 0 and 1. Set it to the score on validation "
                "that is enough for you, such as 0.8."
            )


@runtime_checkable
class Executor(Protocol[Asked, Answered]):
    """Runs what it is given: suggestions of a search, live or from a record, or orders of trials."""

    @property
    def capacity(self) -> int:
        """How many it takes at the same time, at least 1."""
        ...

    @property
    def n_ended(self) -> int:
        """How many of those that were submitted have ended, so that ``wait`` returns at once."""
        ...

    def submit(self, asked: Asked) -> None:
        """Starts or queues one; at most ``capacity`` at a time."""
        ...

    def wait(self) -> Answered:
        """Blocks until any of those that were submitted has ended; returns each once."""
        ...
