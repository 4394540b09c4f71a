"""What continuous integration runs, with stand-ins for the tools that it calls."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def tree(tmp_path):
    """A repository whose tools write down their words; that with the name in FAILS fails."""
    for name in ("tools/test", ".venv/bin/python"):
        tool = tmp_path / name
        tool.parent.mkdir(parents=True)
        tool.write_text(f'#!/usr/bin/env bash\necho "{name} $*" >>"{tmp_path}/calls"\n[ "${{FAILS:-}}" != {name} ]\n')
        tool.chmod(0o755)
    (tmp_path / ".ci").mkdir()
    shutil.copy(ROOT / ".ci" / "run", tmp_path / ".ci")
    return tmp_path


def run(tree, **environment):
    done = subprocess.run([tree / ".ci" / "run"], env={**os.environ, **environment}, capture_output=True)
    return done.returncode, (tree / "calls").read_text().splitlines()


def test_it_runs_the_long_tests_after_the_others_in_two_streams(tree):
    status, (first, second) = run(tree)
    assert status == 0
    assert first == "tools/test --numprocesses 2 --dist loadfile --no-loadscope-reorder"
    assert second.startswith(".venv/bin/python -m pytest -m slow and not gpu and not external --numprocesses 2 ")


def test_whatever_fails_is_its_status_and_the_number_of_streams_may_be_another(tree):
    assert run(tree, FAILS=".venv/bin/python")[0] == 1
    status, calls = run(tree, FAILS="tools/test", STREAMS="0")
    assert (status, len(calls)) == (1, 3)
    assert "--numprocesses 0" in calls[-1]
