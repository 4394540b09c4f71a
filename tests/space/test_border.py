import pytest

from lightning_quicktune.space.border import AtBorder, at_border
from lightning_quicktune.space.search_space import SearchSpace
from lightning_quicktune.types import Configuration

SPACE = SearchSpace.from_dict(
    {
        "rank": {
            "key": "a",
            "domain": {"type": "categorical", "choices": [4, 16, 64], "ordered": True, "default": 16},
        },
        "variant": {"key": "b", "domain": {"type": "categorical", "choices": ["a", "b"], "default": "a"}},
        "bias": {"key": "c", "domain": {"type": "bool", "default": False}},
        "lr": {"key": "d", "domain": {"type": "float", "bounds": [1e-5, 1e-1], "log": True, "default": 1e-3}},
        "dropout": {"key": "e", "domain": {"type": "float", "bounds": [0.0, 0.5], "default": 0.1}},
        "epochs": {"key": "f", "domain": {"type": "int", "bounds": [1, 9], "default": 3}, "when": {"variant": ["b"]}},
    }
)


def configuration(**values):
    base = {"rank": 16, "variant": "b", "bias": True, "lr": 1e-3, "dropout": 0.1, "epochs": 3}
    base |= values
    return Configuration({name: v for name, v in base.items() if name != "epochs" or base["variant"] == "b"})


def found(chosen, tried=()):
    return [tuple(border) for border in at_border(SPACE, chosen, tried)]


def test_what_lies_inside_is_at_no_border():
    assert found(configuration()) == []
    assert found(configuration(variant="a", bias=False)) == []  # no order, and no value beyond


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"rank": 64}, ("rank", 64, "largest", "space")),
        ({"rank": 4}, ("rank", 4, "smallest", "space")),
        ({"epochs": 9}, ("epochs", 9, "largest", "space")),
        ({"lr": 0.0999}, ("lr", 0.0999, "largest", "space")),
        ({"lr": 1.05e-5}, ("lr", 1.05e-5, "smallest", "space")),
    ],
)
def test_the_bounds_of_the_space(values, expected):
    assert found(configuration(**values)) == [expected]


def test_there_is_nothing_below_zero():
    assert found(configuration(dropout=0.0)) == []
    assert found(configuration(dropout=0.5)) == [("dropout", 0.5, "largest", "space")]


def test_the_ends_of_what_was_tried_once_that_is_more_than_two_values():
    rates = [1e-4, 1e-3, 1e-2]
    assert found(configuration(lr=1e-2), [configuration(lr=lr) for lr in rates[1:]]) == []
    tried = [configuration(lr=lr) for lr in rates]
    assert found(configuration(lr=1e-2), tried) == [("lr", 1e-2, "largest", "tried")]
    assert found(configuration(lr=1e-4), tried) == [("lr", 1e-4, "smallest", "tried")]
    assert found(configuration(lr=1e-3), tried) == []


def test_where_it_is_inactive_nothing_was_tried():
    tried = [configuration(epochs=e) for e in (3, 4)] + [configuration(variant="a")] * 3
    assert found(configuration(epochs=4), tried) == []


def test_words():
    border = AtBorder("rank", 64, "largest", "space")
    assert border.words == (
        "rank 64 is at the largest value of the search space; better may lie beyond: widen `rank.domain` in the space."
    )
    assert AtBorder("lr", 0.012345, "smallest", "tried").words == (
        "lr 0.0123 is the smallest that was tried; better may lie beyond: the space has smaller values, which a larger "
        "budget would try."
    )
