"""What slices cost, as other tasks tell."""

from dataclasses import replace

import numpy as np
import pytest

from lightning_quicktune.surrogate.curves.costs import fit_costs

BLOCKS = np.arange(4)


@pytest.fixture(scope="module")
def tables(made_up):
    """Log seconds are the first hyperparameter."""
    return [made_up(seed) for seed in range(3)]


def test_costs_follow_the_configuration(tables, made_up):
    new = made_up(96, n=60).encoded
    found = fit_costs(tables, BLOCKS).predict(new)
    np.testing.assert_allclose(found - found.mean(), new[:, 0] - new[:, 0].mean(), atol=0.05)


def test_how_fast_the_machine_of_a_task_was_makes_no_difference(tables):
    slow = [replace(tables[0], costs_s=100.0 * tables[0].costs_s), *tables[1:]]
    new = tables[2].encoded
    np.testing.assert_allclose(fit_costs(slow, BLOCKS).predict(new), fit_costs(tables, BLOCKS).predict(new), atol=1e-6)


def test_slices_without_a_known_cost_are_passed_over(tables):
    some = tables[0].costs_s.copy()
    some[:, 1:] = np.nan
    some[:5] = 0.0
    costs = fit_costs([replace(tables[0], costs_s=some)], BLOCKS)
    assert len(costs.encoded) == 25
    found = costs.predict(tables[0].encoded)
    assert np.corrcoef(found, tables[0].encoded[:, 0])[0, 1] > 0.99


def test_where_no_cost_is_known_or_all_are_alike_there_is_nothing_to_learn(tables):
    for costs_s in (np.full((30, 8), np.nan), np.zeros((30, 8)), np.full((30, 8), 3.0)):
        assert fit_costs([replace(tables[0], costs_s=costs_s)], BLOCKS) is None
