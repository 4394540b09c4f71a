from dataclasses import replace

import pytest

from lightning_quicktune.metadataset.folder import load
from lightning_quicktune.replay.splits import Divider, without_test


@pytest.fixture
def divider(source, settings):
    return lambda **changes: Divider(load(source).select([f"t{i}" for i in range(5)]), settings(**changes))


def test_folds_by_a_fact_hold_out_one_domain_each(divider):
    found = divider(folds="fact:domain")
    assert found.test_folds == ("domain 2", "domain 3", "domain 4", "towns")
    assert found.held_out("towns") == ("t0", "t1")
    assert found.learned_tasks("towns") == ("t2", "t3", "t4")


def test_folds_of_development_see_no_other(divider):
    found = divider(folds="fact:domain", test_folds=["towns"], train_folds=["towns", "domain 3", "domain 4"])
    assert found.test_folds == ("towns",)
    assert found.learned_tasks("towns") == ("t3", "t4")


def test_random_folds_have_numbers_for_names(divider):
    found = divider(n_folds=2, test_folds=[1])
    assert found.test_folds == ("1",)
    assert set(found.learned_tasks("1")) == set(found.held_out("0"))


def test_a_share_of_the_training_tasks_grows_with_the_number(divider):
    shares = [set(divider(folds="fact:domain", train_share=s).learned_tasks("domain 2")) for s in (0.1, 0.5, 1.0)]
    assert [len(share) for share in shares] == [1, 2, 4]
    assert shares[0] < shares[1] < shares[2]


def test_each_pair_of_seeds_halves_the_configurations_anew(divider):
    found = divider()
    pools = [found.searched(found.split("new", "0", seed)) for seed in range(6)]
    assert len(set(pools)) == 6
    for even, odd in zip(pools[::2], pools[1::2], strict=True):
        assert len(even & odd) == 1  # the default
        assert even | odd == pools[0] | pools[1]
    assert found.searched(found.split("new", "0", 4)) == divider().searched(found.split("new", "1", 4))
    assert found.split("known", "0", 5) == found.split("known", "0", 0)


def test_pairs_of_seeds_take_the_draws_of_halves_in_turn(divider):
    found = divider(n_halvings=2)
    assert [found.split("new", "0", seed).halving for seed in range(8)] == [0, 0, 1, 1, 0, 0, 1, 1]


def test_one_task_alone_is_refused(source, settings):
    with pytest.raises(ValueError, match=r"has trials of 1 task, but .*Collect trials of a second task"):
        Divider(load(source).select(["t0"]), settings())


def test_folds_by_a_word_of_the_name(source, settings):
    table = load(source).select(["t0", "t1", "t2"])
    names = {"t0": "suite-towns-dates", "t1": "suite-towns-names", "t2": "suite-minerals-dates"}
    renamed = replace(
        table,
        tasks=table.tasks.assign(task=table.tasks["task"].map(names)),
        trials=table.trials.assign(task=table.trials["task"].map(names)),
    )
    found = Divider(renamed, settings(folds="name:2"))
    assert found.test_folds == ("minerals", "towns")
    assert found.learned_tasks("minerals") == ("suite-towns-dates", "suite-towns-names")
    with pytest.raises(ValueError, match=r"'name:4', but 3 of 3 names .*\(suite-minerals-dates.*Write a lower number"):
        Divider(renamed, settings(folds="name:4"))


def test_a_fact_that_tasks_lack_is_refused(divider):
    with pytest.raises(ValueError, match=r"5 of 5 tasks lack the fact 'fold' \(t0, .*they have domain"):
        divider(folds="fact:fold")


def test_a_fold_that_is_not_there_is_refused(divider):
    with pytest.raises(ValueError, match=r"`test_folds` is \['law'\], but the folds by .*fact:domain` are domain 2,"):
        divider(folds="fact:domain", test_folds=["law"])


def test_a_fold_needs_another_one_to_learn_from(divider):
    with pytest.raises(ValueError, match=r"Fold 'towns' would be replayed, but `train_folds` is \['towns'\]"):
        divider(folds="fact:domain", train_folds=["towns"])


def test_methods_see_the_paid_cost_and_nothing_of_the_test(source):
    table = load(source, with_test=True)
    dear = replace(table, trials=table.trials.assign(cost_cpu_s=7.0))
    seen = without_test(dear, "cost_cpu_s").trials
    assert set(seen["cost_s"]) == {7.0}
    assert not [column for column in seen.columns if column.startswith("test/")]
