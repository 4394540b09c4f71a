"""One table of method x development table x budget, from finished evaluations.

    for f in configs/evaluate/development/*.yaml configs/evaluate/yahpo_development*.yaml; do
      lightning-quicktune evaluate --config $f
    done
    python tools/benchmarks/transfer.py

Prints Markdown: normalised regret with its 95 % interval, beside the best baseline of each column and the oracle. A
column is marked where the method is above the best baseline by more than .01 and the paired interval excludes 0.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import yaml

from lightning_quicktune.statistics.intervals import Bootstrap

CONFIGS = ("configs/evaluate/yahpo_development*.yaml", "configs/evaluate/development/*.yaml")
OURS = ("transfer_guarded", "curve_transfer", "transfer")
LIMIT, SLACK, HEAD_START = "oracle", 0.01, "-default_first"


class Counts(NamedTuple):
    """How many columns there are, are behind, are so surely, reach the aim, and of how many that could."""

    columns: int
    behind: int
    surely: int
    reached: int
    open_: int


def cube(rows: pd.DataFrame) -> tuple[np.ndarray, list[float]]:
    """Regret by task, seed and budget, and the budgets."""
    wide = rows.pivot_table(index=["task", "seed"], columns="budget", values="regret")
    n_tasks = rows["task"].nunique()
    return wide.to_numpy().reshape(n_tasks, -1, wide.shape[1]), wide.columns.tolist()


def interval(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of the mean over tasks, seeds inside, shape ``(budgets,)`` each."""
    groups = np.arange(len(values))
    lower, upper = Bootstrap(groups, values.shape[1], 0).interval(values)
    return lower, upper


def number(value: float) -> str:
    """Three digits without a leading 0."""
    return f"{value:.3f}".removeprefix("0") if value < 10 else f"{value:.1f}"


def half_way(means: dict[str, np.ndarray], baselines: list[str]) -> tuple[int, int]:
    """In how many columns the method is at least half way from the best baseline to the oracle, of how many."""
    best = np.min([means[m] for m in baselines], axis=0)
    open_ = best > means[LIMIT]  # elsewhere nothing is left to gain
    return int((means[OURS[0]] <= (best + means[LIMIT]) / 2)[open_].sum()), int(open_.sum())


def rows_of(results: pd.DataFrame) -> tuple[list[list[str]], Counts]:
    """Lines of one table and setting, and what is counted over all of them."""
    found = {str(method): cube(rows)[0] for method, rows in results.groupby("method")}
    baselines = [m for m in found if m not in OURS and m != LIMIT and not m.endswith(HEAD_START)]
    means = {m: values.mean(axis=(0, 1)) for m, values in found.items()}
    names = [min(baselines, key=lambda m, b=b: means[m][b]) for b in range(len(means[baselines[0]]))]
    best = [means[name][b] for b, name in enumerate(names)]
    lines, behind, surely = [], 0, 0
    reached, n_open = half_way(means, baselines) if LIMIT in found else (0, 0)
    for method in [m for m in OURS if m in found]:
        lower, upper = interval(found[method])
        cells = []
        for b, value in enumerate(means[method]):
            gap = found[method][:, :, b : b + 1] - found[names[b]][:, :, b : b + 1]
            worse = value > best[b] + SLACK
            sure = bool(worse and interval(gap)[0][0] > 0)
            if method == OURS[0]:
                behind, surely = behind + worse, surely + sure
            cells.append(f"{number(value)} [{number(lower[b])}, {number(upper[b])}]{' **behind**' if sure else ''}")
        lines.append([method, *cells])
    lines.append(["best baseline", *(f"{number(v)} {n}" for v, n in zip(best, names, strict=True))])
    started = [m for m in found if m.endswith(HEAD_START)]
    if started:
        first = np.min([means[m] for m in started], axis=0)
        lines.append(["best baseline, default first", *map(number, first)])
    if LIMIT in found:
        lines.append([LIMIT, *map(number, means[LIMIT])])
    return lines, Counts(len(best), behind, surely, reached, n_open)


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--configs", nargs="*", default=CONFIGS, help="patterns of the evaluations' YAML files")
    total = Counts(0, 0, 0, 0, 0)
    for path in sorted(p for pattern in parser.parse_args().configs for p in Path().glob(pattern)):
        settings = yaml.safe_load(path.read_text())
        file = Path(settings["output"]) / "report" / "results.parquet"
        if not file.is_file():
            print(f"`{path}` was not evaluated.\n")
            continue
        results = pd.read_parquet(file)
        results = results[results["unit"] == "full trainings"]
        for setting, rows in results.groupby("setting", sort=False):
            lines, counts = rows_of(rows)
            budgets = cube(rows[rows["method"] == rows["method"].iloc[0]])[1]
            total = Counts(*map(sum, zip(total, counts, strict=True)))
            counted = "slices" if settings.get("cost") == "slices" else "recorded costs"
            print(f"**{path.stem}**, {setting}, {counted}, {rows['task'].nunique()} tasks\n")
            print("| |" + "".join(f" {b:g} |" for b in budgets) + "\n|---|" + "---|" * len(budgets))
            print("\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n")
    said = (
        f"above the best baseline by more than {SLACK} in {total.behind} of {total.columns} columns, in {total.surely} "
    )
    print(f"`{OURS[0]}` is {said}of them surely.")
    print(f"It is at least half way from the best baseline to the oracle in {total.reached} of {total.open_} columns.")


if __name__ == "__main__":
    main()
