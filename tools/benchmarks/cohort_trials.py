"""The trials that the benchmark of cohorts times: configurations of the shipped space, on records of a known length."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from typing import Any

from lightning_quicktune.compose import read_yaml, with_overrides
from lightning_quicktune.space.search_space import SearchSpace
from lightning_quicktune.suite.builtin import write_task
from lightning_quicktune.trials.plan import TrialPlan
from lightning_quicktune.trials.task_setup import TaskSetup, set_up_task, task_objects
from lightning_quicktune.types import Trial

ROOT = Path(__file__).parents[2]
BUILT_IN = "suite-towns-mixed"


@dataclass(frozen=True)
class Workload:
    """Trials of one base model on one task.

    Args:
        setup: The task.
        space: What configurations are drawn from.
        n_tokens: Mean tokens of a training record.
    """

    setup: TaskSetup
    space: SearchSpace
    n_tokens: float

    def plans(self, n: int, folder: Path, first: int = 0) -> list[TrialPlan]:
        """The first ``n`` configurations, from ``first`` on; the default one is the very first."""
        chosen = [self.space.default, *self.space.sample(first + n - 1, 0)][first : first + n]
        return [TrialPlan(self.setup.info, self.setup.fit, self.space, c, 0, folder / c.id, True) for c in chosen]


def workload(
    recipe: str, folder: Path, slices: int, records: int, words: int = 0, changes: dict[str, Any] | None = None
) -> Workload:
    """A task whose records are as long as wanted.

    Args:
        recipe: Name of a file in ``configs/recipe``.
        folder: Where the task is written.
        slices: Slices of a full training.
        records: Records of a slice.
        words: Further words in front of each question.
        changes: Other values of the recipe, by dotted key.
    """
    data = _longer(write_task(BUILT_IN, folder / "data"), folder / f"long{words}", words)
    values = {"data.init_args.records_per_slice": records, "data.init_args.evaluation.max_eval_records": 40}
    fit = with_overrides(read_yaml(ROOT / "configs" / "recipe" / recipe), values | (changes or {}))
    setup = set_up_task(str(data), fit, slices, folder / f"task{words}-{slices}-{records}")
    tokens = task_objects(setup.fit)[1].tokens("train")
    mean = sum(record.n_tokens for record in tokens) / len(tokens)
    return Workload(setup, SearchSpace.from_yaml(ROOT / "configs" / "space" / "lora.yaml"), mean)


def _longer(source: Path, target: Path, words: int) -> Path:
    """The task with words of other questions in front of each question."""
    target.mkdir(parents=True, exist_ok=True)
    for path in source.glob("*.jsonl"):
        records = [json.loads(line) for line in path.read_text().splitlines()]
        key = "question" if "question" in records[0] else "instruction"
        text = cycle([word for record in records for word in record[key].split()])
        for record in records:
            record[key] = " ".join([*islice(text, words), record[key]])
        (target / path.name).write_text("".join(json.dumps(record) + "\n" for record in records))
    return target


@dataclass(frozen=True)
class Timed:
    """Trials that were trained, and what they took.

    Args:
        trials: Their records.
        wall_s: Seconds of everything: start, training, validation, test, checkpoints.
        peak_bytes: Most memory of the device in use at once; 0 on a CPU.
    """

    trials: Sequence[Trial]
    wall_s: float
    peak_bytes: int

    @property
    def slices_per_s(self) -> float:
        """Slices a second, training and validation, without the first slice, in which a device warms up."""
        slices = [s for trial in self.trials for s in trial.curve.slices[1:]]
        return len(slices) / sum(s.cost_s for s in slices)

    @property
    def save_s(self) -> float:
        """Seconds of one checkpoint and record of one trial."""
        return sum(t.overheads.save_s for t in self.trials) / sum(t.curve.fidelity for t in self.trials)


def train(plans: Sequence[TrialPlan], fidelity: int, at_once: bool) -> Timed:
    """Trains each to a fidelity, at once or one after the other; what diverges is left as it is."""
    import torch

    from lightning_quicktune.trials.cohort_runner import run_cohort
    from lightning_quicktune.trials.runner import run_trial

    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    start = time.perf_counter()
    trials = run_cohort(plans, [fidelity] * len(plans)) if at_once else [run_trial(p, fidelity) for p in plans]
    wall = time.perf_counter() - start
    return Timed(trials, wall, torch.cuda.max_memory_allocated() if torch.cuda.is_available() else 0)
