from dataclasses import replace

import pytest

from lightning_quicktune.evaluation.splits import Divider, without_test
from lightning_quicktune.metadataset.folder import load


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
