"""How well the cost of a slice on a new dataset is foretold, with and without the length of its records.

    python tools/benchmarks/slice_costs.py

Of each shipped table whose trials were trained alone: the level of costs on one dataset is predicted by what the others
cost, as the shipped surrogate of curves tells configurations apart. Prints the root mean square of the error of log
costs, and the largest. Seconds.
"""

from __future__ import annotations

import sys

import numpy as np

from lightning_quicktune.metadataset.examples import TaskCurves, task_curves
from lightning_quicktune.metadataset.folder import load
from lightning_quicktune.metadataset.speed import at_one_speed
from lightning_quicktune.presets.places import surrogate_folder
from lightning_quicktune.surrogate.artifact import read_curves
from lightning_quicktune.surrogate.curves.cost_level import fit_cost_level
from lightning_quicktune.surrogate.curves.prior import CurvePrior

HEAD = "| table | tasks | level alone | largest | by tokens | largest |\n|---|---:|---:|---:|---:|---:|\n"


def errors(prior: CurvePrior, tasks: list[TaskCurves], datasets: dict[str, str]) -> np.ndarray:
    """Errors of each task's log cost, by the level alone and by tokens too, shape ``(T, 2)``."""
    assert prior.costs is not None  # all shipped ones have some
    found = []
    for left in tasks:
        others = [each for each in tasks if datasets[each.task.name] != datasets[left.task.name]]
        level, by_tokens = fit_cost_level(prior, others)
        rest = left.log_costs - prior.costs.predict(left.encoded) - level
        error = float(rest[np.isfinite(rest)].mean())
        found.append((error, error - by_tokens.beyond(left.task)))
    return np.array(found)


def main() -> None:
    """Prints a table."""
    sys.stdout.write(
        "| table | tasks | level alone | largest | by tokens | largest |\n|---|---:|---:|---:|---:|---:|\n"
    )
    for name in ("smollm2", "nano", "nano_t5"):
        table = at_one_speed(load(name))
        prior = read_curves(surrogate_folder(name, "curves")).prior
        found = errors(prior, task_curves(table, list(table.task_names)), dict(table.datasets))
        root, largest = np.sqrt(np.square(found).mean(0)), np.abs(found).max(0)
        cells = [f"{value:.2f}" for pair in zip(root, largest, strict=True) for value in pair]
        sys.stdout.write(f"| {name} | {len(found)} | {' | '.join(cells)} |\n")


if __name__ == "__main__":
    main()
