import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ENVIRONMENTS = Path(os.environ.get("SERVING_ENVIRONMENTS", ROOT / ".venv-serving"))


@pytest.fixture(scope="session")
def run():
    """Runs a script in the environment of a tool, or where the tests run: ``(tool or none, words)``.

    ``packages`` names a folder of further packages beside the environments.
    """

    def words_of(tool, *words, packages=None):
        python = ENVIRONMENTS / tool / "bin" / "python" if tool else sys.executable
        paths = [None if tool else os.environ.get("PYTHONPATH"), str(ENVIRONMENTS / packages) if packages else None]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in paths if path)}
        done = subprocess.run(
            [str(python), *map(str, words)], env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr[-3000:]

    return words_of


@pytest.fixture(scope="session")
def trained(tmp_path_factory, run):
    """Recipes that took three steps here, each in a folder with ``last.ckpt`` and what other trainers get of it."""
    folder = tmp_path_factory.mktemp("recipes") / "work"
    run(None, ROOT / "tools" / "serving" / "train_here.py", "nano", folder)
    return folder
