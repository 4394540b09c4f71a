"""How far evidence may go against what was taught: by training tasks that are searched as new ones are."""

from dataclasses import replace

import numpy as np
import pytest

from lightning_quicktune.surrogate.curves.beginning import searched, searches
from lightning_quicktune.surrogate.curves.evidence import CAP, WEIGHED, Evidence, log_density
from lightning_quicktune.surrogate.curves.left_out_search import Seen
from lightning_quicktune.surrogate.curves.pool_prior import LEAST_LIMIT
from lightning_quicktune.surrogate.curves.posterior import CurvePosterior
from lightning_quicktune.surrogate.curves.prior import draft_curve_prior
from lightning_quicktune.surrogate.curves.trust import (
    LEAST_TASKS,
    MOST_LIMIT,
    SHARE,
    learned_limit,
    limit_of,
    lowest_evidence,
)
from lightning_quicktune.surrogate.curves.untaught import untaught_prior, without_configurations


def test_few_tasks_tell_too_little():
    assert limit_of(np.full(LEAST_TASKS - 1, -9.0)) == LEAST_LIMIT
    assert limit_of(np.full(LEAST_TASKS, -9.0)) == 9.0
    assert limit_of(np.zeros(0)) == LEAST_LIMIT


def test_it_holds_for_all_but_a_share_of_tasks_like_these():
    """The one that comes next is within the limit in at least 80 of 100 cases, whatever the distribution."""
    generator, within = np.random.default_rng(0), []
    for _ in range(2000):
        lowest = -4.0 - generator.exponential(1.0, size=25)
        within.append(-lowest[-1] <= limit_of(lowest[:-1]))
    assert 1 - SHARE - 0.02 < np.mean(within) < 1 - SHARE + 0.05


@pytest.mark.parametrize(("lowest", "limit"), [(-0.5, LEAST_LIMIT), (-5.0, 5.0), (-CAP * WEIGHED, MOST_LIMIT)])
def test_it_stays_within_bounds(lowest, limit):
    assert limit_of(np.full(40, lowest)) == limit


def test_evidence_of_a_search_is_that_of_its_scores_one_after_the_other(curve_prior, made_up):
    """Against whole posteriors, which are told the same."""
    table = made_up(50)
    taught, blocks = curve_prior.pool_prior(table.encoded), np.arange(4)
    points = ((3, 0), (3, 1), (7, 0), (9, 0), (9, 1), (7, 1))
    seen = [Seen(place, knot, float(1.0 - table.scores[place, knot])) for place, knot in points]
    alternatives = without_configurations(taught), untaught_prior(table.encoded, blocks, taught.shares)
    posteriors, evidence, least = [CurvePosterior(each) for each in (taught, *alternatives)], Evidence(2), [0.0]
    for place, knot, score in seen:
        logs = []
        for posterior in posteriors:
            logs.append(log_density(score, *posterior.forecast(place, knot)))
            posterior.observe(place, knot, score)
        evidence.add(place, logs[0] - np.array(logs[1:]))
        least.append(evidence.least)
    assert min(least) < -CAP
    assert lowest_evidence(taught, table.encoded, blocks, seen) == pytest.approx(min(least))


@pytest.fixture(scope="module")
def draft(made_up):
    """Of final scores on as few tasks as tell enough, a third of them the other way round. Takes seconds."""
    tables = [made_up(seed, n=12, n_slices=1) for seed in range(LEAST_TASKS)]
    tables = [replace(t, scores=1.0 - t.scores) if n % 3 == 0 else t for n, t in enumerate(tables)]
    return draft_curve_prior(tables)


def test_where_training_tasks_contradict_what_is_believed_more_is_borne(draft):
    """Somebody who is sure that all are alike is contradicted by a third of them."""
    surer = replace(draft.prior.variances, transfer=0.01, residual=0.01, ignorance=0.0)
    limits = []
    for prior in (draft.prior, replace(draft.prior, variances=surer)):
        limits.append(learned_limit(prior, draft.left, searches(prior, draft.left)))
    assert LEAST_LIMIT <= limits[0] < limits[1] <= MOST_LIMIT


def test_it_is_learned_from_the_searches_that_the_first_look_was_chosen_by(draft):
    prior = draft.finished()
    found = searches(prior, draft.left)
    blocks = prior.predictor.mean.kernel.blocks
    lowest = [
        lowest_evidence(prior.of_left_out(one, rows), one.task.encoded[rows], blocks, search.seen)
        for (one, rows), search in zip(searched(draft.left), found, strict=True)
    ]
    assert len(lowest) == LEAST_TASKS
    assert prior.limit == learned_limit(prior, draft.left, found) == limit_of(np.array(lowest))
