"""Checks what the costs of a trial are worth: whether they repeat, and whether they move to another thread count.

    python tools/benchmarks/costs.py [--repeats 3]

One nano trial is measured twice, and a third time with two threads, each in a process of its own that runs
``--repeats`` trials and gives the median slice; the processes run one after the other on an idle machine. Two
measurements should agree within ``REPEAT``; the seconds with one thread, predicted from those with two by the
reference step of each, within ``MOVE``. Exit status 1 if either is missed; 2 if the machine itself changed its speed
by more than ``REPEAT`` meanwhile, as reference steps tell, so that its seconds can't be compared.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

REPEAT, MOVE = 0.10, 0.30
SLICES, RECORDS = 4, 96


def measure(repeats: int) -> dict[str, float]:
    """Median seconds of a slice, and the reference step, in this process."""
    from miniature import make_plan, set_up

    from lightning_quicktune.trials.runner import run_trial

    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        setup = set_up("nano", SLICES, RECORDS, root)
        trials = [run_trial(make_plan(setup, root / f"trial{n}"), SLICES) for n in range(repeats)]
    slices = [s for trial in trials for s in trial.curve.slices]
    return {
        "cost_s": statistics.median(s.cost_s for s in slices),
        "cost_cpu_s": statistics.median(s.cost_cpu_s for s in slices),
        "reference_step_s": statistics.median(s.reference_step_s or float("nan") for s in slices),
    }


def in_process(threads: int, repeats: int) -> dict[str, float]:
    """Measures in a fresh process with so many threads."""
    command = [sys.executable, __file__, "--measure", "--repeats", str(repeats)]
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "OMP_WAIT_POLICY": "PASSIVE"}
    done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    measured: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return measured


def main() -> int:
    """Runs the three measurements, prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--measure", action="store_true", help="Only measure, in this process; prints JSON.")
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measure(options.repeats)))
        return 0
    first, two, second = (in_process(threads, options.repeats) for threads in (1, 2, 1))
    predicted = two["cost_s"] / two["reference_step_s"] * first["reference_step_s"]
    print("| | cost_s | cost_cpu_s | reference_step_s | cost_s / reference_step_s |\n|---|---|---|---|---|")
    for name, row in (("1 thread", first), ("1 thread again", second), ("2 threads", two)):
        cost, reference = row["cost_s"], row["reference_step_s"]
        print(f"| {name} | {cost:.3f} | {row['cost_cpu_s']:.3f} | {reference:.4f} | {cost / reference:.1f} |")
    repeat = abs(second["cost_s"] / first["cost_s"] - 1)
    move = abs(predicted / first["cost_s"] - 1)
    drift = abs(second["reference_step_s"] / first["reference_step_s"] - 1)
    print(f"\nthe machine's own speed: {drift:.1%} apart by the reference step")
    print(f"measured again: {repeat:.1%} apart (at most {REPEAT:.0%})")
    print(f"1 thread predicted from 2: {predicted:.3f} s, {move:.1%} off (at most {MOVE:.0%})")
    missed = repeat > REPEAT or move > MOVE
    return 2 if missed and drift > REPEAT else int(missed)


if __name__ == "__main__":
    sys.exit(main())
