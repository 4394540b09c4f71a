#!/usr/bin/env python
"""Runs a collection of short trials whose workers are killed again and again, and counts what is left.

    python tools/soak.py [--trials 2000] [--kill_every 60] [--workers 2] [--folder FOLDER]

Trials of the miniature Phi-3 are trained on one built-in task by ``lightning-quicktune collect``. A worker that a kill
has ended is chosen at random; where the command itself ends, it is started again. Every five seconds memory, file
descriptors and the disk are looked at; ``soak.json`` in the folder keeps all of it. Exit status 1 if a trial is missing
or there twice, a file of an unfinished write is left, or from the first third of the samples to the last the command's
memory has grown to more than ``GROWTH`` times as much or its file descriptors by more than ``DESCRIPTORS``.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import yaml

from lightning_quicktune.compose import read_yaml, to_yaml, with_overrides
from lightning_quicktune.metadataset.folder import load
from lightning_quicktune.tracking.places import sqlite_uri
from lightning_quicktune.tracking.tracker import Tracker

ROOT = Path(__file__).parents[1]
GROWTH = 1.2
DESCRIPTORS = 10
LOOK_S = 5.0
EXPERIMENT = "soak"
MOST_STARTS = 100


def write_config(folder: Path, n_trials: int, workers: int) -> Path:
    """A collection of trials of two slices of 16 records each."""
    changes = {"data.init_args.records_per_slice": 16, "data.init_args.evaluation.max_eval_records": 8}
    recipe = with_overrides(read_yaml(ROOT / "configs" / "recipe" / "nano_lora.yaml"), changes)
    (folder / "recipe.yaml").write_text(to_yaml(recipe))
    settings = {
        "tasks": ["suite:suite-towns-mixed"],
        "recipe": "recipe.yaml",
        "space": str(ROOT / "configs" / "space" / "lora.yaml"),
        "output": str(folder / "collection"),
        "max_fidelity": 2,
        "n_shared": n_trials,
        "workers": workers,
        "tracking": {"experiment": EXPERIMENT, "uri": sqlite_uri(folder / "mlflow.db")},
    }
    (folder / "collect.yaml").write_text(yaml.safe_dump(settings))
    return folder / "collect.yaml"


def workers_of(pid: int) -> list[int]:
    """Processes of Python that a process has started, but the one that cleans up behind them."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            parent = int(path.joinpath("stat").read_text().rsplit(")", 1)[1].split()[1])
            words = path.joinpath("cmdline").read_bytes()
        except OSError:
            continue
        if parent == pid and b"python" in words and b"resource_tracker" not in words:
            found.append(int(path.name))
    return found


def look(pid: int, folder: Path, began: float) -> dict[str, Any]:
    """Memory, descriptors and disk at one moment; of the command alone, as workers come and go."""
    status = Path(f"/proc/{pid}/status").read_text().splitlines()
    resident = next(line for line in status if line.startswith("VmRSS"))
    files = [path for path in (folder / "collection").rglob("*") if path.is_file()]
    return {
        "second": round(time.monotonic() - began),
        "pid": pid,
        "MiB": int(resident.split()[1]) / 1024,
        "descriptors": len(os.listdir(f"/proc/{pid}/fd")),
        "ended": n_ended(folder),
        "checkpoints MiB": sum(path.stat().st_size for path in files if ".ckpt" in path.name) / 2**20,
        "other MiB": sum(path.stat().st_size for path in files if ".ckpt" not in path.name) / 2**20,
    }


def n_ended(folder: Path) -> int:
    """Trials whose record says that they are over."""
    records = (folder / "collection").glob("trials/*/*/trial.json")
    return sum(json.loads(path.read_text())["status"] in ("completed", "failed") for path in records)


def soak(config: Path, folder: Path, kill_every: float) -> dict[str, Any]:
    """Runs the collection to its end."""
    command = [sys.executable, "-m", "lightning_quicktune", "collect", "--config", str(config)]
    samples: list[dict[str, Any]] = []
    began, n_kills, n_starts, chance = time.monotonic(), 0, 0, random.Random(0)
    while n_starts < MOST_STARTS:
        n_starts += 1
        with open(folder / "collect.txt", "a") as log:
            process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log)
        looked = killed = time.monotonic()
        while process.poll() is None:
            time.sleep(0.5)
            now = time.monotonic()
            try:
                if now - looked >= LOOK_S:
                    samples.append(look(process.pid, folder, began))
                    looked = now
                if now - killed >= kill_every and (workers := workers_of(process.pid)):
                    os.kill(chance.choice(workers), signal.SIGKILL)
                    n_kills, killed = n_kills + 1, now
            except (FileNotFoundError, ProcessLookupError, StopIteration, json.JSONDecodeError):
                continue  # something ended or was replaced while it was looked at
        if process.returncode == 0:
            break
    return {"seconds": time.monotonic() - began, "kills": n_kills, "starts": n_starts, "samples": samples}


def counted(folder: Path) -> dict[str, Any]:
    """What is there in the end."""
    keys = Counter(trial.key for trial in Tracker(sqlite_uri(folder / "mlflow.db"), EXPERIMENT).read_trials())
    left = [path for path in (folder / "collection").rglob("*") if path.name.endswith(".tmp") or ".ckpt" in path.name]
    return {
        "in the table": int(load(str(folder / "collection" / "meta_dataset")).meta["n_trials"]),
        "in MLflow": len(keys),
        "twice in MLflow": sum(count > 1 for count in keys.values()),
        "unfinished files": [str(path.relative_to(folder)) for path in left],
    }


def thirds(samples: list[dict[str, Any]], name: str) -> tuple[float, float]:
    """Medians of the first third and of the last, of the process that was looked at most often."""
    pid = Counter(sample["pid"] for sample in samples).most_common(1)[0][0]
    values = [float(sample[name]) for sample in samples if sample["pid"] == pid]
    third = max(len(values) // 3, 1)
    return statistics.median(values[:third]), statistics.median(values[-third:])


def main() -> int:
    """Runs the soak."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=2000)
    parser.add_argument("--kill_every", type=float, default=60.0, help="Seconds.")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = (options.folder or Path(temporary)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        found = soak(write_config(folder, options.trials, options.workers), folder, options.kill_every)
        found |= counted(folder)
        (folder / "soak.json").write_text(json.dumps(found, indent=1))
    memory, descriptors = (thirds(found["samples"], name) for name in ("MiB", "descriptors"))
    print(
        json.dumps(
            {k: v for k, v in found.items() if k != "samples"}
            | {"MiB": memory, "descriptors": descriptors, "last": found["samples"][-1]}
        )
    )
    has_grown = memory[1] > GROWTH * memory[0] or descriptors[1] > descriptors[0] + DESCRIPTORS
    whole = found["in the table"] == found["in MLflow"] == options.trials and not found["twice in MLflow"]
    return int(not whole or bool(found["unfinished files"]) or has_grown)


if __name__ == "__main__":
    sys.exit(main())
