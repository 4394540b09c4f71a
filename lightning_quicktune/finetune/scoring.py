"""Scores of a model on a split: the likelihood of its answers, generated answers, and the choice among labels."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torchmetrics.aggregation import SumMetric

from lightning_quicktune.finetune.generation import answer_totals
from lightning_quicktune.finetune.labels import label_totals
from lightning_quicktune.finetune.loss import next_token_loss, on_device, target_logits
from lightning_quicktune.finetune.text_metrics import GENERATION_METRICS

ScoreName = Literal["answer_likelihood", "exact_match", "token_f1", "rouge_l", "label_accuracy"]
_FINAL_ANSWERS = 16
Totals = dict[str, tuple[float, int]]  # sum and count of each metric, so that ranks can be added up


@dataclass(frozen=True)
class ScoreSettings:
    """What is measured on a split.

    Args:
        name: The metric that is the score. ``exact_match``, ``token_f1`` and ``rouge_l`` generate answers;
            ``label_accuracy`` takes the likeliest of the answers that the training records have.
        max_new_tokens: Most tokens of a generated answer.
    """

    name: ScoreName = "answer_likelihood"
    max_new_tokens: int = 32

    def __post_init__(self) -> None:
        if self.max_new_tokens < 1:
            raise ValueError(
                f"`model.init_args.score.max_new_tokens` is {self.max_new_tokens}, but an answer has at least 1 token. "
                "Raise it."
            )

    @property
    def generates(self) -> bool:
        """Whether the score needs generated answers."""
        return self.name in GENERATION_METRICS


@torch.no_grad()
def answer_likelihood(model: Any, batches: Iterable[dict[str, Any]]) -> tuple[float, int]:
    """Summed negative log-likelihood of all target tokens, in nats, and their number.

    The model's mode is put back afterwards.
    """
    was_training = model.training
    model.eval()
    device = next(model.parameters()).device
    total, count = 0.0, 0
    for batch in batches:
        targets = target_logits(model, on_device(batch, device))
        loss_sum, n_targets = next_token_loss(targets.logits, targets.labels)
        total, count = total + loss_sum.item(), count + int(n_targets)
    model.train(was_training)
    return total, count


def split_metrics(
    model: Any,
    tokenizer: Any,
    data: Any,
    split: str,
    settings: ScoreSettings,
    generate: bool,
    combine: Callable[[Totals], dict[str, float]] | None = None,
) -> dict[str, float]:
    """All metrics of a model on one split.

    Args:
        model: A language model, with or without adapter.
        tokenizer: Its tokenizer.
        data: A ``TaskData`` that has been set up.
        split: ``validation`` or ``test``.
        settings: What is measured, and how answers are generated.
        generate: Whether to generate answers and measure them too.
        combine: Makes means of sums and counts: those of this process alone if left out.

    Returns:
        ``loss`` (nats per target token), ``answer_likelihood``, ``label_accuracy`` if it is the score and, if asked
        for, the generation metrics.

    Raises:
        ValueError: If there is nothing to measure on.
    """
    total, count = answer_likelihood(model, data.evaluation_dataloader(split))
    totals = further_totals(model, tokenizer, data, split, settings, generate)
    found = (combine or means)({"loss": (total, count), **totals})
    return likelihood_metrics(found.pop("loss")) | found


def final_answers(
    model: Any,
    tokenizer: Any,
    data: Any,
    settings: ScoreSettings,
    combine: Callable[[Totals], dict[str, float]] | None = None,
) -> dict[str, float]:
    """Generation metrics of a model on some test records, for trials whose score doesn't generate answers.

    Args:
        model: A language model, with or without adapter.
        tokenizer: Its tokenizer.
        data: A ``TaskData`` that has been set up.
        settings: How answers are generated.
        combine: As for ``split_metrics``.
    """
    return (combine or means)(answer_totals(model, tokenizer, final_prompts(data), settings.max_new_tokens))


def final_prompts(data: Any) -> Iterable[dict[str, Any]]:
    """The test prompts that ``final_answers`` answers: at most 16, evenly spaced."""
    limit = min(_FINAL_ANSWERS, data.evaluation.max_generation_records or _FINAL_ANSWERS)
    prompts: Iterable[dict[str, Any]] = data.prompt_dataloader("test", limit)
    return prompts


def further_totals(
    model: Any, tokenizer: Any, data: Any, split: str, settings: ScoreSettings, generate: bool
) -> Totals:
    """Sum and count, on this process, of the metrics that the likelihood doesn't give; as in ``split_metrics``."""
    totals: Totals = {}
    if generate:
        totals |= answer_totals(model, tokenizer, data.prompt_dataloader(split), settings.max_new_tokens)
    if settings.name == "label_accuracy":
        totals["label_accuracy"] = label_totals(model, data.choice_dataloader(split))
    return totals


def means(totals: Totals) -> dict[str, float]:
    """Mean of each metric, of this process alone.

    Raises:
        ValueError: If a metric has been measured on nothing.
    """
    return {name: _mean(name, *pair) for name, pair in totals.items()}


def likelihood_metrics(loss: float) -> dict[str, float]:
    """``loss`` in nats per target token, and ``answer_likelihood`` = exp(-loss), in [0, 1]."""
    return {"loss": loss, "answer_likelihood": math.exp(-loss) if math.isfinite(loss) else 0.0}


def mean_over_ranks(totals: Mapping[str, tuple[float, int]], device: torch.device) -> dict[str, float]:
    """Mean of each metric over all records of all ranks; every rank must call it with the same names.

    Raises:
        ValueError: If a metric has been measured on nothing.
    """
    summed = {name: _sum_over_ranks(*pair, device) for name, pair in totals.items()}
    return {name: _mean(name, *pair) for name, pair in summed.items()}


def _sum_over_ranks(total: float, count: int, device: torch.device) -> tuple[float, float]:
    # Not MeanMetric: torchmetrics 1.9 weighs the ranks equally, however many records each has.
    summed = []
    for part in (total, count):
        metric = SumMetric(nan_strategy="disable").to(device)
        metric.set_dtype(torch.float32 if device.type == "mps" else torch.float64)
        metric.update(torch.tensor(part, device=device, dtype=metric.dtype))
        summed.append(float(metric.compute()))
    return summed[0], summed[1]


def _mean(name: str, total: float, count: float) -> float:
    if count == 0:
        raise ValueError(
            f"`{name}` has nothing to be measured on: the batches of the split hold no target at all, and a loss of 0 "
            "would look like a perfect model. Expected at least one record with an answer: mend the labels of the data "
            "module, or set `data.class_path` to TaskData."
        )
    return total / count
