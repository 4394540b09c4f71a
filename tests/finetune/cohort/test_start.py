"""First weights without peft are those that peft draws."""

import pytest
import torch
import transformers as hf

from lightning_quicktune.data.seeding import seed_slice
from lightning_quicktune.finetune.base_model import BaseModelSettings, load_base_model
from lightning_quicktune.finetune.cohort.layout import BankLayout
from lightning_quicktune.finetune.cohort.start import starting_weights
from lightning_quicktune.finetune.lora import LoraSettings, adapted_modules, attach_adapter, detach_adapter


@pytest.fixture(params=["phi3", "gpt2"])
def folder(request, tiny_phi3, tmp_path):
    if request.param == "phi3":
        return tiny_phi3
    tokenizer = hf.AutoTokenizer.from_pretrained(tiny_phi3)
    config = hf.GPT2Config(n_embd=32, n_layer=2, n_head=2, n_positions=64, vocab_size=len(tokenizer))
    hf.GPT2LMHeadModel(config).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    return tmp_path


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float64"])
@pytest.mark.parametrize("variant", ["lora", "dora"])
@pytest.mark.parametrize("initialization", ["default", "gaussian", "orthogonal"])
def test_they_are_bit_for_bit_and_in_order_those_of_an_attached_adapter(folder, dtype, variant, initialization):
    base = load_base_model(BaseModelSettings(str(folder), dtype=dtype))
    settings = LoraSettings(rank=4, variant=variant, initialization=initialization)
    modules = adapted_modules(base, settings, False)
    drawn = starting_weights(modules, settings, seed=5)
    layout = BankLayout(modules, rank=6, with_magnitudes=True)
    bank = layout.zeros(3, drawn[next(iter(drawn))].a.dtype, torch.device("cpu"))
    ours = layout.of_member(bank, 1, modules, 4, variant == "dora")
    for weight, value in zip(ours.values(), (w for own in drawn.values() for w in own if w is not None), strict=True):
        weight.copy_(value)
    seed_slice(5, 0)
    adapted = attach_adapter(base, settings)
    theirs = {name: p.detach().clone() for name, p in adapted.named_parameters() if p.requires_grad}
    detach_adapter(adapted)
    assert list(ours) == list(theirs)
    assert all(torch.equal(ours[name], weight) and ours[name].dtype == weight.dtype for name, weight in theirs.items())
    assert not any(tensor[:, [0, 2]].any() for tensor in bank)  # nothing of the neighbours'
