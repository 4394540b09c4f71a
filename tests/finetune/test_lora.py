import pytest
import torch

from lightning_quicktune.finetune.lora import (
    LoraSettings,
    attach_adapter,
    detach_adapter,
    linear_modules,
    target_modules,
)


def test_phi3_fused_modules_are_found(base):
    assert linear_modules(base.model) == ["down_proj", "gate_up_proj", "o_proj", "qkv_proj"]
    assert target_modules(base.model, "all-linear") == ["down_proj", "gate_up_proj", "o_proj", "qkv_proj"]
    assert target_modules(base.model, "attention") == ["o_proj", "qkv_proj"]
    assert target_modules(base.model, "mlp") == ["down_proj", "gate_up_proj"]
    assert target_modules(base.model, ["qkv_proj"]) == ["qkv_proj"]


def test_targets_that_match_nothing_list_the_modules_there_are(base):
    with pytest.raises(ValueError, match=r"\['q_proj'\] match no linear module .* It has down_proj, gate_up_proj"):
        target_modules(base.model, ["q_proj", "o_proj"])


@pytest.mark.parametrize("variant", ["lora", "rslora", "dora"])
@pytest.mark.parametrize("initialization", ["default", "gaussian", "orthogonal"])
def test_taking_an_adapter_off_leaves_the_base_model_as_it_was(base, variant, initialization):
    before = {name: tensor.clone() for name, tensor in base.model.state_dict().items()}
    adapted = attach_adapter(base, LoraSettings(rank=4, variant=variant, initialization=initialization))
    with torch.no_grad():
        for parameter in adapted.parameters():
            if parameter.requires_grad:
                parameter.add_(1.0)
    detach_adapter(adapted)
    after = base.model.state_dict()
    assert after.keys() == before.keys()
    assert all(torch.equal(after[name], before[name]) for name in before)
    assert not base.model.training
    assert not any(p.requires_grad for p in base.model.parameters())


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"rank": 0}, r"rank is 0, but .* `model.init_args.lora.rank`"),
        ({"alpha_over_rank": 0.0}, r"alpha over rank is 0.0, .* `model.init_args.lora.alpha_over_rank`"),
        ({"dropout": 1.0}, r"dropout is 1.0, .* `model.init_args.lora.dropout`"),
    ],
)
def test_settings_out_of_range_name_their_key(values, message):
    with pytest.raises(ValueError, match=message):
        LoraSettings(**values)
