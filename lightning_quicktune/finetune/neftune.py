"""Noise on the embeddings of a training batch, as a regularizer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from lightning_quicktune.finetune.noise import RecordNoise


@contextmanager
def embedding_noise(
    model: Any, batch: Mapping[str, Any], alpha: float | Float[Tensor, "B 1"], noise: RecordNoise | None = None
) -> Iterator[None]:
    r"""Adds noise to the embedded input in the forward pass inside the context.

    Each element gets :math:`\epsilon\,\alpha / \sqrt{L d}` with :math:`\epsilon` uniform in [-1, 1], from the noise
    of the records; :math:`L` is the number of tokens of the record, padding left out, and :math:`d` the embedding's
    width. Other trainers take the length of the padded batch, so that a short record beside a long one gets less noise
    there. An encoder-decoder gets it on what the encoder reads.

    Args:
        model: A language model, with or without adapter.
        batch: What the model reads: ``attention_mask``, or ``position_ids`` that begin at 0 for each packed record.
        alpha: Size of the noise, of all records or of each; 0 for none.
        noise: The batch's, if its dropout has it already.

    References:
        Jain et al. (2023), NEFTune: Noisy Embeddings Improve Instruction Finetuning, algorithm 1.
    """
    if isinstance(alpha, float | int) and alpha == 0:
        yield
        return
    lengths, drawn = record_lengths(batch), noise or RecordNoise.of(batch)

    def add_noise(module: nn.Module, inputs: Any, embedded: Tensor) -> Tensor:
        handle.remove()  # a decoder may share the module, and has its own input
        return embedded + uniform_noise(embedded, lengths.to(embedded.device), alpha, drawn)

    reader = model.get_encoder() if model.config.is_encoder_decoder else model
    handle = reader.get_input_embeddings().register_forward_hook(add_noise)
    try:
        yield
    finally:
        handle.remove()


def uniform_noise(
    embedded: Float[Tensor, "B T D"],
    lengths: Int[Tensor, "B T"],
    alpha: float | Float[Tensor, "B 1"],
    noise: RecordNoise,
) -> Float[Tensor, "B T D"]:
    """The noise of ``embedding_noise``.

    Args:
        embedded: Embedded tokens, of any float dtype.
        lengths: From ``record_lengths``.
        alpha: Size of the noise, of all records or of each.
        noise: The batch's.
    """
    dtype = torch.promote_types(embedded.dtype, torch.float32)
    size = alpha / (lengths * embedded.shape[-1]).to(dtype).sqrt()  # (B, T)
    drawn = noise.words(embedded, "embedding").to(dtype) / 2**31
    return (drawn * size.unsqueeze(-1)).to(embedded.dtype)


def record_lengths(batch: Mapping[str, Any]) -> Int[Tensor, "B T"]:
    """Number of tokens of the record that each position belongs to, at least 1.

    Args:
        batch: ``attention_mask``, or ``position_ids`` that begin at 0 for each packed record.
    """
    if "attention_mask" in batch:
        mask: Tensor = batch["attention_mask"]
        return mask.sum(1, keepdim=True).clamp_min(1).expand_as(mask)
    segment = (batch["position_ids"] == 0).cumsum(1)  # (B, T), from 1
    counts = torch.zeros_like(segment).scatter_add(1, segment - 1, torch.ones_like(segment))
    return counts.gather(1, segment - 1)
