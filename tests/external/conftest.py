import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ENVIRONMENTS = Path(os.environ.get("SERVING_ENVIRONMENTS", ROOT / ".venv-serving"))


@pytest.fixture(scope="session")
def run():
    """Runs a script of ours, or in the environment of a tool: ``(tool or none, words)``."""

    def words_of(tool, *words):
        python = ENVIRONMENTS / tool / "bin" / "python" if tool else sys.executable
        done = subprocess.run([str(python), *map(str, words)], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-3000:]

    return words_of


@pytest.fixture(scope="session")
def trained(tmp_path_factory, run):
    """Recipes that took three steps here, each in a folder with ``last.ckpt`` and what other trainers get of it."""
    folder = tmp_path_factory.mktemp("recipes") / "work"
    run(None, ROOT / "tools" / "serving" / "train_here.py", "nano", folder)
    return folder
