import json

import pytest

from lightning_quicktune.space.hyperparameter import Hyperparameter

FLOAT = {"type": "float", "bounds": [0.0, 1.0], "default": 0.5}
SIZES = {"type": "categorical", "choices": [8, 32], "default": 8}
SETS = {8: {"data.batch_size": 8, "trainer.steps": 1}, 32: {"data.batch_size": 8, "trainer.steps": 4}}


def test_sets_is_found_by_choice_even_after_json_turned_its_keys_into_text():
    first = Hyperparameter.from_dict("batch_size", {"domain": SIZES, "sets": SETS})
    second = Hyperparameter.from_dict("batch_size", json.loads(json.dumps(first.to_dict())))
    assert first == second
    assert second.overrides(32) == {"data.batch_size": 8, "trainer.steps": 4}
    assert second.keys == ("data.batch_size", "trainer.steps")


def test_overrides_are_copies():
    optimizers = {"domain": {"type": "bool", "default": True}, "sets": {True: {"a": {"b": 1}}, False: {"a": {"b": 2}}}}
    h = Hyperparameter.from_dict("fast", optimizers)
    h.overrides(True)["a"]["b"] = 9
    assert h.overrides(True) == {"a": {"b": 1}}


@pytest.mark.parametrize(
    ("name", "record", "message"),
    [
        ("lora-rank", {"domain": FLOAT, "key": "a"}, r"name 'lora-rank' can't head a column.*Rename it"),
        (3, {"domain": FLOAT, "key": "a"}, r"name 3 can't head a column"),
        ("lr", {"domain": FLOAT}, r"`lr` has neither `key` nor `sets`.*Give `lr.key`"),
        ("lr", {"domain": SIZES, "key": "a", "sets": SETS}, r"`lr` has both `key` and `sets`"),
        ("lr", {"domain": FLOAT, "key": "a b"}, r"`lr` sets 'a b', but a key .*dotted path.*fit --help"),
        ("lr", {"domain": FLOAT, "key": None}, r"`lr` sets None"),
        ("lr", {"domain": FLOAT, "sets": SETS}, r"`lr.domain` is float from 0 to 1, which has none. Use `lr.key`"),
        (
            "bs",
            {"domain": SIZES, "sets": {8: 1, 32: 2}},
            r"`bs.sets` is .*Write `sets: \{choice: \{dotted.key:",
        ),
        ("bs", {"domain": SIZES, "sets": {8: {"a": 1}}}, r"`bs.sets` has no entry for 32.*\(8, 32\)"),
        ("bs", {"domain": SIZES, "sets": {**SETS, 64: {}}}, r"`bs.sets` has entries too many: it knows no choice 64"),
        ("lr", {"domain": FLOAT, "key": "a", "when": {"x": "linear"}}, r"`lr.when` is .*Write `when: \{schedule: \["),
        ("lr", {"domain": FLOAT, "key": "a", "when": {"x": []}}, r"`lr.when` is"),
        ("lr", {"domain": {"type": "flaot"}, "key": "a"}, r"`lr.domain.type` is 'flaot'.* Did you mean `float`\?"),
        ("lr", {"domain": {}, "key": "a"}, r"`lr.domain` lacks the field `type`"),
    ],
)
def test_mistakes_say_how_to_go_on(name, record, message):
    with pytest.raises(ValueError, match=message):
        Hyperparameter.from_dict(name, record)
