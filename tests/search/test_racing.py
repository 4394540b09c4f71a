import runpy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lightning_quicktune.metadataset.build import build
from lightning_quicktune.search.racing import follows_order, racing_searcher
from lightning_quicktune.search.stopping_searcher import StoppingSearcher
from lightning_quicktune.search.successive_halving_searcher import SuccessiveHalvingSearcher
from lightning_quicktune.space.search_space import SearchSpace
from lightning_quicktune.types import LearningCurve

SYNTHETIC = runpy.run_path(str(Path(__file__).parents[1] / "metadataset" / "synthetic.py"))
SPACE = SearchSpace.from_dict(SYNTHETIC["DECLARATION"])
make_task, make_trial = SYNTHETIC["make_task"], SYNTHETIC["make_trial"]
POOL = SPACE.sample(16, seed=0)


def table_of(final, first, n_tasks=6):
    """Trials whose final and earlier scores are given by task and configuration; the first task has a failure."""
    tasks, trials = [make_task(f"t{i}", max_fidelity=8) for i in range(n_tasks)], []
    for t, task in enumerate(tasks):
        for c, configuration in enumerate(POOL):
            trial = make_trial(task, configuration, n=8)
            slices = tuple(
                replace(s, score=final[t][c] if s.fidelity == 8 else first[t][c]) for s in trial.curve.slices
            )
            trials.append(replace(trial, curve=LearningCurve(slices)))
        if t == 0:
            lost = LearningCurve(trials[-1].curve.slices[:2])
            trials[-1] = replace(trials[-1], curve=lost, status="failed", failure="diverged")
    return build(trials, tasks, SPACE, "tests", "Apache-2.0")


@pytest.fixture(scope="module")
def scores():
    """Random scores by task and configuration; the same for every task; the least of all."""
    drawn = np.random.default_rng(0).uniform(0.2, 0.9, size=(6, 16))
    return drawn, np.tile(drawn[:1], (6, 1)), np.full((6, 16), 0.1)


def test_an_order_that_holds_is_followed_where_first_slices_tell_nothing(scores):
    _, alike, flat = scores
    table = table_of(final=alike, first=flat)
    assert follows_order(table)
    assert isinstance(racing_searcher(POOL, 8, table), StoppingSearcher)


def test_many_are_begun_where_first_slices_tell_more_than_the_order(scores):
    drawn, _, _ = scores
    table = table_of(final=drawn, first=drawn)
    assert not follows_order(table)
    assert isinstance(racing_searcher(POOL, 8, table), SuccessiveHalvingSearcher)


def test_with_a_single_task_the_order_is_followed(scores):
    drawn, _, _ = scores
    assert follows_order(table_of(final=drawn, first=drawn, n_tasks=1))
