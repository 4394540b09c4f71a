"""The prior over learning curves, as it is learned from other tasks."""

from dataclasses import replace

import numpy as np
import pytest

from lightning_quicktune.surrogate.curves.left_out import left_out_tasks
from lightning_quicktune.surrogate.curves.posterior import CurvePosterior
from lightning_quicktune.surrogate.curves.prior import draft_curve_prior, fit_curve_prior
from lightning_quicktune.surrogate.curves.tables import normalise


def check(prior, encoded):
    """Everything it says is a number, before and after a score, and no deviation is 0."""
    pool = prior.pool_prior(encoded)
    for name in ("mean", "loadings", "finals", "shapes", "offsets", "noise", "floor", "log_cost", "temperatures"):
        assert np.isfinite(getattr(pool, name)).all(), name
    posterior = CurvePosterior(pool)
    for _ in range(3):
        mean, covariance = posterior.moments()
        assert np.isfinite(mean).all()
        assert np.isfinite(covariance).all()
        assert np.einsum("chh->ch", covariance).min() > 0
        assert posterior.forecast(1, 0)[1] > 0
        posterior.observe(0, posterior.n_observed % pool.mean.shape[1], 0.4)


def test_it_orders_the_configurations_of_a_new_task_before_any_score(curve_prior, made_up):
    new = made_up(99, n=60)
    mean, _ = CurvePosterior(curve_prior.pool_prior(new.encoded)).moments()
    assert np.corrcoef(mean[:, -1], new.scores[:, -1])[0, 1] > 0.7


def test_scores_of_some_configurations_make_those_of_others_better_known(curve_prior, made_up):
    new = made_up(99, n=60)
    posterior = CurvePosterior(curve_prior.pool_prior(new.encoded))
    last = len(posterior.prior.shares) - 1
    before, spread_before = posterior.moments()
    for place in range(30):
        posterior.observe(place, last, float(new.scores[place, -1]))
    after, spread_after = posterior.moments()
    rest, final = slice(30, None), new.scores[30:, -1]
    assert np.abs(after[rest, -1] - final).mean() < 0.8 * np.abs(before[rest, -1] - final).mean()
    assert np.all(spread_after[rest, -1, -1] < spread_before[rest, -1, -1])


def test_early_scores_tell_of_the_end_of_a_training(curve_prior, made_up):
    new = made_up(98, n=40)
    posterior = CurvePosterior(curve_prior.pool_prior(new.encoded))
    before, spread_before = posterior.moments()
    for place in range(40):
        posterior.observe(place, 1, float(new.scores[place, 1]))
    after, spread_after = posterior.moments()
    correlation = [np.corrcoef(mean[:, -1], new.scores[:, -1])[0, 1] for mean in (before, after)]
    assert correlation[0] < 0.9 < 0.99 < correlation[1]
    assert np.all(spread_after[:, -1, -1] < 0.5 * spread_before[:, -1, -1])


def test_costs_follow_the_configuration(curve_prior, made_up):
    new = made_up(96, n=60)
    log_cost = curve_prior.pool_prior(new.encoded).log_cost
    assert np.corrcoef(log_cost, np.log(new.costs_s[:, 0]))[0, 1] > 0.9


@pytest.mark.parametrize("n", [1, 2, 5])
def test_few_tasks_are_no_obstacle(made_up, n):
    check(fit_curve_prior([made_up(seed) for seed in range(n)]), made_up(95).encoded)


def test_hundreds_of_tasks_are_no_obstacle(made_up):
    """Takes seconds: 250 tasks, each with 8 of 40 configurations."""
    generator = np.random.default_rng(0)
    pool = generator.random((40, 4))
    tables = [made_up(t, encoded=pool[generator.permutation(40)[:8]]) for t in range(250)]
    prior = fit_curve_prior(tables)
    check(prior, pool)
    new = made_up(999, encoded=pool)
    mean, _ = CurvePosterior(prior.pool_prior(pool)).moments()
    assert np.corrcoef(mean[:, -1], new.scores[:, -1])[0, 1] > 0.8


def test_one_configuration_in_common_is_enough(made_up):
    tables, default = [], np.full((1, 4), 0.5)
    for seed in range(4):
        others = np.random.default_rng(seed).random((9, 4))
        tables.append(made_up(seed, encoded=np.concatenate([default, others])))
    prior = fit_curve_prior(tables)
    assert prior.predictor.mean.tried.counts.max() == 4
    check(prior, np.concatenate([default, np.random.default_rng(9).random((5, 4))]))


def diverged(table, share):
    """Some trials have failed after two slices, two of them before the first."""
    some, scores = np.arange(len(table.failed)) < share * len(table.failed), table.scores.copy()
    scores[some, 2:] = np.nan
    scores[:2] = np.nan
    return replace(table, scores=scores, failed=some)


def test_a_quarter_that_diverged_is_no_obstacle(made_up):
    encoded = np.random.default_rng(0).random((24, 4))
    tables = [diverged(made_up(seed, encoded=encoded), 0.25) for seed in range(4)]
    prior = fit_curve_prior(tables)
    check(prior, encoded)
    mean, _ = CurvePosterior(prior.pool_prior(encoded)).moments()
    assert mean[:6, -1].max() < np.median(mean[6:, -1])  # those that diverge elsewhere are expected to be bad


def test_a_half_at_chance_is_no_obstacle(made_up):
    """They are those with a high first hyperparameter, on each task."""
    tables = []
    for seed in range(4):
        table = made_up(seed)
        scores = np.where(table.encoded[:, :1] > 0.5, 0.1, table.scores)
        tables.append(replace(table, scores=scores))
    prior, new = fit_curve_prior(tables), made_up(99, n=40).encoded
    check(prior, new)
    mean, _ = CurvePosterior(prior.pool_prior(new)).moments()
    dead = new[:, 0] > 0.5
    assert mean[dead, -1].mean() < mean[~dead, -1].mean()


def test_a_task_with_constant_scores_is_left_out_and_nothing_else_is_an_error(made_up):
    constant = made_up(6)
    constant.scores[:] = 0.5
    prior = fit_curve_prior([constant, made_up(1), made_up(2)])
    assert len(prior.locations) == 2
    check(prior, made_up(95).encoded)
    with pytest.raises(ValueError, match="None of the 1 training tasks has final scores that differ"):
        fit_curve_prior([constant])


@pytest.mark.parametrize("n", [1, 4])
def test_final_scores_alone_can_be_learned_from(made_up, n):
    tables = [made_up(seed, n_slices=1) for seed in range(n)]
    prior = fit_curve_prior(tables)
    assert prior.shares.tolist() == [1.0]
    check(prior, made_up(95).encoded)


def test_trainings_of_several_lengths_are_compared_by_their_shares(made_up):
    """Half of them took half as many slices for the same."""
    tables = []
    for seed in range(4):
        table = made_up(seed)
        scores, lengths = table.scores.copy(), table.lengths.copy()
        scores[::2, :4], scores[::2, 4:] = table.scores[::2, 1::2], np.nan
        lengths[::2] = 4
        tables.append(replace(table, scores=scores, lengths=lengths))
    prior, whole = fit_curve_prior(tables), fit_curve_prior([made_up(seed) for seed in range(4)])
    assert prior.lengths == (4, 8)
    encoded = made_up(95).encoded
    found, expected = (CurvePosterior(each.pool_prior(encoded)).moments()[0] for each in (prior, whole))
    assert np.abs(found - expected).mean() < 0.02
    check(prior, encoded)


def test_unknown_costs_and_constant_hyperparameters_are_no_obstacle(made_up):
    table = made_up(1)
    table.costs_s[:] = np.nan
    table.encoded[:, 0] = 0.5
    check(fit_curve_prior([table, made_up(2)]), made_up(94).encoded)
    nobody = replace(made_up(2), costs_s=np.full((30, 8), np.nan))
    prior = fit_curve_prior([nobody])
    assert prior.costs is None
    assert not prior.pool_prior(made_up(94).encoded).log_cost.any()


def test_choices_among_many_are_one_hyperparameter(made_up):
    blocks = np.array([0, 1, *[2] * 30])
    tables = []
    for seed in range(3):
        table = made_up(seed)
        choice = np.eye(30)[np.random.default_rng(seed).integers(30, size=30)]
        tables.append(replace(table, encoded=np.hstack([table.encoded[:, :2], choice])))
    prior = fit_curve_prior(tables, blocks)
    assert prior.predictor.mean.kernel.lengths.shape == (3,)
    check(prior, tables[0].encoded)


def test_what_nothing_is_known_of_is_less_certain(curve_prior, made_up):
    """A corner that no task has tried, of an encoding in [0, 1]."""
    known = np.concatenate([made_up(seed).encoded for seed in range(1, 6)])[:1]
    pool = curve_prior.pool_prior(np.concatenate([known, np.full((1, 4), 5.0)]))
    std = np.sqrt(np.einsum("chh->ch", CurvePosterior(pool).moments()[1])[:, -1])
    assert std[1] > std[0]


def test_few_tasks_leave_the_way_to_the_end_open(curve_prior, made_up):
    """How far early scores are below final ones, which many tasks tell."""
    encoded = made_up(95).encoded
    two, five = fit_curve_prior([made_up(1), made_up(2)]).pool_prior(encoded), curve_prior.pool_prior(encoded)
    assert two.offsets[0, 0] > 4 * five.offsets[0, 0] > 0
    assert two.offsets[-1, -1] == five.offsets[-1, -1] == 0.0


def test_a_left_out_task_is_predicted_without_anything_of_its_own(made_up):
    tables = [made_up(seed) for seed in range(6)]
    draft = draft_curve_prior(tables)
    for left in draft.left:
        pool = draft.prior.of_left_out(left, np.arange(5))
        assert left.task.location not in pool.locations
        assert left.task.scale not in pool.scales
        assert len(pool.locations) == pool.loadings.shape[2]
    tasks, _ = normalise(tables, draft.prior.shares)
    left = left_out_tasks(tasks, np.arange(4), draft.prior.predictor)
    assert [each.task.location for each in left] == [each.task.location for each in draft.left]


def test_a_step_of_its_learning_makes_other_tasks_likelier(made_up):
    draft = draft_curve_prior([made_up(seed) for seed in range(4)])
    before, start = draft.likelihood().item(), draft.finished()
    draft.likelihood.minimise()
    assert draft.likelihood().item() < before
    assert draft.finished().variances != start.variances
