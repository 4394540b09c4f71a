"""Noise of records: rate, independence, and the same whatever shares the batch."""

import itertools

import pytest
import torch

from lightning_quicktune.data.seeding import mixed_seed, noise_key
from lightning_quicktune.finetune.noise import NoiseSource, RecordDropout, RecordNoise, mixed, threshold

KEYS = torch.tensor([noise_key(mixed_seed(3, 0, "noise"), place) for place in range(64)], dtype=torch.int32)
HIDDEN = torch.zeros(64, 30, 96)


def dropped(keys=KEYS, name="layers.0.q_proj", share=0.1, hidden=HIDDEN) -> torch.Tensor:
    return RecordNoise(keys).words(hidden, name) < threshold(share)


def correlation(a, b) -> float:
    return float(torch.corrcoef(torch.stack([a.flatten().double(), b.flatten().double()]))[0, 1])


@pytest.mark.parametrize("share", [0.0, 0.01, 0.1, 0.5, 0.9])
def test_as_many_are_dropped_as_were_asked_for(share):
    found = dropped(share=share).double()
    bound = 4 * (share * (1 - share)) ** 0.5
    assert abs(found.mean() - share) <= bound / found.numel() ** 0.5
    for dims in ((1, 2), (0, 2), (0, 1)):  # of each row, each position, each feature
        means = found.mean(dims)
        n_each = found.numel() / means.numel()
        assert (means - share).abs().max() <= 1.25 * bound / n_each**0.5
        if share:
            assert means.std() * n_each**0.5 == pytest.approx((share * (1 - share)) ** 0.5, rel=0.35)


def test_neighbouring_rows_positions_features_modules_and_slices_look_independent():
    mask, limit = dropped(), 4.5 / HIDDEN.numel() ** 0.5
    for shift in range(1, 9):
        for dim in range(3):
            assert abs(correlation(mask, mask.roll(shift, dim))) < 1.5 * limit
    names = [f"layers.{n}.{part}" for n in range(4) for part in ("q_proj", "k_proj", "mlp.up_proj")]
    masks = [dropped(name=name) for name in [*names, "embedding"]]
    assert max(abs(correlation(a, b)) for a, b in itertools.combinations(masks, 2)) < limit
    others = [
        torch.tensor([noise_key(mixed_seed(s, e, "noise"), n) for n in range(64)], dtype=torch.int32)
        for s, e in ((3, 1), (3, 2), (4, 0))
    ]
    assert max(abs(correlation(mask, dropped(keys))) for keys in others) < limit


def test_three_modules_together_look_independent():
    masks = [dropped(name=f"layers.{n}.o_proj", share=0.2).double() - 0.2 for n in range(6)]
    for a, b, c in itertools.combinations(masks, 3):
        assert abs(float((a * b * c).mean())) < 4.5 * (0.2 * 0.8) ** 1.5 / HIDDEN.numel() ** 0.5


def test_words_are_uniform_in_every_bit():
    words = RecordNoise(KEYS).words(HIDDEN, "embedding")
    for bit in range(32):
        share = float(((words >> bit) & 1).double().mean())
        assert abs(share - 0.5) < 4.5 * 0.5 / words.numel() ** 0.5, bit


def test_mixing_is_a_bijection_that_turns_half_of_the_bits():
    start = torch.arange(2**16, dtype=torch.int32)
    assert len(mixed(start).unique()) == 2**16
    for bit in range(32):
        flipped = mixed(start) ^ mixed(start ^ (1 << bit if bit < 31 else -(2**31)))
        ones = sum(((flipped >> n) & 1).double() for n in range(32))
        assert float(ones.mean()) == pytest.approx(16, abs=0.6), bit


def test_a_record_has_the_same_noise_in_any_batch_beside_any_padding():
    whole = RecordNoise(KEYS).words(HIDDEN, "q")
    part = RecordNoise(KEYS[5:9]).words(HIDDEN[5:9, :12], "q")
    assert torch.equal(part, whole[5:9, :12])


def test_and_packed_with_others():
    keys = torch.tensor([[1, 1, 1, 2, 2, 3]], dtype=torch.int32)
    positions = torch.tensor([[0, 1, 2, 0, 1, 0]])
    packed = RecordNoise(keys, positions).words(torch.zeros(1, 6, 8), "q")
    padded = RecordNoise(torch.tensor([1, 2], dtype=torch.int32)).words(torch.zeros(2, 3, 8), "q")
    assert torch.equal(packed[0, :3], padded[0])
    assert torch.equal(packed[0, 3:5], padded[1, :2])


def test_flattened_hidden_states_have_the_noise_of_their_tokens():
    noise = RecordNoise(KEYS)
    assert torch.equal(noise.words(HIDDEN.flatten(0, 1), "q").view(HIDDEN.shape), noise.words(HIDDEN, "q"))


def test_dropout_scales_up_what_it_keeps_and_nothing_is_dropped_outside_training():
    source = NoiseSource()
    source.noise = RecordNoise(KEYS)
    dropout = RecordDropout(0.25, "q", source)
    x = torch.ones(64, 30, 96)
    kept = dropout(x)
    assert kept.unique().tolist() == pytest.approx([0.0, 1 / 0.75])
    assert torch.equal(kept == 0, dropped(name="q", share=0.25))
    assert torch.equal(dropout(x), kept)
    assert torch.equal(dropout.eval()(x), x)


def test_without_keys_they_come_from_the_random_state():
    batch = {"input_ids": torch.zeros(4, 5, dtype=torch.int64)}
    words = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        words.append(RecordNoise.of(batch).words(torch.zeros(4, 5, 8), "q"))
    assert torch.equal(words[0], words[1])
    assert not torch.equal(words[0], words[2])
