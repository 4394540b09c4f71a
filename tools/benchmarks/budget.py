"""Seconds that a tuning takes, from the first second of the command to its report, beside those that were asked for.

    python tools/benchmarks/budget.py [--seconds 20 60 120] [--task suite:suite-towns-mixed] [--model nano] [--cpu]

Each is a process of its own, in an empty folder. A budget that is too short for a slice ends with a sentence, which is
printed. Where the machine is shared, `--cpu` counts seconds of work on one thread in the place of those on the wall, in
the tuning as well as here.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage

CONFIGS = Path(__file__).parents[2] / "configs"
RECIPES = {"nano": "nano_lora.yaml", "nano_t5": "nano_t5_lora.yaml", "smollm2": "smollm2_trial.yaml"}
ON_THE_WALL = "from lightning_quicktune.cli.main import main; import sys; sys.exit(main())"
OF_WORK = f"import time; time.monotonic = time.perf_counter = time.process_time; {ON_THE_WALL}"


def tune(seconds: float, task: str, model: str, counts_work: bool) -> tuple[float, str]:
    """Runs one tuning; seconds that it took, and what came of it in a line."""
    with tempfile.TemporaryDirectory() as folder:
        options = ["--task", task, "--recipe", str(CONFIGS / "recipe" / RECIPES[model]), "--output", f"{folder}/found"]
        options += ["--surrogates.curves", model, "--budget.seconds", str(seconds)]
        options += ["--tracking.uri", f"sqlite:///{folder}/mlflow.db"]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"} if counts_work else {**os.environ}
        command = [sys.executable, "-c", OF_WORK if counts_work else ON_THE_WALL, "tune", *options]
        began, worked = time.monotonic(), getrusage(RUSAGE_CHILDREN)
        ended = subprocess.run(command, env=environment, capture_output=True, text=True)
        spent, work = time.monotonic() - began, getrusage(RUSAGE_CHILDREN)
        if counts_work:
            spent = work.ru_utime + work.ru_stime - worked.ru_utime - worked.ru_stime
        if ended.returncode:
            return spent, ended.stderr.strip().splitlines()[-1]
        return spent, summary(json.loads(Path(f"{folder}/found/result/outcome.json").read_text()))


def summary(outcome: dict) -> str:
    """Rows, slices and the gain, in a line."""
    scores = ", ".join(f"{r['name']} {r['test_metrics'][outcome['task']['metric']]:.3f}" for r in outcome["rows"])
    slices = outcome["result"]["state"]["slices"]
    return f"{slices} slices searched, stopped by {outcome['result']['stopped_by']}; {scores}"


def main() -> None:
    """Prints a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, nargs="+", default=[20.0, 60.0, 120.0])
    parser.add_argument("--task", default="suite:suite-towns-mixed")
    parser.add_argument("--model", choices=sorted(RECIPES), default="nano")
    parser.add_argument("--cpu", action="store_true")
    options = parser.parse_args()
    sys.stdout.write("| asked for | spent | of it | |\n| --- | --- | --- | --- |\n")
    for seconds in options.seconds:
        spent, words = tune(seconds, options.task, options.model, options.cpu)
        sys.stdout.write(f"| {seconds:.0f} s | {spent:.1f} s | {spent / seconds:.0%} | {words} |\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
