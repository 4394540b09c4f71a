"""Times a training step by how threads wait and how many there are, idle and beside busy processes.

    python tools/benchmarks/threads.py [--base_model nano] [--steps 30] [--busy 2]

Each way of starting is measured in a process of its own: as PyTorch starts by itself, with threads that sleep while
they wait (``OMP_WAIT_POLICY=PASSIVE``, which the command line sets), and with as many threads as the command line
takes for a model of this size. Steps are those of the default configuration in batches of 16; the median is printed
in milliseconds. Idle figures hold for an idle machine only: its load average is printed with them.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

WAYS = {
    "as PyTorch starts": {"OMP_WAIT_POLICY": None, "threads": "all"},
    "PASSIVE": {"OMP_WAIT_POLICY": "PASSIVE", "threads": "all"},
    "PASSIVE, threads by size": {"OMP_WAIT_POLICY": "PASSIVE", "threads": "by size"},
}
WARM_UP = 5


def measure(base_model: str, steps: int, threads: str) -> str:
    """Median milliseconds of a training step in this process, and its threads."""
    import torch
    from miniature import make_plan, set_up

    from lightning_quicktune.finetune.loss import next_token_loss, target_logits
    from lightning_quicktune.trials.task_setup import task_objects

    available = torch.get_num_threads()
    with tempfile.TemporaryDirectory() as folder:
        plan = make_plan(set_up(base_model, 1, 16 * (steps + WARM_UP), Path(folder)), Path(folder) / "trial")
        module, data = task_objects(plan.resolved)
        module.configure_model()
        if threads == "all":
            torch.set_num_threads(available)
        weights = [p for p in module.parameters() if p.requires_grad]
        optimizer, taken = module.optimizer_factory(weights), []
        for batch in data.train_dataloader():
            began = time.perf_counter()
            loss_sum, _ = next_token_loss(*target_logits(module.model, batch)[:2])
            optimizer.zero_grad()
            (loss_sum / batch["step_targets"]).backward()
            optimizer.step()
            taken.append(time.perf_counter() - began)
    return f"{1000 * statistics.median(taken[WARM_UP:]):.1f} ({torch.get_num_threads()})"


@contextmanager
def busy_processes(number: int) -> Iterator[None]:
    """So many processes beside this one, each of which keeps one core busy."""
    others = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(number)]
    try:
        yield
    finally:
        for other in others:
            other.kill()
            other.wait()


def in_process(way: str, base_model: str, steps: int) -> str:
    """Measures in a fresh process that is started that way."""
    policy = WAYS[way]["OMP_WAIT_POLICY"]
    environment = {k: v for k, v in os.environ.items() if k not in ("OMP_NUM_THREADS", "OMP_WAIT_POLICY")}
    command = [sys.executable, __file__, "--measure", str(WAYS[way]["threads"]), "--base_model", base_model]
    done = subprocess.run(
        [*command, "--steps", str(steps)],
        env=environment | ({"OMP_WAIT_POLICY": policy} if policy else {}),
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return done.stdout.splitlines()[-1]


def main() -> None:
    """Runs the measurements, prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--base_model", default="nano")
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--busy", type=int, default=os.cpu_count() or 1, help="Busy processes beside the measurement.")
    parser.add_argument("--measure", help="Only measure, in this process, with `all` threads or those `by size`.")
    options = parser.parse_args()
    if options.measure:
        print(measure(options.base_model, options.steps, options.measure))
        return
    print(f"load average before: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    print(
        f"| ms a step of {options.base_model} (threads) | idle | beside {options.busy} busy processes |\n|---|---|---|"
    )
    for way in WAYS:
        idle = in_process(way, options.base_model, options.steps)
        with busy_processes(options.busy):
            beside = in_process(way, options.base_model, options.steps)
        print(f"| {way} | {idle} | {beside} |", flush=True)


if __name__ == "__main__":
    main()
