import math

import pytest

from lightning_quicktune.space.conditions import check_each_key_is_set_once, count_configurations, parents_first
from lightning_quicktune.space.hyperparameter import Hyperparameter

SCHEDULE = {"type": "categorical", "choices": ["linear", "cosine", "constant"], "default": "linear"}
FLOAT = {"type": "float", "bounds": [0.0, 1.0], "default": 0.5}
INT = {"type": "int", "bounds": [1, 4], "default": 2}


def build(**records):
    return [Hyperparameter.from_dict(name, {"key": name, **record}) for name, record in records.items()]


def test_what_a_condition_names_comes_first():
    declared = build(
        a={"domain": INT, "when": {"b": ["linear"]}},
        c={"domain": SCHEDULE},
        b={"domain": SCHEDULE, "when": {"c": ["cosine"]}},
    )
    assert [h.name for h in parents_first(declared)] == ["c", "b", "a"]


def test_configurations_are_counted_with_their_conditions():
    declared = build(schedule={"domain": SCHEDULE}, steps={"domain": INT, "when": {"schedule": ["linear", "cosine"]}})
    assert count_configurations(parents_first(declared)) == 2 * 4 + 1
    assert count_configurations(parents_first(build(lr={"domain": FLOAT}, n={"domain": INT}))) == math.inf


def test_the_same_key_may_be_set_under_conditions_that_exclude_each_other():
    schedule = {"domain": SCHEDULE}
    apart = build(
        schedule=schedule,
        one={"domain": FLOAT, "key": "x", "when": {"schedule": ["linear"]}},
        two={"domain": FLOAT, "key": "x", "when": {"schedule": ["cosine"]}},
    )
    check_each_key_is_set_once(parents_first(apart))
    together = build(
        schedule=schedule,
        one={"domain": FLOAT, "key": "x", "when": {"schedule": ["linear", "cosine"]}},
        two={"domain": FLOAT, "key": "x", "when": {"schedule": ["cosine"]}},
    )
    with pytest.raises(ValueError, match=r"`one` and `two` may both set `x` .*Drop one .*exclude each other"):
        check_each_key_is_set_once(parents_first(together))


def test_a_choice_that_leaves_a_key_alone_does_not_clash_with_what_sets_it():
    sets = {"linear": {"name": "linear"}, "cosine": {"name": "cosine"}, "constant": {"name": "constant", "warmup": 0.0}}
    schedule = Hyperparameter.from_dict("schedule", {"domain": SCHEDULE, "sets": sets})
    (warmup,) = build(warmup={"domain": FLOAT, "when": {"schedule": ["linear", "cosine"]}})
    check_each_key_is_set_once([schedule, warmup])
    (always,) = build(warmup={"domain": FLOAT})
    with pytest.raises(ValueError, match=r"may both set `warmup`"):
        check_each_key_is_set_once([schedule, always])


@pytest.mark.parametrize(
    ("when", "message"),
    [
        ({"schedul": ["linear"]}, r"`child.when` names `schedul`, .*no such.* Did you mean `schedule`\? Correct"),
        ({"lr": [0.5]}, r"`child.when` names `lr`, which is float .*Make `lr` categorical"),
        ({"schedule": ["liner"]}, r"`child.when.schedule` lists 'liner', .* Did you mean `linear`\? Correct"),
    ],
)
def test_wrong_conditions_say_how_to_go_on(when, message):
    declared = build(schedule={"domain": SCHEDULE}, lr={"domain": FLOAT}, child={"domain": FLOAT, "when": when})
    with pytest.raises(ValueError, match=message):
        parents_first(declared)


def test_conditions_in_a_circle_are_named():
    declared = build(
        a={"domain": SCHEDULE, "when": {"b": ["linear"]}}, b={"domain": SCHEDULE, "when": {"a": ["linear"]}}
    )
    with pytest.raises(ValueError, match=r"The conditions of (a -> b -> a|b -> a -> b) lead in a circle.*Remove one"):
        parents_first(declared)
