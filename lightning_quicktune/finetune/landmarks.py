"""Meta-features that need the untrained base model: how far it is from the task before any training.

They cost a forward pass over at most eight batches and one backward pass: on one core 0.15 s with ``nano`` and about
20 s with SmolLM2-135M. Each task's record tells what they took (the fact ``landmarks_s``).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor
from torch.utils.data import DataLoader

from lightning_quicktune.data.evaluation import evenly_spaced
from lightning_quicktune.data.meta_features import MetaFeature
from lightning_quicktune.finetune.base_model import BaseModel
from lightning_quicktune.finetune.loss import next_token_loss, on_device, target_logits

LANDMARKS: Mapping[str, MetaFeature] = {
    "zero_shot_loss": MetaFeature("nats per target token", "Validation loss of the untrained base model."),
    "zero_shot_loss_spread": MetaFeature("nats", "Standard deviation between records of the mean loss of a target."),
    "zero_shot_token_accuracy": MetaFeature("1", "Share of target tokens that the base model would choose itself."),
    "zero_shot_first_token_loss": MetaFeature("nats", "Loss of an answer's first token, where the choice is made."),
    "zero_shot_first_token_entropy": MetaFeature("nats", "Entropy of the base model's choice of that token."),
    "log_gradient_norm": MetaFeature(
        "log(nats per unit)", "Natural logarithm of the norm of the loss's gradient at one batch's embeddings."
    ),
    "hidden_spread": MetaFeature("1", "Share of the squared last hidden state before an answer that is not its mean."),
    "log_hidden_dimensions": MetaFeature(
        "log(dimensions)", "Natural logarithm of the directions in which these states differ (participation ratio)."
    ),
    "hidden_neighbour_agreement": MetaFeature(
        "1", "Share of records whose most similar other state comes before the same first token of an answer."
    ),
}
_BATCHES = 8


class _Reading(NamedTuple):
    """What the base model makes of a batch: for each of ``K`` targets, and for each of ``N`` records its first one."""

    right: Tensor  # whether the base model would choose the target, shape (K,)
    record_losses: Tensor  # mean loss of a record's targets, shape (N,)
    first_losses: Tensor  # shape (N,)
    first_entropies: Tensor  # shape (N,)
    first_labels: Tensor  # token ids, shape (N,)
    first_states: Tensor  # input of the output head, shape (N, D)


def landmarks(
    base: BaseModel, training_batches: DataLoader[Any] | Sequence[dict[str, Any]], zero_shot_loss: float
) -> dict[str, float]:
    """Measures the landmarks on a few training batches.

    Args:
        base: The base model, without an adapter.
        training_batches: Evaluation batches of training records. They come from short to long, so eight are read that
            are evenly spaced; the gradient is taken on the middle one.
        zero_shot_loss: Validation loss of the untrained model, in nats per target token.

    Returns:
        A finite number for each name in ``LANDMARKS``.
    """
    device = next(base.model.parameters()).device
    chosen = set(evenly_spaced(range(len(training_batches)), _BATCHES))
    batches = [on_device(batch, device) for place, batch in enumerate(training_batches) if place in chosen]
    parts = [_read(base.model, batch) for batch in batches]
    read = _Reading(*(torch.cat(tensors).cpu() for tensors in zip(*parts, strict=True)))
    values = {
        "zero_shot_loss": zero_shot_loss,
        "zero_shot_loss_spread": float(read.record_losses.std(correction=0)),
        "zero_shot_token_accuracy": float(read.right.float().mean()),
        "zero_shot_first_token_loss": float(read.first_losses.mean()),
        "zero_shot_first_token_entropy": float(read.first_entropies.mean()),
        "log_gradient_norm": math.log(max(_gradient_norm(base.model, batches[len(batches) // 2]), 1e-12)),
        **_hidden_states(read.first_states.double(), read.first_labels),
    }
    return {name: values[name] for name in LANDMARKS}


@torch.no_grad()
def _read(model: Any, batch: dict[str, Any]) -> _Reading:
    states: list[Tensor] = []
    head = model.get_output_embeddings()
    handle = head.register_forward_hook(lambda _, inputs, __: states.append(inputs[0][0].float()))
    try:
        logits, labels, rows = target_logits(model, batch)
    finally:
        handle.remove()
    losses = F.cross_entropy(logits.float(), labels, reduction="none")  # (K,)
    _, record, counts = torch.unique_consecutive(rows, return_inverse=True, return_counts=True)
    first = counts.cumsum(0) - counts  # (N,), the place of each record's first target
    choice = logits[first].float().log_softmax(-1)
    return _Reading(
        right=logits.argmax(-1) == labels,
        record_losses=torch.zeros_like(counts, dtype=losses.dtype).index_add_(0, record, losses) / counts,
        first_losses=losses[first],
        first_entropies=-(choice.exp() * choice).sum(-1),
        first_labels=labels[first],
        first_states=states[0][first],
    )


def _hidden_states(states: Float[Tensor, "N D"], labels: Int[Tensor, " N"]) -> dict[str, float]:
    centred = states - states.mean(0)
    products = centred @ centred.T  # (N, N), with the same non-zero eigenvalues as the covariance
    variance = float(products.trace())
    dimensions = variance**2 / float(products.square().sum()) if variance > 0 else 1.0
    directions = F.normalize(centred, dim=-1)
    similar = (directions @ directions.T).fill_diagonal_(-math.inf)
    agree = labels[similar.argmax(1)] == labels if len(labels) > 1 else torch.zeros(1)
    return {
        "hidden_spread": variance / max(float(states.square().sum()), 1e-12),
        "log_hidden_dimensions": math.log(max(dimensions, 1.0)),
        "hidden_neighbour_agreement": float(agree.float().mean()),
    }


def _gradient_norm(model: Any, batch: dict[str, Any]) -> float:
    embeddings = model.get_input_embeddings()(batch["input_ids"]).detach().requires_grad_()
    others = {key: value for key, value in batch.items() if key != "input_ids"}
    targets = target_logits(model, {**others, "inputs_embeds": embeddings})
    loss_sum, count = next_token_loss(targets.logits, targets.labels)
    (gradient,) = torch.autograd.grad(loss_sum / count, embeddings)
    return float(gradient.norm())
