"""Training tasks on one scale."""

import numpy as np
import pytest

from lightning_quicktune.surrogate.curves.tables import (
    HIGHEST,
    LOWEST,
    TaskTable,
    knots_of,
    location_and_scale,
    normalise,
)

SHARES = np.array([0.25, 0.5, 1.0])


def table(scores, failed=(), lengths=None):
    """A table of curves; rows differ in length by what is not a number."""
    scores = np.asarray(scores, dtype=np.float64)
    n = len(scores)
    is_failed = np.isin(np.arange(n), list(failed))
    own = np.full(n, scores.shape[1]) if lengths is None else np.asarray(lengths)
    return TaskTable(np.linspace(0, 1, n)[:, None], scores, np.ones_like(scores), is_failed, own)


def final_only(values, failed=()):
    return table(np.asarray(values, dtype=np.float64)[:, None], failed)


def normalised(*tables, shares=SHARES):
    tasks, scale = normalise(list(tables), shares)
    return tasks[0] if len(tables) == 1 else tasks, scale


def test_knots_rise_from_1_to_the_end_by_about_a_constant_factor():
    assert knots_of(1).tolist() == [1]
    assert knots_of(6).tolist() == [1, 2, 3, 4, 6]
    long = knots_of(51)
    assert (long[0], long[-1]) == (1, 51)
    assert np.all(np.diff(long) > 0)
    assert np.all(long[1:] / long[:-1] <= 2.0)


def test_location_is_the_median_and_scale_reaches_the_95_percent_quantile():
    final = np.random.default_rng(0).permutation(np.linspace(0.2, 0.7, 101))
    location, scale = location_and_scale(final)
    assert location == pytest.approx(0.45)
    assert scale == pytest.approx(0.225 / 1.645)


def test_scores_of_a_normal_distribution_keep_its_mean_and_deviation():
    found = location_and_scale(np.random.default_rng(0).normal(0.6, 0.05, 200_000))
    np.testing.assert_allclose(found, [0.6, 0.05], rtol=0.01)


def test_a_quarter_at_chance_moves_neither():
    final = np.linspace(0.4, 0.8, 100)
    collapsed = np.where(np.arange(100) < 25, 0.01, final)
    np.testing.assert_allclose(location_and_scale(collapsed), location_and_scale(final))


def test_where_half_is_at_chance_the_living_are_still_told_apart():
    final = np.concatenate([np.full(60, 0.1), np.linspace(0.5, 0.52, 40)])
    assert location_and_scale(final)[0] == 0.1
    task, _ = normalised(final_only(final), shares=np.ones(1))
    assert np.all(np.diff(task.curves[60:, 0]) > 0)
    assert np.all(task.curves[:60, 0] == 0.0)
    assert task.curves.max() < HIGHEST


def test_where_nearly_all_are_equal_the_best_or_the_deviation_is_the_scale():
    one_above = np.append(np.full(99, 0.5), 0.8)
    np.testing.assert_allclose(location_and_scale(one_above), [0.5, 0.3 / 1.645])
    one_below = np.append(np.full(99, 0.5), 0.2)
    np.testing.assert_allclose(location_and_scale(one_below), [0.5, one_below.std()])
    assert location_and_scale(np.full(9, 0.5))[1] > 0


def test_tasks_with_constant_final_scores_are_left_out_and_nothing_else_is_an_error():
    constant, one_trial = final_only([0.5, 0.5, 0.5]), final_only([0.4])
    all_failed, good = final_only([0.1, 0.3], failed=(0, 1)), final_only([0.2, 0.4, 0.9])
    tasks, _ = normalise([constant, good, one_trial, all_failed], np.ones(1))
    assert len(tasks) == 1
    assert tasks[0].location == 0.4
    with pytest.raises(ValueError, match=r"None of the 3 training tasks has final scores that differ .* Use a meta-"):
        normalise([constant, one_trial, all_failed], np.ones(1))


def test_failed_trials_count_as_the_worst_and_lie_at_the_bottom_once_they_have_failed():
    nan = np.nan
    scores = [[0.3, 0.4, 0.5, 0.6], [0.2, 0.3, 0.4, 0.5], [0.1, 0.2, 0.3, 0.4], [0.6, 0.7, nan, nan], [nan] * 4]
    task, _ = normalised(table(scores, failed=(3, 4)))
    location, scale = location_and_scale(np.array([0.6, 0.5, 0.4, 0.4, 0.4]))
    assert (task.location, task.scale) == (location, scale)
    assert task.failed.tolist() == [False, False, False, True, True]
    assert np.all(task.curves[3, :2] > LOWEST)  # as good as it was before it failed
    assert task.curves[3, 2] == LOWEST
    assert np.all(task.curves[4] == LOWEST)
    np.testing.assert_allclose(task.curves[:3, -1], (np.array([0.6, 0.5, 0.4]) - location) / scale)


def test_trials_without_a_score_that_did_not_fail_tell_nothing():
    task, _ = normalised(table([[0.1, 0.2, 0.3, 0.4], [np.nan] * 4, [0.2, 0.3, 0.5, 0.6]]))
    np.testing.assert_array_equal(task.encoded[:, 0], [0.0, 1.0])


def test_at_each_share_of_its_own_training_a_curve_has_its_last_score_at_or_before():
    """Of 4, 3 and 10 slices; a share of less than a slice is the first one."""
    nan = np.nan
    scores = np.full((3, 10), nan)
    scores[0, :4] = [0.1, 0.2, 0.3, 0.4]
    scores[1, :3] = [0.5, 0.6, 0.7]
    scores[2] = np.linspace(0.0, 0.9, 10)
    scores[2, 4] = nan  # not measured there
    shares = np.array([0.1, 0.25, 0.5, 0.75, 1.0])
    expected = np.array([[0.1, 0.1, 0.2, 0.3, 0.4], [0.5, 0.5, 0.5, 0.6, 0.7], [0.0, 0.1, 0.3, 0.6, 0.9]])
    task, knots = normalised(table(scores, lengths=[4, 3, 10]), shares=shares)
    units = (expected - task.location) / task.scale
    np.testing.assert_allclose(task.curves, np.clip((units - knots.middle) / knots.spread, LOWEST, HIGHEST), atol=1e-9)


def test_what_was_not_measured_at_first_is_as_the_first_score():
    task, knots = normalised(table([[np.nan, 0.2, 0.3, 0.4], [0.0, 0.1, 0.2, 0.3], [0.3, 0.4, 0.5, 0.6]]))
    raw = task.location + task.scale * (knots.middle + knots.spread * task.curves)
    assert raw[0, 0] == pytest.approx(0.2)


def test_knots_are_scaled_by_median_and_quantile_over_tasks_that_count_the_same():
    generator = np.random.default_rng(0)
    tables = []
    for n, rise in ((400, 0.1), (50, 0.3)):
        final = generator.normal(0.6, 0.1, n)
        tables.append(table(final[:, None] - np.array([2 * rise, rise, 0.0]) + 0.05 * generator.random((n, 3))))
    tasks, knots = normalise(tables, np.array([1, 2, 3]) / 3)
    units = [
        (each.location + each.scale * (knots.middle + knots.spread * each.curves) - each.location) / each.scale
        for each in tasks
    ]
    drawn = np.concatenate([generator.choice(each, 40_000) for each in units])  # tasks in equal parts
    middle, upper = np.median(drawn, axis=0), np.quantile(drawn, 0.95, axis=0)
    assert (knots.middle[-1], knots.spread[-1]) == (0.0, 1.0)
    np.testing.assert_allclose(knots.middle[:2], middle[:2], atol=0.05)
    np.testing.assert_allclose(knots.spread[:2], ((upper - middle) / 1.645)[:2], rtol=0.05)


def test_where_most_have_failed_knots_have_a_scale_too():
    nan = np.nan
    scores = [[0.1, nan, nan], [0.1, nan, nan], [0.1, nan, nan], [0.2, 0.3, 0.4], [0.2, 0.3, 0.6]]
    tasks, knots = normalise([table(scores, failed=(0, 1, 2))], np.array([1, 2, 3]) / 3)
    assert np.isfinite([*knots.middle, *knots.spread, *tasks[0].curves.ravel()]).all()
    assert np.all(knots.spread > 0)
