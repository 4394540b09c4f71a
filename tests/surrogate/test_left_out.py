"""Training tasks as the others see them."""

from dataclasses import replace

import numpy as np
import pytest

from lightning_quicktune.surrogate.curves.left_out import FOLDS, forest_weight, left_out_tasks
from lightning_quicktune.surrogate.curves.predictor import fit_predictor
from lightning_quicktune.surrogate.curves.tables import NormalisedTask, knots_of, normalise

BLOCKS = np.arange(4)


@pytest.fixture(scope="module")
def tasks(made_up):
    encoded = np.random.default_rng(0).random((20, 4))
    return normalise([made_up(t, encoded=encoded, rough=0.05) for t in range(7)], knots_of(8) / 8)[0]


@pytest.fixture(scope="module")
def predictor(tasks):
    return fit_predictor(tasks, BLOCKS)


@pytest.fixture(scope="module")
def left(tasks, predictor):
    return by_location(left_out_tasks(tasks, BLOCKS, predictor))


def by_location(left):
    return {each.task.location: each for each in left}


def test_each_task_is_left_out_once_with_what_others_say_of_its_configurations(tasks, left):
    assert sorted(left) == sorted(task.location for task in tasks)
    sizes = sorted({len(each.curves) for each in left.values()})
    assert sizes == [5, 6]  # of 7 tasks in 5 folds, one or two are out
    assert all(each.curves.shape[1:] == each.task.curves.shape for each in left.values())
    for own, each in left.items():
        assert own not in each.locations
        assert len(each.locations) == len(each.scales) == len(each.curves)


def test_all_lengths_of_a_dataset_are_left_out_together(tasks, predictor):
    named = [replace(task, dataset="shop" if place < 3 else None) for place, task in enumerate(tasks)]
    found = by_location(left_out_tasks(named, BLOCKS, predictor))
    shop = {task.location for task in named[:3]}
    assert len(found) == len(tasks)
    for own in shop:
        assert shop.isdisjoint(found[own].locations)


def test_own_scores_never_enter_what_is_predicted_of_a_task(tasks, predictor, left):
    """Neither do those of its fold: the others know nothing of it."""
    changed, changed_one = list(tasks), 3
    task = tasks[changed_one]
    changed[changed_one] = replace(task, curves=2.0 - task.curves, ends=1.0 - task.ends)
    again = by_location(left_out_tasks(changed, BLOCKS, predictor))
    own = tasks[changed_one].location
    np.testing.assert_array_equal(again[own].curves, left[own].curves)
    np.testing.assert_array_equal(again[own].ranks, left[own].ranks)
    np.testing.assert_array_equal(again[own].ignorance, left[own].ignorance)
    alike = [np.array_equal(again[key].curves, left[key].curves) for key in left if key != own]
    assert sum(alike) <= 1  # at most the one beside it in its fold


def test_half_of_the_configurations_are_new(tasks, predictor, left):
    """Of those the others know the neighbours only, of the rest the very curves."""
    finals, whole = {task.location: task.curves[:, -1] for task in tasks}, predictor.mean.ignorance(tasks[0].encoded)
    for each in left.values():
        is_new = ~np.isclose(each.ignorance, whole)
        assert is_new.sum() == 10
        assert np.all(each.ignorance[is_new] > whole[is_new])
        others = np.array([final for key, final in finals.items() if key != each.task.location])
        apart = np.abs(each.curves[:, None, :, -1] - others).min(1)  # from the nearest of them
        assert apart[:, ~is_new].mean() < 0.3 * apart[:, is_new].mean()


def test_others_rank_what_is_new_to_them_by_its_neighbours(tasks, predictor, left):
    """What they have tried counts half as it was recorded, and nothing that they hide counts at all."""
    whole = predictor.mean.ignorance(tasks[0].encoded)
    finals = {task.location: task.curves[:, -1] for task in tasks}
    for each in left.values():
        assert each.ranks.shape == each.curves.shape[:2]
        is_new = ~np.isclose(each.ignorance, whole)
        mean = np.mean([final for key, final in finals.items() if key in each.locations], axis=0)
        known, new = (np.corrcoef(each.ranks[:, rows].mean(0), mean[rows])[0, 1] for rows in (~is_new, is_new))
        assert known < -0.8
        assert new < -0.1


def test_failed_trials_are_not_sound(tasks, predictor):
    failed = np.arange(20) < 4
    left = left_out_tasks([replace(task, failed=failed) for task in tasks], BLOCKS, predictor)
    np.testing.assert_array_equal(left[0].sound, np.arange(4, 20))


def test_a_single_task_is_predicted_by_itself_with_half_of_it_hidden(tasks):
    single = [tasks[0]]
    (left,) = left_out_tasks(single, BLOCKS, fit_predictor(single, BLOCKS))
    apart = np.abs(left.curves[0, :, -1] - tasks[0].curves[:, -1])
    assert (apart < 0.03).sum() == pytest.approx(10, abs=2)
    assert apart.max() > 0.3


def test_fewer_tasks_than_folds_are_left_out_one_by_one(tasks):
    few = tasks[: FOLDS - 2]
    left = left_out_tasks(few, BLOCKS, fit_predictor(few, BLOCKS))
    assert [len(each.curves) for each in left] == [len(few) - 1] * len(few)


@pytest.mark.parametrize("smooth", [True, False])
def test_where_new_configurations_are_like_their_neighbours_the_forest_counts_less(smooth):
    """A plane is for the process, cliffs near the border for trees."""
    generator, tasks = np.random.default_rng(0), []
    for _ in range(4):
        encoded = generator.random((150, 4))
        plane = encoded @ np.array([3.0, 2.0, 1.0, 1.0])
        cliffs = 3.0 * ((encoded[:, 0] > 0.8) | (encoded[:, 1] < 0.15))
        curves = (plane if smooth else cliffs)[:, None] + 0.05 * generator.standard_normal((150, 1))
        tasks.append(NormalisedTask(encoded, curves, curves[:, -1], np.zeros(150, dtype=np.bool_), 0.5, 0.1))
    weight = forest_weight(tasks, fit_predictor(tasks, BLOCKS))
    assert weight <= 0.25 if smooth else weight >= 0.75


def test_the_weight_of_the_forest_is_the_one_with_the_least_error_on_new_configurations(tasks, predictor):
    """A level of the task's own is not held against it."""
    moved = [replace(task, curves=task.curves + level) for level, task in enumerate(tasks)]
    assert forest_weight(moved, predictor) == forest_weight(tasks, predictor)
