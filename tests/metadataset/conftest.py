import runpy
from pathlib import Path

import numpy as np
import pytest

from lightning_quicktune.space.search_space import SearchSpace
from lightning_quicktune.types import Configuration

SYNTHETIC = runpy.run_path(str(Path(__file__).with_name("synthetic.py")))


@pytest.fixture(scope="session")
def make_task():
    return SYNTHETIC["make_task"]


@pytest.fixture(scope="session")
def make_trial():
    return SYNTHETIC["make_trial"]


@pytest.fixture(scope="session")
def space():
    return SearchSpace.from_dict(SYNTHETIC["DECLARATION"])


@pytest.fixture(scope="session")
def tasks(make_task):
    return [make_task(f"t{i}", shift) for i, shift in enumerate(np.linspace(-1, 1, 4))]


@pytest.fixture(scope="session")
def trials(space, tasks, make_trial):
    configurations = [space.default, *space.sample(5, seed=0)]
    return [make_trial(task, c) for task in tasks for c in configurations]


@pytest.fixture(scope="session")
def diverged(space, tasks, make_trial):
    """A trial that failed before its first slice."""
    configuration = Configuration({**space.default.values, "lr": 0.1})
    return make_trial(tasks[0], configuration, n=0, status="failed", failure="diverged")
