"""What a training is worth that is shorter, beside as many slices of one that isn't.

    python tools/benchmarks/shorter_trainings.py [--tasks suite:suite-towns-mixed ...] [--configurations 6]
    python tools/benchmarks/shorter_trainings.py --recorded smollm2 smollm2_cohort

The configurations of a table with the best mean ranks are trained for each number of slices twice: as a training of
that length, whose schedule ends there, and as the beginning of a full one. Prints mean validation scores over tasks and
configurations, and of the best configuration alone, with the paired 95 % interval over tasks of the difference. One
core takes twelve seconds for a task and a configuration of nano. Trials in `--output` are not trained again.

With `--recorded SHORT LONG` nothing is trained: of datasets and configurations that both tables have in full, the
scores of the short trainings stand beside those of the long ones after as many records (straight lines between slices).
"""

from __future__ import annotations

import argparse
import logging
import sys
import warnings
from pathlib import Path

import numpy as np
from jaxtyping import Float
from what_works import ROOT, by_mean_rank

from lightning_quicktune.compose import quiet_upstream, read_yaml
from lightning_quicktune.metadataset.arrays import curve_arrays
from lightning_quicktune.metadataset.folder import load
from lightning_quicktune.metadataset.table import CurveRow, MetaDataset
from lightning_quicktune.statistics.paired import paired_difference
from lightning_quicktune.trials.plan import TrialPlan
from lightning_quicktune.trials.runner import run_trial
from lightning_quicktune.trials.task_setup import set_up_task, task_name

TASKS = ["birds-labels", "companies-mixed", "engines-names", "festivals-phrases", "medicines-numbers", "minerals-mixed"]
TASKS += ["operas-labels", "ships-names", "statutes-dates", "towns-mixed"]  # one of each domain
HEAD = "| slices | begun | ended | gain | best: begun | ended | gain |\n|---:|---:|---:|---|---:|---:|---|\n"


def line(name: str, begun: Float[np.ndarray, "T C"], ended: Float[np.ndarray, "T C"]) -> str:
    """Both scores and the gain with its interval over tasks, of all configurations and of the first.

    Args:
        name: First cell.
        begun: Scores of the beginnings of longer trainings.
        ended: Those of trainings that end there.
    """
    cells = [name]
    for first, second in ((begun.mean(axis=1), ended.mean(axis=1)), (begun[:, 0], ended[:, 0])):
        gain = paired_difference(first, second)
        cells += [f"{first.mean():.3f}", f"{second.mean():.3f}"]
        cells.append(f"{gain.value:+.3f} [{gain.lower:+.3f}, {gain.upper:+.3f}]")
    return f"| {' | '.join(cells)} |\n"


def recorded(short: MetaDataset, long: MetaDataset) -> list[tuple[CurveRow, CurveRow]]:
    """Full trainings of the same dataset and configuration in both tables."""
    first = {(short.datasets[r.task], r.configuration.id): r for r in short.curves() if r.outcome == "full"}
    pairs = [(first.get((long.datasets[r.task], r.configuration.id)), r) for r in long.curves() if r.outcome == "full"]
    return [(one, other) for one, other in pairs if one is not None]


def of_tables(short: MetaDataset, long: MetaDataset) -> str:
    """The table from what is recorded."""
    found: dict[str, dict[str, tuple[float, float]]] = {}
    for one, other in recorded(short, long):
        n_short, n_long = short.task_info(one.task).records_per_slice, long.task_info(other.task).records_per_slice
        n_records = n_short * len(one.scores)
        begun = np.interp(n_records, n_long * np.arange(1, len(other.scores) + 1), other.scores)
        found.setdefault(short.datasets[one.task], {})[one.configuration.id] = float(begun), float(one.scores[-1])
    shared = set.intersection(*(set(each) for each in found.values()))
    ranked = curve_arrays(short)
    names = [name for name in (ranked.configurations[i].id for i in by_mean_rank(ranked)) if name in shared]
    scores = np.array([[each[name] for name in names] for each in found.values()])
    words = f"{len(found)} datasets, {len(names)} configurations\n\n"
    return words + HEAD + line(f"{n_records} records", scores[..., 0], scores[..., 1])


def trained(args: argparse.Namespace) -> str:
    """The table from trials that are trained for it."""
    table, recipe, output = load(args.table), read_yaml(Path(args.recipe)), Path(args.output)
    arrays = curve_arrays(table)
    chosen = [arrays.configurations[place] for place in by_mean_rank(arrays)[: args.configurations]]
    lengths = range(1, args.slices + 1)
    curves = np.full((len(args.tasks), len(chosen), args.slices), np.nan)
    ends = np.full(curves.shape, np.nan)
    for task, source in enumerate(args.tasks):
        for length in lengths:
            folder = output / task_name(source) / str(length)
            setup = set_up_task(source, recipe, length, folder / "task")
            for place, configuration in enumerate(chosen):
                plan = TrialPlan(setup.info, setup.fit, table.space, configuration, 0, folder / configuration.id)
                scores = run_trial(plan, length).curve.scores
                ends[task, place, length - 1] = scores[-1]
                if length == args.slices:
                    curves[task, place] = scores
        sys.stderr.write(f"{task_name(source)}: {np.round(np.nanmean(ends[task], axis=0), 3)}\n")
    rows = [line(str(length), curves[..., length - 1], ends[..., length - 1]) for length in lengths[:-1]]
    return f"{len(args.tasks)} tasks, {len(chosen)} configurations, {args.slices} slices\n\n{HEAD}{''.join(rows)}"


def main() -> None:
    """Prints a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--table", default="nano")
    parser.add_argument("--recipe", default=str(ROOT / "configs" / "recipe" / "nano_lora.yaml"))
    parser.add_argument("--tasks", nargs="+", default=[f"suite:suite-{name}" for name in TASKS])
    parser.add_argument("--configurations", type=int, default=6, help="how many of the best")
    parser.add_argument("--slices", type=int, default=6, help="of a full training")
    parser.add_argument("--output", default="runs/shorter_trainings")
    parser.add_argument("--recorded", nargs=2, metavar=("SHORT", "LONG"), help="tables to read in place of training")
    args = parser.parse_args()
    if args.recorded:
        short, long = (load(name) for name in args.recorded)
        sys.stdout.write(of_tables(short, long))
        return
    for name in ("lightning.pytorch", "lightning_quicktune"):
        logging.getLogger(name).setLevel(logging.ERROR)
    quiet_upstream()
    warnings.filterwarnings("ignore")
    sys.stdout.write(trained(args))


if __name__ == "__main__":
    main()
