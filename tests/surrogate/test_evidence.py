"""Evidence for and against what earlier tasks taught, worked out by hand."""

import numpy as np
import pytest
from scipy.stats import norm

from lightning_quicktune.surrogate.curves.evidence import CAP, LEAST_STD, WEIGHED, Evidence, Witnesses
from lightning_quicktune.surrogate.curves.pool_prior import LEAST_LIMIT
from lightning_quicktune.surrogate.curves.posterior import CurvePosterior


def gathered(*scores, n=1):
    evidence = Evidence(n)
    for trial, ratios in scores:
        evidence.add(trial, np.atleast_1d(ratios))
    return evidence


def test_before_any_score_nothing_speaks_against_what_was_taught():
    assert gathered(n=2).least == 0.0
    assert gathered(n=2).n_trials == 0


def test_scores_of_one_trial_are_summed_up_before_they_are_cut():
    """What one of them takes back doesn't count."""
    assert gathered((3, -4.0), (3, 3.0)).least == pytest.approx(-1.0)
    assert gathered((3, -4.0), (5, 3.0)).least == pytest.approx(-CAP + CAP)


def test_one_trial_never_decides_however_many_scores_it_has_and_two_may():
    one = gathered(*[(0, -50.0)] * 20)
    assert one.least == -CAP > -LEAST_LIMIT
    assert gathered(*[(0, -50.0)] * 20, (1, -50.0)).least == -2 * CAP < -LEAST_LIMIT


def test_trials_that_are_begun_late_tell_nothing_and_early_ones_still_do():
    evidence = gathered(*[(trial, 0.1) for trial in range(WEIGHED)])
    before = evidence.least
    for trial in range(WEIGHED, 10 * WEIGHED):
        evidence.add(trial, np.array([-9.0]))
    assert evidence.least == pytest.approx(before)
    evidence.add(0, np.array([-0.3]))
    assert evidence.least == pytest.approx(before - 0.3)
    assert evidence.n_trials == 10 * WEIGHED


def test_the_alternative_that_predicts_best_counts():
    evidence = gathered((0, [0.5, -0.2, 1.0]), (1, [-1.0, 0.1, 0.0]), n=3)
    np.testing.assert_allclose(evidence.of_alternatives, [-0.5, -0.1, 1.0])
    assert evidence.least == pytest.approx(-0.5)
    assert evidence.best_alternative == 0


def test_a_witness_foretells_each_score_from_those_before_it(curve_prior, made_up):
    """As a posterior that is told the same does; how exact what was taught claims to be has a bound."""
    prior = curve_prior.pool_prior(made_up(50).encoded)
    witnesses, posterior = Witnesses([prior]), CurvePosterior(prior)
    for place, knot, score in ((3, 0, 0.4), (3, 1, 0.5), (5, 0, 0.1)):
        mean, std = posterior.forecast(place, knot, 0.001)
        ratio = witnesses.weigh(place, knot, score, (score, 1e-9), 0.001)
        assert ratio == pytest.approx(norm.logpdf(0.0, 0.0, LEAST_STD) - norm.logpdf(score, mean, std))
        posterior.observe(place, knot, score, 0.001)
