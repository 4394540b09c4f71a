"""What of the best configuration makes it the best: each of its values put back to the default, one at a time.

    python tools/benchmarks/what_works.py [--tasks suite:suite-towns-mixed ...]

The configuration of `nano` with the best mean rank over all tasks is trained as it is, then without each value that
isn't the default; an optimizer goes with the default of its rate. Then at a quarter, half and twice its learning rate,
also outside of the search space; then the default with Adafactor and batches of 4, at several rates and LoRA+ ratios.
Prints final validation scores. Five minutes for two tasks on one core.
"""

from __future__ import annotations

import argparse
import logging
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np
from scipy.stats import rankdata

from lightning_quicktune.compose import read_yaml
from lightning_quicktune.metadataset.arrays import CurveArrays, curve_arrays
from lightning_quicktune.metadataset.folder import load
from lightning_quicktune.space.search_space import SearchSpace
from lightning_quicktune.trials.plan import TrialPlan
from lightning_quicktune.trials.runner import run_trial
from lightning_quicktune.trials.task_setup import set_up_task
from lightning_quicktune.types import Configuration

ROOT = Path(__file__).resolve().parents[2]
N_SLICES = 6
RATES = ("lr", "adafactor_lr", "sgd_lr")


def best_configuration(table: str = "nano") -> tuple[Configuration, int, int]:
    """The one with the best mean rank of those tried on every task, and on how many tasks it is the best of all."""
    arrays = curve_arrays(load(table))
    place = by_mean_rank(arrays)[0]
    wins = int((np.nanargmax(arrays.final, axis=1) == place).sum())
    return arrays.configurations[place], wins, len(arrays.tasks)


def by_mean_rank(arrays: CurveArrays) -> list[int]:
    """Places of the configurations that were tried on every task, the best mean rank first."""
    everywhere = np.isfinite(arrays.final).all(axis=0)
    ranks = np.stack([rankdata(-final[everywhere]) for final in arrays.final])
    return [int(place) for place in np.flatnonzero(everywhere)[np.argsort(ranks.mean(axis=0), kind="stable")]]


def without(configuration: Configuration, name: str | None, space: SearchSpace) -> Configuration:
    """The same with one value put back to the default, if one is named, and what is active by that."""
    values = dict(configuration.values) | ({} if name is None else {name: space.default.values[name]})
    for h in space.hyperparameters:
        if not h.is_active(values):
            values.pop(h.name, None)
        else:
            values.setdefault(h.name, h.domain.default)
    return Configuration(values)


def at_other_rates(configuration: Configuration) -> dict[str, Configuration]:
    """The same at a quarter, half and twice its learning rate."""
    name = next(name for name in RATES if name in configuration.values)
    rates = [float(configuration.values[name]) * factor for factor in (0.25, 0.5, 2.0)]
    return {f"{name}: {rate:.2g}": Configuration({**configuration.values, name: rate}) for rate in rates}


def with_wider_rates(space: SearchSpace) -> SearchSpace:
    """The search space with learning rates that it doesn't hold."""
    declaration = space.to_dict()
    for name in RATES:
        low, high = declaration[name]["domain"]["bounds"]
        declaration[name]["domain"]["bounds"] = [low / 10, high * 10]
    return SearchSpace.from_dict(declaration)


def from_zero(space: SearchSpace) -> dict[str, Configuration]:
    """Adafactor from the default start, in which B matrices are 0."""
    start = without(Configuration({**space.default.values, "optimizer": "adafactor", "batch_size": 4}), None, space)
    found = {}
    for rate, ratio in ((0.02, 1.0), (0.2, 1.0), (0.02, 16.0)):
        values = {**start.values, "adafactor_lr": rate, "lora_plus_ratio": ratio}
        found[f"default start, Adafactor at {rate}, ratio {ratio:g}"] = Configuration(values)
    return found


def main() -> None:
    """Trains and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", nargs="+", default=["suite:suite-towns-mixed", "suite:suite-festivals-phrases"])
    sources = parser.parse_args().tasks
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore")
    space, recipe = load("nano").space, read_yaml(ROOT / "configs" / "recipe" / "nano_lora.yaml")
    best, wins, n_tasks = best_configuration()
    sys.stdout.write(f"{dict(best.values)}\nis the best of all on {wins} of {n_tasks} tasks.\n\n")
    default = space.default.values
    moved = [name for name in space.names if name in default and best.values.get(name, default[name]) != default[name]]
    rows = {"as it is": best} | {f"{n}: {default[n]}": without(best, n, space) for n in moved}
    rows |= at_other_rates(best) | from_zero(space)
    wide = with_wider_rates(space)
    with tempfile.TemporaryDirectory() as folder:
        setups = [set_up_task(s, recipe, N_SLICES, Path(folder, "tasks", str(i))) for i, s in enumerate(sources)]
        sys.stdout.write(f"| | {' | '.join(setup.info.name for setup in setups)} |\n|---|{'---:|' * len(setups)}\n")
        for number, (words, configuration) in enumerate(rows.items()):
            scores = []
            for setup in setups:
                place = Path(folder, setup.info.name, str(number))
                trial = run_trial(TrialPlan(setup.info, setup.fit, wide, configuration, 0, place), N_SLICES)
                scores.append("diverged" if trial.failure else f"{trial.curve.scores[-1]:.3f}")
            sys.stdout.write(f"| {words} | {' | '.join(scores)} |\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
