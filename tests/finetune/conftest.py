import pytest

from lightning_quicktune.finetune.base_model import BaseModelSettings, load_base_model
from lightning_quicktune.finetune.finetuner import CausalLMFinetuner


@pytest.fixture
def settings(tiny_phi3):
    return BaseModelSettings(str(tiny_phi3))


@pytest.fixture
def base(settings):
    return load_base_model(settings)


@pytest.fixture
def make_module(settings):
    """Builds finetuners and takes their adapters off the shared base model at the end."""
    made = []

    def make(**arguments) -> CausalLMFinetuner:
        made.append(CausalLMFinetuner(settings, **arguments))
        return made[-1]

    yield make
    for module in made:
        module.release()


@pytest.fixture
def data(settings, colour_task, make_module):
    from lightning_quicktune.data.datamodule import TaskData

    task_data = TaskData(str(colour_task), batch_size=8)
    task_data.attach_tokenizer(make_module().tokenizer)
    task_data.setup("fit")
    return task_data
