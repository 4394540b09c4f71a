"""Falcon's GGUF files: one head of keys and values is read, more are refused instead of being mixed up."""

import gguf
import numpy as np
import pytest
import torch
from transformers import FalconConfig, FalconForCausalLM

from lightning_quicktune.finetune.base_model import BaseModelSettings, load_base_model
from lightning_quicktune.finetune.source import resolve_base_model

HEADS, WIDTH = 4, 8


def falcon(**changes):
    torch.manual_seed(0)
    shape = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": HEADS, "bias": False}
    model = FalconForCausalLM(FalconConfig(vocab_size=96, bos_token_id=1, eos_token_id=2, **shape, **changes)).eval()
    for parameter in model.parameters():
        parameter.data.normal_(std=0.2)
    return model


def write(model, path, n_kv):
    """As llama.cpp's converter writes it: queries, keys and values apart."""
    writer = gguf.GGUFWriter(path, "falcon")
    sizes = {"context_length": 2048, "embedding_length": 32, "feed_forward_length": 128, "block_count": 2}
    for key, value in (sizes | {"attention.head_count": HEADS, "attention.head_count_kv": n_kv}).items():
        writer.add_uint32(f"falcon.{key}", value)
    writer.add_float32("falcon.attention.layer_norm_epsilon", 1e-5)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("falcon")
    writer.add_token_list(
        ["<pad>", "<s>", "</s>", *(chr(n) for n in range(97, 123)), "ab", *(f"<{n}>" for n in range(66))]
    )
    writer.add_token_types([3] * 3 + [1] * 93)
    writer.add_token_merges(["a b"])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.FALCON, 2)
    for name, weight in model.named_parameters():
        value = weight.detach().numpy()
        if "query_key_value" in name:
            each = value.reshape(n_kv, HEADS // n_kv + 2, WIDTH, 32)
            value = np.concatenate([part.reshape(-1, 32) for part in (each[:, :-2], each[:, -2], each[:, -1])])
        writer.add_tensor(names.get_name(name, try_suffixes=(".weight", ".bias")), np.ascontiguousarray(value))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return BaseModelSettings(str(path))


@pytest.fixture
def path(tmp_path, monkeypatch):
    monkeypatch.setenv("LIGHTNING_QUICKTUNE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "falcon.gguf"


def test_a_falcon_with_one_head_of_keys_is_read(path):
    model, tokens = falcon(), torch.arange(3, 90)[None]
    loaded = load_base_model(write(model, path, 1))
    with torch.no_grad():
        wanted, found = model(input_ids=tokens).logits, loaded.model(input_ids=tokens).logits
    assert wanted.std() > 0.1
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("norms", "reason"), [(2, r"holds blk.0.attn_norm_2.bias"), (1, r"its weights don't have the shapes of a model")]
)
def test_a_falcon_with_more_heads_of_keys_is_refused(path, norms, reason):
    several = {"num_kv_heads": 2, "new_decoder_architecture": True, "num_ln_in_parallel_attn": norms}
    with pytest.raises(ValueError, match=rf"can't be taken as it is, because .*{reason}"):
        resolve_base_model(write(falcon(**several), path, 2).name)
