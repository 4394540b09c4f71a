import pytest
from torch import nn
from transformers import (
    FalconConfig,
    FalconForCausalLM,
    GPT2Config,
    GPT2LMHeadModel,
    OPTConfig,
    OPTForCausalLM,
    T5Config,
    T5ForConditionalGeneration,
)

from lightning_quicktune.finetune.targets import check_rank, linear_modules, matching_modules, target_modules


@pytest.fixture(scope="module")
def gpt2():
    return GPT2LMHeadModel(GPT2Config(vocab_size=20, n_embd=16, n_layer=1, n_head=2, n_positions=16))


@pytest.fixture(scope="module")
def t5():
    config = T5Config(vocab_size=20, d_model=16, d_kv=8, d_ff=32, num_layers=1, num_heads=2, decoder_start_token_id=0)
    return T5ForConditionalGeneration(config)


def test_phi3_fused_modules_are_found(base):
    assert target_modules(base.model, "all-linear") == ["down_proj", "gate_up_proj", "o_proj", "qkv_proj"]
    assert target_modules(base.model, "attention") == ["o_proj", "qkv_proj"]
    assert target_modules(base.model, "mlp") == ["down_proj", "gate_up_proj"]
    assert target_modules(base.model, ["qkv_proj"]) == ["qkv_proj"]


def test_gpt2_names_that_attention_and_mlp_share_are_told_apart_by_their_parents(gpt2):
    assert target_modules(gpt2, "all-linear") == ["c_attn", "c_fc", "c_proj"]
    assert target_modules(gpt2, "attention") == ["attn.c_attn", "attn.c_proj"]
    assert target_modules(gpt2, "mlp") == ["mlp.c_fc", "mlp.c_proj"]
    assert list(matching_modules(gpt2, ["attn.c_proj"])) == ["transformer.h.0.attn.c_proj"]


def test_one_module_of_many_layers_can_be_named_in_full(base):
    name = "model.layers.1.self_attn.o_proj"
    assert list(matching_modules(base.model, target_modules(base.model, [name]))) == [name]


def test_t5_attends_in_the_encoder_and_across(t5):
    assert target_modules(t5, "attention") == ["k", "o", "q", "v"]
    assert target_modules(t5, "mlp") == ["wi", "wo"]
    assert len(matching_modules(t5, ["q"])) == 3


def test_modules_of_a_block_without_a_parent_of_their_own_are_its_mlp():
    model = OPTForCausalLM(
        OPTConfig(vocab_size=20, hidden_size=16, ffn_dim=32, num_hidden_layers=1, num_attention_heads=2)
    )
    assert target_modules(model, "mlp") == ["fc1", "fc2"]
    assert target_modules(model, "attention") == ["k_proj", "out_proj", "q_proj", "v_proj"]


def test_a_falcons_own_linear_modules_are_no_routers():
    model = FalconForCausalLM(
        FalconConfig(vocab_size=20, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, eos_token_id=1)
    )
    assert target_modules(model, "attention") == ["dense", "query_key_value"]
    assert target_modules(model, "mlp") == ["dense_4h_to_h", "dense_h_to_4h"]


def test_the_output_head_is_no_target(base, gpt2, t5):
    assert not any("lm_head" in name for model in (base.model, gpt2, t5) for name in linear_modules(model))


def test_complaint_4_llama_names_on_fused_modules_are_an_error_though_some_match(base):
    with pytest.raises(ValueError, match=r"\['q_proj'\] match no linear module .* It has down_proj, gate_up_proj"):
        target_modules(base.model, ["q_proj", "o_proj"])


@pytest.mark.parametrize("targets", [[], "attention"])
def test_targets_that_match_nothing_at_all_are_an_error(targets):
    with pytest.raises(ValueError, match=r"match no linear module .*`model.init_args.lora.targets`.*`all-linear`"):
        target_modules(nn.Sequential(nn.Linear(2, 2)), targets)


def test_a_rank_above_the_size_of_a_target_names_the_module_and_its_size(base):
    modules = matching_modules(base.model, ["qkv_proj", "down_proj"])
    check_rank(modules, 32)
    with pytest.raises(
        ValueError,
        match=r"rank is 33, but `.*self_attn.qkv_proj` has weights of 96 x 32, .*`model.init_args.lora.rank`",
    ):
        check_rank(modules, 33)
