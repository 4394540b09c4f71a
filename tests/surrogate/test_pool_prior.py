"""At which fidelity each knot is met, and for what price."""

import numpy as np
import pytest

from lightning_quicktune.surrogate.curves.pool_prior import KnotPlan, prices
from lightning_quicktune.surrogate.curves.tables import knots_of

SHARES = knots_of(51) / 51


@pytest.mark.parametrize("length", [1, 2, 3, 7, 51, 120])
def test_each_fidelity_is_met_once_and_the_last_knot_at_the_end(length):
    plan = KnotPlan.of(SHARES, np.array([length]))
    slices, met = plan.slices[0], plan.met[0]
    assert len(set(slices[met])) == met.sum() == len(set(slices))
    assert (slices[-1], bool(met[-1])) == (length, True)
    assert slices.min() >= 1
    assert np.all(np.diff(slices) >= 0)
    for knot in np.flatnonzero(met):  # the one whose share is nearest to what was trained
        alike = np.flatnonzero(slices == slices[knot])
        assert knot == min(alike, key=lambda k: abs(SHARES[k] - slices[knot] / length))


def test_short_trainings_meet_few_knots():
    plan = KnotPlan.of(SHARES, np.array([1, 2, 3, 51]))
    last = len(SHARES) - 1
    assert [np.flatnonzero(row).tolist() for row in plan.met[:1]] == [[last]]
    assert plan.met.sum(1).tolist() == [1, 2, 3, len(SHARES)]
    np.testing.assert_array_equal(plan.slices[3], knots_of(51))


def test_the_way_through_a_training():
    plan = KnotPlan.of(np.array([0.25, 0.5, 0.75, 1.0]), np.array([4, 2, 1]))
    np.testing.assert_array_equal(plan.slices, [[1, 2, 3, 4], [1, 1, 2, 2], [1, 1, 1, 1]])
    np.testing.assert_array_equal(plan.met, [[1, 1, 1, 1], [0, 1, 0, 1], [0, 0, 0, 1]])
    np.testing.assert_array_equal(plan.first(), [0, 1, 3])
    np.testing.assert_array_equal(plan.first(2), [2, 3, 3])
    assert [plan.after(0, knot) for knot in range(4)] == [1, 2, 3, 4]
    assert [plan.after(1, knot) for knot in (1, 3)] == [3, 4]
    assert plan.reached(0, 3) == [0, 1, 2]
    assert plan.reached(1, 1) == [1]
    assert plan.reached(1, 0) == []
    assert plan.reached(2, 1) == [3]


def test_prices_are_seconds_to_a_power_of_what_is_still_ahead():
    log_cost, slices = np.log([1.0, 2.0, 4.0]), np.tile([1, 2, 4], (3, 1))
    seconds = prices(log_cost, slices, np.array([0, 1, 2]), 1.0)
    np.testing.assert_allclose(seconds[0], np.array([1.0, 2.0, 4.0]) / 2.0)  # in units of the median configuration
    np.testing.assert_allclose(seconds[1, 1:], [1.0, 3.0])
    assert seconds[2, 2] == pytest.approx(2.0 * 4.0 / 2.0)
    np.testing.assert_allclose(prices(log_cost, slices, np.array([0, 1, 2]), 0.5), np.sqrt(seconds))
    np.testing.assert_allclose(prices(log_cost, slices, np.zeros(3, dtype=np.int64), 0.0), 1.0)


def test_of_final_scores_only_the_same_is_believed(curve_prior, made_up):
    encoded = made_up(9, n=7).encoded
    whole = curve_prior.pool_prior(encoded)
    last = whole.final_scores_only()
    assert last.mean.shape == (7, 1)
    np.testing.assert_array_equal(last.mean[:, 0], whole.mean[:, -1])
    np.testing.assert_array_equal(last.loadings[:, 0], whole.loadings[:, -1])
    np.testing.assert_array_equal(last.given_final, whole.given_final[-1:, -1:])
    np.testing.assert_array_equal(last.shares, [1.0])
    np.testing.assert_array_equal(last.finals, whole.finals)
    assert KnotPlan.of(last.shares, np.array([1, 8])).slices.tolist() == [[1], [8]]
