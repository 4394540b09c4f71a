import random

import numpy as np
import torch

from lightning_quicktune.data.seeding import global_seed, mixed_seed, seed_slice


def draw():
    return torch.rand(3).tolist(), np.random.rand(3).tolist(), [random.random() for _ in range(3)]


def test_a_slice_is_the_same_whatever_came_before():
    seed_slice(3, 5)
    first = draw()
    draw()
    seed_slice(3, 5)
    assert draw() == first
    for other in ((3, 6), (4, 5), (5, 3)):
        seed_slice(*other)
        assert all(a != b for a, b in zip(draw(), first, strict=True))


def test_seeds_of_neighbours_share_nothing():
    seeds = {mixed_seed(s, i, stream) for s in range(20) for i in range(20) for stream in ("order", "slice")}
    assert len(seeds) == 800
    bits = np.array([[seed >> bit & 1 for bit in range(64)] for seed in seeds])
    assert np.abs(bits.mean(0) - 0.5).max() < 0.1


def test_the_seed_is_that_of_seed_everything(monkeypatch):
    monkeypatch.setenv("PL_GLOBAL_SEED", "11")
    assert global_seed() == 11
    monkeypatch.delenv("PL_GLOBAL_SEED")
    assert global_seed() == 0
