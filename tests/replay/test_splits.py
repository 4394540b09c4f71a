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


@pytest.fixture
def of_two_lengths(source):
    """Two of the tasks are of one dataset."""
    table = load(source).select([f"t{i}" for i in range(5)])
    names = {"t0": "shop@480", "t1": "shop@2400"}
    named = [table.tasks["task"].replace(names), table.trials["task"].replace(names)]
    return replace(table, tasks=table.tasks.assign(task=named[0]), trials=table.trials.assign(task=named[1]))


@pytest.mark.parametrize("folds", ["seed", "dataset", "fact:domain", "name:1"])
def test_no_length_of_a_replayed_dataset_is_learned_from(of_two_lengths, settings, folds):
    tasks = of_two_lengths.tasks
    if folds == "fact:domain":  # which would part them
        of_two_lengths = replace(of_two_lengths, tasks=tasks.assign(**{"fact/domain": ["a", "b", "a", "b", "a"]}))
    found = Divider(of_two_lengths, settings(folds=folds, n_folds=3))
    datasets = of_two_lengths.datasets
    assert datasets["shop@480"] == datasets["shop@2400"] == "shop"
    for fold in found.test_folds:
        learned = {datasets[name] for name in found.learned_tasks(fold)}
        assert learned
        assert learned.isdisjoint(datasets[name] for name in found.held_out(fold))


def test_a_fold_per_dataset(of_two_lengths, settings):
    found = Divider(of_two_lengths, settings(folds="dataset"))
    assert found.test_folds == ("shop", "t2", "t3", "t4")
    assert found.held_out("shop") == ("shop@2400", "shop@480")


def test_named_tasks_are_one_fold(divider):
    found = divider(held_out=["t3", "t1"])
    (fold,) = found.test_folds
    assert (found.held_out(fold), found.learned_tasks(fold)) == (("t1", "t3"), ("t0", "t2", "t4"))
    with pytest.raises(ValueError, match=r"`held_out` names t9, but the tasks of the meta-dataset are t0, t1"):
        divider(held_out=["t9"])
    with pytest.raises(ValueError, match=r"`held_out` names all tasks, .* leave some to learn from"):
        divider(held_out=[f"t{i}" for i in range(5)])


def test_another_table_is_learned_from_without_the_replayed_datasets(of_two_lengths, source, settings):
    replayed = load(source).select(["t2", "t3"])
    found = Divider(replayed, settings(folds="dataset", learn_from=["other"]), of_two_lengths)
    assert found.learned_tasks("t2") == ("shop@2400", "shop@480", "t3", "t4")
    split = found.split("known", "t2", 0)
    assert set(found.learned_table(of_two_lengths, split).trials["task"]) == {"shop@2400", "shop@480", "t3", "t4"}
    with pytest.raises(ValueError, match=r"Fold 't2' would be replayed, but `learn_from` is \['other'\], so no task"):
        Divider(replayed, settings(folds="dataset", learn_from=["other"]), of_two_lengths.select(["t2"]))


def test_a_share_of_the_configurations_grows_with_the_number(divider, source):
    table, tried = load(source), []
    for share in (0.25, 0.5, 1.0):
        found = divider(configuration_share=share)
        rows = found.learned_table(table, found.split("known", "0", 0)).trials
        tried.append(set(rows["config_id"]))
    assert [len(ids) for ids in tried] == [3, 6, 12]
    assert tried[0] < tried[1] < tried[2]
