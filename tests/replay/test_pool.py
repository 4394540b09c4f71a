import math
from dataclasses import replace

import pytest

from lightning_quicktune.evaluation.summary import outcomes_of
from lightning_quicktune.replay.costs import counted_in_slices
from lightning_quicktune.replay.pool import part_of, task_pool, with_shuffled_configurations
from lightning_quicktune.replay.recorded import PaidOverheads, lengths_of
from lightning_quicktune.replay.splits import without_test
from lightning_quicktune.search.lengths import Lengths


@pytest.fixture
def configurations(space):
    return [space.default, *space.sample(3, seed=0)]


@pytest.fixture
def trials(with_scores, configurations):
    """Full trainings that cost 4, 8 and 12 s and end at 0.3, 0.5 and 0.6; one that failed after two slices."""
    first, second, third, fourth = configurations
    return [
        with_scores([0.1, 0.2, 0.3, 0.3], 1.0, first),
        with_scores([0.2, 0.9, 0.6, 0.5], 2.0, second),
        with_scores([0.1, 0.2, 0.3, 0.6], 3.0, third),
        with_scores([0.2, 0.1], 9.0, fourth, status="failed", failure="diverged"),
    ]


def test_best_is_over_all_fidelities_and_median_over_full_trainings(trials, table_of):
    pool = task_pool(table_of(trials), "t0", "cost_s")
    assert (pool.best, pool.median_final, pool.full_training_s) == (0.9, 0.5, 8.0)
    assert (pool.start_score, pool.seed_std) == (0.2, 0.0)  # of the untrained model; one seed each
    assert len(pool.configurations) == 4
    assert pool.is_telling


def test_cpu_seconds_may_be_the_cost(trials, table_of):
    assert task_pool(table_of(trials), "t0", "cost_cpu_s").full_training_s == 16.0


def test_the_default_comes_first(trials, table_of, space):
    assert task_pool(table_of(trials), "t0", "cost_s").configurations[0] == space.default
    assert task_pool(table_of(trials[1:]), "t0", "cost_s").configurations[0] != space.default


def test_a_trial_whose_end_is_not_known_cannot_be_replayed(trials, with_scores, table_of, space):
    lost = [
        with_scores([0.95], 1.0, space.sample(9, seed=0)[-1], status="failed", failure="ConnectionError: no disk"),
        with_scores([0.95], 1.0, space.sample(9, seed=0)[-2], status="stopped"),
    ]
    table = table_of([*trials, *lost])
    assert set(task_pool(table, "t0", "cost_s").configurations) == {t.configuration for t in trials}
    # what was interrupted is no experience, and does not even come into a table
    assert outcomes_of(table, ["t0"]) == {"full": 3, "failed": 1, "partial": 1}


def test_each_training_ends_at_its_own_length(trials, with_scores, table_of, space):
    """Two slices of 3 s are a full training beside those of four."""
    short, long = space.sample(9, seed=0)[-2:]
    own = [
        with_scores([0.2, 0.7], 3.0, short, max_fidelity=2, status="completed"),
        with_scores([0.1] * 5 + [0.4], 1.0, long, max_fidelity=6, status="completed"),
    ]
    pool = task_pool(table_of([*trials, *own]), "t0", "cost_s")
    drawn = pool.draw(0)
    assert lengths_of(pool.task, drawn) == Lengths(4, {short.id: 2, long.id: 6})
    assert drawn[short.id].is_full
    assert pool.median_final == 0.5  # of 0.3, 0.4, 0.5, 0.6 and 0.7
    assert pool.full_training_s == 6.0  # of 4, 6, 6, 8 and 12 s
    usual = task_pool(table_of(trials), "t0", "cost_s")
    assert lengths_of(usual.task, usual.draw(0)) is None


def test_what_lies_behind_the_end_of_a_training_is_out_of_reach(with_scores, table_of, space):
    longer = with_scores([0.2, 0.3, 0.4, 0.9], 1.0, space.default, max_fidelity=3, status="completed")
    pool = task_pool(table_of([longer]), "t0", "cost_s")
    assert (pool.best, pool.median_final, pool.full_training_s) == (0.4, 0.4, 3.0)


def test_counted_in_slices_a_longer_training_costs_more(trials, with_scores, table_of, space):
    long = with_scores([0.1] * 8, math.nan, space.sample(9, seed=0)[-1], max_fidelity=8, status="completed")
    pool = task_pool(counted_in_slices(table_of([*trials[:2], long])), "t0", "slices")
    assert pool.draw(0)[long.configuration.id].ends_s[-1] == 8.0
    assert pool.full_training_s == 4.0  # the median of 4, 4 and 8


def test_a_trial_that_was_only_paused_cannot_be_replayed(trials, with_scores, table_of, space):
    paused = with_scores([0.95], 1.0, space.sample(9, seed=0)[-1], status="paused")
    pool = task_pool(table_of([*trials, paused]), "t0", "cost_s")
    assert paused.configuration not in pool.configurations
    assert pool.best == 0.9


def test_without_a_zero_shot_score_a_search_starts_from_the_lowest(trials, table_of, make_task):
    unknown = make_task("t0", zero_shot_score=float("nan"))
    assert task_pool(table_of(trials, [unknown]), "t0", "cost_s").start_score == 0.1


def test_a_gain_within_three_seed_deviations_tells_nothing(with_scores, table_of, configurations):
    finals = {(0, 0): 0.50, (0, 1): 0.54, (1, 0): 0.50, (1, 1): 0.54, (2, 0): 0.52, (2, 1): 0.56}
    trials = [with_scores([0.1, 0.1, 0.1, s], 1.0, configurations[c], seed=k) for (c, k), s in finals.items()]
    pool = task_pool(table_of(trials), "t0", "cost_s")
    assert pool.seed_std == pytest.approx(0.04 / 2**0.5)
    assert not pool.is_telling
    assert {row.seed for seed in range(9) for row in pool.draw(seed).values()} == {0, 1}
    assert pool.draw(3) == pool.draw(3)


def test_a_task_without_full_training_tells_nothing(trials, table_of):
    assert not task_pool(table_of(trials[3:]), "t0", "cost_s").is_telling


def test_a_full_training_without_cost_is_refused(trials, table_of):
    free = [
        replace(t, curve=replace(t.curve, slices=tuple(replace(s, cost_s=0.0) for s in t.curve.slices))) for t in trials
    ]
    with pytest.raises(ValueError, match=r"task 't0' costs 0.0 by `cost_s`.*Set `cost: slices`"):
        task_pool(table_of(free), "t0", "cost_s")


def test_shuffled_configurations_have_the_trials_of_others_and_measures_stay(trials, table_of):
    pool = task_pool(table_of(trials), "t0", "cost_s")
    shuffled = with_shuffled_configurations(pool, 0)
    assert shuffled.configurations == pool.configurations
    assert (shuffled.best, shuffled.median_final, shuffled.full_training_s) == (0.9, 0.5, 8.0)
    curves, moved = ({i: rows[0].scores for i, rows in p.trials.items()} for p in (pool, shuffled))
    assert sorted(moved.values()) == sorted(curves.values())
    assert moved != curves
    assert all(recorded.configuration.id == config_id for config_id, recorded in shuffled.draw(0).items())


def test_a_trial_without_costs_is_refused(with_scores, table_of, configurations):
    lost = with_scores([0.1, 0.1], math.nan, configurations[1], status="failed", failure="diverged")
    table = table_of([with_scores([0.3, 0.4, 0.5, 0.6], 2.0, configurations[0]), lost])
    with pytest.raises(ValueError, match=r"1 of 2 trials of task 't0' lack a `cost_s`.*Set `cost: slices`"):
        task_pool(table, "t0", "cost_s")


def test_a_part_has_measures_of_its_own(trials, table_of, configurations):
    whole = task_pool(table_of(trials), "t0", "cost_s")
    part = part_of(whole, {configurations[0].id, configurations[2].id})
    assert set(part.configurations) == {configurations[0], configurations[2]}
    assert (part.best, part.median_final, part.full_training_s) == (0.6, pytest.approx(0.45), 8.0)
    assert part_of(whole, None) is whole


def test_start_and_resume_are_paid_where_they_were_recorded(trials, table_of):
    table = table_of(trials)
    assert task_pool(table, "t0", "cost_s").overheads == PaidOverheads()
    recorded = replace(table, trials=table.trials.assign(start_s=2.0, resume_s=0.0))
    recorded.trials.loc[recorded.trials["config_id"] == trials[1].configuration.id, "resume_s"] = 0.5
    assert task_pool(recorded, "t0", "cost_s").overheads == PaidOverheads(2.0, 0.5)


def test_counted_in_slices_each_costs_one_also_that_which_failed(trials, table_of, configurations):
    table = counted_in_slices(table_of(trials))
    pool = task_pool(table, "t0", "slices")
    assert (pool.full_training_s, pool.overheads, pool.task.meta_features_cost_s) == (4.0, PaidOverheads(), 0.0)
    drawn = pool.draw(0)
    assert drawn[configurations[0].id].ends_s == (0.0, 1.0, 2.0, 3.0, 4.0)
    assert (drawn[configurations[3].id].ends_s, drawn[configurations[3].id].failing_s) == ((0.0, 1.0, 2.0), 1.0)
    assert set(without_test(table, "slices").trials["cost_s"]) == {1.0}
