"""Searches of training tasks, and what they teach of searching."""

from dataclasses import replace

import numpy as np
import pytest

from lightning_quicktune.surrogate.curves.beginning import (
    FIRST,
    LEAST_TASKS,
    Beginning,
    learned_beginning,
    looks_of,
    mean_regret,
    regret_by_look,
)
from lightning_quicktune.surrogate.curves.left_out_search import MOST, search_left_out
from lightning_quicktune.surrogate.curves.pool_prior import MOMENTS
from lightning_quicktune.surrogate.curves.posterior import CurvePosterior
from lightning_quicktune.surrogate.curves.prior import draft_curve_prior, fit_curve_prior
from lightning_quicktune.surrogate.curves.tables import TaskTable, knots_of

N_SLICES = 12


def task(seed, early, n=60):
    """A task whose early scores are final ones that are not fully grown, or come up only in the second half."""
    generator = np.random.default_rng(seed)
    encoded = generator.random((n, 3))
    final = 0.4 + 0.05 * encoded[:, 0] + 0.1 * generator.standard_normal(n)
    growth = np.linspace(0.9, 1.0, N_SLICES) if early == "telling" else np.full(N_SLICES, 0.1)
    scores = final[:, None] * growth + 0.002 * generator.standard_normal((n, N_SLICES))
    scores[:, -1] = final
    return TaskTable(encoded, scores, np.ones((n, N_SLICES)), np.zeros(n, dtype=np.bool_), np.full(n, N_SLICES))


@pytest.fixture(scope="module")
def priors():
    return {early: fit_curve_prior([task(s, early) for s in range(10)]) for early in ("telling", "silent")}


def search(prior, table, **changes):
    return search_left_out(replace(prior.pool_prior(table.encoded), **changes), at_knots(table))


def at_knots(table):
    return table.scores[:, knots_of(N_SLICES) - 1]


def test_where_early_scores_tell_trainings_are_paused_early(priors):
    assert priors["telling"].first_look == 0
    assert priors["telling"].residual.following[0] > 0.5
    assert priors["silent"].residual.following[0] < 0.2


@pytest.mark.parametrize("early", ["telling", "silent"])
def test_on_new_tasks_the_choice_pays_or_hardly_matters(priors, early):
    """In the mean over twelve of them, against the earliest and the latest look."""
    prior = priors[early]
    regret = {
        first: np.mean([search(prior, task(s, early), first_look=first).regret for s in range(50, 62)])
        for first in (0, prior.first_look, len(prior.shares) - 1)
    }
    assert regret[prior.first_look] < min(regret.values()) + 0.05
    assert (max(regret.values()) > regret[prior.first_look] + 0.2) == (early == "telling")


@pytest.mark.parametrize("early", ["telling", "silent"])
def test_few_tasks_choose_too_though_they_may_be_wrong(early):
    """By three tasks of silent early scores, luck decides."""
    draft = draft_curve_prior([task(s, early) for s in range(3)])
    regrets = regret_by_look(replace(draft.prior, variances=draft.likelihood.variances), draft.left)
    assert draft.finished().first_look == looks_of(draft.prior.shares)[int(regrets.argmin())]
    assert early == "silent" or regrets.argmin() == 0


def test_what_the_prior_names_is_searched_first_and_to_its_end(priors):
    table = task(70, "telling")
    found = search(priors["telling"], table, first=(5, 3))
    last = len(priors["telling"].shares) - 1
    assert [(each.place, each.knot) for each in found.seen[: 2 * (last + 1)]] == [
        (place, knot) for place in (5, 3) for knot in range(last + 1)
    ]


def test_regret_is_that_of_the_best_scores_over_the_budgets(priors):
    """With one configuration far above all others, that the prior can't know: full regret until it is tried."""
    table = task(50, "telling")
    scores = at_knots(table).copy()
    prior = priors["telling"].pool_prior(table.encoded)
    found = search_left_out(replace(prior, first_look=len(prior.shares) - 1), scores)
    assert 0 <= found.regret <= MOST
    oracle = replace(prior, mean=(scores - 0.5) / 0.1, first_look=len(prior.shares) - 1)
    assert search_left_out(oracle, scores).regret < 0.5 * found.regret


def test_where_no_score_is_above_the_median_there_is_no_regret(priors):
    table = task(50, "telling")
    assert np.isnan(search_left_out(priors["telling"].pool_prior(table.encoded), np.full((60, 7), 0.5)).regret)


def test_errors_are_those_of_final_scores_still_to_come(priors):
    """Before anything is seen, of all; and after some scores, of those whose training isn't complete."""
    prior, table = priors["telling"], task(50, "telling")
    posterior = CurvePosterior(prior.pool_prior(table.encoded))
    mean, covariance = (values[:, -1] for values in posterior.moments())
    found = search(prior, table).errors
    deviation = np.sqrt(covariance[:, -1] + posterior.noise_variance(len(prior.shares) - 1))
    np.testing.assert_allclose(found[0], (table.scores[:, -1] - mean) / deviation)
    sizes = [len(each) for each in found]
    assert sizes == sorted(sizes, reverse=True)
    assert len(sizes) == len(MOMENTS)
    assert 0 < sizes[5] < 60


def test_a_task_of_few_scores_tells_nothing_of_later_moments(priors):
    table = task(50, "telling", n=3)
    assert [len(each) > 0 for each in search(priors["telling"], table, first_look=0).errors][-2:] == [False, False]


@pytest.mark.parametrize("early", ["telling", "silent"])
def test_as_many_follow_the_order_as_lead_to_the_least_regret(early):
    draft = draft_curve_prior([task(s, early) for s in range(LEAST_TASKS)])
    prior = replace(draft.prior, variances=draft.likelihood.variances)
    found = learned_beginning(prior, draft.left)
    regrets = {n: mean_regret(prior, Beginning(found.first_look, n), draft.left) for n in FIRST}
    assert found.n_first == max(n for n in FIRST if regrets[n] == min(regrets.values()))


def test_few_tasks_follow_the_order_whatever_they_tell():
    draft = draft_curve_prior([task(s, "telling") for s in range(LEAST_TASKS - 1)])
    assert draft.finished().n_first == max(FIRST)


def test_a_pool_is_told_as_many_as_are_wanted_and_none_where_it_is_not_searched(priors):
    encoded = task(60, "telling").encoded
    for n in FIRST:
        prior = replace(priors["telling"], n_first=n)
        assert len(prior.pool_prior(encoded).first) == n
        assert prior.pool_prior(encoded, is_searched=False).first == ()


def test_a_search_that_ends_once_its_regret_is_known_tells_the_same_regret(priors):
    for seed in range(60, 66):
        whole, short = (
            search_left_out(
                priors["telling"].pool_prior(task(seed, "telling").encoded), at_knots(task(seed, "telling")), w
            )
            for w in (True, False)
        )
        assert short.regret == whole.regret
        assert short.seen == whole.seen[: len(short.seen)]
        assert len(short.seen) < len(whole.seen)
