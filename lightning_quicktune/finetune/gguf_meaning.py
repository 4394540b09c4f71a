"""What a GGUF file says of a model's computation, put into the configuration that Transformers makes of it.

Transformers' reader drops without a word what it has no name for. So each key of a file is set here, or known to mean
nothing for the computation, or the file is refused.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from lightning_quicktune.finetune.gguf_rope import Facts, UnknownMeaningError, set_rope

_NAMES = {
    "context_length": "max_position_embeddings",
    "embedding_length": "hidden_size",
    "block_count": "num_hidden_layers",
    "feed_forward_length": "intermediate_size",
    "attention.head_count": "num_attention_heads",
    "attention.head_count_kv": "num_key_value_heads",
    "attention.layer_norm_rms_epsilon": "rms_norm_eps",
    "vocab_size": "vocab_size",
}
_OWN_NAMES = {
    "falcon": {
        "feed_forward_length": "ffn_hidden_size",
        "attention.head_count_kv": "num_kv_heads",
        "attention.layer_norm_epsilon": "layer_norm_epsilon",
    },
    "gemma2": {
        "attn_logit_softcapping": "attn_logit_softcapping",
        "final_logit_softcapping": "final_logit_softcapping",
    },
    "gemma3": {"final_logit_softcapping": "final_logit_softcapping"},
    "gpt2": {"feed_forward_length": "n_inner", "attention.layer_norm_epsilon": "layer_norm_epsilon"},
    "stablelm": {
        "attention.layer_norm_epsilon": "layer_norm_eps",
        "use_parallel_residual": "use_parallel_residual",
    },
    "starcoder2": {"attention.layer_norm_epsilon": "norm_epsilon"},
}
ARCHITECTURES = ("falcon", "gemma2", "gemma3", "gpt2", "llama", "phi3", "qwen2", "qwen3", "stablelm", "starcoder2")
_PARTLY_ROTARY = ("phi3", "stablelm")
_WINDOWED = ("gemma2", "gemma3", "llama", "phi3", "starcoder2")
_LARGEST_GEMMA_LAYERS = {"gemma2": 46, "gemma3": 62}  # of 27 B, the only ones whose attention isn't scaled by 256
_LARGEST_GEMMA_HEAD = 128
_ROPE_TENSORS = ("rope_freqs.weight", "rope_factors_long.weight", "rope_factors_short.weight")


def set_meaning(config: Any, facts: Facts) -> None:
    """Sets in a configuration what the file says and Transformers' reader leaves at its default.

    Args:
        config: What Transformers has read of the file; changed in place.
        facts: Keys and rotary tensors of the file.

    Raises:
        UnknownMeaningError: If a key would change the computation and can't be set.
    """
    _set_sizes(config, facts)
    _set_heads(config, facts)
    _set_window(config, facts)
    base = facts.take("rope.freq_base")
    rope = rope_of(config)
    if base is not None and not _same(rope.get("rope_theta"), base):
        rope["rope_theta"] = base
    if (local := facts.take("rope.freq_base_swa")) is not None:
        _local_rope(config, facts)["rope_theta"] = local
    set_rope(config, rope, facts)
    _set_attention_scale(config, facts)
    if facts.architecture == "llama":
        config.attention_bias = any(name.endswith("attn_q.bias") for name in facts.tensors)
        config.mlp_bias = any(name.endswith("ffn_up.bias") for name in facts.tensors)
    _check_harmless(facts)


def set_token_ids(config: Any, tokens: Mapping[str, Any]) -> None:
    """Sets the first, the last and the padding token, else those of one model with this architecture would be taken.

    Args:
        config: The model's configuration; changed in place.
        tokens: Every key of the file that begins with ``tokenizer.``, without that.
    """
    for name in ("bos", "eos"):
        if (token := tokens.get(f"ggml.{name}_token_id")) is not None:
            setattr(config, f"{name}_token_id", token)
    if config.pad_token_id is not None:
        config.pad_token_id = tokens.get("ggml.padding_token_id")


def rope_of(config: Any) -> dict[str, Any]:
    """The rotary settings of a configuration, of its layers with full attention where layers differ."""
    every: dict[str, Any] = getattr(config, "rope_parameters", None) or {}
    rope: dict[str, Any] = every.get("full_attention", every)
    return rope


def tensors_of(config: Any, architecture: str) -> set[str]:
    """Names that the weights of a model of this configuration have in a GGUF file."""
    import torch
    from gguf import MODEL_ARCH_NAMES, get_tensor_name_map
    from transformers import AutoModelForCausalLM

    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)
    names = get_tensor_name_map(
        next(arch for arch, name in MODEL_ARCH_NAMES.items() if name == architecture), config.num_hidden_layers
    )
    found = (names.get_name(key, try_suffixes=(".weight", ".bias")) or key for key, _ in model.named_parameters())
    return set(found)


def check_tensors(wanted: set[str], present: set[str], architecture: str) -> None:
    """Refuses a file that lacks weights of the model, or has others: they would be random, or left out.

    Raises:
        UnknownMeaningError: If it does.
    """
    missing, left = sorted(wanted - present), sorted(present - wanted - set(_ROPE_TENSORS))
    if missing or left:
        lacks = f"lacks {_some(missing)}" if missing else ""
        holds = f"holds {_some(left)}, for which there is no place" if left else ""
        raise UnknownMeaningError(
            f"it {' and '.join(part for part in (lacks, holds) if part)} in a model of the architecture {architecture}"
        )


def _set_sizes(config: Any, facts: Facts) -> None:
    names = {**_NAMES, **_OWN_NAMES.get(facts.architecture, {})}
    for key, name in names.items():
        value = facts.take(key)
        if value is None or _same(getattr(config, name, None), value):
            continue
        if isinstance(value, Sequence) and not isinstance(value, str):
            if len(set(value)) > 1:
                raise UnknownMeaningError(f"`{facts.key(key)}` differs from layer to layer: {value}")
            value = value[0]
        setattr(config, name, value)


def _set_heads(config: Any, facts: Facts) -> None:
    width = config.hidden_size // config.num_attention_heads
    keys, values = facts.take("attention.key_length"), facts.take("attention.value_length")
    rotary = facts.take("rope.dimension_count")
    if keys is not None and values is not None and keys != values:
        raise UnknownMeaningError(f"`{facts.key('attention.value_length')}` is {values}, and keys have {keys}")
    head = keys or (rotary if facts.architecture in ("gemma2", "gemma3") else None) or width
    if getattr(config, "head_dim", width) != head:
        config.head_dim = head
    if rotary is not None and rotary != head and facts.architecture not in _PARTLY_ROTARY:
        raise UnknownMeaningError(
            f"`{facts.key('rope.dimension_count')}` is {rotary}, a part of each head of {head}, which the architecture "
            f"{facts.architecture} of Transformers can't"
        )
    if facts.architecture in _PARTLY_ROTARY:
        rope_of(config)["partial_rotary_factor"] = (rotary or head) / head


def _set_window(config: Any, facts: Facts) -> None:
    window, pattern = facts.take("attention.sliding_window"), facts.take("attention.sliding_window_pattern")
    if window is not None and facts.architecture in _WINDOWED:
        # a Llama with a window is a Mistral, which `gguf_file` makes of it once its weights are read
        config.sliding_window = int(window) or None
    elif window and window < config.max_position_embeddings:
        raise UnknownMeaningError(f"`{facts.key('attention.sliding_window')}` is {window}, which can't be set")
    if pattern is not None:
        if facts.architecture not in ("gemma2", "gemma3"):
            raise UnknownMeaningError(f"`{facts.key('attention.sliding_window_pattern')}` can't be set")
        layers = range(config.num_hidden_layers)
        local = list(pattern) if isinstance(pattern, Sequence) else [(n + 1) % pattern != 0 for n in layers]
        config.layer_types = ["sliding_attention" if is_local else "full_attention" for is_local in local]


def _set_attention_scale(config: Any, facts: Facts) -> None:
    """Gemma scales attention by a number that its files don't hold; llama.cpp knows those of 27 B by their layers."""
    scale, head = facts.take("attention.scale"), getattr(config, "head_dim", None)
    layers = _LARGEST_GEMMA_LAYERS.get(facts.architecture)
    if layers is None:
        if scale is not None:
            raise UnknownMeaningError(f"`{facts.key('attention.scale')}` is {scale}, which can't be set")
    elif scale is not None:
        config.query_pre_attn_scalar = round(scale**-2)
    elif config.num_hidden_layers == layers or head == _LARGEST_GEMMA_HEAD:
        config.query_pre_attn_scalar = config.hidden_size // config.num_attention_heads


def _local_rope(config: Any, facts: Facts) -> dict[str, Any]:
    rope = getattr(config, "rope_parameters", None) or {}
    if "sliding_attention" not in rope:
        raise UnknownMeaningError(f"`{facts.key('rope.freq_base_swa')}` can't be set")
    local: dict[str, Any] = rope["sliding_attention"]
    return local


_HARMLESS: Mapping[str, Callable[[Any], bool]] = {
    "attention.causal": bool,
    "attention.max_alibi_bias": lambda value: not value,
    "attention.clamp_kqv": lambda value: not value,
    "expert_count": lambda value: not value,
    "expert_used_count": lambda value: not value,
    "logit_scale": lambda value: _same(value, 1.0),
    "rope.scaling.finetuned": lambda value: True,
    "tensor_data_layout": lambda value: True,
}


def _check_harmless(facts: Facts) -> None:
    """Refuses a file that says anything more of its computation."""
    unknown = [
        f"`{facts.key(name)}` ({value})"
        for name, value in facts.left().items()
        if name not in _HARMLESS or not _HARMLESS[name](value)
    ]
    if unknown:
        raise UnknownMeaningError(f"it sets {', '.join(unknown)}, which the conversion doesn't know")


def _same(left: Any, right: Any) -> bool:
    """Whether two values are equal as far as the file's 32 bits tell."""
    if isinstance(left, (int, float)) and isinstance(right, (int, float)):
        return bool(np.float32(left) == np.float32(right)) or math.isclose(left, right, rel_tol=1e-7)
    return bool(left == right)


def _some(names: Sequence[str]) -> str:
    return f"{', '.join(names[:3])}{f' and {len(names) - 3} more' if len(names) > 3 else ''}"
