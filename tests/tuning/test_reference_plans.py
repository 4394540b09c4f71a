import json
from pathlib import Path

import pytest

from lightning_quicktune.compose import build
from lightning_quicktune.space.search_space import SearchSpace
from lightning_quicktune.trials.executors.orders import Order
from lightning_quicktune.trials.plan import WrittenPlan
from lightning_quicktune.trials.task_setup import TaskSetup
from lightning_quicktune.tuning.reference_plans import (
    default_plan,
    outside,
    recipe_plan,
    strong_plan,
    values_of,
)
from lightning_quicktune.types import BaseModelInfo, TaskInfo

TASK = TaskInfo("new", BaseModelInfo("tiny", 1000, "ab"), "answer_likelihood", 3, 16, 0.2)


@pytest.fixture
def setup(fit_config):
    return TaskSetup(TASK, fit_config)


def test_a_recipe_is_trained_as_it_is_written_and_as_long(setup, fit_config, small_space, tmp_path):
    fit_config["model"]["init_args"]["lora"]["rank"] = 3
    plan = recipe_plan(setup, fit_config, small_space, 7, tmp_path)
    assert isinstance(plan, WrittenPlan)
    assert plan.task.max_fidelity == 4  # the recipe's, not the search's 3
    expected = {**fit_config, "seed_everything": 7}
    assert plan.resolved == expected
    assert plan.configuration.values == {"lr": 0.01, "lora_rank": 3, "schedule": "linear"}
    assert outside(plan) == ["lora_rank 3"]
    assert plan.folder == tmp_path / "recipe-7"


def test_a_recipe_is_trained_as_it_is_written_also_in_a_process_that_reads_its_order(
    setup, fit_config, small_space, tmp_path
):
    fit_config["model"]["init_args"]["lora"]["rank"] = 3  # outside of the space
    for plan in (
        recipe_plan(setup, fit_config, small_space, 7, tmp_path),
        default_plan(setup, small_space, 7, tmp_path),
    ):
        told = json.loads(json.dumps(Order(plan, 2).to_dict()))
        read = Order.from_dict(told).plan
        assert (type(read), read.resolved, read.folder) == (type(plan), plan.resolved, plan.folder)


def test_a_recipe_in_the_search_space_is_the_trial_of_there(setup, fit_config, small_space, tmp_path):
    fit_config["trainer"]["max_epochs"] = 3
    plan = recipe_plan(setup, fit_config, small_space, 7, tmp_path)
    assert not isinstance(plan, WrittenPlan)
    assert (
        plan.folder == tmp_path / f"{plan.configuration.id}-7" == default_plan(setup, small_space, 7, tmp_path).folder
    )
    assert outside(plan) == []


def test_what_the_space_does_not_set_makes_it_another_trial(setup, fit_config, small_space, tmp_path):
    """The space would set a schedule without the recipe's own keys below it being lost."""
    fit_config["trainer"]["max_epochs"] = 3
    del fit_config["model"]["init_args"]["optimizer"]["init_args"]["lr"]
    plan = recipe_plan(setup, fit_config, small_space, 7, tmp_path)
    assert isinstance(plan, WrittenPlan)
    assert "lr" not in plan.configuration.values


def test_the_published_recipe_is_what_it_says(setup, fit_config, small_space, tmp_path):
    plan = strong_plan(setup, small_space, 0, tmp_path)
    module = build(plan.resolved).model
    assert (module.lora.rank, module.lora.alpha_over_rank, module.lora.dropout) == (32, 1.0, 0.0)
    assert module.lora.targets == "all-linear"
    model, data = plan.resolved["model"]["init_args"], plan.resolved["data"]["init_args"]
    assert model["optimizer"] == {"class_path": "torch.optim.AdamW", "init_args": {"lr": 3e-4, "weight_decay": 0.0}}
    assert data["batch_size"] * plan.resolved["trainer"]["accumulate_grad_batches"] == 16
    assert data["batch_size"] == 4  # no more in memory than the recipe has
    assert data["path"] == fit_config["data"]["init_args"]["path"]


def test_values_that_several_keys_say_are_read_back(fit_config):

    space = SearchSpace.from_yaml(Path(__file__).parents[2] / "configs" / "space" / "lora.yaml")
    values = values_of(fit_config, space)
    assert values["optimizer"] == "adamw"
    assert values["lr"] == 0.01
    assert values["batch_size"] == 4
    assert "adafactor_lr" not in values
    fit_config["data"]["init_args"]["batch_size"] = 5
    assert "batch_size" not in values_of(fit_config, space)
