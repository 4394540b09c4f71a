"""Measures what cohorts bring, against one trial at a time and against processes side by side, in one run.

    python tools/benchmarks/cohorts.py [--rows smollm2,processes,hour] [--output runs/cohorts]

The rows are ``smollm2``, ``processes``, ``hour``, ``precision`` and ``phi3``, which are for a GPU, and ``nano``,
``smollm2_cpu`` and ``costs``, which are for a CPU; without ``--rows``, those that fit the machine. Each row trains the
same configurations, drawn from ``configs/space/lora.yaml``, at once and one at a time. Seconds leave out the first
slice, in which a device warms up, except where all is counted (``hour``, ``nano``). ``--base-model nano`` tries the
rows with a miniature. Writes ``cohorts.json`` and ``cohorts.md``.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cohort_trials import ROOT, Timed, Workload, train, workload

Row = dict[str, Any]
GPU_ROWS = ("smollm2", "processes", "hour", "precision", "phi3")
CPU_ROWS = ("nano", "smollm2_cpu", "costs")
SMOLLM2, N_PROCESSES = "smollm2_cohort.yaml", 14
BASE_MODEL = "QUICKTUNE_BENCHMARK_BASE_MODEL"  # of the processes, too


def smollm2(folder: Path) -> list[Row]:
    """Slices of 48 short records a second, by how many trials are trained at once."""
    load = _smollm2(folder / "s", 4, 48)
    alone = train(load.plans(4, folder / "alone"), 3, at_once=False)
    rows, peaks = [_rate("SmolLM2", load.n_tokens, "one at a time", alone, alone)], {}
    for n in (4, 16, 64):
        timed = train(load.plans(n, folder / f"k{n}"), 3, at_once=True)
        rows.append(_rate("SmolLM2", load.n_tokens, f"{n} at once", timed, alone))
        peaks[n] = timed.peak_bytes
        rows[-1]["checkpoint of one, s"] = round(timed.save_s, 4)
    rows[-1]["GiB of a further adapter"] = round((peaks[64] - peaks[16]) / 48 / 2**30, 3)
    return rows


def processes(folder: Path) -> list[Row]:
    """The same slices by processes side by side, each with a trial of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, __file__, "--worker"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    running = [subprocess.Popen([*command, f"{n}:{folder}"], env=environment) for n in range(N_PROCESSES)]
    while len(list(folder.glob("ready*"))) < N_PROCESSES and all(p.poll() is None for p in running):
        time.sleep(0.05)
    (folder / "go").touch()
    codes = [process.wait() for process in running]
    done = [json.loads(path.read_text()) for path in folder.glob("done*.json")]
    if any(codes) or len(done) < N_PROCESSES:
        raise RuntimeError(f"Of {N_PROCESSES} processes some failed: exit codes {codes}.")
    seconds = max(d["end"] for d in done) - min(d["start"] for d in done)
    rate = sum(d["slices"] for d in done) / seconds
    return [{"what": "SmolLM2", "how": f"{N_PROCESSES} processes side by side", "slices a second": round(rate, 3)}]


def work(order: str) -> None:
    """One of the processes: warms up, says that it is ready, then trains two slices."""
    number, folder = int(order.split(":", 1)[0]), Path(order.split(":", 1)[1])
    load = _smollm2(folder / f"w{number}", 4, 48)
    (plan,) = load.plans(1, folder / f"trial{number}", first=number)
    train([plan], 1, at_once=False)
    (folder / f"ready{number}").touch()
    while not (folder / "go").exists():
        time.sleep(0.01)
    start = time.time()
    timed = train([plan], 3, at_once=False)
    done = {"start": start, "end": time.time(), "slices": timed.trials[0].curve.fidelity - 1}
    (folder / f"done{number}.json").write_text(json.dumps(done))


def hour(folder: Path) -> list[Row]:
    """Whole trials of five slices of 96 records, all counted: start, validation, test, checkpoints."""
    load = _smollm2(folder / "h", 5, 96)
    timed = train(load.plans(64, folder / "k64"), 5, at_once=True)
    rate = len(timed.trials) / timed.wall_s * 3600
    return [{"what": "SmolLM2", "tokens": round(load.n_tokens), "how": "64 at once", "trials an hour": round(rate)}]


def precision(folder: Path) -> list[Row]:
    """How far scores move from those of 32 bits, and how fast."""
    import torch

    mixed, base = {"trainer.precision": "bf16-mixed"}, {"model.init_args.base_model.dtype": "bfloat16"}
    ways: dict[str, tuple[str, dict[str, Any]]] = {
        "32 bits": ("highest", {}),
        "TF32 products": ("high", {}),
        "bf16-mixed": ("highest", mixed),
        "bf16-mixed, base in bfloat16": ("highest", mixed | base),
    }
    rows: list[Row] = []
    exact: Timed | None = None
    for number, (way, (products, changes)) in enumerate(ways.items()):
        torch.set_float32_matmul_precision(products)
        load = _smollm2(folder / f"way{number}", 4, 48, changes)
        timed = train(load.plans(16, folder / f"trials{number}"), 3, at_once=True)
        exact = exact or timed
        pairs = [
            abs(a.score - b.score)
            for one, other in zip(timed.trials, exact.trials, strict=True)
            for a, b in zip(one.curve.slices, other.curve.slices, strict=False)
        ]
        row = {"what": "SmolLM2", "how": f"16 at once, {way}", "slices a second": round(timed.slices_per_s, 3)}
        rows.append({**row, "mean error": round(sum(pairs) / len(pairs), 5), "largest error": round(max(pairs), 5)})
    torch.set_float32_matmul_precision("highest")
    return rows


def phi3(folder: Path) -> list[Row]:
    """Phi-3 Mini of full size with random weights."""
    from full_size_phi3 import save_phi3

    model, rows = os.environ.get(BASE_MODEL) or save_phi3(folder / "phi3"), []
    long = 100 if BASE_MODEL in os.environ else 300
    for words, sizes in ((0, (4, 16)), (long, (2, 4))):
        changes = {"model.init_args.base_model.name": str(model), "trainer.accelerator": "auto"}
        load = workload("phi3_lora.yaml", folder / f"p{words}", 3, 16, words, changes)
        alone = train(load.plans(2, folder / f"alone{words}"), 2, at_once=False)
        rows.append(_rate("Phi-3 Mini", load.n_tokens, "one at a time", alone, alone))
        for n in sizes:
            timed = train(load.plans(n, folder / f"k{words}-{n}"), 2, at_once=True)
            rows.append(_rate("Phi-3 Mini", load.n_tokens, f"{n} at once", timed, alone))
    return rows


def nano(folder: Path) -> list[Row]:
    """Trials an hour of ``collect`` on the built-in tasks, all counted."""
    rows: list[Row] = []
    for workers, cohort in ((2, 1), (2, 4), (2, 16)):
        output = folder / f"w{workers}c{cohort}"
        options = {"tasks": "[suite:suite-towns-mixed]", "n_shared": 32, "n_fresh": 0, "configurations": "null"}
        options |= {"output": output, "parts": output / "parts", "parts_only": "true"}
        options |= {"workers": workers, "cohort": cohort}
        config = ROOT / "configs" / "collect" / "suite_nano.yaml"
        command = [sys.executable, "-m", "lightning_quicktune", "collect", "--config", str(config)]
        subprocess.run([*command, *(f"--{k}={v}" for k, v in options.items())], check=True, cwd=ROOT)
        rate = json.loads((output / "summary.json").read_text())["trials_per_hour"]
        how = f"collect, {workers} workers, {cohort} at once each"
        first = rows[0]["trials an hour"] if rows else rate
        rows.append({"what": "nano", "how": how, "trials an hour": round(rate), "times": round(rate / first, 2)})
    return rows


def smollm2_cpu(folder: Path) -> list[Row]:
    """SmolLM2 on a CPU, which is bound by arithmetic."""
    changes = {"trainer.accelerator": "cpu", "data.init_args.evaluation.max_eval_records": 8}
    load = _smollm2(folder / "c", 2, 16, changes)
    alone = train(load.plans(4, folder / "alone"), 2, at_once=False)
    timed = train(load.plans(4, folder / "k4"), 2, at_once=True)
    rows = [_rate("SmolLM2 on a CPU", load.n_tokens, "one at a time", alone, alone)]
    return [*rows, _rate("SmolLM2 on a CPU", load.n_tokens, "4 at once", timed, alone)]


def costs(folder: Path) -> list[Row]:
    """What is booked for a trial of nano in a cohort, against what it takes alone: CPU seconds of the last slices."""
    load = workload("nano_lora.yaml", folder / "n", 3, 96)
    n = 12
    alone = _paid(train(load.plans(n, folder / "alone"), 3, at_once=False))
    rows: list[Row] = []
    for size in (n, n // 3):
        parts = [train(load.plans(size, folder / f"c{size}", first), 3, at_once=True) for first in range(0, n, size)]
        paid = [seconds for part in parts for seconds in _paid(part)]
        logs = [math.log(one / other) for one, other in zip(paid, alone, strict=True)]
        row = {"what": "nano, cost booked over cost alone", "how": f"{size} at once"}
        rows.append(
            {**row, "times": round(math.exp(statistics.median(logs)), 2), "spread": round(statistics.stdev(logs), 2)}
        )
    return rows


def _paid(timed: Timed) -> list[float]:
    """CPU seconds of each trial's slices after the first."""
    return [sum(s.cost_cpu_s for s in trial.curve.slices[1:]) for trial in timed.trials]


ROWS: dict[str, Callable[[Path], list[Row]]] = {
    row.__name__: row for row in (smollm2, processes, hour, precision, phi3, nano, smollm2_cpu, costs)
}


def _smollm2(folder: Path, slices: int, records: int, changes: dict[str, Any] | None = None) -> Workload:
    """SmolLM2, or the model that is tried in its place, on records of about 50 tokens."""
    other = {"model.init_args.base_model.name": os.environ[BASE_MODEL]} if BASE_MODEL in os.environ else {}
    return workload(SMOLLM2, folder, slices, records, changes=other | (changes or {}))


def _rate(what: str, tokens: float, how: str, timed: Timed, alone: Timed) -> Row:
    rate = timed.slices_per_s
    row = {"what": what, "tokens": round(tokens), "how": how, "slices a second": round(rate, 3)}
    return {**row, "times": round(rate / alone.slices_per_s, 2), "peak GiB": round(timed.peak_bytes / 2**30, 2)}


def _machine() -> str:
    import torch

    name = torch.cuda.get_device_name() if torch.cuda.is_available() else f"CPU, {os.cpu_count()} cores"
    return f"{name}, torch {torch.__version__}"


def _markdown(machine: str, rows: list[Row]) -> str:
    names = list(dict.fromkeys(name for row in rows for name in row))
    lines = [f"Measured on: {machine}.", "", f"| {' | '.join(names)} |", "|" + " --- |" * len(names)]
    return "\n".join(lines + [f"| {' | '.join(str(row.get(name, '')) for name in names)} |" for row in rows]) + "\n"


def main() -> None:
    """Measures the rows one after the other; what has been measured is on disk after each."""
    import torch

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", help=f"some of {', '.join(ROWS)}")
    parser.add_argument("--output", type=Path, default=ROOT / "runs" / "cohorts")
    parser.add_argument("--base-model", help="a small one, to see that the rows run")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.base_model:
        os.environ[BASE_MODEL] = arguments.base_model
    if arguments.worker:
        work(arguments.worker)
        return
    wanted = arguments.rows.split(",") if arguments.rows else GPU_ROWS if torch.cuda.is_available() else CPU_ROWS
    unknown = [name for name in wanted if name not in ROWS]
    if unknown:
        parser.error(f"there is no row {unknown[0]!r}; choose of {', '.join(ROWS)}")
    arguments.output.mkdir(parents=True, exist_ok=True)
    tried = {"instead of the models named": arguments.base_model} if arguments.base_model else {}
    found: dict[str, Any] = {"machine": _machine(), **tried, "rows": [], "seconds": {}}
    for name in wanted:
        start = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            found["rows"] += ROWS[name](Path(folder))
        found["seconds"][name] = round(time.perf_counter() - start, 1)
        (arguments.output / "cohorts.json").write_text(json.dumps(found, indent=1) + "\n")
        (arguments.output / "cohorts.md").write_text(_markdown(found["machine"], found["rows"]))
    print(_markdown(found["machine"], found["rows"]), found["seconds"])


if __name__ == "__main__":
    main()
