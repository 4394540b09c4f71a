from collections import Counter
from itertools import islice

import numpy as np
import pytest

from lightning_quicktune.space.conditions import parents_first
from lightning_quicktune.space.hyperparameter import Hyperparameter
from lightning_quicktune.space.sampling import sample_forever

DECLARATION = {
    "lr": {"key": "lr", "domain": {"type": "float", "bounds": [1.0e-4, 1.0], "log": True, "default": 0.1}},
    "steps": {"key": "steps", "domain": {"type": "int", "bounds": [1, 3], "default": 1}, "when": {"mode": ["a", 2]}},
    "mode": {"key": "mode", "domain": {"type": "categorical", "choices": ["a", 2, 0.5, True], "default": "a"}},
    "depth": {"key": "d", "domain": {"type": "bool", "default": True}, "when": {"mode": ["a", True], "flag": [True]}},
    "flag": {"key": "flag", "domain": {"type": "bool", "default": True}},
}


@pytest.fixture(scope="module")
def drawn():
    ordered = parents_first([Hyperparameter.from_dict(n, r) for n, r in DECLARATION.items()])
    return list(islice(sample_forever(ordered, seed=1), 4000))


def test_values_are_plain_and_of_the_declared_types(drawn):
    assert {type(v) for c in drawn for v in c.values.values()} == {float, int, bool, str}
    assert {repr(c.values["mode"]) for c in drawn} == {"'a'", "2", "0.5", "True"}


def test_conditions_hold_exactly(drawn):
    for c in drawn:
        assert ("steps" in c.values) == (c.values["mode"] == "a" or c.values["mode"] == 2)
        assert ("depth" in c.values) == (c.values["mode"] in ("a", True) and c.values["flag"])


def test_choices_and_logarithms_are_uniform(drawn):
    counts = Counter(repr(c.values["mode"]) for c in drawn)
    assert all(abs(n - 1000) < 5 * np.sqrt(1000) for n in counts.values())
    quartiles = np.quantile([np.log10(c.values["lr"]) for c in drawn], [0.25, 0.5, 0.75])
    np.testing.assert_allclose(quartiles, [-3, -2, -1], atol=0.15)
