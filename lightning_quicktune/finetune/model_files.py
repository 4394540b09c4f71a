"""Model files from which readers older than this version of Transformers compute the same."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import nn

_NOT_CARRIED = ("_name_or_path", "architectures", "auto_map", "quantization_config", "torch_dtype")
# What Transformers 4 calls the same, by model type.
_OWN_NAMES: Mapping[str, Mapping[str, str]] = {
    "gpt_neox": {"rope_theta": "rotary_emb_base", "partial_rotary_factor": "rotary_pct"},
}
_TIED_ALWAYS_IN_5 = ("longt5", "mt5", "t5")  # Transformers 5 writes `tie_word_embeddings: true` whatever is the case


def save_model(model: Any, said: Mapping[str, Any], folder: Path) -> None:
    """Writes weights and configurations, with what the base model's configuration said and this version leaves out.

    Args:
        model: A model of Transformers.
        said: The base model's ``config.json``.
        folder: Where to write.
    """
    tied = _says_tied(model)
    if tied is False and model.lm_head.weight is model.shared.weight:
        model.lm_head.weight = nn.Parameter(model.lm_head.weight.detach().clone())  # or no reader would find it
    model.save_pretrained(folder)
    path = folder / "config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    kept = {key: value for key, value in said.items() if key not in config and key not in _NOT_CARRIED}
    completed = {**_rope_of_old(config), **kept, **config}
    if tied is not None:
        completed["tie_word_embeddings"] = tied
    path.write_text(json.dumps(completed, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def _says_tied(model: Any) -> bool | None:
    """What ``tie_word_embeddings`` must say of a T5; by it, Transformers 4 also scales what comes before the head."""
    if model.config.model_type not in _TIED_ALWAYS_IN_5:
        return None
    return bool(getattr(model.config, "scale_decoder_outputs", False))


def _rope_of_old(config: Mapping[str, Any]) -> dict[str, Any]:
    """The rotary embedding as Transformers 4 reads it: at the top level, where 5 has ``rope_parameters``."""
    by_layer = config.get("rope_parameters") or {}
    if any(isinstance(value, dict) for value in by_layer.values()):
        flat = _flat_rope(by_layer.get("full_attention") or {}, config)
        local = by_layer.get("sliding_attention") or {}
        return flat | ({"rope_local_base_freq": local["rope_theta"]} if "rope_theta" in local else {})
    return _flat_rope(by_layer, config)


def _flat_rope(parameters: Mapping[str, Any], config: Mapping[str, Any]) -> dict[str, Any]:
    model_type = str(config.get("model_type"))
    names = _OWN_NAMES.get(model_type, {})
    top = ("rope_theta", "partial_rotary_factor")
    flat = {names.get(key, key): parameters[key] for key in top if key in parameters}
    kind = parameters.get("rope_type", "default")
    if kind == "default":
        return flat
    scaling = {key: value for key, value in parameters.items() if key not in top}
    if kind == "longrope" and model_type.startswith("phi"):  # Phi's configs take three keys, the third by another name
        flat |= {k: scaling[k] for k in ("original_max_position_embeddings",) if k in scaling}
        scaling = {"type": kind, **{key: scaling[key] for key in ("short_factor", "long_factor")}}
    return flat | {"rope_scaling": scaling}
