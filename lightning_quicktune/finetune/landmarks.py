"""Meta-features that need the untrained base model: how far it is from the task before any training."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable
from typing import Any

import torch

from lightning_quicktune.finetune.base_model import BaseModel
from lightning_quicktune.finetune.loss import decoder_inputs, next_token_loss, on_device, target_logits

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
    right = n_targets = 0
    first_loss, firsts, gradient = 0.0, 0, math.nan
    for number, batch in enumerate(itertools.islice(training_batches, _BATCHES)):
        here = on_device(batch, device)
        if number == 0:
            gradient = _gradient_norm(base.model, here)
        with torch.no_grad():
            targets = target_logits(base.model, here)
            right += int((targets.logits.argmax(-1) == targets.labels).sum())
            n_targets += len(targets.labels)
            first = targets.rows.diff(prepend=targets.rows.new_tensor([-1])) > 0
            loss_sum, count = next_token_loss(targets.logits[first], targets.labels[first])
            first_loss, firsts = first_loss + loss_sum.item(), firsts + int(count)
    return {
        "zero_shot_loss": zero_shot_loss,
        "zero_shot_token_accuracy": right / max(n_targets, 1),
        "zero_shot_first_token_loss": first_loss / max(firsts, 1),
        "log_gradient_norm": math.log(max(gradient, 1e-12)),
    }


def _gradient_norm(model: Any, batch: dict[str, Any]) -> float:
    embeddings = model.get_input_embeddings()(batch["input_ids"]).detach().requires_grad_()
    inputs = {"inputs_embeds": embeddings, "attention_mask": batch["attention_mask"], "use_cache": False}
    labels = batch["labels"]
    if model.config.is_encoder_decoder:
        logits = model(**inputs, decoder_input_ids=decoder_inputs(model, labels)).logits
    else:
        logits, labels = model(**inputs).logits[:, :-1], labels[:, 1:]
    loss_sum, count = next_token_loss(logits, labels)
    (gradient,) = torch.autograd.grad(loss_sum / count, embeddings)
    return float(gradient.norm())
