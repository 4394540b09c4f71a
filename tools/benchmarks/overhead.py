"""Times a miniature trial in process against a bare loop with the same steps and validations.

    python tools/benchmarks/overhead.py [--repeats 7] [--profile] [--cpu]

The trial is what ``collect`` runs: 50 steps in 5 slices, after each of them validation, checkpoint, record and MLflow.
Both are run in turns, in one process with one thread; the medians are compared, in wall-clock seconds or, where the
machine is shared, with ``--cpu`` in CPU seconds. Exit status 1 if the trial takes
``AIM_S`` longer than the loop, or more.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from lightning.pytorch import seed_everything
from miniature import make_plan, save_miniature, set_up

from lightning_quicktune.data.datamodule import TaskData
from lightning_quicktune.finetune.finetuner import CausalLMFinetuner
from lightning_quicktune.finetune.loss import next_token_loss, target_logits
from lightning_quicktune.finetune.scoring import split_metrics
from lightning_quicktune.tracking.tracker import Tracker
from lightning_quicktune.trials import recorder, runner
from lightning_quicktune.trials.runner import run_trial
from lightning_quicktune.trials.task_setup import task_objects

Clock = Callable[[], float]
AIM_S = 0.15
SLICES, STEPS, BATCH = 5, 10, 16
PARTS: dict[str, list[tuple[Any, str]]] = {
    "parse and build": [(runner, "build")],
    "Trainer": [(runner, "trial_trainer")],
    "reference step": [(runner, "known_reference_step_s")],
    "adapter on and off": [(CausalLMFinetuner, "configure_model"), (CausalLMFinetuner, "release")],
    "checkpoints": [(recorder, "save_slice"), (runner, "usable_checkpoint")],
    "record and fit YAML": [(runner, "write_trial"), (runner, "write_text"), (runner, "read_trial")],
    "MLflow": [(Tracker, "follow_trial")],
}


def bare_loop(module: CausalLMFinetuner, data: TaskData, clip: float) -> None:
    """The steps and validations of a trial, with nothing around them but its adapter."""
    seed_everything(0, verbose=False)
    module.configure_model()
    weights = [p for p in module.parameters() if p.requires_grad]
    optimizer = module.optimizer_factory(weights)
    schedule = module.schedule.build(optimizer, SLICES * STEPS)
    loader = data.train_dataloader()
    for number in range(SLICES):
        loader.batch_sampler.set_epoch(number)
        module.model.train()
        for batch in loader:
            loss_sum, _ = next_token_loss(*target_logits(module.model, batch)[:2])
            optimizer.zero_grad()
            (loss_sum / batch["step_targets"]).backward()
            torch.nn.utils.clip_grad_norm_(weights, clip)
            optimizer.step()
            schedule.step()
        split_metrics(module.model, module.tokenizer, data, "validation", module.score, generate=False)
    module.release()


def seconds(action: Callable[[], object], clock: Clock) -> float:
    """What it takes, once."""
    start = clock()
    action()
    return clock() - start


@contextmanager
def timed_parts(clock: Clock) -> Iterator[dict[str, float]]:
    """Sums the seconds of each of ``PARTS`` while it is open."""
    sums: dict[str, float] = defaultdict(float)

    def timed(part: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            start = clock()
            try:
                return function(*args, **kwargs)
            finally:
                sums[part] += clock() - start

        return call

    with ExitStack() as stack:
        for part, places in PARTS.items():
            for place, name in places:
                stack.enter_context(patch.object(place, name, timed(part, getattr(place, name))))
        yield sums


def profile(trial: Callable[[], object], bare_s: float, repeats: int, clock: Clock) -> None:
    """Prints where a trial's time goes, as medians over repeats."""
    rows: dict[str, list[float]] = defaultdict(list)
    for _ in range(repeats):
        with timed_parts(clock) as sums:
            whole = seconds(trial, clock)
        for part in PARTS:
            rows[part].append(sums[part])
        own = sum(value for part, value in sums.items() if part != "adapter on and off")  # the bare loop has that too
        rows["Lightning's loop beyond the bare one"].append(whole - own - bare_s)
    print("\n| part of the trial | ms |\n|---|---|")
    for part, values in rows.items():
        print(f"| {part} | {statistics.median(values) * 1000:.1f} |")


def main() -> int:
    """Runs the comparison."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--profile", action="store_true", help="Also print where the time goes.")
    parser.add_argument("--cpu", action="store_true", help="Count CPU seconds.")
    options = parser.parse_args()
    clock = time.process_time if options.cpu else time.perf_counter
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        setup = set_up(str(save_miniature(root / "model")), SLICES, STEPS * BATCH, root)
        tracker = Tracker(f"sqlite:///{root}/mlflow.db", "overhead")
        numbers = iter(range(10_000))

        def trial() -> None:
            record = run_trial(make_plan(setup, root / f"trial{next(numbers)}"), SLICES, tracker.follow_trial)
            if record.status != "completed":
                raise RuntimeError(f"The trial ended as {record.status}: {record.failure}")

        fit = make_plan(setup, root).resolved
        module, data = task_objects(fit)

        def bare() -> None:
            bare_loop(module, data, fit["trainer"]["gradient_clip_val"])

        trial(), bare()  # imports, the database, caches
        pairs = [(seconds(trial, clock), seconds(bare, clock)) for _ in range(options.repeats)]
        trial_s, bare_s = (statistics.median(column) for column in zip(*pairs, strict=True))
        more, ratio = trial_s - bare_s, trial_s / bare_s
        print(f"trial {trial_s:.3f} s, bare loop {bare_s:.3f} s: {more:.3f} s more, x {ratio:.2f}")
        if options.profile:
            profile(trial, bare_s, options.repeats, clock)
    return int(more >= AIM_S)


if __name__ == "__main__":
    sys.exit(main())
