"""Times how long searchers think per suggestion.

    OMP_NUM_THREADS=1 python tools/benchmarks/suggestion.py [--pool 512] [--support 4096] [--suggestions 200]

The surrogates are trained for a few steps only, on invented trials: their predictions are worth nothing, and take as
long as good ones. A suggestion is one answer and taking in what came of it. One thread; CPU seconds, so that other
processes on the machine don't count. The first suggestion, which factorises the Gaussian process or sets up the
posterior, is given apart. Exit status 1 if a median is above ``LIMIT_S``.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from invented import STEP_S, invented_trials

from lightning_quicktune.metadataset.folder import load
from lightning_quicktune.metadataset.table import MetaDataset
from lightning_quicktune.replay.ablations import replayed_searcher
from lightning_quicktune.replay.lessons import Lessons
from lightning_quicktune.replay.methods import Method
from lightning_quicktune.replay.settings import SurrogateTraining
from lightning_quicktune.search.knowledge import SearchContext
from lightning_quicktune.types import LearningCurve, Observation, SliceResult, Suggestion

LIMIT_S = 0.05
TASKS, CONFIGURATIONS, SLICES = 9, 200, 10


def main() -> None:
    """Measures both searchers."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pool", type=int, default=512, help="configurations to choose from")
    parser.add_argument("--support", type=int, default=4096, help="points that `transfer` predicts from")
    parser.add_argument("--suggestions", type=int, default=200)
    options = parser.parse_args()
    torch.set_num_threads(1)
    table = invented_trials(TASKS * CONFIGURATIONS, TASKS, SLICES)
    slow = False
    with tempfile.TemporaryDirectory() as folder:
        for method in (Method("transfer"), Method("curve_transfer")):
            seconds = measure(method, _context(method, table, Path(folder), options), options.suggestions)
            median, memory = statistics.median(seconds[1:]), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            slow |= median > LIMIT_S
            sys.stdout.write(
                f"{method.name}: median {1e3 * median:.1f} ms, longest {1e3 * max(seconds[1:]):.1f} ms, first "
                f"{1e3 * seconds[0]:.0f} ms; at most {memory:.0f} MiB so far\n"
            )
    raise SystemExit(slow)


def measure(method: Method, context: SearchContext, n: int) -> list[float]:
    """CPU seconds of each of ``n`` suggestions; learning from other tasks comes before.

    Args:
        method: What searches.
        context: What it needs.
        n: Suggestions.
    """
    knowledge = context.knowledge
    if knowledge.performance is None or knowledge.cost is None:  # to ask is to read
        assert knowledge.curves is not None
    began = time.process_time()
    searcher, seconds = replayed_searcher(method, context), []
    while len(seconds) < n and (suggestion := searcher.ask()) is not None:
        searcher.tell(_observed(suggestion, context))
        now = time.process_time()
        seconds.append(now - began)
        began = now
    return seconds


def suggestions_from(folder: Path, n: int) -> Callable[[], object]:
    """Learns from a stored table, all but its first task; gives what makes suggestions for that one.

    Args:
        folder: Holds the table.
        n: Suggestions, the first of which sets up the posterior.
    """
    table = load(str(folder))
    lessons = Lessons(table.select(table.task_names[1:]), folder / "lessons", SurrogateTraining(), 0)
    method = Method("curve_transfer")
    knowledge = lessons.knowledge(method.lesson)
    assert knowledge.curves is not None  # to ask is to learn
    pool = tuple(dict.fromkeys(row.configuration for row in table.select(table.task_names[:1]).curves()))
    context = SearchContext(pool, table.task_info(table.task_names[0]), table.space, STEP_S, 0, knowledge)
    return lambda: measure(method, context, n)


def _observed(suggestion: Suggestion, context: SearchContext) -> Observation:
    height = context.space.encode([suggestion.configuration]).mean()
    scores = [0.2 + 0.5 * height * fidelity / SLICES for fidelity in range(1, suggestion.fidelity + 1)]
    slices = tuple(SliceResult(f, float(score), 1.0, 1.0, cost_tokens=0) for f, score in enumerate(scores, start=1))
    return Observation(suggestion.configuration, LearningCurve(slices), False, 1.0)


def _context(method: Method, table: MetaDataset, folder: Path, options: argparse.Namespace) -> SearchContext:
    training = SurrogateTraining(epochs=1, steps_per_epoch=5, n_support=options.support)
    lessons = Lessons(table.select(table.task_names[1:]), folder, training, 0)
    return SearchContext(
        pool=tuple(table.space.sample(options.pool, seed=1)),
        task=table.task_info(table.task_names[0]),
        space=table.space,
        reference_step_s=STEP_S,
        seed=0,
        knowledge=lessons.knowledge(method.lesson),
    )


if __name__ == "__main__":
    main()
