"""What every test here begins with: a GPU, or a CPU in its place where ``QUICKTUNE_GPU_TESTS_ON=cpu`` says so."""

import os

import pytest
import torch

from lightning_quicktune.space.search_space import SearchSpace
from lightning_quicktune.trials.plan import TrialPlan
from lightning_quicktune.trials.task_setup import set_up_task
from lightning_quicktune.types import Configuration


@pytest.fixture
def accelerator() -> str:
    """Name of the accelerator for a trainer."""
    if os.environ.get("QUICKTUNE_GPU_TESTS_ON") == "cpu":
        return "cpu"
    if not torch.cuda.is_available():
        pytest.skip("PyTorch sees no GPU")
    return "gpu"


@pytest.fixture
def in_use(accelerator):
    """Tells how many bytes of the device are in use."""

    def measure() -> int:
        if accelerator == "cpu":
            return 0
        torch.cuda.synchronize()
        return torch.cuda.memory_allocated()

    return measure


@pytest.fixture
def gpu_fit(fit_config, accelerator):
    """A fit YAML of nano on the device."""
    fit_config["trainer"]["accelerator"] = accelerator
    fit_config["model"]["init_args"]["base_model"]["name"] = "nano"
    return fit_config


@pytest.fixture
def make_gpu_plan(gpu_fit, colour_task, small_space, tmp_path):
    """Builds plans of trials on the device: ``(folder, lr, trainer settings ...) -> plan``."""

    def make(folder: str, lr: float = 0.01, space: SearchSpace = small_space, seed: int = 7, **trainer) -> TrialPlan:
        fit = {**gpu_fit, "trainer": {**gpu_fit["trainer"], **trainer}}
        name = "-".join(["task", *(f"{key}-{value}" for key, value in sorted(trainer.items()))])
        setup = set_up_task(str(colour_task), fit, 3, tmp_path / name)
        configuration = Configuration({"lr": lr, "lora_rank": 4, "schedule": "linear"})
        return TrialPlan(setup.info, setup.fit, space, configuration, seed, tmp_path / folder)

    return make
