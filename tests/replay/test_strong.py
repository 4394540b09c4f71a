from pathlib import Path

import pytest
import yaml

from lightning_quicktune.compose import read_yaml
from lightning_quicktune.replay.strong import STRONG, nearest_to_strong, strong_configuration
from lightning_quicktune.space.search_space import SearchSpace
from lightning_quicktune.trials.task_setup import TaskSetup
from lightning_quicktune.tuning.reference_plans import strong_plan
from lightning_quicktune.types import Configuration

CONFIGS = Path(__file__).parents[2] / "configs"


@pytest.fixture(scope="module")
def lora():
    return SearchSpace.from_yaml(CONFIGS / "space" / "lora.yaml")


def test_it_is_the_recipe_that_tune_compares_with_but_for_the_decay(lora, make_task, tmp_path):
    setup = TaskSetup(make_task("t0"), read_yaml(CONFIGS / "recipe" / "nano_lora.yaml"))
    compared = dict(strong_plan(setup, lora, 0, tmp_path).configuration.values)
    assert compared.pop("weight_decay") == 0.0  # the least of the space is a little more
    known = {name: value for name, value in STRONG.items() if name != "weight_decay"}
    assert compared == {name: known[name] for name in compared}
    assert known.keys() - compared.keys() <= {"adam_beta2"}  # as PyTorch has it, if not set


def test_the_nearest_member_stands_in_for_it(lora):
    strong = strong_configuration(lora)
    near = Configuration({**STRONG, "lr": 4.0e-4})
    far = lora.default
    assert nearest_to_strong(lora, [far, near]) == near
    assert nearest_to_strong(lora, [far, near, strong]) == strong


def test_another_space_is_refused(space):
    with pytest.raises(ValueError, match=r"`methods` has `strong`, a LoRA recipe .*Take `strong` out of `methods`"):
        strong_configuration(space)


def test_collections_list_the_same_recipe():
    (listed,) = yaml.safe_load((CONFIGS / "configurations" / "strong.yaml").read_text())
    assert Configuration(listed) == Configuration(STRONG)
