"""Random numbers of a training batch that depend on each record alone: the same whatever shares its batch or pass."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Int
from torch import Tensor, nn

_FIRST, _SECOND = -2048144789, -1028477387  # odd, and about half of their bits are set
_GOLDEN = -1640531527


class RecordNoise:
    """Random 32-bit words of each element of the hidden states of one training batch.

    A word is a hash of the record's key, the token's place in its record, and the feature. So it needs no generator
    whose state would depend on what else was drawn, and is the same on every device, in every batch that the record
    lies in, beside whatever padding.

    Args:
        keys: What the words of each record depend on, int32, shape ``(B,)``; of packed rows each token's, ``(B, T)``.
        positions: Place of each token in its record, int64, shape ``(B, T)``, where rows are packed.
    """

    def __init__(
        self, keys: Int[Tensor, " B"] | Int[Tensor, "B T"], positions: Int[Tensor, "B T"] | None = None
    ) -> None:
        self._keys = mixed(keys.to(torch.int32))
        self.n_rows = len(keys)
        self._positions = positions
        self._words: dict[tuple[int, int], Tensor] = {}

    @classmethod
    def of(cls, batch: Mapping[str, Any]) -> RecordNoise:
        """The noise of a training batch; records without ``noise_keys`` get some from torch's random state.

        Args:
            batch: As ``TrainingCollator`` makes it.
        """
        keys = batch.get("noise_keys")
        if keys is None:
            ids: Tensor = batch["input_ids"]
            keys = torch.randint(-(2**31), 2**31, ids.shape if "position_ids" in batch else ids.shape[:1]).to(
                ids.device
            )
        return cls(keys, batch.get("position_ids"))

    def words(self, like: Tensor, name: str, rows: slice = slice(None)) -> Int[Tensor, ...]:
        """Words of one use, int32, in the shape of hidden states.

        Args:
            like: Hidden states of the batch, or of some of its rows; features come last.
            name: What they are used for: each name has words of its own.
            rows: Which rows of the batch they are.
        """
        width, n_rows = like.shape[-1], len(self._keys[rows])
        shape = (like.numel() // (n_rows * width), width)
        if shape not in self._words:
            self._words[shape] = self._drawn(*shape)
        return (self._words[shape][rows] * _multiplier(name)).view(like.shape)

    def _drawn(self, n_positions: int, width: int) -> Int[Tensor, "B T D"]:
        device = self._keys.device
        keys = self._keys if self._keys.ndim == 2 else self._keys[:, None]
        positions = torch.arange(n_positions, device=device)[None] if self._positions is None else self._positions
        features = mixed(torch.arange(width, device=device, dtype=torch.int32) * _GOLDEN + 1)
        tokens = mixed(keys + positions.to(torch.int32) * _GOLDEN)
        return mixed(tokens[..., None] ^ features)


class RecordDropout(nn.Module):
    """Dropout by the noise of the records that a batch has; plain dropout where nobody gave any.

    Args:
        probability: Share of elements set to 0, in (0, 1).
        name: Name of the module whose input it is.
        source: Where the noise of the present batch is found.
    """

    def __init__(self, probability: float, name: str, source: NoiseSource) -> None:
        super().__init__()
        self.probability = probability
        self.name = name
        self.source = source

    def forward(self, x: Tensor) -> Tensor:
        """Sets a share of the elements to 0 in training, and scales the others up."""
        if not self.training or self.source.noise is None:
            return F.dropout(x, self.probability, self.training)
        kept = self.source.noise.words(x, self.name) >= threshold(self.probability)
        return x * kept * (1 / (1 - self.probability))


class NoiseSource:
    """Holds the noise of the batch in the works; it stays for the backward pass, which may compute a block again."""

    def __init__(self) -> None:
        self.noise: RecordNoise | None = None


def threshold(probability: float) -> int:
    """The word below which an element is set to 0.

    Args:
        probability: Share of elements below, in [0, 1).
    """
    return round(probability * 2**32) - 2**31


def mixed(words: Int[Tensor, "*shape"]) -> Int[Tensor, "*shape"]:
    """A bijection of int32 in which each bit of the result depends on all bits.

    References:
        Appleby (2011), MurmurHash3, whose finalizer has this form: shifts and multiplications in turns.
    """
    words = words ^ ((words >> 16) & 0xFFFF)
    words = words * _FIRST
    words = words ^ ((words >> 13) & 0x7FFFF)
    words = words * _SECOND
    return words ^ ((words >> 16) & 0xFFFF)


def _multiplier(name: str) -> int:
    """An odd number: a multiplication by it is a bijection, and those by two of them look independent."""
    return (zlib.crc32(name.encode()) | 1) - 2**31
