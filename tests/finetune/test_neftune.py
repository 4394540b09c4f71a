import pytest
import torch
from transformers import T5Config, T5ForConditionalGeneration

from lightning_quicktune.finetune.neftune import embedding_noise, record_lengths

TOKENS = torch.arange(12).view(2, 6)
BATCH = {"input_ids": TOKENS, "attention_mask": torch.tensor([[1, 1, 1, 1, 1, 1], [1, 1, 0, 0, 0, 0]])}


@pytest.fixture
def embed(base):
    """The embedded tokens as the first layer of the base model gets them."""

    def embedded(batch, alpha, seed=0):
        seen = []
        layer = base.model.model.layers[0]
        handle = layer.register_forward_pre_hook(lambda module, args, kwargs: seen.append(args[0]), with_kwargs=True)
        torch.manual_seed(seed)
        with torch.no_grad(), embedding_noise(base.model, batch, alpha):
            base.model(input_ids=batch["input_ids"], use_cache=False)
        handle.remove()
        return seen[0].detach()

    return embedded


def test_the_noise_is_uniform_within_alpha_over_the_root_of_length_and_width(embed, base):
    noise = embed(BATCH, 5.0) - base.model.get_input_embeddings()(TOKENS).detach()
    for row, length in ((0, 6), (1, 2)):
        bound = 5.0 / (length * base.model.config.hidden_size) ** 0.5
        assert 0.95 * bound < noise[row].abs().max() <= bound * (1 + 1e-6)
        assert noise[row].std().item() == pytest.approx(bound / 3**0.5, rel=0.15)


def test_packed_records_get_the_noise_of_their_own_length():
    positions = torch.tensor([[0, 1, 2, 0, 1, 0], [0, 1, 2, 3, 4, 5]])  # the last of the first row is padding
    assert record_lengths({"position_ids": positions}).tolist() == [[3, 3, 3, 2, 2, 1], [6] * 6]
    assert record_lengths(BATCH).tolist() == [[6] * 6, [2] * 6]


def test_the_seed_alone_makes_the_noise(embed):
    assert torch.equal(embed(BATCH, 5.0, seed=1), embed(BATCH, 5.0, seed=1))
    assert not torch.equal(embed(BATCH, 5.0, seed=1), embed(BATCH, 5.0, seed=2))


def test_no_alpha_no_noise_and_no_random_number_drawn(embed, base):
    assert torch.equal(embed(BATCH, 0.0, seed=3), base.model.get_input_embeddings()(TOKENS))
    assert torch.initial_seed() == 3
    drawn = torch.rand(1)
    torch.manual_seed(3)
    assert torch.equal(drawn, torch.rand(1))


def test_no_noise_is_left_after_the_context(embed, base):
    embed(BATCH, 5.0)
    with pytest.raises(ZeroDivisionError), embedding_noise(base.model, BATCH, 5.0):
        raise ZeroDivisionError  # before any forward pass
    assert not base.model.get_input_embeddings()._forward_hooks
    assert torch.equal(embed(BATCH, 0.0), base.model.get_input_embeddings()(TOKENS))


def test_an_encoder_decoder_gets_it_where_it_reads_the_question():
    config = T5Config(vocab_size=20, d_model=16, d_kv=8, d_ff=32, num_layers=1, num_heads=2, decoder_start_token_id=0)
    model = T5ForConditionalGeneration(config).eval()
    read, written = [], []
    model.encoder.block[0].register_forward_pre_hook(lambda module, args: read.append(args[0]))
    model.decoder.block[0].register_forward_pre_hook(lambda module, args: written.append(args[0]))
    with torch.no_grad():
        for alpha in (0.0, 5.0):
            with embedding_noise(model, BATCH, alpha):
                model(**BATCH, decoder_input_ids=TOKENS[:, :3], use_cache=False)
    assert not torch.equal(read[0], read[1])
    assert torch.equal(written[0], written[1])
