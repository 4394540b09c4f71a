"""Three steps in TRL, by the script that ``export --as trl`` wrote, give the weights of three steps here."""

import pytest
import torch
from safetensors.torch import load_file

pytestmark = [pytest.mark.external, pytest.mark.filterwarnings("default")]


def as_in_a_file(name):
    """The name that peft gives a weight of an adapter outside the model."""
    outside = name.removeprefix("model.").replace(".default", "")
    return outside.removesuffix(".weight") if "lora_magnitude_vector" in outside else outside


@pytest.mark.parametrize("recipe", ["adamw", "adafactor", "adafactor_of_torch", "sgd", "dora", "pissa"])
def test_three_steps_of_trl_move_the_adapter_as_three_steps_here(trained, run, recipe):
    folder = trained / recipe
    run("trl", folder / "trl" / "train.py", folder / "theirs")
    start, theirs = (load_file(p / "adapter_model.safetensors") for p in (folder / "trl" / "start", folder / "theirs"))
    (checkpoint,) = folder.rglob("last.ckpt")
    state = torch.load(checkpoint, weights_only=True)["state_dict"]
    ours = {as_in_a_file(name): weight for name, weight in state.items()}
    assert ours.keys() == theirs.keys()
    for name in ours:
        moved = (ours[name] - start[name]).abs().max()
        assert (ours[name] - theirs[name]).abs().max() <= max(5e-5, 0.01 * moved), name
    assert max((ours[name] - start[name]).abs().max() for name in ours) > 1e-3
