"""What the guard of `transfer_guarded` costs on tasks like those that are known, and what it saves on others.

    python tools/benchmarks/guard.py [--tables made_up_8 made_up_24 runs/lcdb_anchors8] [--constants]

Learns from four fifths of a table's tasks and searches the others as they are, with the order of their configurations
reversed, and shuffled. Prints mean normalised regret after 1, 2, 3 and 5 full trainings, in slices, without and with
the guard, and how often it gave up what was taught; with --constants the latter when each constant is halved and
doubled. Made-up tables have 8 or 24 tasks to learn from, of 40 configurations with four numbers.
"""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lightning_quicktune.metadataset.folder import load
from lightning_quicktune.replay.threads import one_thread
from lightning_quicktune.search.curve_transfer_searcher import CurveTransferSearcher
from lightning_quicktune.search.guarded_searcher import GuardedSearcher
from lightning_quicktune.search.searcher import Searcher
from lightning_quicktune.surrogate.curves.beginning import searches
from lightning_quicktune.surrogate.curves.from_metadataset import task_tables
from lightning_quicktune.surrogate.curves.left_out import LeftOut
from lightning_quicktune.surrogate.curves.left_out_search import LeftOutSearch
from lightning_quicktune.surrogate.curves.prior import CurvePrior, draft_curve_prior
from lightning_quicktune.surrogate.curves.tables import TaskTable
from lightning_quicktune.surrogate.curves.trust import learned_limit
from lightning_quicktune.surrogate.curves.untaught import untaught_prior, without_configurations
from lightning_quicktune.types import Configuration, LearningCurve, Observation, SliceResult

Array = NDArray[np.float64]
TABLES, MADE_UP = ("made_up_8", "made_up_24", "runs/lcdb_anchors8"), "made_up_"
N, DIMENSIONS, SLICES = 40, 4, 8
BUDGETS = np.array([1, 2, 3, 5])  # full trainings
KINDS = ("alike", "reversed", "shuffled")
SEARCHED = 40  # tasks
CURVES, GUARD = "lightning_quicktune.surrogate.curves.", "lightning_quicktune.search.guarded_searcher"
CONSTANTS = {
    "least limit": (CURVES + "trust", "LEAST_LIMIT"),
    "largest limit": (CURVES + "trust", "MOST_LIMIT"),
    "share of alike tasks that may be given up": (CURVES + "trust", "SHARE"),
    "tasks that tell of it": (CURVES + "trust", "LEAST_TASKS"),
    "what one trial counts": (CURVES + "evidence", "CAP"),
    "trials that are weighed": (CURVES + "evidence", "WEIGHED"),
    "least deviation of a forecast": (CURVES + "evidence", "LEAST_STD"),
    "where doubt begins": (GUARD, "DOUBT"),
    "trials that settle it": (GUARD, "OPINIONS"),
    "the same, of the pool": (GUARD, "SHARE"),
}


class Case(NamedTuple):
    """A table that was learned from, and tasks that are searched."""

    name: str
    prior: CurvePrior
    left: Sequence[LeftOut]
    found: list[LeftOutSearch]
    tasks: list[tuple[Array, Array]]  # encoded configurations and their curves

    def relearned(self) -> CurvePrior:
        """With the limit that present constants give."""
        return replace(self.prior, limit=learned_limit(self.prior, self.left, self.found))


def made_up(seed: int) -> TaskTable:
    """A task whose final scores follow from the configuration, a little differently from the others'."""
    common, generator = np.random.default_rng(0).random(DIMENSIONS), np.random.default_rng(seed)
    encoded = generator.random((N, DIMENSIONS))
    weights = common + 0.15 * generator.standard_normal(DIMENSIONS)
    final = 0.3 + 0.5 / (1 + np.exp(-4 * (encoded - 0.5) @ weights))
    growth = 1 - 0.5 * np.exp(-4 * np.arange(1, SLICES + 1) / SLICES)
    scores = final[:, None] * growth + 0.005 * generator.standard_normal((N, SLICES))
    return TaskTable(encoded, scores, np.ones_like(scores), np.zeros(N, dtype=np.bool_), np.full(N, SLICES))


def case_of(source: str) -> Case:
    """Learns from a table."""
    if source.startswith(MADE_UP):
        blocks = np.arange(DIMENSIONS)
        tables = [made_up(seed) for seed in range(1, 1 + int(source.removeprefix(MADE_UP)))]
        left = [made_up(seed) for seed in range(1000, 1000 + SEARCHED)]
    else:
        table = load(source)
        blocks = np.array(table.space.encoded_blocks)
        every = task_tables(table)
        order = np.random.default_rng(0).permutation(len(every))
        fifth = len(every) // 5
        tables, left = [every[i] for i in order[fifth:]], [every[i] for i in order[:fifth]]
    draft = draft_curve_prior(tables, blocks)
    draft.likelihood.minimise()
    prior = draft.finished()
    tasks = [(each.encoded[~each.failed], each.scores[~each.failed]) for each in left]
    telling = [(e, s) for e, s in tasks if np.isfinite(s).all() and s.max() > np.median(s[:, -1])]
    return Case(Path(source).name, prior, draft.left, searches(prior, draft.left), telling[:SEARCHED])


def changed(kind: str, scores: Array, seed: int) -> Array:
    """The curves of a task, given to other configurations."""
    order = np.argsort(scores[:, -1], kind="stable")
    if kind == "reversed":
        found = np.empty_like(scores)
        found[order] = scores[order[::-1]]
        return found
    return scores[np.random.default_rng(seed).permutation(len(scores))] if kind == "shuffled" else scores


def searchers(prior: CurvePrior, encoded: Array, length: int) -> tuple[CurveTransferSearcher, GuardedSearcher]:
    """Transfer alone, and with the guard."""
    taught = prior.pool_prior(encoded)
    blocks = prior.predictor.mean.kernel.blocks
    others = without_configurations(taught), untaught_prior(encoded, blocks, taught.shares)
    pool = [Configuration({"place": i}) for i in range(len(encoded))]
    alone, transfer, *rest = (CurveTransferSearcher(pool, each, length) for each in (taught, taught, *others))
    return alone, GuardedSearcher(transfer, rest)


def play(searcher: Searcher, scores: Array) -> Array:
    """Normalised regret after ``BUDGETS``."""
    length = scores.shape[1]
    best: list[float] = []
    reached: dict[int, int] = {}
    while len(best) < BUDGETS[-1] * length and (suggestion := searcher.ask()) is not None:
        place = int(suggestion.configuration.values["place"])
        curve = scores[place, : suggestion.fidelity]
        best += np.maximum.accumulate([*best[-1:], *curve[reached.get(place, 0) :]])[len(best[-1:]) :].tolist()
        reached[place] = suggestion.fidelity
        slices = tuple(SliceResult(f, float(score), 1.0, 1.0, 0) for f, score in enumerate(curve, start=1))
        searcher.tell(Observation(suggestion.configuration, LearningCurve(slices), False, float(len(slices))))
    ends = np.array([best[min(b * length, len(best)) - 1] for b in BUDGETS])
    return np.asarray((scores.max() - ends) / (scores.max() - np.median(scores[:, -1])))


def measured(case: Case, prior: CurvePrior, is_guarded: bool) -> dict[str, tuple[Array, float]]:
    """Of each kind: regret, and how often what was taught was given up."""
    found = {}
    for kind in KINDS:
        regrets, fallen = [], []
        for seed, (encoded, scores) in enumerate(case.tasks):
            searcher = searchers(prior, encoded, scores.shape[1])[is_guarded]
            regrets.append(play(searcher, changed(kind, scores, seed)))
            fallen.append(isinstance(searcher, GuardedSearcher) and searcher.verdict.is_unlike)
        found[kind] = np.mean(regrets, axis=0), float(np.mean(fallen))
    return found


def cell(regret: Array, fallen: float) -> str:
    """Regret after each budget, and how often it gave up."""
    return " ".join(f"{v:.3f}".removeprefix("0") for v in regret) + f", {fallen:.0%}"


def compare(cases: list[Case]) -> None:
    """Prints what the guard does."""
    print("| table | limit | tasks | without guard | with it, gives up |\n|---|---|---|---|---|")
    for case in cases:
        of_alone, of_guarded = (measured(case, case.prior, is_guarded) for is_guarded in (False, True))
        for kind, (with_guard, fallen) in of_guarded.items():
            alone = cell(of_alone[kind][0], 0.0).removesuffix(", 0%")
            print(
                f"| {case.name} | 1/{np.exp(case.prior.limit):.0f} | {kind} | {alone} | {cell(with_guard, fallen)} |",
                flush=True,
            )


def vary(cases: list[Case]) -> None:
    """Prints what its constants are worth."""
    columns = [f"{case.name}, {kind}" for case in cases for kind in KINDS]
    print("| | " + " | ".join(columns) + " |\n|---|" + "---|" * len(columns))
    for name, factor in [("as it is", 1.0), *((name, f) for name in CONSTANTS for f in (0.5, 2.0))]:
        module, constant = CONSTANTS.get(name, CONSTANTS["least limit"])
        place = importlib.import_module(module)
        usual = getattr(place, constant)
        setattr(place, constant, type(usual)(usual * factor))
        rows = [measured(case, case.relearned(), True) for case in cases]
        setattr(place, constant, usual)
        cells = " | ".join(cell(*row[kind]) for row in rows for kind in KINDS)
        word = {0.5: ", half", 1.0: "", 2.0: ", double"}[factor]
        print(f"| {name}{word} | {cells} |", flush=True)


def main() -> None:
    """Prints a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tables", nargs="+", default=TABLES, help="folders of meta-datasets, or made_up_N")
    parser.add_argument("--constants", action="store_true", help="halve and double each constant")
    arguments = parser.parse_args()
    with one_thread():
        cases = [case_of(source) for source in arguments.tables]
        (vary if arguments.constants else compare)(cases)


if __name__ == "__main__":
    main()
