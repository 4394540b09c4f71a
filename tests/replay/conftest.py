import importlib
import runpy
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lightning_quicktune.evaluation.settings import EvaluateSettings
from lightning_quicktune.metadataset.build import build
from lightning_quicktune.metadataset.folder import save
from lightning_quicktune.replay.settings import SurrogateTraining
from lightning_quicktune.space.search_space import SearchSpace
from lightning_quicktune.tracking.settings import TrackingSettings

with warnings.catch_warnings():  # gpytorch's linear_operator 0.6 uses torch.jit.script, which torch 2.13 deprecates
    warnings.filterwarnings("ignore", message=".*torch.jit.script.* is deprecated", category=DeprecationWarning)
    importlib.import_module("gpytorch")

SYNTHETIC = runpy.run_path(str(Path(__file__).parents[1] / "metadataset" / "synthetic.py"))


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
def with_scores(make_task, make_trial, space):
    """Builds a trial from its scores and the cost of each slice."""

    def make(scores, cost_s=1.0, configuration=None, task=None, **changes):
        task = task or make_task("t0")
        trial = make_trial(task, configuration or space.default, n=len(scores), **changes)
        slices = tuple(
            replace(s, score=score, test_score=score / 2, cost_s=cost_s, cost_cpu_s=2 * cost_s)
            for s, score in zip(trial.curve.slices, scores, strict=True)
        )
        return replace(trial, curve=replace(trial.curve, slices=slices))

    return make


@pytest.fixture(scope="session")
def table_of(space, make_task):
    """A meta-dataset of some trials, with a task record for each task that they name."""

    def make(trials, tasks=None):
        tasks = tasks or [make_task(name) for name in sorted({t.task for t in trials})]
        return build(trials, tasks, space, "tests", "Apache-2.0")

    return make


@pytest.fixture(scope="session")
def source(space, make_task, make_trial, with_scores, table_of, tmp_path_factory):
    """Five tasks of a known response surface, and one on which every trial scores the same."""
    tasks = [
        make_task(f"t{i}", shift, facts={"domain": "towns" if i < 2 else f"domain {i}"})
        for i, shift in enumerate(np.linspace(-1, 1, 5))
    ]
    configurations = [space.default, *space.sample(11, seed=1)]
    trials = [make_trial(task, c) for task in tasks for c in configurations]
    flat = make_task("flat")
    trials += [with_scores([0.3] * 4, configuration=c, task=flat) for c in configurations[:3]]
    return str(save(table_of(trials, [*tasks, flat]), tmp_path_factory.mktemp("table")))


@pytest.fixture(scope="session")
def tracking(tmp_path_factory):
    """One database for all tests: to make one takes seconds."""
    return TrackingSettings("evaluated", f"sqlite:///{tmp_path_factory.mktemp('tracking')}/mlflow.db")


@pytest.fixture
def settings(source, tracking, tmp_path):
    def make(**changes):
        plain = {
            "meta_dataset": source,
            "output": str(tmp_path / "evaluation"),
            "methods": ["successive_halving", "random", "default"],
            "budgets": [0.5, 2.0, 4.0],
            "n_folds": 2,
            "n_seeds": 2,
            "charge_thinking": False,
            "surrogates": SurrogateTraining(epochs=2, steps_per_epoch=5, n_support=64),
            "tracking": tracking,
        }
        return EvaluateSettings(**{**plain, **changes})

    return make
