"""Measures how long the same slices take by one worker, by two, and by one with two threads.

    python tools/benchmarks/executors.py [--base_model nano] [--trials 12] [--slices 3] [--rows one,two,threads]

Trials are configurations of the shipped search space, on a built-in task. A worker first trains one slice of another
trial, which starts it: that time is printed apart, and is paid once. The load average is printed with each row, since
figures of a busy machine say little. Rows: ``one`` and ``two`` workers of one thread, ``threads``: one of two threads,
``subprocess``: one that starts a process for each trial.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

ROWS = {
    "one": ("one worker of one thread", "processes", 1, 1),
    "two": ("two workers of one thread", "processes", 2, 1),
    "threads": ("one worker of two threads", "processes", 1, 2),
    "subprocess": ("a process for each trial, one thread", "subprocess", 1, 1),
}


def measure(row: str, base_model: str, n_trials: int, slices: int, folder: Path) -> tuple[float, float, list[float]]:
    """Seconds of starting and of training, and the last score of each trial."""
    from miniature import ROOT, set_up

    from lightning_quicktune.space.search_space import SearchSpace
    from lightning_quicktune.trials.executors.build import build_executor
    from lightning_quicktune.trials.executors.orders import Order
    from lightning_quicktune.trials.executors.settings import ExecutorSettings
    from lightning_quicktune.trials.plan import TrialPlan

    _, kind, workers, threads = ROWS[row]
    setup = set_up(base_model, slices, 100, folder)
    space = SearchSpace.from_yaml(ROOT / "configs" / "space" / "lora.yaml")
    drawn = space.sample(n_trials + 2, seed=0)
    plans = [TrialPlan(setup.info, setup.fit, space, one, 0, folder / row / one.id) for one in drawn]
    executor = build_executor(ExecutorSettings(kind, threads=threads), workers, 1, setup.fit)
    with closing(executor):
        seconds = []
        for part, fidelity in ((plans[n_trials : n_trials + workers], 1), (plans[:n_trials], slices)):
            began, left, n_running, scores = time.perf_counter(), list(part), 0, {}
            while left or n_running:
                while left and n_running < executor.capacity:
                    executor.submit(Order(left.pop(0), fidelity))
                    n_running += 1
                trial = executor.wait().trial
                n_running -= 1
                scores[trial.key] = trial.curve.scores[-1] if trial.curve.slices else float("nan")
            seconds.append(time.perf_counter() - began)
    return seconds[0], seconds[1], [scores[key] for key in sorted(scores)]


def main() -> int:
    """Prints a row for each way."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base_model", default="nano")
    parser.add_argument("--trials", type=int, default=12)
    parser.add_argument("--slices", type=int, default=3)
    parser.add_argument("--rows", default="one,two,threads")
    options = parser.parse_args()
    print("| way | to start (s) | to train (s) | share of the first row | load average |\n|---|---|---|---|---|")
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for row in options.rows.split(","):
            start_s, train_s, scores = measure(row, options.base_model, options.trials, options.slices, Path(folder))
            found[row] = (train_s, scores)
            share = train_s / next(iter(found.values()))[0]
            load = os.getloadavg()[0]
            print(f"| {ROWS[row][0]} | {start_s:.1f} | {train_s:.1f} | {share:.2f} | {load:.1f} |", flush=True)
    alike = [scores for row, (_, scores) in found.items() if ROWS[row][3] == 1]
    print(f"\nScores of all rows of one thread are the same: {'yes' if all(s == alike[0] for s in alike) else 'no'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
