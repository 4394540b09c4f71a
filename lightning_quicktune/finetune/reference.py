"""The reference step: one fixed training step of a base model, in whose time costs move between machines."""

from __future__ import annotations

import time
from typing import Any

import torch

from lightning_quicktune.finetune.base_model import BaseModel

_BATCH, _TOKENS, _REPEATS = 4, 64, 3


def reference_step_s(base: BaseModel, device: torch.device) -> float:
    """Seconds of one forward and backward pass of 4 x 64 tokens through the base model on this device.

    Gradients run through every layer to the embeddings, so no adapter is needed and the figure is the same whatever is
    trained. The fastest of three timed passes after a warm-up; random state is untouched.
    """
    model: Any = base.model.to(device)
    tokens = torch.arange(_BATCH * _TOKENS, device=device).remainder(model.config.vocab_size).view(_BATCH, _TOKENS)
    fastest = float("inf")
    for attempt in range(1 + _REPEATS):
        start = time.perf_counter()
        with torch.random.fork_rng(devices=[]):
            inputs = model.get_input_embeddings()(tokens).detach().requires_grad_()
            answers = {"decoder_input_ids": tokens} if model.config.is_encoder_decoder else {}
            logits = model(inputs_embeds=inputs, use_cache=False, **answers).logits
            logits.float().logsumexp(-1).mean().backward()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        if attempt:
            fastest = min(fastest, time.perf_counter() - start)
    return fastest
