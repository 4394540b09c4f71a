import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_a_dozen_tests_are_there_for_a_gpu():
    """A start of pytest."""
    command = [sys.executable, "-m", "pytest", "-m", "gpu", "-W", "default", "--collect-only", "-q"]
    command += ["tests/gpu", "tests/finetune"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert sum("::" in line for line in listed.splitlines()) >= 10
