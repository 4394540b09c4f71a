"""Times what `collect` itself does for each trial that has ended: progress, parts, checkpoints.

    python tools/benchmarks/finished.py [--trials 200,2000] [--slices 10]

Trials are invented and there at once; what writing their records takes is left out. Beside it stands what one look at
all records takes when half of them are there: done after each trial, it would make the time of a collection grow with
the square of its trials. Exit status 1 if a trial takes over ``AIM_MS`` more with the largest number than with the
smallest.
"""

from __future__ import annotations

import argparse
import io
import sys
import tempfile
import time
from contextlib import redirect_stderr
from dataclasses import replace
from pathlib import Path
from unittest import mock

from gather import invented

from lightning_quicktune.collection import workers
from lightning_quicktune.collection.known_trials import is_settled
from lightning_quicktune.collection.settings import CollectSettings
from lightning_quicktune.space.search_space import SearchSpace
from lightning_quicktune.trials.executors.orders import Order, Result
from lightning_quicktune.trials.identity import LABEL_VERSION
from lightning_quicktune.trials.plan import TrialPlan
from lightning_quicktune.trials.storage import write_trial
from lightning_quicktune.types import BaseModelInfo, TaskInfo

AIM_MS = 5.0
ROOT = Path(__file__).parents[2]


class Instant:
    """An executor whose trials are there at once."""

    capacity, n_ended = 2, 0

    def __init__(self, plans: list[TrialPlan], n_slices: int) -> None:
        self.waiting: list[Order] = []
        self.own_s = self.look_s = 0.0
        self.plans, self.n_slices, self.n_left = plans, n_slices, len(plans)

    def submit(self, asked: Order) -> None:
        """Queues an order."""
        self.waiting.append(asked)

    def wait(self) -> Result:
        """Writes the record of a trial; in the middle, times a look at all."""
        began, order = time.perf_counter(), self.waiting.pop(0)
        plan = order.plan
        trial = replace(
            invented(0, self.n_slices),
            task=plan.task.name,
            configuration=plan.configuration,
            seed=plan.seed,
            label_version=LABEL_VERSION,
        )
        write_trial(plan.folder, trial)
        self.n_left -= 1
        if self.n_left == len(self.plans) // 2:
            looked = time.perf_counter()
            _ = [is_settled(one) for one in self.plans]
            self.look_s = time.perf_counter() - looked
        self.own_s += time.perf_counter() - began
        return Result(order, trial, 1.0)

    def close(self) -> None:
        """Nothing runs."""


def measure(n_trials: int, n_slices: int, folder: Path) -> tuple[float, float]:
    """Milliseconds for each trial, and for one look at all records."""
    space = SearchSpace.from_yaml(ROOT / "configs" / "space" / "lora.yaml")
    task = TaskInfo("invented", BaseModelInfo("nano", 1, "none"), "answer_likelihood", n_slices, 16, 0.2)
    drawn = [space.default, *space.sample(n_trials - 1, seed=0)]
    plans = [TrialPlan(task, {}, space, one, 0, folder / "trials" / f"{one.id}-0") for one in drawn]
    settings = CollectSettings(
        tasks=["invented"],
        recipe=str(ROOT / "configs" / "recipe" / "nano_lora.yaml"),
        space=str(ROOT / "configs" / "space" / "lora.yaml"),
        output=str(folder),
        max_fidelity=n_slices,
        parts=str(folder / "parts"),
        parts_only=True,
    )
    executor = Instant(plans, n_slices)
    with mock.patch.object(workers, "build_executor", return_value=executor), redirect_stderr(io.StringIO()):
        began = time.perf_counter()
        workers.run_workers(settings, plans)
        seconds = time.perf_counter() - began - executor.own_s
    return 1000 * seconds / n_trials, 1000 * executor.look_s


def main() -> int:
    """Prints a row for each number of trials."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", default="200,2000")
    parser.add_argument("--slices", type=int, default=10)
    options = parser.parse_args()
    print("| trials | of `collect` for each (ms) | one look at all records (ms) | ratio |\n|---|---|---|---|")
    found = []
    for n_trials in map(int, options.trials.split(",")):
        with tempfile.TemporaryDirectory() as folder:
            own, look = measure(n_trials, options.slices, Path(folder))
        found.append(own)
        print(f"| {n_trials} | {own:.1f} | {look:.1f} | {look / own:.0f} |", flush=True)
    return int(found[-1] - found[0] > AIM_MS)


if __name__ == "__main__":
    sys.exit(main())
