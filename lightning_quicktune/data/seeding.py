"""Seeds of slices: what is random in a slice depends on (seed, slice) alone, so that a trial can pause and resume."""

from __future__ import annotations

import os
import random
from typing import Literal

import numpy as np
import torch

Stream = Literal["order", "slice", "noise"]
STREAMS: tuple[Stream, ...] = ("order", "slice", "noise")
_GOLDEN = 0x9E3779B9  # 2**32 over the golden ratio: multiples of it are far apart


def global_seed() -> int:
    """The seed that ``seed_everything`` has set, or 0."""
    return int(os.environ.get("PL_GLOBAL_SEED", "0"))


def mixed_seed(seed: int, index: int, stream: Stream) -> int:
    """A 64-bit seed that differs in all bits for neighbouring seeds and indices.

    Args:
        seed: Seed of the trial, at least 0.
        index: Which slice, or which pass over the data, from 0.
        stream: What the seed is for; each use has numbers of its own.

    Returns:
        The seed, in [0, 2**64).
    """
    sequence = np.random.SeedSequence(seed, spawn_key=(STREAMS.index(stream), index))
    return int(sequence.generate_state(1, np.uint64)[0])


def noise_key(slice_seed: int, place: int) -> int:
    """A 32-bit number, as int32 has it, that differs for all records of a slice and is another one in every slice.

    Args:
        slice_seed: ``mixed_seed`` of the slice, for the stream ``noise``.
        place: Which of the slice's records, in the order in which they are trained, from 0.

    Returns:
        The key, in [-2**31, 2**31).
    """
    return (slice_seed + place * _GOLDEN) % 2**32 - 2**31


def seed_slice(seed: int, slice_index: int) -> None:
    """Reseeds torch on all devices, numpy and the standard library for one slice.

    Args:
        seed: Seed of the trial, at least 0.
        slice_index: Slices trained before this one, from 0.
    """
    mixed = mixed_seed(seed, slice_index, "slice")
    torch.manual_seed(mixed)
    np.random.seed(mixed % 2**32)
    random.seed(mixed)
