"""A prior as arrays and numbers, and back."""

import json

import numpy as np
import pytest
from safetensors.numpy import load, save

from lightning_quicktune.surrogate.curves.prior import fit_curve_prior
from lightning_quicktune.surrogate.curves.state import from_state, to_state

FIELDS = (
    "mean",
    "loadings",
    "finals",
    "shapes",
    "following",
    "given_final",
    "offsets",
    "noise",
    "floor",
    "locations",
    "scales",
    "log_cost",
    "shares",
    "temperatures",
)


def stored(prior):
    """Written as an artifact is, and read again: no pickle."""
    arrays, numbers = to_state(prior)
    assert all(array.dtype == np.float64 for array in arrays.values())
    whole = save({name: np.ascontiguousarray(array) for name, array in arrays.items()})
    return from_state(load(whole), json.loads(json.dumps(numbers)))


def assert_same(prior, again, encoded):
    mine, theirs = prior.pool_prior(encoded), again.pool_prior(encoded)
    for name in FIELDS:
        np.testing.assert_array_equal(getattr(mine, name), getattr(theirs, name), err_msg=name)
    assert (mine.cost_exponent, mine.first_look, mine.limit) == (theirs.cost_exponent, theirs.first_look, theirs.limit)
    assert mine.first == theirs.first
    assert prior.lengths == again.lengths
    assert prior.variances == again.variances


def test_a_stored_prior_says_the_same_to_the_last_bit(curve_prior, made_up):
    known = made_up(1).encoded
    assert_same(curve_prior, stored(curve_prior), np.concatenate([known, made_up(97).encoded]))


def test_a_prior_that_was_stored_twice_too(curve_prior, made_up):
    assert_same(curve_prior, stored(stored(curve_prior)), made_up(97).encoded)


@pytest.mark.parametrize("n", [1, 3])
def test_one_without_costs_and_of_final_scores_too(made_up, n):
    """Each task has other configurations, and so a group of its own."""
    tables = [made_up(seed, n=9 + seed, n_slices=1) for seed in range(n)]
    for table in tables:
        table.costs_s[:] = np.nan
    prior = fit_curve_prior(tables)
    again = stored(prior)
    assert again.costs is None
    assert len(again.predictor.groups) == n
    assert_same(prior, again, made_up(97).encoded)
