"""What lies around the best configuration: each value moved one step, and past the borders of the search space.

    python tools/benchmarks/around_the_best.py [--table smollm2 --recipe FIT.yaml --slices 3] [--tasks FOLDER ...]

The configuration of a table with the best mean rank over its tasks is trained as it is, then with one value at a time
moved to its neighbours in the search space (a rate to half and twice), and to values that the space doesn't hold.
Prints final validation scores less those of the best as it is, the best mean first. On one core nano takes three
seconds a trial, SmolLM2 one to seven minutes. Trials that are in `--output` are not trained again.
"""

from __future__ import annotations

import argparse
import logging
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from what_works import RATES, ROOT, best_configuration, without

from lightning_quicktune.compose import quiet_upstream, read_yaml
from lightning_quicktune.metadataset.folder import load
from lightning_quicktune.space.categorical import CategoricalDomain
from lightning_quicktune.space.search_space import SearchSpace
from lightning_quicktune.trials.plan import TrialPlan
from lightning_quicktune.trials.runner import run_trial
from lightning_quicktune.trials.task_setup import set_up_task, task_name
from lightning_quicktune.types import Configuration

PAST = {  # values that the space doesn't hold
    "batch_size": {n: {"data.init_args.batch_size": n, "trainer.accumulate_grad_batches": 1} for n in (1, 2)},
    "lora_rank": {128: None},
    "lora_plus_ratio": {32.0: None},
    "lora_alpha_over_rank": {8: None},
}
TASKS = [
    "minerals-labels",
    "medicines-numbers",
    "companies-mixed",
]  # of the meta-training tasks, where the best is not perfect


def widened(space: SearchSpace) -> SearchSpace:
    """The search space with what it doesn't hold."""
    declaration = space.to_dict()
    for name, values in PAST.items():
        each = declaration[name]
        each["domain"]["choices"] = sorted({*each["domain"]["choices"], *values})
        if "sets" in each:
            each["sets"] |= {str(value): sets for value, sets in values.items()}
    for name in (*RATES, "weight_decay"):
        low, high = declaration[name]["domain"]["bounds"]
        declaration[name]["domain"]["bounds"] = [low / 10, high * 10]
    return SearchSpace.from_dict(declaration)


def neighbours(best: Configuration, space: SearchSpace) -> Iterator[tuple[str, Configuration]]:
    """Every configuration that differs from the best by one step, with what differs."""
    for h in space.hyperparameters:
        if h.name not in best.values:
            continue
        value: Any = best.values[h.name]
        if isinstance(h.domain, CategoricalDomain):
            choices = list(h.domain.choices)
            place = choices.index(value)
            near = range(max(place - 2, 0), min(place + 3, len(choices))) if h.domain.ordered else range(len(choices))
            moved = [choices[i] for i in near if i != place]
        else:
            low, high = float(h.domain.lower), float(h.domain.upper)
            steps = [value / 4, value / 2, value * 2, value * 4] if h.domain.log else [low, value / 2, value * 2]
            moved = [step for step in dict.fromkeys(steps) if low <= step <= high]
        for step in moved:
            changed = Configuration({**best.values, h.name: step})
            words = f"{step:.3g}" if isinstance(step, float) else step
            yield f"{h.name}: {words}", without(changed, None, space)


def main() -> None:
    """Trains and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--table", default="nano")
    parser.add_argument("--recipe", default=str(ROOT / "configs" / "recipe" / "nano_lora.yaml"))
    parser.add_argument("--tasks", nargs="+", default=[f"suite:suite-{name}" for name in TASKS])
    parser.add_argument("--only", nargs="*", help="hyperparameters to move; all if left out")
    parser.add_argument("--slices", type=int, default=6, help="of a full training")
    parser.add_argument("--output", default="runs/around_the_best")
    args = parser.parse_args()
    for name in ("lightning.pytorch", "lightning_quicktune"):
        logging.getLogger(name).setLevel(logging.ERROR)
    quiet_upstream()
    warnings.filterwarnings("ignore")
    recipe, output = read_yaml(Path(args.recipe)), Path(args.output)
    space = widened(load(args.table).space)
    best, wins, n_tasks = best_configuration(args.table)
    sys.stdout.write(f"{dict(best.values)}\nis the best of all on {wins} of {n_tasks} tasks.\n\n")
    rows = {words: c for words, c in neighbours(best, space) if not args.only or words.split(":")[0] in args.only}
    setups = [set_up_task(s, recipe, args.slices, output / "tasks" / task_name(s)) for s in args.tasks]
    scores = {}
    for words, configuration in {"as it is": best, **rows}.items():
        scores[words] = np.full(len(setups), -np.inf)
        for i, setup in enumerate(setups):
            place = output / "trials" / setup.info.name / configuration.id
            trial = run_trial(TrialPlan(setup.info, setup.fit, space, configuration, 0, place), args.slices)
            if not trial.failure:
                scores[words][i] = trial.curve.scores[-1]
        sys.stderr.write(f"{words}: {' '.join(f'{score:.3f}' for score in scores[words])}\n")
    ours = scores.pop("as it is")
    sys.stdout.write(f"| | mean | {' | '.join(s.info.name for s in setups)} |\n|---|{'---:|' * (len(setups) + 1)}\n")
    sys.stdout.write(f"| as it is | {ours.mean():.3f} | {' | '.join(f'{score:.3f}' for score in ours)} |\n")
    for words, each in sorted(scores.items(), key=lambda row: -row[1].mean()):
        gains = each - ours
        sys.stdout.write(f"| {words} | {gains.mean():+.3f} | {' | '.join(f'{gain:+.3f}' for gain in gains)} |\n")


if __name__ == "__main__":
    main()
