"""Measures what tables of more and more trials take: CPU seconds and memory of each stage, on one thread.

    OMP_NUM_THREADS=1 python tools/benchmarks/scale.py [--sizes 20x90x10 100x180x10 200x500x10] [--stages load,learn]

A size is tasks x configurations x slices. Trials are invented, all tasks share their configurations. Each stage is a
process of its own that begins with the table on disk (``build`` writes it), so that its memory is its own. ``learn``
learns the prior of curves from all tasks but one, ``suggest`` a suggestion of ``curve_transfer`` with all of the
table's configurations to choose from. Writes ``scale.json`` after each stage, and prints a table. Exit status 1 if a
stage grew faster than ``GROWTH`` times as much as the trials did.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
SIZES = ("20x90x10", "100x180x10", "200x500x10")
GROWTH = 1.5
SUGGESTIONS = 20


def build(folder: Path, size: tuple[int, int, int]) -> Callable[[], object]:
    """Makes a table of trial records and writes it."""
    from invented import invented_trials

    from lightning_quicktune.metadataset.folder import save

    tasks, configurations, slices = size
    return lambda: save(invented_trials(tasks * configurations, tasks, slices), folder)


def read(folder: Path, size: tuple[int, int, int]) -> Callable[[], object]:
    """Reads the table."""
    from lightning_quicktune.metadataset.folder import load

    return lambda: load(str(folder))


def split(folder: Path, size: tuple[int, int, int]) -> Callable[[], object]:
    """Takes folds of its tasks."""
    from lightning_quicktune.metadataset.folder import load
    from lightning_quicktune.metadataset.splits import task_folds

    table = load(str(folder))
    return lambda: [table.select(fold) for fold in task_folds(table.task_names, 5, 0)]


def describe(folder: Path, size: tuple[int, int, int]) -> Callable[[], object]:
    """Describes it."""
    from lightning_quicktune.metadataset.describe import describe as of
    from lightning_quicktune.metadataset.folder import load

    table = load(str(folder))
    return lambda: of(table)


def learn(folder: Path, size: tuple[int, int, int]) -> Callable[[], object]:
    """Learns the prior of all tasks but one."""
    from lightning_quicktune.metadataset.folder import load
    from lightning_quicktune.surrogate.curves.from_metadataset import prior_of

    table = load(str(folder))
    return lambda: prior_of(table.select(table.task_names[1:]))


def suggest(folder: Path, size: tuple[int, int, int]) -> Callable[[], object]:
    """Asks and tells; learning comes before and isn't counted."""
    from suggestion import suggestions_from

    return suggestions_from(folder, SUGGESTIONS)


STAGES = {stage.__name__: stage for stage in (build, read, split, describe, learn, suggest)}


def work(stage: str, folder: Path, size: tuple[int, int, int]) -> None:
    """One stage, in this process; prints what it took."""
    import torch

    torch.set_num_threads(1)
    run = STAGES[stage](folder, size)
    before = _peak_mib()
    start = time.process_time()
    run()
    seconds = (time.process_time() - start) / (SUGGESTIONS if stage == "suggest" else 1)
    print(json.dumps({"seconds": seconds, "MiB": _peak_mib(), "MiB before": before}))


def measured(stage: str, folder: Path, size: str) -> dict[str, Any]:
    """The same in a process of its own."""
    command = [sys.executable, __file__, "--work", stage, "--folder", str(folder), "--sizes", size]
    done = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    return {"stage": stage, "size": size, **json.loads(done.stdout.splitlines()[-1])}


def _peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _size(text: str) -> tuple[int, int, int]:
    try:
        tasks, configurations, slices = map(int, text.split("x"))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no size; write tasks x configurations x slices") from error
    return tasks, configurations, slices


def _markdown(rows: list[dict[str, Any]], sizes: list[str]) -> str:
    lines = [
        "| stage | " + " | ".join(f"{_n_trials(s):,} trials" for s in sizes) + " |",
        "|---" * (len(sizes) + 1) + "|",
    ]
    for stage in dict.fromkeys(row["stage"] for row in rows):
        cells = [next((row for row in rows if (row["stage"], row["size"]) == (stage, size)), None) for size in sizes]
        said = [f"{cell['seconds']:.3g} s, {cell['MiB']:,.0f} MiB" if cell else "" for cell in cells]
        lines.append(f"| {stage} | {' | '.join(said)} |")
    return "\n".join(lines)


def _n_trials(size: str) -> int:
    tasks, configurations, _ = _size(size)
    return tasks * configurations


def _grows_too_fast(rows: list[dict[str, Any]]) -> list[str]:
    """Stages of at least a second that grew faster than the trials did."""
    found = []
    for stage in dict.fromkeys(row["stage"] for row in rows):
        own = [row for row in rows if row["stage"] == stage]
        for small, large in pairwise(own):
            more, longer = _n_trials(large["size"]) / _n_trials(small["size"]), large["seconds"] / small["seconds"]
            if large["seconds"] > 1 and longer > GROWTH * more:
                found.append(f"{stage}: {longer:.1f} times as long for {more:.1f} times the trials")
    return found


def main() -> int:
    """Measures stage after stage, the small table first."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", nargs="+", default=list(SIZES))
    parser.add_argument("--stages", default=",".join(STAGES))
    parser.add_argument("--output", type=Path, default=ROOT / "runs" / "scale")
    parser.add_argument("--work", choices=STAGES, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        work(options.work, options.folder, _size(options.sizes[0]))
        return 0
    stages = options.stages.split(",")
    if unknown := [stage for stage in stages if stage not in STAGES]:
        parser.error(f"there is no stage {unknown[0]!r}; choose of {', '.join(STAGES)}")
    options.output.mkdir(parents=True, exist_ok=True)
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as scratch:
        for size in options.sizes:
            for stage in dict.fromkeys(("build", *stages)):
                rows.append(measured(stage, Path(scratch) / size, size))
                (options.output / "scale.json").write_text(json.dumps(rows, indent=1) + "\n")
                print(rows[-1], flush=True)
    print(_markdown(rows, options.sizes))
    too_fast = _grows_too_fast(rows)
    print("\n".join(too_fast))
    return int(bool(too_fast))


if __name__ == "__main__":
    sys.exit(main())
