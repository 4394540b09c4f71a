"""Scores of a model on a split record by record, with the answers it wrote: what two models are compared by."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F

from lightning_quicktune.finetune.generation import generate_answers
from lightning_quicktune.finetune.labels import right_labels, row_log_likelihood
from lightning_quicktune.finetune.loss import at_least_float32, on_device, target_logits
from lightning_quicktune.finetune.scoring import ScoreSettings, likelihood_metrics, means
from lightning_quicktune.finetune.text_metrics import GENERATION_METRICS

TARGETS = "targets"  # beside the metrics of a record: its target tokens, by which its loss counts


@dataclass(frozen=True)
class Written:
    """What a model answered to one record.

    Args:
        index: Place of the record in its split, from 0.
        answer: The answer, without special tokens.
    """

    index: int
    answer: str


@dataclass(frozen=True)
class RecordScores:
    """What ``split_metrics`` measures, and how each record did.

    Args:
        means: Each metric over the split.
        per_record: Each metric of each record, in the order of the split; ``loss`` in nats per target token, and
            ``targets``, by which a record's loss counts.
        written: The generated answers, in the order of the split.
    """

    means: dict[str, float]
    per_record: dict[str, tuple[float, ...]]
    written: tuple[Written, ...]


def record_scores(
    model: Any, tokenizer: Any, data: Any, split: str, settings: ScoreSettings, most_answers: int | None = None
) -> RecordScores:
    """Measures a model on one split, on this process alone; its mode is put back afterwards.

    Args:
        model: A language model, with or without adapter.
        tokenizer: Its tokenizer.
        data: A ``TaskData`` that has been set up.
        split: ``validation`` or ``test``.
        settings: What is measured, and how answers are generated.
        most_answers: Most records that answers are generated for; those that ``evaluation`` says if left out.
    """
    losses = record_losses(model, data.evaluation_dataloader(split))
    totals = [(loss * count, count) for loss, count in losses.values()]
    found = likelihood_metrics(means({"loss": (sum(t for t, _ in totals), sum(n for _, n in totals))})["loss"])
    per_record = {
        "loss": tuple(losses[index][0] for index in sorted(losses)),
        TARGETS: tuple(float(losses[index][1]) for index in sorted(losses)),
    }
    per_record["answer_likelihood"] = tuple(likelihood_metrics(x)["answer_likelihood"] for x in per_record["loss"])
    if settings.name == "label_accuracy":
        per_record["label_accuracy"] = _label_hits(model, data.choice_dataloader(split))
    written = _written(model, tokenizer, data.prompt_dataloader(split, most_answers), settings.max_new_tokens)
    tokens = data.tokens(split)
    for name, score in GENERATION_METRICS.items():
        per_record[name] = tuple(score(each.answer, tokens[each.index].answer) for each in written)
    measured = {name: values for name, values in per_record.items() if name not in (TARGETS, *found)}
    found |= means({name: (sum(values), len(values)) for name, values in measured.items()})
    return RecordScores(found, per_record, tuple(written))


@torch.no_grad()
def record_losses(model: Any, loader: Any) -> dict[int, tuple[float, int]]:
    """Mean loss in nats per target, and targets, of each record by its place in the split.

    Args:
        model: A language model.
        loader: Of ``TaskData.evaluation_dataloader``.
    """
    was_training = model.training
    model.eval()
    device = next(model.parameters()).device
    indices, found = iter(_indices(loader)), {}
    for batch in loader:
        targets, n_rows = target_logits(model, on_device(batch, device)), len(batch["labels"])
        losses = F.cross_entropy(at_least_float32(targets.logits), targets.labels, reduction="none").double()
        sums = losses.new_zeros(n_rows).index_add(0, targets.rows, losses).tolist()
        counts = torch.bincount(targets.rows, minlength=n_rows).tolist()
        for total, count in zip(sums, counts, strict=True):
            found[next(indices)] = (total / max(count, 1), count)
    model.train(was_training)
    return found


def _written(model: Any, tokenizer: Any, loader: Any, max_new_tokens: int) -> list[Written]:
    indices = iter(_indices(loader))
    answers = (answer for batch in loader for answer in generate_answers(model, tokenizer, batch, max_new_tokens))
    written = [Written(index, answer.generated) for index, answer in zip(indices, answers, strict=True)]
    return sorted(written, key=lambda each: each.index)


@torch.no_grad()
def _label_hits(model: Any, batches: Iterable[dict[str, Any]]) -> tuple[float, ...]:
    """Whether the right answer is the likeliest of all choices, in the order of the split."""
    was_training = model.training
    model.eval()
    device = next(model.parameters()).device
    hits: dict[int, float] = {}
    for batch in batches:
        likelihood = row_log_likelihood(target_logits(model, on_device(batch, device)), len(batch["labels"])).cpu()
        hits |= zip(batch["indices"].tolist(), map(float, right_labels(likelihood, batch)), strict=True)
    model.train(was_training)
    return tuple(hits[index] for index in sorted(hits))


def _indices(loader: Any) -> Sequence[int]:
    """Places in the split of the records that a loader gives, in its order."""
    return [index for _, index in loader.dataset]
