import copy
import json
from pathlib import Path

import numpy as np
import pytest

from lightning_quicktune.space.search_space import SearchSpace
from lightning_quicktune.types import Configuration

LORA = Path(__file__).parents[2] / "configs" / "space" / "lora.yaml"
SMALL = {
    "schedule": {
        "key": "schedule",
        "domain": {"type": "categorical", "choices": ["linear", "constant"], "default": "linear"},
    },
    "warmup": {
        "key": "warmup",
        "domain": {"type": "int", "bounds": [0, 4], "default": 1},
        "when": {"schedule": ["linear"]},
    },
}


@pytest.fixture(scope="module")
def lora():
    return SearchSpace.from_yaml(LORA)


@pytest.fixture
def small():
    return SearchSpace.from_dict(copy.deepcopy(SMALL))


def test_the_lora_space_has_twelve_to_twenty_hyperparameters_and_a_valid_default(lora):
    assert 12 <= len(lora.names) <= 20
    lora.check(lora.default)
    assert lora.overrides(lora.default)["model.init_args.optimizer.init_args.lr"] == 2e-4


def test_json_keeps_everything_even_with_sorted_keys(lora):
    again = SearchSpace.from_dict(json.loads(json.dumps(lora.to_dict(), sort_keys=True)))
    sample = lora.sample(20, seed=3)
    assert again.differences(lora) == []
    assert again.id == lora.id
    assert again.sample(20, seed=3) == sample
    assert again.encoded_names == lora.encoded_names
    np.testing.assert_array_equal(again.encode(sample), lora.encode(sample))
    assert [again.overrides(c) for c in sample] == [lora.overrides(c) for c in sample]


def test_samples_are_distinct_valid_without_the_default_and_begin_alike(lora):
    sample = lora.sample(300, seed=0)
    assert len(set(sample)) == 300
    assert lora.default not in sample
    assert lora.sample(10, seed=0) == sample[:10]
    assert lora.sample(10, seed=1) != sample[:10]
    for configuration in sample:
        lora.check(configuration)
        assert set(lora.overrides(configuration)) <= set(lora.keys)


def test_a_finite_space_can_be_drawn_to_its_last_configuration(small):
    assert len(set(small.sample(5, seed=0)) | {small.default}) == 6
    with pytest.raises(ValueError, match=r"6 configurations .* only 5 besides the default. Ask for fewer"):
        small.sample(6, seed=0)


def test_encoding_of_active_and_inactive_hyperparameters(small):
    assert small.encoded_names == ("schedule=linear", "schedule=constant", "warmup:active", "warmup")
    rows = small.encode([Configuration({"schedule": "linear", "warmup": 1}), Configuration({"schedule": "constant"})])
    np.testing.assert_array_equal(rows, [[1, 0, 1, 0.25], [0, 1, 0, 0]])
    assert rows.dtype == np.float64
    assert small.encode([]).shape == (0, 4)


def test_every_hyperparameter_reaches_the_encoding(lora):
    encoded = lora.encode(lora.sample(200, seed=0))
    assert encoded.shape == (200, len(lora.encoded_names))
    assert encoded.min() >= 0
    assert encoded.max() <= 1
    assert (encoded.std(axis=0) > 0.05).all()
    assert {c.split("=")[0].split(":")[0] for c in lora.encoded_names} == set(lora.names)


def test_whole_numbers_read_back_as_floats_are_the_same_configuration(small):
    from_table = Configuration({"schedule": "linear", "warmup": 1.0})
    assert from_table == small.default
    assert isinstance(small.overrides(from_table)["warmup"], int)


def test_overrides_give_shorter_keys_first_and_leave_out_what_is_inactive(lora):
    constant = next(c for c in lora.sample(50, seed=0) if c.values["schedule"] == "constant")
    overrides = lora.overrides(constant)
    assert overrides["model.init_args.schedule.warmup_fraction"] == 0.0
    depths = [key.count(".") for key in overrides]
    assert depths == sorted(depths)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"schedul": "linear"}, r"`schedul`, which the search space doesn't know.* Did you mean `schedule`\? Rename"),
        (
            {"schedule": "linear"},
            r"lacks `warmup`, which is active when `schedule` is linear. Add a value: int from 0 to 4",
        ),
        ({"warmup": 1}, r"lacks `schedule`, which is active always"),
        (
            {"schedule": "constant", "warmup": 1},
            r"`warmup: 1`, but it is active only when `schedule` is linear.*Remove",
        ),
        (
            {"schedule": "linear", "warmup": 9},
            r"`warmup: 9`, but its domain is int from 0 to 4. Choose .*`warmup.domain`",
        ),
        (
            {"schedule": "liner", "warmup": 1},
            r"`schedule: 'liner'`, but its domain is categorical, one of linear, constant",
        ),
    ],
)
def test_what_is_no_point_of_the_space_is_refused_by_check_encode_and_overrides(small, values, message):
    for method in (small.check, small.overrides, lambda c: small.encode([c])):
        with pytest.raises(ValueError, match=message):
            method(Configuration(values))


def test_differences_name_hyperparameters_and_ignore_defaults_descriptions_and_order(small):
    other = copy.deepcopy(SMALL)
    other["warmup"]["domain"]["default"] = 2
    other["warmup"]["description"] = "in steps"
    other = {"warmup": other["warmup"], "schedule": other["schedule"]}
    assert small.differences(SearchSpace.from_dict(other)) == []
    assert SearchSpace.from_dict(other).id != small.id

    other["warmup"] = {"key": "steps", "domain": {"type": "int", "bounds": [0, 8], "default": 1}}
    other["lr"] = {"key": "lr", "domain": {"type": "float", "bounds": [0.0, 1.0], "default": 0.5}}
    assert small.differences(SearchSpace.from_dict(other)) == [
        "`lr` is only in the second",
        "`warmup` is int from 0 to 4 in the first, int from 0 to 8 in the second",
        "`warmup` is active when `schedule` is linear in the first, always in the second",
        "`warmup` sets warmup in the first, steps in the second",
    ]


def test_decoding_gives_back_what_was_encoded(lora, small):
    declared = {
        "rate": {"key": "a", "domain": {"type": "float", "bounds": [1.0e-7, 3.0], "log": True, "default": 0.1}},
        "steps": {"key": "b", "domain": {"type": "int", "bounds": [1, 5000], "log": True, "default": 10}},
        "shift": {"key": "c", "domain": {"type": "float", "bounds": [-2.5, 7.0], "default": 0.0}},
        "nested": {"key": "d", "domain": {"type": "bool", "default": True}},
        "order": {
            "key": "e",
            "domain": {"type": "categorical", "choices": [1, 2, 3, 10], "ordered": True, "default": 3},
            "when": {"nested": [True]},
        },
    }
    for space, n in ((lora, 200), (small, 5), (SearchSpace.from_dict(declared), 200)):
        configurations = [space.default, *space.sample(n, seed=3)]
        encoded = space.encode(configurations)
        decoded = space.decode(encoded)
        assert decoded == configurations
        assert [c.values for c in decoded] == [c.values for c in configurations]
    assert lora.decode(np.empty((0, len(lora.encoded_names)))) == []


def test_an_empty_space_is_refused():
    with pytest.raises(ValueError, match=r"no hyperparameter, .*Declare at least one"):
        SearchSpace.from_dict({})
