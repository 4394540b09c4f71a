import copy

import pytest

from lightning_quicktune.space.mapping import map_configuration, shared_hyperparameters
from lightning_quicktune.space.search_space import SearchSpace
from lightning_quicktune.types import Configuration

KNOWN = {
    "optimizer": {
        "domain": {"type": "categorical", "choices": ["adam", "sgd"], "default": "adam"},
        "sets": {"adam": {"o.class_path": "Adam"}, "sgd": {"o.class_path": "SGD"}},
    },
    "lr": {
        "key": "o.lr",
        "domain": {"type": "float", "bounds": [1e-4, 1e-2], "log": True, "default": 1e-3},
        "when": {"optimizer": ["adam"]},
    },
    "rank": {"key": "rank", "domain": {"type": "categorical", "choices": [4, 8, 16], "ordered": True, "default": 8}},
    "steps": {"key": "steps", "domain": {"type": "int", "bounds": [1, 9], "default": 3}},
    "decay": {"key": "decay", "domain": {"type": "float", "bounds": [0.0, 1.0], "default": 0.1}},
}


def space(**changes):
    declaration = copy.deepcopy(KNOWN)
    for name, change in changes.items():
        declaration[name] = change
    return SearchSpace.from_dict({name: h for name, h in declaration.items() if h is not None})


def test_in_the_same_space_nothing_changes():
    known = space()
    for configuration in known.sample(30, seed=0):
        assert map_configuration(configuration, known, known) == configuration
    assert shared_hyperparameters(known, known) == sorted(KNOWN)


def test_what_both_know_is_kept_and_the_rest_is_the_default():
    wider = {"key": "o.lr", "domain": {"type": "float", "bounds": [1e-6, 1.0], "log": True, "default": 1e-3}}
    ranks = {"key": "rank", "domain": {"type": "categorical", "choices": [2, 13, 64], "ordered": True, "default": 13}}
    steps = {"key": "steps", "domain": {"type": "int", "bounds": [1, 50], "default": 3}}
    new = {"key": "new", "domain": {"type": "bool", "default": True}}
    yours = space(optimizer=None, lr=wider, rank=ranks, steps=steps, decay=None, new=new)
    assert shared_hyperparameters(yours, space()) == ["lr", "rank", "steps"]
    for values, expected in [
        ({"lr": 0.005, "rank": 13, "steps": 2}, {"lr": 0.005, "rank": 16, "steps": 2}),
        ({"lr": 0.5, "rank": 2, "steps": 50}, {"lr": 0.01, "rank": 4, "steps": 9}),
        ({"lr": 1e-6, "rank": 64, "steps": 9}, {"lr": 1e-4, "rank": 16, "steps": 9}),
    ]:
        mapped = map_configuration(Configuration({**values, "new": False}), yours, space())
        assert mapped == Configuration({"optimizer": "adam", "decay": 0.1, **expected})
        space().check(mapped)


def test_a_choice_that_sets_other_keys_is_not_known():
    other = copy.deepcopy(KNOWN["optimizer"])
    other["sets"]["sgd"] = {"o.class_path": "MySGD"}
    yours = space(optimizer=other, decay={**KNOWN["decay"], "key": "another"})
    assert shared_hyperparameters(yours, space()) == ["lr", "optimizer", "rank", "steps"]
    values = {"optimizer": "sgd", "rank": 4, "steps": 1, "decay": 0.9}
    expected = {"optimizer": "adam", "lr": 1e-3, "rank": 4, "steps": 1, "decay": 0.1}
    assert map_configuration(Configuration(values), yours, space()) == Configuration(expected)


@pytest.mark.parametrize("value", ["large", True])
def test_a_value_of_another_kind_is_the_default(value):
    domain = {"type": "categorical", "choices": ["large", "small"], "default": "large"}
    if value is True:
        domain = {"type": "bool", "default": True}
    yours = space(rank={"key": "rank", "domain": domain}, steps={"key": "steps", "domain": domain})
    mapped = map_configuration(Configuration({**yours.default.values, "rank": value, "steps": value}), yours, space())
    assert (mapped.values["rank"], mapped.values["steps"]) == (8, 3)
