import importlib
import runpy
import warnings
from pathlib import Path

import numpy as np
import pytest
from lightning import Trainer, seed_everything

from lightning_quicktune.metadataset.build import build
from lightning_quicktune.metadataset.datamodule import MetaDatasetModule
from lightning_quicktune.metadataset.folder import save
from lightning_quicktune.space.search_space import SearchSpace
from lightning_quicktune.surrogate.curves.prior import fit_curve_prior
from lightning_quicktune.surrogate.curves.tables import TaskTable

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
def make_source(space, make_task, make_trial, tmp_path_factory):
    """Writes a meta-dataset of a known response surface and returns its folder."""

    def make(n_tasks, n_configurations, **trial_changes):
        tasks = [make_task(f"t{i}", shift) for i, shift in enumerate(np.linspace(-1, 1, n_tasks))]
        trials = [
            make_trial(task, configuration, step_s=0.01 * (1 + i % 2), **trial_changes)
            for i, task in enumerate(tasks)
            for configuration in space.sample(n_configurations, seed=i)
        ]
        return str(save(build(trials, tasks, space, "tests", "Apache-2.0"), tmp_path_factory.mktemp("table")))

    return make


@pytest.fixture(scope="session")
def fit():
    """Trains a surrogate on a meta-dataset and returns the trainer."""

    def run(module, source, epochs=8, **arguments):
        seed_everything(0, verbose=False)
        data = MetaDatasetModule(source, **{"steps_per_epoch": 30, "query_size": 32, "support_size": 96, **arguments})
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*does not have many workers")
            warnings.filterwarnings("ignore", message=".*smaller than the logging interval")
            trainer = Trainer(
                max_epochs=epochs,
                accelerator="cpu",
                logger=False,
                enable_checkpointing=False,
                enable_progress_bar=False,
                enable_model_summary=False,
            )
            trainer.fit(module, datamodule=data)
        return trainer

    return run


@pytest.fixture(scope="session")
def source(make_source):
    return make_source(6, 24)


@pytest.fixture(scope="session")
def made_up():
    """Makes a task whose final scores follow from the configuration, a little differently from the others'."""
    common = np.random.default_rng(0).random(4)

    def make(seed, n=30, n_slices=8, encoded=None, rough=0.0):
        generator = np.random.default_rng(seed)
        encoded = generator.random((n, 4)) if encoded is None else encoded
        weights = common + 0.15 * generator.standard_normal(4)
        final = 0.3 + 0.5 / (1 + np.exp(-4 * (encoded - 0.5) @ weights))
        final += rough * generator.standard_normal(len(encoded))  # what no neighbour and no other task tells
        growth = 1 - 0.5 * np.exp(-4 * np.arange(1, n_slices + 1) / n_slices)
        scores = final[:, None] * growth + 0.005 * generator.standard_normal((len(encoded), n_slices))
        seconds = np.exp(encoded[:, :1]) * np.ones((1, n_slices))
        nothing = np.zeros(len(encoded), dtype=np.bool_)
        return TaskTable(encoded, scores, seconds, nothing, np.full(len(encoded), n_slices))

    return make


@pytest.fixture(scope="session")
def curve_prior(made_up):
    """Learned from five such tasks."""
    return fit_curve_prior([made_up(seed) for seed in range(1, 6)])
