"""Greedy answers to prompts, and their scores."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch

from lightning_quicktune.finetune.base_model import end_tokens
from lightning_quicktune.finetune.positions import most_positions
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
        batch: ``input_ids`` and ``attention_mask`` ``(B, T)``, left-padded for decoder-only models, ``prompts``,
            ``references`` and ``answer_marks``: what the model writes before one is its reasoning, and no answer.
        max_new_tokens: Most tokens of an answer.

    Raises:
        ValueError: If prompt and answer may need more positions than the model has.
    """
    check_room(model.config, [batch], max_new_tokens)
    was_training = model.training
    model.eval()
    device = next(model.parameters()).device
    with _greedy(model, tokenizer, max_new_tokens) as plain:
        output = plain.generate(
            input_ids=batch["input_ids"].to(device), attention_mask=batch["attention_mask"].to(device)
        )
    model.train(was_training)
    # An encoder-decoder's output begins with its start token, a decoder's with the prompt.
    n_read = 1 if model.config.is_encoder_decoder else batch["input_ids"].shape[1]
    marks = batch["answer_marks"]
    written = [_after(row.tolist(), mark) for row, mark in zip(output[:, n_read:], marks, strict=True)]
    texts = tokenizer.batch_decode(written, skip_special_tokens=True)
    return [Answer(p, r, t.strip()) for p, r, t in zip(batch["prompts"], batch["references"], texts, strict=True)]


def _after(ids: list[int], mark: tuple[int, ...]) -> list[int]:
    """What follows the first ``mark`` in ``ids``, or all of them."""
    places = (n for n in range(len(ids) - len(mark) + 1) if mark and tuple(ids[n : n + len(mark)]) == mark)
    return ids[next((place + len(mark) for place in places), 0) :]


def check_room(config: Any, batches: Iterable[dict[str, Any]], max_new_tokens: int) -> None:
    """Refuses prompts that leave an answer too few positions.

    Args:
        config: Configuration of the base model.
        batches: Prompts, each with ``input_ids`` ``(B, T)``.
        max_new_tokens: Most tokens of an answer.

    Raises:
        ValueError: If prompt and answer may need more positions than the model has.
    """
    positions = most_positions(config)
    n_prompt = max((batch["input_ids"].shape[1] for batch in batches), default=0)
    needed = max(n_prompt, max_new_tokens) if config.is_encoder_decoder else n_prompt + max_new_tokens
    if positions is not None and needed > positions:
        raise ValueError(
            f"A prompt of {n_prompt} tokens with an answer of up to {max_new_tokens} needs {needed} positions, but the "
            f"base model has {positions}. Lower `model.init_args.score.max_new_tokens`, or lower "
            "`data.init_args.max_length` with `data.init_args.reading.on_long_prompt: drop`."
        )


@contextmanager
def _greedy(model: Any, tokenizer: Any, max_new_tokens: int) -> Iterator[Any]:
    """The language model, its adapter in place, with nothing but greedy decoding as its generation configuration.

    An argument to ``generate`` would not do: Transformers fills what it leaves open (penalties, beams, forbidden words)
    with what the base model's authors recommend for chatting.
    """
    from transformers import GenerationConfig

    plain = model.get_base_model() if hasattr(model, "get_base_model") else model
    recommended = plain.generation_config
    plain.generation_config = GenerationConfig(
        max_new_tokens=max_new_tokens,
        do_sample=False,
        num_beams=1,
        use_cache=True,
        eos_token_id=end_tokens(plain, tokenizer),
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=recommended.bos_token_id,
        decoder_start_token_id=recommended.decoder_start_token_id,
    )
    try:
        yield plain
    finally:
        plain.generation_config = recommended


@torch.no_grad()
def answer_totals(
    model: Any, tokenizer: Any, batches: Iterable[dict[str, Any]], max_new_tokens: int
) -> dict[str, tuple[float, int]]:
    """Sum and count of each generation metric over the answers to all batches."""
    return answer_metrics([a for batch in batches for a in generate_answers(model, tokenizer, batch, max_new_tokens)])


def answer_metrics(answers: Sequence[Answer]) -> dict[str, tuple[float, int]]:
    """Sum and count of each generation metric over answers."""
    pairs = [(a.generated, a.reference) for a in answers]
    return {name: (sum(fn(*pair) for pair in pairs), len(pairs)) for name, fn in GENERATION_METRICS.items()}
