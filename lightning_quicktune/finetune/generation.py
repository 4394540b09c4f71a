"""Generates answers to prompts, greedily, and scores them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch

from lightning_quicktune.finetune.base_model import end_tokens
from lightning_quicktune.finetune.text_metrics import GENERATION_METRICS


@dataclass(frozen=True)
class Answer:
    """One generated answer.

    Args:
        prompt: The prompt as the model saw it, template included.
        reference: The answer in the data.
        generated: What the model wrote, without special tokens.
    """

    prompt: str
    reference: str
    generated: str


@torch.no_grad()
def generate_answers(model: Any, tokenizer: Any, batch: dict[str, Any], max_new_tokens: int) -> list[Answer]:
    """Answers one batch of prompts by greedy decoding with a key-value cache.

    Args:
        model: A language model, with or without adapter; its mode is put back afterwards.
        tokenizer: Its tokenizer.
        batch: ``input_ids`` and ``attention_mask`` ``(B, T)``, left-padded for decoder-only models, ``prompts`` and
            ``references``.
        max_new_tokens: Most tokens of an answer.
    """
    was_training = model.training
    model.eval()
    device = next(model.parameters()).device
    output = model.generate(
        input_ids=batch["input_ids"].to(device),
        attention_mask=batch["attention_mask"].to(device),
        max_new_tokens=max_new_tokens,
        do_sample=False,
        use_cache=True,
        temperature=None,
        top_p=None,
        top_k=None,
        eos_token_id=end_tokens(model, tokenizer),
        pad_token_id=tokenizer.pad_token_id,
    )
    model.train(was_training)
    # An encoder-decoder's output begins with its start token, a decoder's with the prompt.
    n_read = 1 if model.config.is_encoder_decoder else batch["input_ids"].shape[1]
    texts = tokenizer.batch_decode(output[:, n_read:], skip_special_tokens=True)
    return [Answer(p, r, t.strip()) for p, r, t in zip(batch["prompts"], batch["references"], texts, strict=True)]


@torch.no_grad()
def answer_totals(
    model: Any, tokenizer: Any, batches: Iterable[dict[str, Any]], max_new_tokens: int
) -> dict[str, tuple[float, int]]:
    """Sum and count of each generation metric over the answers to all batches."""
    answers = [a for batch in batches for a in generate_answers(model, tokenizer, batch, max_new_tokens)]
    pairs = [(a.generated, a.reference) for a in answers]
    return {name: (sum(fn(*pair) for pair in pairs), len(pairs)) for name, fn in GENERATION_METRICS.items()}
