"""Adapters on mixtures of experts are on what was asked, exactly, and leave nothing behind."""

import copy

import pytest
import torch
import transformers as hf
from peft.tuners.lora.layer import LoraLayer
from torch import nn

from lightning_quicktune.finetune.base_model import BaseModel
from lightning_quicktune.finetune.lora import LoraSettings, attach_adapter, detach_adapter
from lightning_quicktune.finetune.targets import matching_modules, target_modules

TOKENS = torch.arange(3, 27).view(2, 12)
SHAPE = {
    "vocab_size": 64,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "max_position_embeddings": 64,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
ROUTED = {"num_experts_per_tok": 2, "moe_intermediate_size": 24}
GROUPED = {**ROUTED, "n_routed_experts": 4, "n_shared_experts": 1, "first_k_dense_replace": 1, "n_group": 1}
LATENT = {"kv_lora_rank": 8, "q_lora_rank": 8, "qk_rope_head_dim": 8, "qk_nope_head_dim": 8, "v_head_dim": 16}
MODELS = {
    "Mixtral": {"num_local_experts": 4},
    "Qwen2Moe": {**ROUTED, "num_experts": 4, "shared_expert_intermediate_size": 40},
    "Qwen3Moe": {**ROUTED, "num_experts": 4, "head_dim": 16, "mlp_only_layers": [0]},
    "DeepseekV3": {**GROUPED, **LATENT, "topk_group": 1},
    "Glm4Moe": {**GROUPED, "topk_group": 1, "head_dim": 16},
    "GptOss": {"num_local_experts": 4, "head_dim": 16, "layer_types": ["full_attention"] * 2},
    "GraniteMoe": {"num_local_experts": 4},
    "Phimoe": {"num_local_experts": 4},
    "DeepseekV4": {
        **ROUTED,
        **dict.fromkeys(["index_n_heads", "num_hash_layers", "num_key_value_heads"], 1),
        **dict.fromkeys(["o_groups", "hc_mult"], 2),
        **dict.fromkeys(["q_lora_rank", "o_lora_rank", "qk_rope_head_dim", "index_head_dim", "index_topk"], 8),
        "n_routed_experts": 4,
        "head_dim": 16,
        "layer_types": ["compressed_sparse_attention", "heavily_compressed_attention"],
        "compress_rates": {"compressed_sparse_attention": 2, "heavily_compressed_attention": 4},
    },
}
EXPERTS = {"experts.down_proj", "experts.gate_up_proj"}
DENSE = {"gate_proj", "up_proj", "down_proj"}


@pytest.fixture
def tiny():
    """A base model of random weights, by its architecture."""

    def make(name):
        torch.manual_seed(0)
        config = getattr(hf, f"{name}Config")(**{**SHAPE, **MODELS[name]})
        return BaseModel(getattr(hf, f"{name}ForCausalLM")(config), f"tiny-{name.lower()}")

    return make


@pytest.fixture(params=MODELS)
def base(request, tiny):
    return tiny(request.param)


@pytest.fixture
def glm(tiny):
    return tiny("Glm4Moe")


@pytest.fixture
def attach():
    """Puts an adapter with a B that isn't 0 on a base model, and takes it off at the end."""
    attached = []

    def make(base, **settings):
        adapted = attach_adapter(base, LoraSettings(rank=2, **settings))
        attached.append(adapted)
        for name, weight in adapted.named_parameters():
            if "lora_B" in name:
                nn.init.normal_(weight, std=0.3)
        return adapted

    yield make
    for adapted in attached:
        detach_adapter(adapted)


def logits_of(model):
    with torch.no_grad():
        return model(input_ids=TOKENS, use_cache=False).logits


@pytest.mark.parametrize("targets", ["all-linear", "mlp", "attention"])
def test_what_is_asked_is_adapted_and_nothing_stays_behind(base, targets):
    before, modules = logits_of(base.model), dict(base.model.named_modules())
    weights = {name: weight.clone() for name, weight in base.model.state_dict().items()}
    asked = matching_modules(base.model, target_modules(base.model, targets))
    adapted = attach_adapter(base, LoraSettings(rank=2, targets=targets, variant="rslora"))
    n_matrices = sum("lora_A" in name for name, _ in adapted.named_parameters())
    assert n_matrices == len(asked)
    assert any("experts" in name for name in asked) is (targets != "attention")
    assert any("attn" in name for name in asked) is (targets != "mlp")
    unasked = ("router", "expert_gate", "indexer")
    assert not any(name.endswith(".gate") or any(part in name for part in unasked) for name in asked)
    adapted.train()
    adapted(input_ids=TOKENS, use_cache=False).logits.logsumexp(-1).mean().backward()
    assert all(p.grad is not None for n, p in adapted.named_parameters() if p.requires_grad)
    detach_adapter(adapted)
    assert dict(base.model.named_modules()) == modules
    assert base.model.state_dict().keys() == weights.keys()
    assert all(torch.equal(weight, weights[name]) for name, weight in base.model.state_dict().items())
    assert torch.equal(logits_of(base.model), before)


@pytest.mark.parametrize("variant", ["lora", "rslora"])
def test_the_scale_of_every_update_is_that_of_the_variant(base, attach, variant):
    adapted = attach(base, variant=variant, alpha_over_rank=4.0)
    scales = [m.scaling["default"] for m in adapted.modules() if isinstance(m, LoraLayer)]
    assert scales == pytest.approx([4.0 if variant == "lora" else 4.0 * 2**0.5] * len(scales))


def test_merged_and_saved_adapters_answer_as_the_adapter_does(base, attach, tmp_path):
    from peft import PeftModel

    plain = copy.deepcopy(base.model)
    adapted = attach(base)
    wanted = logits_of(adapted)
    assert (wanted - logits_of(plain)).abs().max() > 0.05
    torch.testing.assert_close(logits_of(copy.deepcopy(adapted).merge_and_unload()), wanted, rtol=1e-4, atol=1e-4)
    adapted.save_pretrained(tmp_path)
    torch.testing.assert_close(logits_of(PeftModel.from_pretrained(plain, tmp_path)), wanted, rtol=1e-4, atol=1e-4)


def test_dense_and_shared_parts_beside_experts_are_adapted(glm):
    asked = matching_modules(glm.model, target_modules(glm.model, "mlp"))
    prefix = "model.layers."
    assert set(asked) == (
        {f"{prefix}0.mlp.{name}" for name in DENSE}
        | {f"{prefix}1.mlp.shared_experts.{name}" for name in DENSE}
        | {f"{prefix}1.mlp.{name}" for name in EXPERTS}
    )
    sizes = {name.removesuffix(".weight"): weight.numel() for name, weight in glm.model.named_parameters()}
    adapted = attach_adapter(glm, LoraSettings(rank=2, targets="mlp"))
    assert adapted.before_adapter.share == pytest.approx(sum(sizes[name] for name in asked) / sum(sizes.values()))
    detach_adapter(adapted)


def test_gradient_checkpointing_gives_the_same_gradients_on_experts(glm):
    found = []
    for again in (False, True):
        torch.manual_seed(0)
        adapted = attach_adapter(glm, LoraSettings(rank=2, initialization="gaussian"), gradient_checkpointing=again)
        adapted.train()
        adapted(input_ids=TOKENS, use_cache=False).logits.logsumexp(-1).mean().backward()
        found.append({n: p.grad.clone() for n, p in adapted.named_parameters() if p.requires_grad})
        detach_adapter(adapted)
    assert any(gradient.abs().max() > 0 for gradient in found[0].values())
    assert all(torch.equal(found[1][name], gradient) for name, gradient in found[0].items())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"dropout": 0.1}, r"`model.init_args.lora.dropout` is 0.1, but on .* of `tiny-glm4moe` .*lora.dropout: 0`"),
        ({"variant": "dora"}, r"is dora, .*gate_up_proj.*lora.variant: lora`, or .*targets` to attention"),
        ({"initialization": "pissa"}, r"lora.initialization` is pissa, .*lora.initialization: default`"),
        ({"initialization": "orthogonal"}, r"lora.initialization` is orthogonal, .* added to the weights"),
    ],
)
def test_what_can_not_be_done_on_experts_is_refused_and_done_on_attention(glm, settings, message):
    before = dict(glm.model.named_modules())
    with pytest.raises(ValueError, match=message):
        attach_adapter(glm, LoraSettings(rank=2, **settings))
    assert dict(glm.model.named_modules()) == before
    detach_adapter(attach_adapter(glm, LoraSettings(rank=2, targets="attention", **settings)))
    assert dict(glm.model.named_modules()) == before


def test_a_grouped_projection_is_adapted_on_its_weight_and_an_indexer_never(tiny):
    base = tiny("DeepseekV4")
    asked = matching_modules(base.model, target_modules(base.model, ["o_a_proj"]))
    assert {name.split(".")[-1]: target.parameter for name, target in asked.items()} == {"o_a_proj": "weight"}
    assert len(asked) == 2
    assert asked.items() <= matching_modules(base.model, target_modules(base.model, "attention")).items()
    with pytest.raises(ValueError, match=r"is 0.1, but on .*o_a_proj.* of `tiny-deepseekv4` .* to a list without them"):
        attach_adapter(base, LoraSettings(rank=2, dropout=0.1, targets="attention"))
    with pytest.raises(ValueError, match=r"\['weights_proj'\] match routers or indexers, never adapted, of this"):
        target_modules(base.model, ["weights_proj"])


def test_a_router_that_is_asked_for_is_refused():
    model = hf.PhimoeForCausalLM(hf.PhimoeConfig(**SHAPE, **MODELS["Phimoe"]))
    with pytest.raises(ValueError, match=r"\['router'\] match routers or indexers, never adapted, of this"):
        target_modules(model, ["router"])


def test_experts_in_a_form_that_no_adapter_can_be_on_are_refused_by_name():
    block = nn.Module()
    block.experts = nn.Module()
    block.experts.w1 = nn.Parameter(torch.ones(8, 4))
    block.self_attn = nn.ModuleDict({"q_proj": nn.Linear(4, 4)})
    model = nn.Module()
    model.layers = nn.ModuleList([block])
    with pytest.raises(ValueError, match=r"targets `all-linear` .* no adapter can go on: .*w1, 1 in all.*`attention`"):
        target_modules(model, "all-linear")
    assert target_modules(model, "attention") == ["q_proj"]


@pytest.mark.filterwarnings("ignore:The following .*_pattern keys did not match")
def test_an_adapter_that_peft_puts_elsewhere_is_refused(glm, monkeypatch):
    before = dict(glm.model.named_modules())
    monkeypatch.setattr("lightning_quicktune.finetune.targets._TAKEN_FOR_EXPERTS", set())
    with pytest.raises(RuntimeError, match=r"adapter of `tiny-glm4moe` on other .*missing are .*down_proj"):
        attach_adapter(glm, LoraSettings(rank=2))
    assert dict(glm.model.named_modules()) == before
