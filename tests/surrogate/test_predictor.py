"""Curves of configurations on each training task."""

from dataclasses import replace

import numpy as np
import pytest

from lightning_quicktune.surrogate.curves.predictor import fit_predictor
from lightning_quicktune.surrogate.curves.tables import TaskTable, knots_of, normalise

BLOCKS, SHARES = np.arange(4), knots_of(8) / 8


@pytest.fixture(scope="module")
def normalised(made_up):
    """Training tasks that were tried on the given configurations, each with some roughness of its own."""

    def make(*encoded, rough=0.0):
        return normalise([made_up(t, encoded=each, rough=rough) for t, each in enumerate(encoded)], SHARES)[0]

    return make


def configurations(n, seed):
    return np.random.default_rng(seed).random((n, 4))


@pytest.mark.parametrize("rough", [0.0, 0.05])
def test_recorded_curves_of_known_configurations_are_kept(normalised, rough):
    tasks = normalised(*[configurations(30, seed=0)] * 5, rough=rough)
    predictor = fit_predictor(tasks, BLOCKS)
    assert len(predictor.groups) == 1  # one factorisation for all
    found = predictor.predict(tasks[0].encoded)
    for place, task in enumerate(tasks):
        assert np.abs(found[place] - task.curves).mean() < 0.03 * task.curves.std()


def test_tasks_with_other_configurations_are_kept_too(normalised):
    tasks = normalised(*[configurations(30, seed) for seed in range(4)])
    predictor = fit_predictor(tasks, BLOCKS)
    for place, task in enumerate(tasks):
        assert np.abs(predictor.predict(task.encoded)[place] - task.curves).mean() < 0.03 * task.curves.std()


def test_new_configurations_follow_their_neighbours_on_each_task(made_up):
    tables = [made_up(t, encoded=configurations(80, seed=0)) for t in range(4)]
    tasks, scale = normalise(tables, SHARES)
    predictor, new = fit_predictor(tasks, BLOCKS), configurations(60, seed=9)
    found, mean = predictor.predict(new), predictor.mean.predict(new)
    for place, task in enumerate(tasks):
        truth = (made_up(place, encoded=new).scores[:, -1] - task.location) / task.scale
        own, common = (np.abs(np.clip(truth, -1, 4) - values[:, -1]).mean() for values in (found[place], mean))
        assert own < 0.75 * common  # it knows how the task differs from all
    assert scale.spread[-1] == 1.0


def test_tasks_without_a_configuration_in_common_share_their_mean(normalised):
    first, second = normalised(configurations(40, seed=0), configurations(40, seed=1))
    together, alone = fit_predictor([first, second], BLOCKS), fit_predictor([second], BLOCKS)
    assert len(together.groups) == 2
    theirs = first.curves[:, -1]  # on the second task nothing of these was tried
    errors = [np.abs(each.predict(first.encoded)[-1, :, -1] - theirs).mean() for each in (together, alone)]
    assert errors[0] < 0.8 * errors[1]


def test_hidden_trials_are_not_seen(normalised):
    tasks = normalised(*[configurations(30, seed=0)] * 3, rough=0.05)
    whole = fit_predictor(tasks, BLOCKS)
    mask = np.arange(30) < 10
    changed = [replace(t, curves=np.where(mask[:, None], 4.0 - t.curves, t.curves)) for t in tasks]
    found = [
        fit_predictor(each, BLOCKS, like=whole, hidden=[mask] * 3).predict(tasks[0].encoded)
        for each in (tasks, changed)
    ]
    np.testing.assert_array_equal(*found)
    rest = [
        replace(t, encoded=t.encoded[10:], curves=t.curves[10:], ends=t.ends[10:], failed=t.failed[10:]) for t in tasks
    ]
    without = fit_predictor(rest, BLOCKS, like=whole)
    np.testing.assert_array_equal(found[0], without.predict(tasks[0].encoded))


def test_a_task_of_which_all_is_hidden_is_as_the_mean(normalised):
    tasks = normalised(configurations(30, seed=0), configurations(30, seed=1))
    whole = fit_predictor(tasks, BLOCKS)
    hidden = [np.ones(30, dtype=np.bool_), np.zeros(30, dtype=np.bool_)]
    found = fit_predictor(tasks, BLOCKS, like=whole, hidden=hidden)
    np.testing.assert_array_equal(found.predict(tasks[0].encoded)[0], found.mean.predict(tasks[0].encoded))


def test_of_several_seeds_the_mean_is_kept(made_up):
    """Not that of whichever was recorded last."""
    encoded, noise = configurations(25, seed=0), np.random.default_rng(0)
    once = made_up(0, encoded=encoded)
    scores = np.repeat(once.scores, 3, axis=0) + 0.05 * noise.standard_normal((75, 8))
    thrice = TaskTable(
        np.repeat(encoded, 3, axis=0), scores, np.ones((75, 8)), np.zeros(75, dtype=np.bool_), np.full(75, 8)
    )
    tasks, _ = normalise([thrice, *(made_up(t, encoded=encoded) for t in (1, 2, 3))], SHARES)
    predictor = fit_predictor(tasks, BLOCKS)
    seeds = tasks[0].curves.reshape(25, 3, -1)
    found = predictor.predict(encoded)[0]
    assert np.abs(found - seeds.mean(1)).mean() < 0.2 * np.abs(found - seeds[:, 2]).mean()
    assert np.all(predictor.mean.tried.counts == 4)  # tasks, not trials
