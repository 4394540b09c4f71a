import pytest

from lightning_quicktune.metadataset.splits import holdout, task_folds

NAMES = [f"t{i}" for i in range(7)]
TASKS = {name: name for name in NAMES}
LENGTHS = {f"{name}@{records}": name for name in NAMES for records in (480, 2400)}


def test_each_task_is_held_out_once():
    folds = task_folds(TASKS, 3, seed=0)
    assert sorted(name for fold in folds for name in fold) == NAMES
    assert sorted(len(fold) for fold in folds) == [2, 2, 3]


def test_folds_depend_on_the_seed_and_not_on_the_order():
    assert task_folds(TASKS, 3, seed=0) == task_folds(dict(reversed(TASKS.items())), 3, seed=0)
    assert task_folds(TASKS, 3, seed=0) != task_folds(TASKS, 3, seed=1)


@pytest.mark.parametrize(("n", "fraction", "n_held"), [(2, 0.01, 1), (2, 0.99, 1), (3, 0.2, 1), (10, 0.3, 3)])
def test_both_sides_get_a_task(n, fraction, n_held):
    training, held = holdout({f"t{i}": f"t{i}" for i in range(n)}, fraction, seed=0)
    assert len(held) == n_held
    assert sorted(training + held) == [f"t{i}" for i in range(n)]


@pytest.mark.parametrize("n_folds", [1, 8])
def test_folds_without_a_task_are_refused(n_folds):
    with pytest.raises(ValueError, match=rf"`n_folds` is {n_folds}, but tasks of 7 datasets .* Lower `n_folds`"):
        task_folds(TASKS, n_folds, seed=0)


def test_one_task_is_too_few():
    with pytest.raises(
        ValueError, match=r"has tasks of 1 dataset \(t0\), but .* at least 2.*Collect trials of another task"
    ):
        holdout({"t0@480": "t0", "t0@2400": "t0"}, 0.2, seed=0)


@pytest.mark.parametrize("fraction", [0.0, 1.0])
def test_a_fraction_that_empties_a_side_is_refused(fraction):
    with pytest.raises(ValueError, match=r"`validation_fraction` is .* between 0 and 1.*`data.init_args"):
        holdout(TASKS, fraction, seed=0)


@pytest.mark.parametrize("seed", range(3))
def test_all_lengths_of_a_dataset_are_held_out_together(seed):
    for fold in [*task_folds(LENGTHS, 3, seed), *holdout(LENGTHS, 0.3, seed)]:
        others = LENGTHS.keys() - set(fold)
        assert fold
        assert {LENGTHS[name] for name in fold}.isdisjoint(LENGTHS[name] for name in others)
