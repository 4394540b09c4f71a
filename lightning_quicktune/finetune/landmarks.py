"""Meta-features that need the untrained base model: how far it is from the task before any training."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable
from typing import Any

import torch

from lightning_quicktune.data.collate import IGNORE_INDEX
from lightning_quicktune.finetune.base_model import BaseModel
from lightning_quicktune.finetune.loss import next_token_loss, target_logits

LANDMARKS = {
    "zero_shot_loss": ("nats per target token", "Validation loss of the untrained base model"),
    "zero_shot_token_accuracy": ("share", "Target tokens that the untrained base model would choose itself"),
    "zero_shot_first_token_loss": ("nats", "Loss of the first token of an answer, where the choice is made"),
    "log_gradient_norm": ("log of nats per unit", "Norm of the gradient of the loss at the embeddings of one batch"),
}
_BATCHES = 8


def landmarks(base: BaseModel, training_batches: Iterable[dict[str, Any]], zero_shot_loss: float) -> dict[str, float]:
    """Measures the landmarks on a few training batches.

    Args:
        base: The base model, without an adapter.
        training_batches: Evaluation batches of training records; the first eight are read.
        zero_shot_loss: Validation loss of the untrained model, in nats per target token.

    Returns:
        A value for each name in ``LANDMARKS``.
    """
    device = next(base.model.parameters()).device
    right = targets = 0
    first_loss, firsts, gradient = 0.0, 0, math.nan
    for number, batch in enumerate(itertools.islice(training_batches, _BATCHES)):
        on_device = {k: v.to(device) if isinstance(v, torch.Tensor) else v for k, v in batch.items()}
        if number == 0:
            gradient = _gradient_norm(base.model, on_device)
        with torch.no_grad():
            logits, labels = target_logits(base.model, on_device)
            counted = labels != IGNORE_INDEX
            right += int((logits.argmax(-1) == labels)[counted].sum())
            targets += int(counted.sum())
            first = counted & (counted.cumsum(1) == 1)
            loss_sum, count = next_token_loss(logits, labels.masked_fill(~first, IGNORE_INDEX))
            first_loss, firsts = first_loss + loss_sum.item(), firsts + int(count)
    return {
        "zero_shot_loss": zero_shot_loss,
        "zero_shot_token_accuracy": right / max(targets, 1),
        "zero_shot_first_token_loss": first_loss / max(firsts, 1),
        "log_gradient_norm": math.log(max(gradient, 1e-12)),
    }


def _gradient_norm(model: Any, batch: dict[str, Any]) -> float:
    embeddings = model.get_input_embeddings()(batch["input_ids"]).detach().requires_grad_()
    logits = model(inputs_embeds=embeddings, attention_mask=batch["attention_mask"], use_cache=False).logits
    loss_sum, count = next_token_loss(logits[:, :-1], batch["labels"][:, 1:])
    (gradient,) = torch.autograd.grad(loss_sum / count, embeddings)
    return float(gradient.norm())
