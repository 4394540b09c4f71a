"""Scores of a model on a split: likelihood of the answers, and metrics of generated answers."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import torch

from lightning_quicktune.finetune.generation import answer_metrics, answers
from lightning_quicktune.finetune.loss import next_token_loss, target_logits
from lightning_quicktune.finetune.text_metrics import GENERATION_METRICS

ScoreName = Literal["answer_likelihood", "exact_match", "token_f1", "rouge_l"]


@dataclass(frozen=True)
class ScoreSettings:
    """What is measured on a split.

    Args:
        name: The metric that is the score; all but ``answer_likelihood`` generate answers.
        max_new_tokens: Most tokens of a generated answer.
    """

    name: ScoreName = "answer_likelihood"
    max_new_tokens: int = 32

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
        on_device = {k: v.to(device) if isinstance(v, torch.Tensor) else v for k, v in batch.items()}
        loss_sum, n_targets = next_token_loss(*target_logits(model, on_device))
        total, count = total + loss_sum.item(), count + int(n_targets)
    model.train(was_training)
    return total, count


def split_metrics(
    model: Any, tokenizer: Any, data: Any, split: str, settings: ScoreSettings, generate: bool
) -> dict[str, float]:
    """All metrics of a model on one split, on this process alone.

    Args:
        model: A causal language model, with or without adapter.
        tokenizer: Its tokenizer.
        data: A ``TaskData`` that has been set up.
        split: ``validation`` or ``test``.
        settings: How answers are generated.
        generate: Whether to generate answers and measure them too.

    Returns:
        ``loss`` (nats per target token), ``answer_likelihood`` and, if asked for, the generation metrics.
    """
    total, count = answer_likelihood(model, data.evaluation_dataloader(split))
    metrics = likelihood_metrics(total, count)
    if generate:
        generated = answers(model, tokenizer, data.prompt_dataloader(split), settings.max_new_tokens)
        metrics |= {name: s / max(n, 1) for name, (s, n) in answer_metrics(generated).items()}
    return metrics


def likelihood_metrics(total: float, count: int) -> dict[str, float]:
    """``loss`` in nats per target token, and ``answer_likelihood`` = exp(-loss), in [0, 1]."""
    loss = total / max(count, 1)
    return {"loss": loss, "answer_likelihood": math.exp(-loss) if math.isfinite(loss) else 0.0}
