"""Which trials mean the same in the labels of now."""

import runpy
from pathlib import Path

import pytest

from lightning_quicktune.compose import configured, read_yaml, with_overrides
from lightning_quicktune.space.search_space import SearchSpace
from lightning_quicktune.types import Configuration

ROOT = Path(__file__).parents[2]
RELABEL = runpy.run_path(str(ROOT / "tools" / "relabel.py"))
SPACE = SearchSpace.from_yaml(ROOT / "configs" / "space" / "lora.yaml")
DECLARATION = SPACE.to_dict()
DECLARATION["adafactor_lr"]["domain"]["bounds"] = [2.0e-3, 1.0]
OLD = SearchSpace.from_dict(DECLARATION)
RECIPE = with_overrides(read_yaml(ROOT / "configs" / "recipe" / "nano_lora.yaml"), {"trainer.max_epochs": 6})


def reason(small_gradients=False, **changes):
    values = {**SPACE.default.values, **changes}
    for h in OLD.hyperparameters:
        if h.is_active(values):
            values.setdefault(h.name, h.domain.default)
        else:
            values.pop(h.name, None)
    configuration = Configuration(values)
    OLD.check(configuration)
    fit = configured(RECIPE, OLD, configuration)
    return RELABEL["changed"](configuration, fit, small_gradients, SPACE)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({}, None),
        ({"lora_plus_ratio": 16.0, "lr": 0.02, "weight_decay": 0.3}, None),
        ({"optimizer": "adafactor", "adafactor_lr": 0.05, "batch_size": 4}, None),
        (
            {"optimizer": "adafactor", "adafactor_lr": 0.05, "batch_size": 4, "lora_plus_ratio": 16.0},
            "step was limited",
        ),
        ({"optimizer": "adafactor", "adafactor_lr": 0.19, "batch_size": 4, "schedule": "constant"}, "step was limited"),
        ({"optimizer": "adafactor", "adafactor_lr": 0.21, "batch_size": 32}, "beyond the bounds"),
        ({"optimizer": "adafactor", "adafactor_lr": 0.05, "small_gradients": True}, "clamped the small gradients"),
        ({"lora_variant": "dora"}, None),
        ({"lora_variant": "dora", "lr": 0.02, "weight_decay": 0.3}, "decay shrank DoRA's magnitudes"),
        ({"lora_variant": "lora", "lr": 0.02, "weight_decay": 0.3}, None),
        ({"optimizer": "sgd", "lora_variant": "dora", "sgd_momentum": 0.95}, "decay shrank DoRA's magnitudes"),
    ],
)
def test_a_trial_is_dropped_where_what_changed_moved_a_twentieth_of_it(changes, why):
    found = reason(**changes)
    assert found is None if why is None else why in found


def test_rates_are_those_of_the_training():
    fit = configured(RECIPE, SPACE, SPACE.default)
    rates = RELABEL["rates_of"](fit, 1.0)
    assert len(rates) == 6 * 13  # 100 records in steps of 8
    assert rates[0] == 0.0
    assert max(rates) == 1.0
    assert rates[-1] == pytest.approx(1 / 76, rel=0.01)
