import pytest
import torch
from peft import AutoPeftModelForCausalLM
from transformers import AutoModelForCausalLM, AutoTokenizer

from lightning_quicktune.finetune.export import export_adapter, export_merged, load_adapter
from lightning_quicktune.finetune.lora import LoraSettings


@pytest.fixture
def trained(make_module):
    module = make_module(lora=LoraSettings(rank=4))
    module.configure_model()
    with torch.no_grad():
        for parameter in module.parameters():
            if parameter.requires_grad:
                parameter.add_(0.05 * torch.randn_like(parameter))
    module.model.eval()
    return module


def logits(model):
    with torch.no_grad():
        return model(input_ids=torch.arange(12)[None]).logits


def test_the_adapter_folder_loads_in_peft_with_the_same_logits(trained, tmp_path):
    export_adapter(trained, tmp_path / "adapter")
    again = AutoPeftModelForCausalLM.from_pretrained(tmp_path / "adapter")
    torch.testing.assert_close(logits(again), logits(trained.model), rtol=1e-6, atol=1e-6)
    assert AutoTokenizer.from_pretrained(tmp_path / "adapter").chat_template == trained.tokenizer.chat_template


def test_the_merged_model_equals_base_plus_adapter(trained, tmp_path):
    expected = logits(trained.model)
    export_merged(trained, tmp_path / "merged")
    merged = AutoModelForCausalLM.from_pretrained(tmp_path / "merged")
    torch.testing.assert_close(logits(merged), expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(logits(trained.model), expected)


def test_a_checkpoint_that_is_not_there_says_so(trained, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no checkpoint `.*none\.ckpt`"):
        load_adapter(trained, tmp_path / "none.ckpt")
