"""How far evidence may go against what was taught: by training tasks that are searched as new ones are."""

from dataclasses import replace

import numpy as np
import pytest

from lightning_quicktune.surrogate.curves.evidence import CAP, WEIGHED, Evidence, log_density
from lightning_quicktune.surrogate.curves.first_look import searched, searches
from lightning_quicktune.surrogate.curves.pool_prior import LEAST_LIMIT
from lightning_quicktune.surrogate.curves.posterior import CurvePosterior
from lightning_quicktune.surrogate.curves.prior import draft_curve_prior
from lightning_quicktune.surrogate.curves.trust import MOST_LIMIT, learned_limit, limit_of, lowest_evidence
from lightning_quicktune.surrogate.curves.untaught import untaught_prior, without_configurations


def test_too_few_tasks_tell_of_no_twentieth_of_them():
    assert limit_of(np.full(18, -9.0)) == LEAST_LIMIT
    assert limit_of(np.full(19, -9.0)) == 9.0
    assert limit_of(np.zeros(0)) == LEAST_LIMIT


def test_it_holds_for_all_but_a_twentieth_of_tasks_like_these():
    """The one that comes next is within the limit in at least 95 of 100 cases, whatever the distribution."""
    generator, within = np.random.default_rng(0), []
    for _ in range(2000):
        lowest = -4.0 - generator.exponential(1.0, size=25)
        within.append(-lowest[-1] <= limit_of(lowest[:-1]))
    assert 0.94 < np.mean(within) < 0.98


@pytest.mark.parametrize(("lowest", "limit"), [(-0.5, LEAST_LIMIT), (-5.0, 5.0), (-CAP * WEIGHED, MOST_LIMIT)])
def test_it_stays_within_bounds(lowest, limit):
    assert limit_of(np.full(40, lowest)) == limit


def test_evidence_of_a_search_is_that_of_its_scores_one_after_the_other(curve_prior, made_up):
    """Against whole posteriors, which are told the same."""
    table = made_up(50)
    taught, blocks = curve_prior.pool_prior(table.encoded), np.arange(4)
    seen = [(place, knot, float(1.0 - table.scores[place, knot])) for place in (3, 7, 3, 9) for knot in (0, 1)][:7]
    seen = list({(place, knot): (place, knot, score) for place, knot, score in seen}.values())
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
def drafts(made_up):
    """Of tasks that are alike, and of tasks of which each fourth is the other way round. Takes seconds."""

    def reversed_(table):
        return replace(table, scores=1.0 - table.scores)

    alike = [made_up(seed, n=20, n_slices=4) for seed in range(1, 25)]
    mixed = [reversed_(table) if n % 4 == 3 else table for n, table in enumerate(alike)]
    return {name: draft_curve_prior(tables) for name, tables in (("alike", alike), ("mixed", mixed))}


def test_where_training_tasks_contradict_each_other_more_is_borne(drafts):
    limits = {name: draft.finished().limit for name, draft in drafts.items()}
    assert limits["alike"] < limits["mixed"] <= MOST_LIMIT


def test_it_is_learned_from_the_searches_that_the_first_look_was_chosen_by(drafts):
    draft = drafts["mixed"]
    prior = draft.finished()
    found = searches(prior, draft.left)
    blocks = prior.predictor.mean.kernel.blocks
    lowest = [
        lowest_evidence(prior.of_left_out(one, rows), one.task.encoded[rows], blocks, search.seen)
        for (one, rows), search in zip(searched(draft.left), found, strict=True)
    ]
    assert prior.limit == learned_limit(prior, draft.left, found) == limit_of(np.array(lowest))
