import pytest

from lightning_quicktune.trials.plan import TrialPlan
from lightning_quicktune.trials.task_setup import set_up_task
from lightning_quicktune.types import Configuration


@pytest.fixture
def setup(fit_config, colour_task, tmp_path):
    return set_up_task(str(colour_task), fit_config, 4, tmp_path / "task")


@pytest.fixture
def make_plan(setup, small_space, tmp_path):
    """Builds plans; each folder name is a trial of its own."""

    def make(folder: str, lr: float = 0.01, test_each_slice: bool = False, space=small_space, **values) -> TrialPlan:
        configuration = Configuration({"lr": lr, "lora_rank": 4, "schedule": "linear", **values})
        return TrialPlan(setup.info, setup.fit, space, configuration, 7, tmp_path / folder, test_each_slice)

    return make
