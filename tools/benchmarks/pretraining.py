"""Times the training of all that searchers learn from earlier tasks, and how much memory it takes.

    OMP_NUM_THREADS=2 python tools/benchmarks/pretraining.py [--trials 1800] [--slices 10] [--epochs 20]

Surrogates of performance and cost, then the prior over learning curves, on invented trials over ``TASKS`` tasks, each
in a process of its own. Wall seconds on an idle machine; the peak memory is that of the whole process, Python and its
libraries included. Exit status 1 if the surrogates take longer than ``LIMIT_S``.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import sys
import tempfile
import time
from pathlib import Path

from invented import invented_trials

from lightning_quicktune.replay.lessons import Lessons
from lightning_quicktune.replay.methods import Lesson
from lightning_quicktune.replay.settings import SurrogateTraining

LIMIT_S = 180.0
TASKS = 20


def main() -> None:
    """Measures each lesson."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=1800)
    parser.add_argument("--slices", type=int, default=10)
    parser.add_argument("--epochs", type=int, default=SurrogateTraining().epochs)
    options = parser.parse_args()
    found: dict[Lesson, float] = {}
    lessons: tuple[Lesson, ...] = ("surrogates", "prior")
    for lesson in lessons:
        with multiprocessing.get_context("spawn").Pool(1) as process:
            seconds, memory = process.apply(measure, (lesson, options.trials, options.slices, options.epochs))
        found[lesson] = seconds
        sys.stdout.write(f"{lesson}: {seconds:.1f} s, at most {memory:.0f} MiB\n")
    raise SystemExit(found["surrogates"] > LIMIT_S)


def measure(lesson: Lesson, n_trials: int, n_slices: int, epochs: int) -> tuple[float, float]:
    """Seconds that a lesson takes, and the peak memory of this process in MiB.

    Args:
        lesson: What is learned.
        n_trials: Trials that it is learned from.
        n_slices: Slices of each.
        epochs: Epochs of the surrogates.
    """
    table = invented_trials(n_trials, TASKS, n_slices)
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        Lessons(table, Path(folder), SurrogateTraining(epochs=epochs), seed=0).learn(lesson)
        seconds = time.perf_counter() - began
    return seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
