from dataclasses import replace

import pytest

from lightning_quicktune.metadataset.build import build
from lightning_quicktune.metadataset.merge import merged
from lightning_quicktune.types import BaseModelInfo


@pytest.fixture
def table(space, make_task, make_trial):
    """Trials of some tasks that train for so many records in a slice."""

    def make(names, records_per_slice, base_model=None):
        tasks = [replace(make_task(name), records_per_slice=records_per_slice) for name in names]
        tasks = [replace(task, base_model=base_model or task.base_model) for task in tasks]
        trials = [make_trial(task, c) for task in tasks for c in (space.default, *space.sample(2, seed=1))]
        return build(trials, tasks, space, f"slices of {records_per_slice}", "Apache-2.0")

    return make


def test_a_name_of_several_tables_gets_the_length_of_training(table):
    short, long = table(["shop", "court"], 10), table(["shop", "clinic"], 50)
    n = short.task_info("shop").max_fidelity
    both = merged([short, long], ["short", "long"])
    assert set(both.task_names) == {"clinic", "court", f"shop@{10 * n}", f"shop@{50 * n}"}
    assert set(both.datasets.values()) == {"clinic", "court", "shop"}
    assert both.task_info(f"shop@{50 * n}").training_records == 50 * n
    assert len(both.curves([f"shop@{10 * n}"])) == len(short.curves(["shop"]))
    assert both.meta["n_trials"] == short.meta["n_trials"] + long.meta["n_trials"]
    assert both.meta["origin"] == "slices of 10; slices of 50"


def test_one_table_stays_as_it_is(table):
    alone = table(["shop"], 10)
    assert merged([alone], ["alone"]) is alone


def test_trials_that_mean_something_else_are_refused(table):
    first, other = table(["shop"], 10), table(["court"], 10)
    older = replace(other, meta={**other.meta, "label_version": 7})
    with pytest.raises(ValueError, match=r"a and b can't be learned from together .*label version 1 and 7.*Name meta"):
        merged([first, older], ["a", "b"])
    exact = replace(other, tasks=other.tasks.assign(metric="exact_match"))
    with pytest.raises(ValueError, match=r"metric \['answer_likelihood'\] and \['exact_match'\]"):
        merged([first, exact], ["a", "b"])


def test_base_models_that_were_trained_for_as_long_are_told_apart(table):
    other = BaseModelInfo(name="other", n_parameters=7, weight_hash="")
    first, second = table(["shop", "court"], 10), table(["shop", "clinic"], 10, other)
    n, model = first.task_info("shop").training_records, first.task_info("shop").base_model.name
    both = merged([first, second], ["first", "second"])
    assert set(both.task_names) == {"clinic", "court", f"shop@{n}@{model}", f"shop@{n}@other"}
    assert set(both.datasets.values()) == {"clinic", "court", "shop"}
    assert both.task_info(f"shop@{n}@other").base_model == other


def test_one_length_of_a_task_in_two_tables_is_refused(table):
    with pytest.raises(ValueError, match=r"a and b both have trials of shop@\d+@tiny, of one name, length and"):
        merged([table(["shop"], 10), table(["shop"], 10)], ["a", "b"])
