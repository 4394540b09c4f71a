"""The choice among the answers of a closed set, by their likelihood."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from lightning_quicktune.finetune.loss import Targets, at_least_float32, on_device, target_logits


def row_log_likelihood(targets: Targets, n_rows: int) -> Float[Tensor, " B"]:
    """Summed log-likelihood of each row's targets, in nats.

    Args:
        targets: Targets and their logits.
        n_rows: Rows of the batch.
    """
    chosen = at_least_float32(targets.logits).log_softmax(-1).gather(-1, targets.labels[:, None])[:, 0]
    return chosen.new_zeros(n_rows).index_add(0, targets.rows, chosen)


@torch.no_grad()
def label_totals(model: Any, batches: Iterable[dict[str, Any]]) -> tuple[float, int]:
    """How many records have the right answer as the likeliest of all choices, and how many records there are.

    The whole answer counts, its end-of-turn token included, so that a choice that begins another one is no better for
    being shorter. The model's mode is put back afterwards.

    Args:
        model: A language model, with or without adapter.
        batches: Of ``TaskData.choice_dataloader``: a row per record and choice, with ``record``, ``choice``, ``right``.
    """
    was_training = model.training
    model.eval()
    device = next(model.parameters()).device
    hits, count = 0, 0
    for batch in batches:
        likelihood = row_log_likelihood(target_logits(model, on_device(batch, device)), len(batch["labels"])).cpu()
        hits += label_hits(likelihood, batch)
        count += len(batch["right"])
    model.train(was_training)
    return float(hits), count


def label_hits(likelihood: Float[Tensor, " rows"], batch: Mapping[str, Any]) -> int:
    """How many records of a batch have the right answer as the likeliest of all choices.

    Args:
        likelihood: Log-likelihood of each row, on the CPU.
        batch: Of ``TaskData.choice_dataloader``.
    """
    return sum(right_labels(likelihood, batch))


def right_labels(likelihood: Float[Tensor, " rows"], batch: Mapping[str, Any]) -> list[bool]:
    """Of each record of a batch, whether the right answer is the likeliest of all choices.

    Args:
        likelihood: Log-likelihood of each row, on the CPU.
        batch: Of ``TaskData.choice_dataloader``.
    """
    right, record, choice = batch["right"].cpu(), batch["record"].cpu(), batch["choice"].cpu()
    table = torch.full((len(right), int(choice.max()) + 1), -torch.inf, dtype=likelihood.dtype)
    table[record, choice] = likelihood
    hits: list[bool] = (table.argmax(1) == right).tolist()
    return hits
