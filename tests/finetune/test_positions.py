import pytest
import torch
import transformers as hf

from lightning_quicktune.finetune.generation import check_room
from lightning_quicktune.finetune.positions import most_positions

SHAPE = {"vocab_size": 64, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 1, "num_attention_heads": 2}
IDS = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
LONG = {"rope_type": "longrope", "rope_theta": 10000.0, "short_factor": [1.0] * 8, "long_factor": [4.0] * 8}


@pytest.fixture(scope="module")
def longrope():
    config = hf.Phi3Config(
        **SHAPE,
        **IDS,
        max_position_embeddings=128,
        original_max_position_embeddings=32,
        rope_parameters={**LONG, "original_max_position_embeddings": 32},
    )
    torch.manual_seed(0)
    model = hf.Phi3ForCausalLM(config).eval()
    for weight in model.parameters():
        weight.data.mul_(10 if weight.ndim > 1 else 1)
    return model


def test_beyond_the_first_length_a_record_depends_on_its_batch_and_below_it_does_not(longrope):
    """Why the limit is the first length: here as Transformers computes it."""
    tokens = torch.arange(3, 43)[None].expand(2, -1).clone()
    mask = torch.ones_like(tokens)
    mask[0, 20:] = 0
    with torch.no_grad():
        alone = longrope(input_ids=tokens[:1, :20]).logits
        beside_short = longrope(input_ids=tokens[:, :32], attention_mask=mask[:, :32]).logits[:1, :20]
        beside_long = longrope(input_ids=tokens, attention_mask=mask).logits[:1, :20]
    torch.testing.assert_close(beside_short, alone, rtol=1e-4, atol=1e-4)
    assert (beside_long - alone).abs().max() > 0.01 * alone.abs().max()
    assert most_positions(longrope.config) == 32


def test_an_answer_that_would_cross_the_first_length_is_refused(longrope):
    prompts = [{"input_ids": torch.ones(1, 30)}]
    check_room(longrope.config, prompts, 2)
    with pytest.raises(ValueError, match=r"needs 33 positions, but the base model has 32"):
        check_room(longrope.config, prompts, 3)


@pytest.mark.parametrize(
    ("rope", "most"),
    [
        ({"rope_type": "default", "rope_theta": 1e4}, 128),
        ({"rope_type": "linear", "rope_theta": 1e4, "factor": 4.0}, 128),
        ({"rope_type": "yarn", "rope_theta": 1e4, "factor": 4.0, "original_max_position_embeddings": 32}, 128),
        ({"rope_type": "dynamic", "rope_theta": 1e4, "factor": 4.0, "original_max_position_embeddings": 32}, 32),
    ],
)
def test_scaling_that_is_the_same_for_every_length_sets_no_limit(rope, most):
    assert most_positions(hf.LlamaConfig(**SHAPE, max_position_embeddings=128, rope_parameters=rope)) == most


def test_layers_of_several_kinds_are_all_looked_at():
    rope = {"full_attention": {"rope_type": "dynamic", "rope_theta": 1e6, "factor": 8.0}}
    rope["full_attention"]["original_max_position_embeddings"] = 40
    rope["sliding_attention"] = {"rope_type": "default", "rope_theta": 1e4}
    assert most_positions(hf.Gemma3TextConfig(**SHAPE, max_position_embeddings=320, rope_parameters=rope)) == 40


def test_a_model_without_limit_has_none():
    assert most_positions(hf.T5Config(d_model=32, num_layers=1, num_heads=2)) is None
