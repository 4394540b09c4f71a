import pytest

from lightning_quicktune.search.pool import by_id, candidate_pool, shuffled
from lightning_quicktune.space.search_space import SearchSpace


def test_the_default_comes_first_and_a_larger_pool_begins_with_the_smaller(space):
    pool = candidate_pool(space, 20, seed=4)
    assert pool[0] == space.default
    assert len(set(pool)) == 21
    assert candidate_pool(space, 5, seed=4) == pool[:6]


def test_a_space_smaller_than_the_pool_is_taken_whole():
    domain = {"type": "categorical", "choices": [1, 2, 3], "default": 2}
    space = SearchSpace.from_dict({"rank": {"key": "lora.rank", "domain": domain}})
    assert candidate_pool(space, 127, seed=0)[0] == space.default
    assert {c.values["rank"] for c in candidate_pool(space, 127, seed=0)} == {1, 2, 3}


def test_shuffling_keeps_the_members_and_depends_on_the_seed_alone(space):
    pool = candidate_pool(space, 20, seed=4)
    assert shuffled(pool, 0) == shuffled(list(pool), 0) != pool
    assert set(shuffled(pool, 0)) == set(pool)
    assert shuffled(pool, 0) != shuffled(pool, 1)


def test_an_empty_pool_and_one_with_duplicates_say_how_to_go_on(five):
    with pytest.raises(ValueError, match=r"pool is empty, .*Build it with `candidate_pool`"):
        by_id([])
    with pytest.raises(ValueError, match=r"holds 2 configurations, of which only 1 are distinct.*dict.fromkeys"):
        by_id([five["a"], five["a"]])
