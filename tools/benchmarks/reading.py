"""Times reading short JSON Lines, by this code and by that of another revision.

    python tools/benchmarks/reading.py [--records 1000000] [--against REV] [--repeats 3]

What is timed is what a task takes before its records become tokens: the digest of the file and the three splits. Each
number is the CPU seconds of a process of its own, after its imports; both codes take turns, and the medians are
compared. Exit status 1 if this code takes more than ``AIM`` times as long as the other.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tarfile
import tempfile
from io import BytesIO
from pathlib import Path

AIM = 1.2
ROOT = Path(__file__).parents[2]
TIMED = """
import sys, time
from lightning_quicktune.data.sources import content_digest
from lightning_quicktune.data.splits import ReadingSettings, read_splits
start = time.process_time()
content_digest(sys.argv[1])
splits = read_splits(sys.argv[1], ReadingSettings())
print(time.process_time() - start, sum(map(len, splits.records.values())))
"""


def write_records(path: Path, n_records: int) -> None:
    """Writes one question and answer per line, no two alike."""
    with path.open("w") as file:
        for number in range(n_records):
            record = {"question": f"Which berth has boat {number}?", "answer": f"Berth {number % 97}."}
            file.write(json.dumps(record) + "\n")


def unpack_revision(revision: str, folder: Path) -> Path:
    """Puts the package as it was at a revision into a folder."""
    archive = subprocess.run(
        ["git", "archive", revision, "lightning_quicktune"], cwd=ROOT, check=True, capture_output=True
    )
    with tarfile.open(fileobj=BytesIO(archive.stdout)) as files:
        files.extractall(folder, filter="data")
    return folder


def seconds(code: Path, records: Path, n_records: int) -> float:
    """What a process takes that reads the records with the package in a folder."""
    done = subprocess.run(
        [sys.executable, "-c", TIMED, str(records)],
        cwd=code,
        env={**os.environ, "PYTHONPATH": str(code)},
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    taken, n_read = done.stdout.split()
    if int(n_read) != n_records:
        raise RuntimeError(f"{code} read {n_read} of {n_records} records, so its time says nothing.")
    return float(taken)


def main() -> int:
    """Runs the comparison."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--against", help="A git revision.")
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        records = Path(folder) / "records.jsonl"
        write_records(records, options.records)
        codes = {"this code": ROOT}
        if options.against:
            codes[options.against] = unpack_revision(options.against, Path(folder) / "other")
        taken: dict[str, list[float]] = {name: [] for name in codes}
        for _ in range(options.repeats):
            for name, code in codes.items():
                taken[name].append(seconds(code, records, options.records))
    medians = {name: statistics.median(values) for name, values in taken.items()}
    for name, median in medians.items():
        print(f"{name}: {median:.2f} s for {options.records} records, {median / options.records * 1e6:.1f} us each")
    if not options.against:
        return 0
    ratio = medians["this code"] / medians[options.against]
    print(f"ratio {ratio:.2f}")
    return int(ratio > AIM)


if __name__ == "__main__":
    sys.exit(main())
