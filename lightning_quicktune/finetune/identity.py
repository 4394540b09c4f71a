"""The identity of a base model in records and tables: its size, its weights, how they were rounded."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from lightning_quicktune.types import BaseModelInfo

_NO_MEANING = ("architectures", "attn_implementation", "dtype", "torch_dtype", "transformers_version", "use_cache")


def identify(model: nn.Module, name: str, further_ends: Sequence[int], rounded: str | None) -> BaseModelInfo:
    """Name, size and hash of the weights and of what the configurations make of them; reads all weights.

    Args:
        model: The base model, without adapter.
        name: The name that tables carry.
        further_ends: Tokens that end an answer because the generation configuration alone says so.
        rounded: How the weights were rounded before they were written as plain numbers, if they were.
    """
    digest = hashlib.sha256(json.dumps(_meaning(model.config), sort_keys=True, default=str).encode())
    for key, tensor in sorted(model.state_dict().items()):
        digest.update(key.encode())
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
    if further_ends:
        digest.update(json.dumps(sorted(further_ends)).encode())
    quantization = f"{rounded}, dequantized" if rounded else quantization_of(model.config)
    return BaseModelInfo(name, count_weights(model), digest.hexdigest()[:16], quantization)


def quantization_of(config: Any) -> str:
    """How the weights of a model are rounded in memory, as its configuration says, or ``none``."""
    settings = getattr(config, "quantization_config", None)
    if not settings:
        return "none"
    facts: Mapping[str, Any] = settings if isinstance(settings, Mapping) else settings.to_dict()
    method = str(getattr(facts.get("quant_method"), "value", facts.get("quant_method", "unknown")))
    if facts.get("load_in_4bit"):
        double = ", scales quantized too" if facts.get("bnb_4bit_use_double_quant") else ""
        return f"{method} {facts.get('bnb_4bit_quant_type', 'fp4')}{double}"
    bits = 8 if facts.get("load_in_8bit") else facts.get("bits")
    return f"{method} {bits}-bit" if bits else method


def count_weights(model: nn.Module) -> int:
    """Number of weights of a model; those that several modules share count once, packed ones each for itself."""
    seen: dict[int, int] = {}
    for module in model.modules():
        for name, weight in module.named_parameters(recurse=False):
            if name == "weight" and isinstance(module, nn.Linear):
                seen[id(weight)] = int(module.in_features * module.out_features)
            else:
                seen[id(weight)] = weight.numel()
    return sum(seen.values())


def _meaning(config: Any) -> dict[str, Any]:
    """What a configuration says of the computation, not of where it lies, who wrote it, or how it is run here.

    Without what its class assumes anyway, to which each version of Transformers adds.
    """
    return {key: value for key, value in config.to_diff_dict().items() if key not in _NO_MEANING and key[0] != "_"}
