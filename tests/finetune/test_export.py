import pytest
import torch
from peft import AutoPeftModelForCausalLM, AutoPeftModelForSeq2SeqLM
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    GPT2Config,
    GPT2LMHeadModel,
    T5Config,
    T5ForConditionalGeneration,
)

from lightning_quicktune.finetune.base_model import BaseModelSettings
from lightning_quicktune.finetune.causal_lm import CausalLMFinetuner
from lightning_quicktune.finetune.export import export_adapter, export_merged, load_adapter
from lightning_quicktune.finetune.lora import LoraSettings
from lightning_quicktune.finetune.seq2seq import Seq2SeqFinetuner

GPT2 = {"n_embd": 32, "n_layer": 1, "n_head": 2, "n_positions": 64}
T5 = {"d_model": 32, "d_kv": 16, "d_ff": 64, "num_layers": 1, "num_heads": 2}


@pytest.fixture
def train(make_module):
    """An adapter with weights as if trained."""

    def trained(module=None, **lora):
        module = module or make_module(lora=LoraSettings(rank=4, **lora))
        module.configure_model()
        with torch.no_grad():
            for parameter in module.parameters():
                if parameter.requires_grad:
                    parameter.add_(0.05 * torch.randn_like(parameter))
        module.model.eval()
        return module

    return trained


@pytest.fixture
def other_model(tiny_phi3, tmp_path):
    """Finetuners of other tiny random models with the tokenizer of the tiny Phi-3."""
    tokenizer, made = AutoTokenizer.from_pretrained(tiny_phi3), []

    def build(kind, **lora):
        ids = {
            "vocab_size": len(tokenizer),
            "pad_token_id": tokenizer.pad_token_id,
            "eos_token_id": tokenizer.eos_token_id,
        }
        if kind == "gpt2":
            model, finetuner = GPT2LMHeadModel(GPT2Config(**GPT2, **ids, bos_token_id=1)), CausalLMFinetuner
        else:
            config = T5Config(**T5, **ids, decoder_start_token_id=tokenizer.pad_token_id)
            model, finetuner = T5ForConditionalGeneration(config), Seq2SeqFinetuner
        model.save_pretrained(tmp_path / kind)
        tokenizer.save_pretrained(tmp_path / kind)
        made.append(finetuner(BaseModelSettings(str(tmp_path / kind)), lora=LoraSettings(rank=4, **lora)))
        return made[-1]

    yield build
    for module in made:
        module.release()


def logits(model):
    tokens = torch.arange(12)[None]
    answers = {"decoder_input_ids": tokens} if model.config.is_encoder_decoder else {}
    with torch.no_grad():
        return model(input_ids=tokens, **answers).logits


def test_the_adapter_folder_loads_in_peft_with_the_same_logits_to_1e_6(train, tmp_path):
    module = train()
    export_adapter(module, tmp_path / "adapter")
    again = AutoPeftModelForCausalLM.from_pretrained(tmp_path / "adapter")
    torch.testing.assert_close(logits(again), logits(module.model), rtol=1e-6, atol=1e-6)
    assert AutoTokenizer.from_pretrained(tmp_path / "adapter").chat_template == module.tokenizer.chat_template


@pytest.mark.parametrize("variant", ["lora", "rslora", "dora"])
@pytest.mark.parametrize("initialization", ["pissa", "pissa_niter_16", "olora"])
def test_an_adapter_that_altered_the_base_goes_on_the_original_with_the_same_logits_to_1e_4(
    train, tmp_path, initialization, variant
):
    module = train(initialization=initialization, variant=variant)
    export_adapter(module, tmp_path / "adapter")
    again = AutoPeftModelForCausalLM.from_pretrained(tmp_path / "adapter")
    assert again.peft_config["default"].r == 8
    torch.testing.assert_close(logits(again), logits(module.model), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    "lora",
    [{}, {"variant": "dora"}, {"initialization": "pissa"}, {"initialization": "olora", "variant": "rslora"}],
    ids=["lora", "dora", "pissa", "olora"],
)
def test_complaint_7_the_merged_model_equals_base_plus_adapter_to_1e_4(train, tmp_path, lora):
    module = train(**lora)
    expected = logits(module.model)
    export_merged(module, tmp_path / "merged")
    merged = AutoModelForCausalLM.from_pretrained(tmp_path / "merged")
    torch.testing.assert_close(logits(merged), expected, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(logits(module.model), expected)


@pytest.mark.parametrize(("kind", "load"), [("gpt2", AutoPeftModelForCausalLM), ("t5", AutoPeftModelForSeq2SeqLM)])
def test_other_architectures_are_exported_with_the_same_logits_to_1e_4(train, other_model, tmp_path, kind, load):
    module = train(other_model(kind, initialization="pissa", targets="attention"))
    again = load.from_pretrained(export_adapter(module, tmp_path / "adapter"))
    torch.testing.assert_close(logits(again), logits(module.model), rtol=1e-4, atol=1e-4)
    export_merged(module, tmp_path / "merged")


def test_complaint_7_a_merge_that_loses_digits_is_refused(train, tmp_path, monkeypatch):
    module = train()
    monkeypatch.setattr("lightning_quicktune.finetune.export.MERGE_TOLERANCE", -1.0)
    with pytest.raises(RuntimeError, match=r"logits differ .* Set `model.init_args.base_model.dtype: float32`"):
        export_merged(module, tmp_path / "merged")
    assert not (tmp_path / "merged").exists()


def test_a_checkpoint_that_is_not_there_or_damaged_says_so(train, tmp_path):
    module = train()
    with pytest.raises(FileNotFoundError, match=r"`checkpoint` is .*none\.ckpt, and there is no such file"):
        load_adapter(module, tmp_path / "none.ckpt")
    (tmp_path / "bad.ckpt").write_bytes(b"bad")
    with pytest.raises(ValueError, match=r"`checkpoint` is .*bad\.ckpt, which can't be read as a checkpoint"):
        load_adapter(module, tmp_path / "bad.ckpt")


@pytest.mark.parametrize("initialization", ["default", "pissa_niter_16"])
def test_an_adapter_is_loaded_from_its_checkpoint_under_any_seed(
    train, make_module, tmp_path, monkeypatch, initialization
):
    module = train(initialization=initialization)
    expected = logits(module.model)
    base_model = {"name": "tiny-phi3", "weight_hash": module.loaded.info.weight_hash}
    torch.save({"state_dict": module.state_dict(), "base_model": base_model}, tmp_path / "some.ckpt")
    module.release()
    monkeypatch.setenv("PL_GLOBAL_SEED", "17")
    again = make_module(lora=LoraSettings(rank=4, initialization=initialization))
    load_adapter(again, tmp_path / "some.ckpt")
    again.model.eval()
    assert torch.equal(logits(again.model), expected)
