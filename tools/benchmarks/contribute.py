"""What contributions bring: searches of related tasks in a row, each with the trials of those before, and without.

    python tools/benchmarks/contribute.py [--domains companies minerals] [--slices 30] [--tasks 3]

The searches are replayed on the recorded trials of the miniature Phi-3, so that nothing is trained: a search chooses
among the configurations that were recorded of its task, and begins where there is none with the recorded one that is
nearest to the strong recipe. Printed is the normalised regret of the best validation score, 0 for the best recorded
one and 1 for the median final score, after a third of the slices and after all.
"""

from __future__ import annotations

import argparse
import math
import sys
from dataclasses import dataclass, field

import numpy as np

from lightning_quicktune.metadataset.folder import load
from lightning_quicktune.metadataset.table import MetaDataset, counts
from lightning_quicktune.search.build import build_searcher
from lightning_quicktune.search.knowledge import Knowledge, SearchContext
from lightning_quicktune.search.untaught_searcher import untaught_after
from lightning_quicktune.surrogate.curves.learn import learn_curves
from lightning_quicktune.tuning.first_tried import best_of
from lightning_quicktune.types import Configuration, LearningCurve, Observation, SliceResult

STRONG = {"optimizer": "adamw", "lr": 3.0e-4, "lora_rank": 32, "lora_alpha_over_rank": 1}


@dataclass
class Played:
    """One search: best score after each slice, and how far each configuration went."""

    best: list[float] = field(default_factory=list)
    reached: dict[str, int] = field(default_factory=dict)


def nearest(table: MetaDataset, wanted: Configuration, pool: list[Configuration]) -> Configuration:
    """The configuration of a pool whose encoding is nearest."""
    encoded = table.space.encode([wanted, *pool])
    return pool[int(np.square(encoded[1:] - encoded[0]).sum(1).argmin())]


def strong(table: MetaDataset) -> Configuration:
    """The strong recipe, with the space's defaults for what it leaves open."""
    values = dict(table.space.default.values)
    return Configuration({**values, **{name: value for name, value in STRONG.items() if name in values}})


def play(table: MetaDataset, task: str, before: MetaDataset | None, slices: int) -> Played:
    """Replays one search."""
    info = table.task_info(task)
    rows = {row.configuration: row for row in table.curves([task]) if row.outcome in ("full", "failed")}
    pool, played = list(rows), Played()
    wanted = [*(best_of(before, info) if before is not None else ()), strong(table)]
    first = tuple(dict.fromkeys(nearest(table, each, pool) for each in wanted))
    curves = learn_curves(before) if before is not None else None
    knowledge = Knowledge(curves=(lambda: curves) if curves is not None else None)
    context = SearchContext(tuple(pool), info, table.space, 1.0, 0, knowledge, first=first)
    searcher = untaught_after(context) if curves is None else build_searcher("transfer_guarded", context)
    while len(played.best) < slices and (asked := searcher.ask()) is not None:
        row, begun = rows[asked.configuration], played.reached.get(asked.configuration.id, 0)
        n = min(asked.fidelity, row.fidelity, begun + slices - len(played.best))
        known = zip(row.scores[:n], row.costs_s, strict=False)
        curve = LearningCurve(tuple(SliceResult(f, s, c, c, 1) for f, (s, c) in enumerate(known, start=1)))
        failed = n < asked.fidelity and row.outcome == "failed"
        searcher.tell(Observation(asked.configuration, curve, failed, sum(curve.costs_s[begun:])))
        for score in curve.scores[begun:] or ((math.nan,) if failed else ()):
            played.best.append(float(np.nanmax([*played.best[-1:], score, 0.0])))
        played.reached[asked.configuration.id] = n
    return played


def contributed(table: MetaDataset, searches: dict[str, Played]) -> MetaDataset | None:
    """The trials of searches, as far as each went."""
    if not searches:
        return None
    known = table.select(list(searches))
    keys = zip(known.trials["task"], known.trials["config_id"], known.trials["fidelity"], strict=True)
    kept = known.trials[[f <= searches[t].reached.get(c, -1) for t, c, f in keys]].reset_index(drop=True)
    return MetaDataset(kept, known.tasks, known.space, {**known.meta, **counts(kept, known.tasks)})


def main() -> None:
    """Prints a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--domains", nargs="+", default=["companies", "minerals", "statutes", "medicines"])
    parser.add_argument("--slices", type=int, default=30)
    parser.add_argument("--tasks", type=int, default=3)
    options = parser.parse_args()
    table = load("nano")
    early = max(1, options.slices // 3)
    sys.stdout.write(f"| task | {early} slices, alone | with those before | {options.slices} slices, alone | ")
    sys.stdout.write("with those before |\n| --- | --- | --- | --- | --- |\n")
    totals = []
    for domain in options.domains:
        done: dict[str, Played] = {}
        for task in [name for name in table.task_names if name.split("-")[1] == domain][: options.tasks]:
            scores = [s for row in table.curves([task]) for s in row.scores]
            best, middle = max(scores), float(np.nanmedian([row.final for row in table.curves([task])]))
            alone = play(table, task, None, options.slices)
            after = play(table, task, contributed(table, done), options.slices) if done else alone
            ends = [(p.best[min(n, len(p.best)) - 1]) for n in (early, options.slices) for p in (alone, after)]
            regrets = [(best - end) / (best - middle) for end in ends]
            totals += [regrets] if done else []
            sys.stdout.write(f"| {task} | {' | '.join(f'{r:.3f}' for r in regrets)} |\n")
            sys.stdout.flush()
            done[task] = after
    means = " | ".join(f"{mean:.3f}" for mean in np.mean(totals, axis=0))
    sys.stdout.write(f"| mean of {len(totals)} later tasks | {means} |\n")


if __name__ == "__main__":
    main()
