import sys
from collections import Counter

import pytest

from lightning_quicktune.search.lengths import Lengths
from lightning_quicktune.search.loop import run_search
from lightning_quicktune.search.optuna_searcher import OptunaSearcher
from lightning_quicktune.search.pool import candidate_pool
from lightning_quicktune.types import Budget

pytest.importorskip("optuna")


@pytest.fixture
def pool(space):
    return candidate_pool(space, 30, seed=0)


def played(searcher, new_executor, clock, slices=80):
    executor = new_executor()
    result = run_search(searcher, executor, Budget(slices=slices), None, clock=clock)
    return executor.submitted, result


def test_it_compares_at_rungs_prunes_and_finishes_some(pool, space, new_executor, clock):
    submitted, result = played(OptunaSearcher(pool, space, 9, seed=0), new_executor, clock)
    assert {fidelity for _, fidelity in submitted} <= {1, 3, 9}
    assert submitted[0][1] == 1
    finished = {config_id for config_id, fidelity in submitted if fidelity == 9}
    assert finished
    assert len({config_id for config_id, _ in submitted}) > len(finished)
    assert result.stopped_by == "budget"


def test_its_steps_are_shares_of_own_trainings(pool, space, new_executor, clock):
    lengths = Lengths(9, {c.id: 3 for c in pool})
    submitted, _ = played(OptunaSearcher(pool, space, lengths, seed=0), new_executor, clock)
    assert {fidelity for _, fidelity in submitted[:-1]} == {1, 3}  # the last one may have been cut short
    assert any(count == 1 for count in Counter(config_id for config_id, _ in submitted).values())  # pruned


def test_every_member_is_trained_in_the_end_and_nothing_twice(pool, space, new_executor, clock):
    submitted, result = played(OptunaSearcher(pool[:8], space, 9, seed=0), new_executor, clock, slices=200)
    assert result.stopped_by == "exhausted"
    assert len(submitted) == len(set(submitted))
    failed = {e.observation.configuration.id for e in result.entries if e.observation.failed}
    assert {config_id for config_id, fidelity in submitted if fidelity == 9} | failed == {c.id for c in pool[:8]}


def test_told_again_a_new_searcher_suggests_what_the_first_would(pool, space, new_executor, clock):
    first = OptunaSearcher(pool, space, 9, seed=1)
    _, result = played(first, new_executor, clock, slices=40)
    second = OptunaSearcher(pool, space, 9, seed=1)
    for entry in result.entries:
        second.tell(entry.observation)
    assert second.ask() == first.ask()


def test_parallel_suggestions_differ_and_are_pending(pool, space):
    searcher = OptunaSearcher(pool, space, 9, seed=0)
    asked = {searcher.ask().configuration for _ in range(4)}
    assert len(asked) == 4
    assert searcher.pending == asked


def test_without_optuna_it_says_what_to_install(pool, space, monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(ImportError, match=r"`searcher: optuna` needs .*lightning-quicktune\[optuna\]"):
        OptunaSearcher(pool, space, 9, seed=0)
