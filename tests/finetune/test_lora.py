import pytest
import torch
from peft import LoraConfig
from peft.tuners.lora.layer import LoraLayer
from transformers import GPT2Config, GPT2LMHeadModel

from lightning_quicktune.finetune.base_model import BaseModel
from lightning_quicktune.finetune.lora import LoraSettings, attach_adapter, detach_adapter

TOKENS = torch.arange(20).view(2, 10)


@pytest.fixture
def gpt2():
    torch.manual_seed(0)
    config = GPT2Config(vocab_size=20, n_embd=16, n_layer=1, n_head=2, n_positions=16)
    return BaseModel(GPT2LMHeadModel(config), "tiny-gpt2")


@pytest.fixture
def unchanged(base):
    """Checks that the base model is as it was when this was called."""
    before = {name: tensor.clone() for name, tensor in base.model.state_dict().items()}
    modules = dict(base.model.named_modules())

    def check():
        after = base.model.state_dict()
        assert after.keys() == before.keys()
        assert all(torch.equal(after[name], before[name]) for name in before)
        assert dict(base.model.named_modules()) == modules
        assert not base.model.training
        assert not any(p.requires_grad for p in base.model.parameters())
        assert not any(getattr(m, "gradient_checkpointing", False) for m in base.model.modules())
        assert not any(m._forward_hooks or m._forward_pre_hooks for m in base.model.modules())
        assert not hasattr(base.model, "peft_config")

    return check


@pytest.fixture
def attach(base):
    """Puts an adapter on the base model and takes it off at the end."""
    attached = []

    def attach_until_the_end(*args, **arguments):
        attached.append(attach_adapter(base, *args, **arguments))
        return attached[-1]

    yield attach_until_the_end
    for adapted in attached:
        detach_adapter(adapted)


def gradients(base, settings, **arguments):
    torch.manual_seed(0)
    adapted = attach_adapter(base, settings, **arguments)
    adapted.train()
    adapted(input_ids=TOKENS, use_cache=False).logits.logsumexp(-1).mean().backward()
    found = {name: p.grad.clone() for name, p in adapted.named_parameters() if p.requires_grad}
    detach_adapter(adapted)
    return found


@pytest.mark.parametrize("initialization", ["pissa", "pissa_niter_16", "olora"])
@pytest.mark.parametrize("variant", ["lora", "rslora", "dora"])
def test_an_adapter_that_alters_the_base_begins_with_its_logits_to_1e_4(base, unchanged, initialization, variant):
    with torch.no_grad():
        alone = base.model(input_ids=TOKENS).logits
        adapted = attach_adapter(base, LoraSettings(rank=4, initialization=initialization, variant=variant))
        torch.testing.assert_close(adapted(input_ids=TOKENS).logits, alone, rtol=1e-4, atol=1e-4)
        assert not torch.equal(
            base.model.model.layers[0].mlp.down_proj.base_layer.weight,
            adapted.before_adapter.weights["model.layers.0.mlp.down_proj"],
        )
    detach_adapter(adapted)
    unchanged()


def test_a_randomized_start_is_the_same_for_every_seed(base):
    starts = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        adapted = attach_adapter(base, LoraSettings(rank=4, initialization="pissa_niter_16"))
        starts.append(adapted.before_adapter.start)
        detach_adapter(adapted)
    assert starts[0].keys() == starts[1].keys()
    assert all(torch.equal(starts[0][name], starts[1][name]) for name in starts[0])


@pytest.mark.parametrize("initialization", ["default", "pissa", "olora"])
def test_an_adapter_that_fails_half_way_leaves_the_base_model_as_it_was(base, unchanged, monkeypatch, initialization):
    original, calls = LoraLayer.set_adapter, []

    def fails_at_the_third(self, *args, **kwargs):
        calls.append(self)
        if len(calls) == 3:
            raise RuntimeError("out of luck")
        return original(self, *args, **kwargs)

    monkeypatch.setattr(LoraLayer, "set_adapter", fails_at_the_third)
    with pytest.raises(RuntimeError, match="out of luck"):
        attach_adapter(base, LoraSettings(rank=4, initialization=initialization))
    assert len(calls) == 3
    unchanged()
    monkeypatch.undo()
    detach_adapter(attach_adapter(base, LoraSettings(rank=4)))


def test_complaint_9_gradient_checkpointing_gives_the_same_gradients_on_frozen_weights(base, unchanged):
    settings = LoraSettings(rank=4, dropout=0.2, initialization="gaussian")
    kept = gradients(base, settings)
    again = gradients(base, settings, gradient_checkpointing=True)
    assert any(gradient.abs().max() > 0 for gradient in kept.values())
    assert all(torch.equal(again[name], gradient) for name, gradient in kept.items())
    unchanged()


def test_gradient_checkpointing_computes_activations_twice_in_training_alone(base, attach):
    adapted = attach(LoraSettings(rank=4), gradient_checkpointing=True)
    passes = []
    handle = base.model.model.layers[0].mlp.register_forward_pre_hook(lambda *_: passes.append(1))
    adapted.train()
    adapted(input_ids=TOKENS, use_cache=False).logits.mean().backward()
    assert len(passes) == 2
    handle.remove()
    adapted.eval()
    assert adapted(input_ids=TOKENS, use_cache=True).past_key_values.get_seq_length() == TOKENS.shape[1]


def test_a_model_that_can_not_compute_twice_names_the_key(base, monkeypatch):
    monkeypatch.setattr(type(base.model), "supports_gradient_checkpointing", False)
    with pytest.raises(
        ValueError, match=r"tiny-phi3` can't .*`model.init_args.base_model.gradient_checkpointing: false`"
    ):
        attach_adapter(base, LoraSettings(rank=4), gradient_checkpointing=True)


@pytest.mark.parametrize("initialization", ["default", "orthogonal", "pissa"])
def test_gpt2_keeps_its_weights_transposed_and_adapts_all_the_same(gpt2, initialization):
    before = {name: tensor.clone() for name, tensor in gpt2.model.state_dict().items()}
    with torch.no_grad():
        alone = gpt2.model(input_ids=TOKENS).logits
        adapted = attach_adapter(gpt2, LoraSettings(rank=4, targets="attention", initialization=initialization))
        torch.testing.assert_close(adapted(input_ids=TOKENS).logits, alone, rtol=1e-4, atol=1e-4)
    trained = {name for name, p in adapted.named_parameters() if p.requires_grad}
    assert len(trained) == 4
    assert all(".attn." in name for name in trained)
    detach_adapter(adapted)
    assert all(torch.equal(tensor, before[name]) for name, tensor in gpt2.model.state_dict().items())


def test_olora_refuses_transposed_weights(gpt2):
    with pytest.raises(
        ValueError, match=r"`olora` .* `tiny-gpt2`.*Conv1D.*`model.init_args.lora.initialization: pissa`"
    ):
        attach_adapter(gpt2, LoraSettings(rank=4, initialization="olora"))


def test_dora_refuses_weights_of_8_bits(base, monkeypatch, unchanged):
    monkeypatch.setattr(base.model, "is_loaded_in_8bit", True, raising=False)
    with pytest.raises(ValueError, match=r"variant` is dora, .*`tiny-phi3` are quantized to 8 bits.*variant: lora`"):
        attach_adapter(base, LoraSettings(rank=4, variant="dora"))
    unchanged()


def test_a_rank_above_the_size_leaves_the_base_model_as_it_was(base, unchanged):
    with pytest.raises(ValueError, match=r"rank is 64, but .* 32"):
        attach_adapter(base, LoraSettings(rank=64, initialization="pissa"))
    unchanged()


def test_a_second_adapter_is_refused(base, attach):
    attach(LoraSettings(rank=4))
    with pytest.raises(RuntimeError, match=r"tiny-phi3` still carries .* `release\(\)`"):
        attach_adapter(base, LoraSettings(rank=4))


def test_settings_are_those_of_peft(attach):
    settings = LoraSettings(rank=8, alpha_over_rank=0.5, dropout=0.1, targets="mlp", variant="dora")
    config = attach(settings).peft_config["default"]
    assert isinstance(config, LoraConfig)
    assert (config.r, config.lora_alpha, config.lora_dropout) == (8, 4.0, 0.1)
    assert config.use_dora
    assert not config.use_rslora


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"rank": 0}, r"rank is 0, but .* `model.init_args.lora.rank`"),
        ({"alpha_over_rank": 0.0}, r"alpha over rank is 0.0, .* `model.init_args.lora.alpha_over_rank`"),
        ({"dropout": 1.0}, r"dropout is 1.0, .* `model.init_args.lora.dropout`"),
        ({"rank": 3, "initialization": "orthogonal"}, r"rank is 3, but .*`orthogonal`.*`model.init_args.lora.rank`"),
    ],
)
def test_settings_out_of_range_name_their_key(values, message):
    with pytest.raises(ValueError, match=message):
        LoraSettings(**values)


@pytest.mark.parametrize("initialization", ["default", "gaussian", "orthogonal"])
def test_first_weights_come_from_the_cpu_whatever_device_is_the_default(base, initialization):
    starts = []
    for device in ("cpu", "meta"):  # Lightning makes that of its trainer the default while a model is configured
        torch.manual_seed(1)
        with torch.device(device):
            adapted = attach_adapter(base, LoraSettings(rank=2, initialization=initialization))
        starts.append({name: p.detach().clone() for name, p in adapted.named_parameters() if p.requires_grad})
        detach_adapter(adapted)
    assert starts[0].keys() == starts[1].keys()
    assert all(torch.equal(starts[0][name], weight) for name, weight in starts[1].items())
