import pytest

from lightning_quicktune.search.nearest import NearestMembers, active_configuration, nearest_random_order
from lightning_quicktune.space.search_space import SearchSpace
from lightning_quicktune.types import Configuration


def configuration(lr, big=False):
    return Configuration({"lr": lr, "big": big})


def test_the_nearest_member_that_is_left_stands_for_a_proposal(space):
    near, far, other = configuration(1e-3), configuration(1e-4), configuration(1e-3, big=True)
    members = NearestMembers(space, [far, near, other])
    proposal = configuration(2e-3)
    assert [members.take(proposal) for _ in range(3)] == [near, far, other]
    assert members.is_exhausted


def test_random_proposals_reach_every_member_in_an_order_of_their_seed(space):
    pool = tuple(space.sample(12, seed=3))
    orders = [nearest_random_order(space, pool, seed) for seed in range(4)]
    assert all(set(order) == set(pool) and len(order) == 12 for order in orders)
    assert orders[0] == nearest_random_order(space, pool, 0)
    assert len(set(orders)) > 1


def test_a_space_with_fewer_configurations_than_proposals_wanted_still_gives_the_whole_pool():
    bools = {"x": {"key": "x", "domain": {"type": "bool", "default": False}}}
    space = SearchSpace.from_dict(bools)
    pool = (space.default, *space.sample(1, seed=0))
    assert set(nearest_random_order(space, pool, 0)) == set(pool)


@pytest.mark.parametrize(("place", "expected"), [(0, {"schedule": "up"}), (1, {"schedule": "down", "warmup": 3})])
def test_hyperparameters_that_are_inactive_are_left_out_and_draws_are_rounded_into_the_domain(place, expected):
    space = SearchSpace.from_dict(
        {
            "warmup": {
                "key": "w",
                "domain": {"type": "int", "bounds": [0, 3], "default": 1},
                "when": {"schedule": ["down"]},
            },
            "schedule": {"key": "s", "domain": {"type": "categorical", "choices": ["up", "down"], "default": "up"}},
        }
    )
    draws = {"schedule": float(place), "warmup": 3.4}
    assert active_configuration(space, lambda name, _: draws[name]) == Configuration(expected)
