"""The loss on target tokens, computed only where a target is."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from lightning_quicktune.data.collate import IGNORE_INDEX


class Targets(NamedTuple):
    """The ``K`` targets of a batch, row by row, and what the model gives for them.

    Args:
        logits: Unnormalized scores of each target's place, shape ``(K, V)``.
        labels: Token ids of the targets, int64, shape ``(K,)``.
        rows: Which row of the batch each target is in, int64, shape ``(K,)``.
    """

    logits: Tensor
    labels: Tensor
    rows: Tensor


def next_token_loss(
    logits: Float[Tensor, "*shape V"], labels: Int[Tensor, "*shape"], label_smoothing: float = 0.0
) -> tuple[Float[Tensor, ""], Int[Tensor, ""]]:
    """Summed cross-entropy of the targets, and the number of targets it was summed over.

    Sum and count are returned apart so that a mean over micro-batches or ranks weights tokens equally.

    Args:
        logits: Unnormalized scores of the token at the same position of ``labels``.
        labels: Token ids; ``IGNORE_INDEX`` where no loss is taken.
        label_smoothing: Probability spread over the vocabulary, in [0, 1).

    Returns:
        Loss in nats, and the count.
    """
    loss_sum = F.cross_entropy(
        at_least_float32(logits).flatten(0, -2),
        labels.flatten(),
        ignore_index=IGNORE_INDEX,
        reduction="sum",
        label_smoothing=label_smoothing,
    )
    return loss_sum, (labels != IGNORE_INDEX).sum()


def target_logits(model: Any, batch: dict[str, Any]) -> Targets:
    """Logits of the positions that predict a target, and of no others.

    The model's own forward pass runs up to its output head and after it, so that whatever it does to hidden states or
    logits (scaling, soft-capping) is done here too; the head alone sees fewer positions.

    Args:
        model: A language model, with or without adapter.
        batch: ``input_ids`` (or ``inputs_embeds``), ``labels`` and either ``attention_mask`` or, where records are
            packed into rows, ``position_ids`` that begin at 0 for each record: without a mask, models that
            ``keeps_packed_apart`` of ``base_model`` knows keep them apart, and others don't. ``target_places``, if it
            is there, spares a GPU the wait for their number.
    """
    read = ("input_ids", "inputs_embeds", "attention_mask", "position_ids")
    inputs: dict[str, Any] = {key: batch[key] for key in read if key in batch}
    if model.config.is_encoder_decoder:
        inputs["decoder_input_ids"] = decoder_inputs(model, batch["labels"])
    labels = predicted_labels(batch["labels"], model.config.is_encoder_decoder)
    places = batch.get("target_places")
    if places is None:
        places = target_places(labels)

    def keep_places(head: Any, hidden: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return (hidden[0].flatten(0, 1)[places][None], *hidden[1:])

    handle = _plain(model).get_output_embeddings().register_forward_pre_hook(keep_places)
    try:
        logits = model(**inputs, use_cache=False).logits[0]
    finally:
        handle.remove()
    return Targets(logits, labels.flatten()[places], places // labels.shape[1])


def predicted_labels(labels: Int[Tensor, "B T"], is_encoder_decoder: bool) -> Int[Tensor, "B T"]:
    """The label that each place predicts: an encoder-decoder's own, and the next token's of a decoder alone.

    Args:
        labels: As in a batch.
        is_encoder_decoder: Whether the model is one.
    """
    return labels if is_encoder_decoder else F.pad(labels[:, 1:], (0, 1), value=IGNORE_INDEX)


def target_places(labels: Int[Tensor, "B T"]) -> Int[Tensor, " K"]:
    """Places of the targets, counted through all rows.

    Args:
        labels: Of ``predicted_labels``.
    """
    return (labels.flatten() != IGNORE_INDEX).nonzero()[:, 0]


def at_least_float32(logits: Tensor) -> Tensor:
    """Numbers that a loss is summed in: those of less precision are widened, those of more are left."""
    return logits.to(torch.promote_types(logits.dtype, torch.float32))


def on_device(batch: dict[str, Any], device: torch.device) -> dict[str, Any]:
    """The batch with its tensors on a device."""
    return {key: value.to(device) if isinstance(value, Tensor) else value for key, value in batch.items()}


def decoder_inputs(model: Any, labels: Int[Tensor, "B K"]) -> Int[Tensor, "B K"]:
    """What an encoder-decoder's decoder reads to predict ``labels``: its start token, then all but the last label."""
    shifted: Tensor = _plain(model).prepare_decoder_input_ids_from_labels(labels)
    return shifted


def _plain(model: Any) -> Any:
    return model.get_base_model() if hasattr(model, "get_base_model") else model
