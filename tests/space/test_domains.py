import math

import pytest

from lightning_quicktune.space.categorical import CategoricalDomain
from lightning_quicktune.space.numeric import NumericDomain


def numeric(**fields):
    return NumericDomain.from_dict({"type": "float", "bounds": [1.0, 100.0], "default": 10.0, **fields}, "lr.domain")


def categorical(**fields):
    record = {"type": "categorical", "choices": ["lora", "dora"], "default": "lora", **fields}
    return CategoricalDomain.from_dict(record, "variant.domain")


def test_a_log_scale_encodes_the_geometric_mean_as_one_half():
    assert numeric(log=True).encode(10.0) == pytest.approx((0.5,))
    assert numeric().encode(10.0) == pytest.approx((9 / 99,))


def test_encoding_stays_within_0_and_1_at_the_bounds():
    domain = numeric(bounds=[1.0e-5, 0.3], default=0.1, log=True)
    assert domain.encode(1.0e-5) == (0.0,)
    assert domain.encode(0.3) == (1.0,)


def test_whole_numbers_are_found_as_int_and_fractions_are_not_found():
    domain = numeric(type="int", bounds=[1, 8], default=2.0)
    assert domain.default == 2
    assert isinstance(domain.default, int)
    assert isinstance(domain.find(4.0), int)
    assert domain.find(4.5) is None
    assert domain.size == 8


@pytest.mark.parametrize("value", [True, math.nan, math.inf, "10", None, 100.1])
def test_what_is_no_number_between_the_bounds_is_not_found(value):
    assert numeric().find(value) is None


def test_ordered_choices_encode_their_rank_and_others_the_whole_one_hot_block():
    ordered = categorical(choices=[4, 8, 16], ordered=True, default=8)
    assert [ordered.encode(c) for c in (4, 8, 16)] == [(0.0,), (0.5,), (1.0,)]
    assert ordered.columns == ("",)
    one_hot = categorical(choices=["a", "b", "c"], default="a")
    assert one_hot.encode("b") == (0.0, 1.0, 0.0)
    assert one_hot.columns == ("=a", "=b", "=c")


def test_choices_are_found_as_declared_and_true_is_not_1():
    domain = categorical(choices=[1, 2, True], default=1)
    assert isinstance(domain.find(2.0), int)
    assert domain.find(True) is True
    assert domain.index(True) == 2
    assert domain.find("1") is None


def test_bool_is_one_column():
    domain = CategoricalDomain.from_dict({"type": "bool", "default": True}, "x.domain")
    assert [domain.encode(v) for v in (False, True)] == [(0.0,), (1.0,)]
    assert domain.find(1) is None


@pytest.mark.parametrize(
    "domain", [numeric(log=True), numeric(type="int", default=3), categorical(), categorical(ordered=True)]
)
def test_domains_survive_a_round_trip(domain):
    assert type(domain).from_dict(domain.to_dict(), "x.domain") == domain


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"bounds": [0.0, 1.0], "default": 0.5, "log": True},
            r"`lr.domain.bounds` starts at 0.0, .*`lr.domain.log: false`",
        ),
        ({"bounds": [2.0, 1.0]}, r"first must be below the second.*drop this hyperparameter"),
        ({"bounds": [2.0]}, r"`lr.domain.bounds` is \[2.0\], .*two finite numbers.*Write `bounds: \[1.0e-5"),
        ({"bounds": ["1e-5", 1.0]}, r"YAML reads 1e-5 as text: write 1.0e-5"),
        ({"bounds": [0.0, math.inf]}, r"two finite numbers"),
        ({"bounds": 3}, r"`lr.domain.bounds` is 3, .*two finite numbers"),
        ({"type": "int", "bounds": [0.5, 4]}, r"needs whole bounds.*`lr.domain.type: float`"),
        ({"log": "yes"}, r"`lr.domain.log` is 'yes'.*true or false"),
        ({"default": 200.0}, r"`lr.domain.default` is 200.0, but the domain is float from 1 to 100\..*correct it"),
        ({"default": "2e1"}, r"YAML reads 2e1 as text"),
        ({"default": None}, r"`lr.domain.default` is None"),
        ({"choices": [1]}, r"`lr.domain` has the unknown field `choices`. Known ones are bounds, default, log, type"),
    ],
)
def test_numeric_mistakes_say_how_to_go_on(fields, message):
    with pytest.raises(ValueError, match=message):
        numeric(**fields)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"choices": ["lora"]}, r"`variant.domain.choices` is \['lora'\], .*at least two.*drop this hyperparameter"),
        ({"choices": "lora"}, r"at least two choices"),
        ({"choices": [[1], [2]]}, r"holds \[1\], but a choice is text, .*under `sets`"),
        ({"choices": ["1e-5", "1e-4"]}, r"holds the text '1e-5', which looks like a number.*1.0e-5, not 1e-5"),
        ({"choices": [1, 1.0]}, r"holds 1 twice.*Remove or rename"),
        ({"choices": ["true", True]}, r"holds true twice"),
        (
            {"default": "pissa"},
            r"`variant.domain.default` is 'pissa', but the domain .* one of lora, dora",
        ),
        ({"ordered": 1}, r"`variant.domain.ordered` is 1, .*true or false"),
        ({"order": True}, r"unknown field `order`.* Did you mean `ordered`\?"),
    ],
)
def test_categorical_mistakes_say_how_to_go_on(fields, message):
    with pytest.raises(ValueError, match=message):
        categorical(**fields)
