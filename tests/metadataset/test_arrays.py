from dataclasses import replace

import numpy as np
import pytest

from lightning_quicktune.metadataset.arrays import curve_arrays
from lightning_quicktune.metadataset.build import build
from lightning_quicktune.types import Configuration


@pytest.fixture
def table(trials, tasks, space, diverged, make_trial):
    short = make_trial(tasks[1], Configuration({**space.default.values, "lr": 0.05}), n=2, status="stopped")
    other_seed = make_trial(tasks[0], space.default, n=1, seed=3)
    return build([*trials, diverged, short, other_seed], tasks, space, "tests", "MIT")


def test_arrays_say_the_same_as_rows(table):
    arrays = curve_arrays(table)
    assert arrays.scores.shape == arrays.costs_s.shape == (4, len(arrays.configurations), 4)
    seen = set()
    for row in table.curves():
        if row.seed:
            continue
        i, j = arrays.tasks.index(row.task), arrays.configurations.index(row.configuration)
        n = row.fidelity
        assert arrays.lengths[i, j] == n
        assert arrays.outcome[i, j] == row.outcome
        np.testing.assert_array_equal(arrays.scores[i, j, :n], row.scores)
        np.testing.assert_array_equal(arrays.costs_s[i, j, :n], row.costs_s)
        np.testing.assert_array_equal(arrays.costs_cpu_s[i, j, :n], row.costs_cpu_s)
        assert np.isnan(arrays.scores[i, j, n:]).all()
        seen.add((i, j))
    never = [(i, j) for i, j in np.ndindex(arrays.outcome.shape) if (i, j) not in seen]
    assert never
    assert all(arrays.outcome[i, j] == "" and arrays.lengths[i, j] == 0 for i, j in never)


def test_final_scores_are_those_of_full_trainings(table):
    arrays = curve_arrays(table)
    np.testing.assert_array_equal(np.isfinite(arrays.final), arrays.lengths == 4)
    np.testing.assert_array_equal(arrays.final, arrays.scores[:, :, -1])


def test_tasks_come_in_the_order_asked_for(table):
    assert curve_arrays(table, ["t2", "t0"]).tasks == ("t2", "t0")
    with pytest.raises(ValueError, match="no task 'nowhere'"):
        curve_arrays(table, ["nowhere"])


def test_a_curve_ends_before_a_score_that_is_no_number(table):
    hole = (table.trials["task"] == "t1") & (table.trials["fidelity"] == 3)
    arrays = curve_arrays(replace(table, trials=table.trials.assign(score=table.trials["score"].mask(hole))))
    assert arrays.lengths[1].max() == 2
    assert np.isnan(arrays.scores[1, :, 2:]).all()
    assert np.isnan(arrays.costs_s[1, :, 2:]).all()
