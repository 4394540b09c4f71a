"""Seconds and memory of a training step of base models, with the loss at targets only and, to compare, everywhere.

    python tools/benchmarks/base_models.py [--models smollm2 gemma-3-270m-q4_k_m.gguf] [--threads 1] [--repeats 5]

A step is that of `configs/recipe/smollm2_trial.yaml`: 8 records, here of a passage and a short answer, in plain text.
Each number comes from a process of its own. Seconds are medians over the steps after the first, in CPU time with
`--cpu` where the machine is shared; memory is the most that the process ever held, and that of the loaded model alone.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
import torch.nn.functional as F

from lightning_quicktune.compose import read_yaml, with_overrides
from lightning_quicktune.finetune.loss import next_token_loss, target_logits
from lightning_quicktune.trials.task_setup import task_objects

RECIPE = Path(__file__).parents[2] / "configs" / "recipe" / "smollm2_trial.yaml"
PASSAGE = "The ferry of Skarn carries tea, lamps and old letters past the island where nobody has lived for years. "
BATCH, N_SENTENCES = 8, 5


def write_records(folder: Path) -> None:
    """Three splits of records that differ in two numbers."""
    for split in ("train", "validation", "test"):
        rows = [
            {"question": f"{PASSAGE * N_SENTENCES}Which berth has boat {n} of the {split}?", "answer": f"Berth {n}."}
            for n in range(2 * BATCH)
        ]
        (folder / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def measure(model: str, everywhere: bool, repeats: int, clock_name: str) -> dict[str, float]:
    """Trains in this process; seconds a step, gigabytes of the model and of all, tokens and targets of a batch."""
    clock = {"wall": time.perf_counter, "cpu": time.process_time}[clock_name]
    with tempfile.TemporaryDirectory() as folder:
        write_records(Path(folder))
        changes = {
            "model.init_args.base_model.name": model,
            "data.init_args.path": folder,
            "data.init_args.template": "plain",
            "data.init_args.batch_size": BATCH,
        }
        module, data = task_objects(with_overrides(read_yaml(RECIPE), changes))
        batch = next(iter(data.train_dataloader()))
    module.configure_model()
    loaded = gigabytes()
    module.model.train()
    weights = [weight for weight in module.parameters() if weight.requires_grad]
    optimizer = module.optimizer_factory(weights)
    times = []
    for _ in range(repeats + 1):
        start = clock()
        optimizer.zero_grad()
        loss = (loss_everywhere if everywhere else loss_at_targets)(module.model, batch)
        (loss / batch["step_targets"]).backward()
        optimizer.step()
        times.append(clock() - start)
    return {
        "step_s": statistics.median(times[1:]),
        "loaded_gb": loaded,
        "most_gb": gigabytes(),
        "tokens": batch["input_ids"].numel(),
        "targets": int((batch["labels"] != -100).sum()),
        "vocabulary": module.model.config.vocab_size,
    }


def loss_at_targets(model: torch.nn.Module, batch: dict[str, torch.Tensor]) -> torch.Tensor:
    """The summed loss of the targets, as a finetuner takes it."""
    logits, labels, _ = target_logits(model, batch)
    return next_token_loss(logits, labels)[0]


def loss_everywhere(model: torch.nn.Module, batch: dict[str, torch.Tensor]) -> torch.Tensor:
    """The same sum, from the logits of every position."""
    inputs = {key: batch[key] for key in ("input_ids", "attention_mask")}
    logits = model(**inputs, use_cache=False).logits[:, :-1]
    return F.cross_entropy(logits.flatten(0, 1), batch["labels"][:, 1:].flatten(), reduction="sum")


def gigabytes() -> float:
    """The most memory that this process ever held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2


def apart(model: str, everywhere: bool, options: argparse.Namespace) -> dict[str, float]:
    """``measure`` in a process of its own."""
    words = [model, "everywhere" if everywhere else "targets", str(options.repeats), "cpu" if options.cpu else "wall"]
    threads = {"OMP_NUM_THREADS": str(options.threads)}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", __file__, "--measure", *words],
        env={**os.environ, **threads},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=["smollm2", "gemma-3-270m-q4_k_m.gguf"])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--cpu", action="store_true", help="Count CPU seconds.")
    parser.add_argument("--measure", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        model, loss, repeats, clock = options.measure
        print(json.dumps(measure(model, loss == "everywhere", int(repeats), clock)))
        return
    for name in options.models:  # converted once, so that no measurement holds what converting takes
        apart(name, False, argparse.Namespace(**{**vars(options), "repeats": 1}))
    print("| base model | vocabulary | tokens, targets of a batch | loss | s a step | GB loaded | GB at most |")
    print("|---|---|---|---|---|---|---|")
    for name in options.models:
        for everywhere in (False, True):
            found = apart(name, everywhere, options)
            print(
                f"| {Path(name).stem} | {found['vocabulary']:,} | {found['tokens']:,.0f}, {found['targets']:.0f} | "
                f"{'everywhere' if everywhere else 'targets'} | {found['step_s']:.2f} | {found['loaded_gb']:.2f} | "
                f"{found['most_gb']:.2f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
