import json
import shutil
from types import SimpleNamespace

import pytest
import torch
from torch import nn
from transformers import AutoTokenizer, T5Config, T5ForConditionalGeneration

from lightning_quicktune.finetune.base_model import (
    BaseModelSettings,
    check_precision,
    end_tokens,
    layout_of,
    load_base_model,
    load_config,
    load_tokenizer,
)
from lightning_quicktune.finetune.identity import count_weights, quantization_of
from lightning_quicktune.finetune.targets import check_rank, matching_modules


def test_an_encoder_decoder_is_loaded_as_one(tmp_path):
    config = T5Config(vocab_size=20, d_model=16, d_kv=8, d_ff=32, num_layers=1, num_heads=2, decoder_start_token_id=0)
    T5ForConditionalGeneration(config).save_pretrained(tmp_path / "tiny-t5")
    load_tokenizer(BaseModelSettings("nano_t5")).save_pretrained(tmp_path / "tiny-t5")
    settings = BaseModelSettings(str(tmp_path / "tiny-t5"))
    loaded = load_base_model(settings)
    assert isinstance(loaded.model, T5ForConditionalGeneration)
    assert loaded.layout == layout_of(settings) == "encoder_decoder"


def test_the_layout_is_read_without_loading_weights(settings, monkeypatch):
    load_config.cache_clear()
    monkeypatch.setattr("lightning_quicktune.finetune.base_model.BaseModel", None)
    assert layout_of(settings) == "decoder"


def test_weights_are_loaded_once_with_and_without_gradient_checkpointing(settings, base):
    checkpointing = BaseModelSettings(settings.name, gradient_checkpointing=True)
    assert load_base_model(checkpointing) is base
    assert load_base_model(settings) is base
    assert checkpointing.gradient_checkpointing
    assert not settings.gradient_checkpointing


@pytest.mark.parametrize("load", [load_tokenizer, load_base_model, layout_of])
def test_a_broken_folder_says_what_could_not_be_loaded(tmp_path, load):
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(FileNotFoundError, match=r"of `.*` can't be loaded: .*`model.init_args.base_model.name`"):
        load(BaseModelSettings(str(tmp_path)))


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed", "16-mixed"])
def test_a_precision_that_leaves_the_base_weights_alone_passes(precision):
    check_precision(precision)


@pytest.mark.parametrize(
    ("precision", "dtype"),
    [("bf16-true", "bfloat16"), ("16-true", "float16"), ("64-true", "float32"), ("transformer-engine", "float32")],
)
def test_a_precision_that_would_cast_the_base_weights_is_refused(precision, dtype):
    with pytest.raises(
        ValueError, match=rf"`trainer.precision` is {precision}, .*`model.init_args.base_model.dtype: {dtype}`"
    ):
        check_precision(precision)


def copy_of(folder, path, file, **changes):
    """A base model like another but for some values of one of its JSON files."""
    shutil.copytree(folder, path)
    content = json.loads((path / file).read_text()) if (path / file).is_file() else {}
    (path / file).write_text(json.dumps(content | changes))
    return BaseModelSettings(str(path))


@pytest.mark.parametrize(
    ("changes", "same"),
    [({}, True), ({"transformers_version": "4.0.0"}, True), ({"rms_norm_eps": 1e-3}, False)],
    ids=["nothing", "version", "meaning"],
)
def test_the_hash_of_a_base_model_follows_its_configuration(base, settings, tmp_path, changes, same):
    edited = load_base_model(copy_of(settings.name, tmp_path / "edited", "config.json", **changes))
    assert (edited.info.weight_hash == base.info.weight_hash) is same


def test_the_hash_of_a_base_model_does_not_follow_how_attention_is_computed(base, settings):
    eager = load_base_model(BaseModelSettings(settings.name, attention="eager"))
    assert eager.info.weight_hash == base.info.weight_hash


@pytest.mark.parametrize("template", [None, "{% for m in messages %}{{ m.content }}\n###{% endfor %}"])
def test_a_chat_template_without_end_of_turn_leaves_the_tokenizers_own_end(settings, base, template, monkeypatch):
    tokenizer = AutoTokenizer.from_pretrained(settings.name)
    tokenizer.chat_template = template
    monkeypatch.setattr(base.model.generation_config, "eos_token_id", None)
    assert end_tokens(base.model, tokenizer) == [tokenizer.eos_token_id]


def test_the_hash_of_a_base_model_follows_end_tokens_that_its_generation_configuration_alone_has(
    base, settings, tmp_path
):
    known, further = base.model.config.eos_token_id, 5
    assert further not in end_tokens(base.model, load_tokenizer(settings))
    file = "generation_config.json"
    same = load_base_model(copy_of(settings.name, tmp_path / "same", file, eos_token_id=[known]))
    assert same.info.weight_hash == base.info.weight_hash
    other = load_base_model(copy_of(settings.name, tmp_path / "other", file, eos_token_id=[known, further]))
    assert other.info.weight_hash != base.info.weight_hash


def test_an_attention_that_an_architecture_can_not_is_no_missing_file(tmp_path):
    from transformers import OPTConfig, OPTForCausalLM

    config = OPTConfig(vocab_size=20, hidden_size=16, ffn_dim=32, num_hidden_layers=1, num_attention_heads=2)
    OPTForCausalLM(config).save_pretrained(tmp_path)
    load_tokenizer(BaseModelSettings("nano")).save_pretrained(tmp_path)
    with pytest.raises(
        ValueError, match=r"is there, but can't be used with `model.init_args.base_model.attention: .*`eager`"
    ):
        load_base_model(BaseModelSettings(str(tmp_path), attention="flash_attention_2"))


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (None, "none"),
        ({"quant_method": "bitsandbytes", "load_in_4bit": True, "bnb_4bit_quant_type": "nf4"}, "bitsandbytes nf4"),
        (
            {"quant_method": "bitsandbytes", "load_in_4bit": True, "bnb_4bit_use_double_quant": True},
            "bitsandbytes fp4, scales quantized too",
        ),
        ({"quant_method": "bitsandbytes", "load_in_8bit": True}, "bitsandbytes 8-bit"),
        ({"quant_method": "gptq", "bits": 4}, "gptq 4-bit"),
        ({"quant_method": "mxfp4"}, "mxfp4"),
    ],
)
def test_the_rounding_of_weights_is_that_of_the_configuration(settings, expected):
    assert quantization_of(SimpleNamespace(quantization_config=settings)) == expected


class Packed(nn.Linear):
    """Holds two weights in a byte, in one long row, as 4-bit modules do."""

    def __init__(self, n_in, n_out):
        super().__init__(n_in, n_out, bias=False)
        self.weight = nn.Parameter(torch.zeros(n_in * n_out // 2, 1, dtype=torch.uint8), requires_grad=False)


def test_packed_weights_count_each_for_itself_and_have_their_real_widths():
    model = nn.Sequential(Packed(64, 32), nn.Linear(32, 8))
    assert count_weights(model) == 64 * 32 + 32 * 8 + 8
    modules = matching_modules(model, ["0", "1"])
    check_rank(modules, 8)
    assert modules["0"].shape == (32, 64)
    with pytest.raises(ValueError, match=r"rank is 33, but `0` has weights of 32 x 64"):
        check_rank({"0": modules["0"]}, 33)
