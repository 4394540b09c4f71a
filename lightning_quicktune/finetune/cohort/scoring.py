"""Scores of all members of a cohort on a split, each batch read once with all adapters."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from lightning_quicktune.data.collate import IGNORE_INDEX
from lightning_quicktune.data.datamodule import TaskData
from lightning_quicktune.data.split_names import SplitName
from lightning_quicktune.finetune.generation import answer_metrics, generate_answers
from lightning_quicktune.finetune.labels import label_hits, row_log_likelihood
from lightning_quicktune.finetune.loss import (
    at_least_float32,
    on_device,
    predicted_labels,
    target_logits,
    target_places,
)
from lightning_quicktune.finetune.scoring import ScoreSettings, Totals, final_prompts, likelihood_metrics, means

_LOGITS = 2**29  # numbers that the output head gives at once: two gigabytes in float32


def cohort_metrics(
    model: Any, n_members: int, tokenizer: Any, data: TaskData, split: SplitName, settings: ScoreSettings
) -> list[dict[str, float]]:
    """All metrics of each member on one split, as ``split_metrics`` gives them for a trial alone.

    Args:
        model: The base model with all adapters.
        n_members: How many there are.
        tokenizer: Its tokenizer.
        data: The data of any member: all have the same records.
        split: ``validation`` or ``test``.
        settings: What is measured; answers are generated if the score needs them.
    """
    totals = _likelihood(model, n_members, data.evaluation_dataloader(split))
    if settings.generates:
        _merge(totals, _answers(model, n_members, tokenizer, data.prompt_dataloader(split), settings.max_new_tokens))
    if settings.name == "label_accuracy":
        _merge(totals, _labels(model, n_members, data.choice_dataloader(split)))
    metrics = [means(own) for own in totals]
    return [likelihood_metrics(own.pop("loss")) | own for own in metrics]


def cohort_final_answers(
    model: Any, n_members: int, tokenizer: Any, data: TaskData, settings: ScoreSettings
) -> list[dict[str, float]]:
    """Each member's metrics on generated answers, as ``final_answers`` gives them for a trial alone.

    Args:
        model: The base model with all adapters.
        n_members: How many there are.
        tokenizer: Its tokenizer.
        data: The data of any member.
        settings: How answers are generated.
    """
    totals = _answers(model, n_members, tokenizer, final_prompts(data), settings.max_new_tokens)
    return [means(own) for own in totals]


def _merge(totals: list[Totals], further: list[Totals]) -> None:
    for own, more in zip(totals, further, strict=True):
        own |= more


def _likelihood(model: Any, n_members: int, batches: Iterable[dict[str, Any]]) -> list[Totals]:
    """Summed negative log-likelihood of all targets under each member, in nats, and their number."""
    device = next(model.parameters()).device
    sums = torch.zeros(n_members, dtype=torch.float64, device=device)
    count = 0
    for batch in _parts(model, n_members, batches):
        targets = target_logits(model, on_device(_for_all(batch, n_members, model), device))
        losses = F.cross_entropy(at_least_float32(targets.logits), targets.labels, reduction="none")
        sums += losses.view(n_members, -1).sum(1, dtype=torch.float64)
        count += len(losses) // n_members
    return [{"loss": (total, count)} for total in sums.tolist()]


def _answers(
    model: Any, n_members: int, tokenizer: Any, batches: Iterable[dict[str, Any]], max_new_tokens: int
) -> list[Totals]:
    """Sum and count of each generation metric over the answers of each member."""
    answers: list[list[Any]] = [[] for _ in range(n_members)]
    for batch in batches:
        n_rows = len(batch["prompts"])
        found = generate_answers(model, tokenizer, _repeated(batch, n_members), max_new_tokens)
        for k, own in enumerate(answers):
            own += found[k * n_rows : (k + 1) * n_rows]
    return [answer_metrics(own) for own in answers]


def _labels(model: Any, n_members: int, batches: Iterable[dict[str, Any]]) -> list[Totals]:
    """How many records each member gives the right label, and how many records there are."""
    device = next(model.parameters()).device
    hits, count = [0] * n_members, 0
    for batch in batches:
        targets = target_logits(model, on_device(_for_all(batch, n_members, model), device))
        likelihood = row_log_likelihood(targets, n_members * len(batch["labels"])).view(n_members, -1).cpu()
        hits = [known + label_hits(own, batch) for known, own in zip(hits, likelihood, strict=True)]
        count += len(batch["right"])
    return [{"label_accuracy": (float(number), count)} for number in hits]


def _parts(model: Any, n_members: int, batches: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Batches so small that the logits of all members fit in memory."""
    most = max(1, _LOGITS // (n_members * model.config.vocab_size))  # targets
    for batch in batches:
        counts = (batch["labels"] != IGNORE_INDEX).sum(1).tolist()
        start = 0
        while start < len(counts):
            end = start + 1
            while end < len(counts) and sum(counts[start : end + 1]) <= most:
                end += 1
            yield {k: batch[k][start:end] for k in ("input_ids", "attention_mask", "labels")}
            start = end


def _for_all(batch: Mapping[str, Any], n_members: int, model: Any) -> dict[str, Any]:
    """The batch once for each member, and the places of its targets."""
    repeated = _repeated(batch, n_members)
    predicted = predicted_labels(repeated["labels"], model.config.is_encoder_decoder)
    return {**repeated, "target_places": target_places(predicted)}


def _repeated(batch: Mapping[str, Any], n_members: int) -> dict[str, Any]:
    rows = ("input_ids", "attention_mask", "labels")
    tensors = {k: v.repeat(n_members, 1) for k, v in batch.items() if k in rows and isinstance(v, Tensor)}
    return tensors | {k: v * n_members for k, v in batch.items() if isinstance(v, list)}
