"""The pretraining loop, and what it measures."""

import random
import time
from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from pretraining.architecture import Architecture, Predictions, Row
from pretraining.dialogues import Dialogue, Knowledge
from pretraining.recipe import Recipe

N_MEASURED = 400
_TOKENIZER_TEXTS = 20_000
_BLOCK = 32


def build_tokenizer(recipe: Recipe, architecture: Architecture) -> PreTrainedTokenizerFast:
    """A tokenizer for the language of the dialogues."""
    stream = iter(Knowledge(recipe, recipe.seed + 1))
    dialogues = [next(stream) for _ in range(_TOKENIZER_TEXTS)]
    return architecture.tokenizer(recipe, (text for d in dialogues for text in (d.prompt, d.answer)))


def pretrain(
    recipe: Recipe, architecture: Architecture, tokenizer: PreTrainedTokenizerFast, report_every: int = 500
) -> PreTrainedModel:
    """Trains all weights with AdamW and a one-cycle learning rate."""
    model = architecture.model(recipe, tokenizer)
    decayed = [p for p in model.parameters() if p.ndim > 1]
    plain = [p for p in model.parameters() if p.ndim <= 1]
    groups = [{"params": decayed, "weight_decay": 0.05}, {"params": plain, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=recipe.lr, betas=(0.9, 0.98))
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, recipe.lr, recipe.steps, pct_start=0.05)
    started = time.monotonic()
    for step, rows in zip(range(1, recipe.steps + 1), batches(recipe, architecture, tokenizer), strict=False):
        loss = weighted_loss(architecture.predict(model, rows, tokenizer.pad_token_id), recipe.prompt_weight)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if step % report_every == 0 or step == recipe.steps:
            scores = "; ".join(report(recipe, architecture, model, tokenizer))
            minutes = (time.monotonic() - started) / 60
            print(f"step {step}, {minutes:.1f} min, loss {loss.item():.3f}; {scores}", flush=True)
    return model.eval()


def batches(recipe: Recipe, architecture: Architecture, tokenizer: PreTrainedTokenizerFast) -> Iterator[list[Row]]:
    """Batches of dialogues of similar length, so that little is padding."""
    stream = iter(Knowledge(recipe, recipe.seed + 2))
    rng = random.Random(recipe.seed + 3)
    while True:
        rows = architecture.rows(tokenizer, [next(stream) for _ in range(_BLOCK * recipe.batch)])
        rows.sort(key=lambda row: len(row.prompt) + len(row.answer))
        starts = list(range(0, len(rows), recipe.batch))
        rng.shuffle(starts)
        for start in starts:
            yield rows[start : start + recipe.batch]


def token_losses(predictions: Predictions) -> Tensor:
    """Loss of each target, in nats, shape ``(B, T)``."""
    return F.cross_entropy(predictions.logits.transpose(1, 2), predictions.targets, reduction="none")


def weighted_loss(predictions: Predictions, prompt_weight: float) -> Tensor:
    """Mean loss of a target: 1 is the weight in answers, less in prompts, 0 in padding."""
    weights = predictions.in_answer + prompt_weight * predictions.in_prompt
    return (token_losses(predictions) * weights).sum() / weights.sum()


@torch.no_grad()
def measure(
    architecture: Architecture, model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, dialogues: list[Dialogue]
) -> tuple[float, float]:
    """Mean loss per answer token, and the share of answers that greedy decoding gets right."""
    predictions = architecture.predict(model, architecture.rows(tokenizer, dialogues), tokenizer.pad_token_id)
    loss = token_losses(predictions)[predictions.in_answer].mean()
    right = (predictions.logits.argmax(-1) == predictions.targets) | ~predictions.in_answer
    return float(loss), float(right.all(1).float().mean())


def report(
    recipe: Recipe, architecture: Architecture, model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast
) -> list[str]:
    """Loss and exact match on facts that it knows, also after a distraction, and on new facts that the prompt tells."""
    knowledge = Knowledge(recipe, recipe.seed + 4)
    asked = {
        "known facts": knowledge.ask_known,
        "known facts after another sentence": knowledge.ask_known_distracted,
        "told facts": knowledge.ask_told,
    }
    parts = []
    for name, ask in asked.items():
        loss, exact = measure(architecture, model, tokenizer, [ask() for _ in range(N_MEASURED)])
        parts.append(f"{name}: loss {loss:.3f}, exact match {exact:.3f}")
    return parts
