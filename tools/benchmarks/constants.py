"""What halving and doubling each constant of `curve_transfer` does to its regret on development tables.

    python tools/benchmarks/constants.py [--tables yahpo_lcbench lcdb_anchors8 smollm2]

Learns and replays in this process, on one thread: fold 0 of two tables that configs/import makes, and the shipped
trials of SmolLM2. Prints mean normalised regret after 1, 2, 3, 5 and 10 full trainings, and how much it moves.
"""

from __future__ import annotations

import argparse
import importlib
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from lightning_quicktune.evaluation.settings import EvaluateSettings
from lightning_quicktune.evaluation.summary import results_table
from lightning_quicktune.replay.methods import Method
from lightning_quicktune.replay.plan import Plan
from lightning_quicktune.replay.results import ReplayStore
from lightning_quicktune.replay.threads import one_thread
from lightning_quicktune.replay.workplace import Workplace

CURVES = "lightning_quicktune.surrogate.curves."
CONSTANTS = {
    "lowest normalised score": [(CURVES + "tables", "LOWEST"), (CURVES + "prior", "LOWEST")],
    "highest normalised score": [(CURVES + "tables", "HIGHEST")],
    "exponent of costs": [(CURVES + "prior", "COST_EXPONENT")],
    "share of a deviation that is chance": [(CURVES + "predictor", "NOISE")],
    "ridge of residual curves": [(CURVES + "variances", "RIDGE")],
    "weight of starting values": [(CURVES + "variances", "STIFFNESS")],
    "offsets that few tasks don't tell": [(CURVES + "prior", "UNKNOWN_OFFSET")],
    "least deviation of log scales": [(CURVES + "posterior", "LEAST_SCALE_STD")],
    "weight of priors on length scales": [(CURVES + "kernel", "PRIOR")],
}
BUDGETS = [1.0, 2.0, 3.0, 5.0, 10.0]
TABLES = (
    EvaluateSettings("runs/yahpo_lcbench", "", folds="fact:fold", test_folds=["fold0"], n_seeds=1, cost="slices"),
    EvaluateSettings("runs/lcdb_anchors8", "", folds="fact:fold", test_folds=["fold0"], n_seeds=1, cost="slices"),
    EvaluateSettings("smollm2", "", n_folds=4, n_seeds=2, cost="cost_cpu_s"),
)


def regret(settings: EvaluateSettings) -> np.ndarray:
    """Mean normalised regret of ``curve_transfer`` after each budget."""
    with tempfile.TemporaryDirectory() as folder, one_thread():
        training = ["fold0", "fold1", "fold2"] if "yahpo" in settings.meta_dataset else None
        place = Workplace(
            replace(settings, output=folder, methods=[Method("curve_transfer")], budgets=BUDGETS, train_folds=training)
        )
        plan = Plan(place)
        store = ReplayStore(place.output, {}, place.codes)
        learning, jobs = plan.missing(store)
        for job in (*learning, *jobs):
            store.add(place.do(job))
        table = results_table(plan.replays(store), place.pool, {}, BUDGETS)
    return table.groupby("budget")["regret"].mean().to_numpy()


def everywhere(tables: Sequence[EvaluateSettings]) -> np.ndarray:
    """Regret on some tables, shape ``(tables, budgets)``."""
    return np.stack([regret(settings) for settings in tables])


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    known = {Path(settings.meta_dataset).name: settings for settings in TABLES}
    parser.add_argument("--tables", nargs="+", choices=list(known), default=list(known), help="which to look at")
    names = parser.parse_args().tables
    tables = [known[name] for name in names]
    usual = everywhere(tables)
    print("| | " + " | ".join(names) + " | most by which a column moves |\n|---|" + "---|" * (len(names) + 1))
    print("| as it is | " + " | ".join(" ".join(f"{v:.3f}" for v in row) for row in usual) + " | |")
    for name, places in CONSTANTS.items():
        for factor, word in ((0.5, "half"), (2.0, "double")):
            before = [(importlib.import_module(module), constant) for module, constant in places]
            values = [getattr(module, constant) for module, constant in before]
            for (module, constant), value in zip(before, values, strict=True):
                setattr(module, constant, value * factor)
            found = everywhere(tables)
            for (module, constant), value in zip(before, values, strict=True):
                setattr(module, constant, value)
            cells = " | ".join(" ".join(f"{v:.3f}" for v in row) for row in found)
            move = found - usual
            print(f"| {name}, {word} | {cells} | {move.min():+.3f} to {move.max():+.3f} |", flush=True)


if __name__ == "__main__":
    main()
