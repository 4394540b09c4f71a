"""Seconds until the command line answers: `--help` of the program and of subcommands, and a line that is refused.

Usage: python tools/benchmarks/startup.py [STARTS]
"""

import statistics
import subprocess
import sys
import time

LINES = (
    ["--help"],
    ["tune", "--help"],
    ["fit", "--help"],
    ["tune", "gone.csv", "--model", "smolm2", "--time", "0"],
)


def seconds(words: list[str]) -> float:
    """Wall-clock seconds of one start."""
    start = time.perf_counter()
    subprocess.run([sys.executable, "-m", "lightning_quicktune", *words], capture_output=True, check=False)
    return time.perf_counter() - start


def main() -> None:
    """Prints the median and the fastest of several starts of each line."""
    starts = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    for words in LINES:
        measured = sorted(seconds(words) for _ in range(starts))
        print(f"{' '.join(words):<46} median {statistics.median(measured):.2f} s, fastest {measured[0]:.2f} s")


if __name__ == "__main__":
    main()
