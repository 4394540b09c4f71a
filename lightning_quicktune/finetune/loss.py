"""The loss on target tokens, computed only where a target is."""

from __future__ import annotations

import inspect
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from lightning_quicktune.data.collate import IGNORE_INDEX


def next_token_loss(
    logits: Float[Tensor, "B T V"], labels: Int[Tensor, "B T"], label_smoothing: float = 0.0
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
        logits.float().flatten(0, 1),
        labels.flatten(),
        ignore_index=IGNORE_INDEX,
        reduction="sum",
        label_smoothing=label_smoothing,
    )
    return loss_sum, (labels != IGNORE_INDEX).sum()


def target_logits(model: Any, batch: dict[str, Any]) -> tuple[Tensor, Tensor]:
    """Logits of the positions that predict a target in some record of the batch, and those targets.

    The model's own forward pass chooses the positions, so that whatever it does to logits (scaling,
    soft-capping) is done here too.

    Args:
        model: A causal language model, with or without adapter.
        batch: ``input_ids``, ``attention_mask`` and ``labels``, each ``(B, T)``.

    Returns:
        Logits ``(B, K, V)`` and labels ``(B, K)``, where ``K`` counts the chosen positions, at least 1.
    """
    labels = batch["labels"][:, 1:]
    columns = (labels != IGNORE_INDEX).any(0).nonzero().flatten()  # (K,)
    if not len(columns):
        columns = torch.zeros(1, dtype=torch.long, device=labels.device)
    inputs = {"input_ids": batch["input_ids"], "attention_mask": batch["attention_mask"], "use_cache": False}
    if _keeps_logits(model):
        return model(**inputs, logits_to_keep=columns).logits, labels[:, columns]
    return model(**inputs).logits[:, columns], labels[:, columns]


def _keeps_logits(model: Any) -> bool:
    plain = model.get_base_model() if hasattr(model, "get_base_model") else model
    return "logits_to_keep" in inspect.signature(plain.forward).parameters
