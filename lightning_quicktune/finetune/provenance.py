"""The provenance of an export: what it was trained on, with which settings, and how well it scored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

_SECTIONS = ("lora", "optimizer", "schedule", "label_smoothing", "neftune_alpha", "lora_plus_ratio")
_DATA = ("batch_size", "template", "max_length", "packing")


@dataclass(frozen=True)
class Provenance:
    """Where an adapter comes from.

    Args:
        data: Where the records came from, and their digest, by name.
        settings: Settings of the training, by their key in the fit YAML.
        scores: Scores of the trained weights on validation, by name, higher is better.
        tested: Metrics on the test split, by name.
    """

    data: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    scores: Mapping[str, float] = field(default_factory=dict)
    tested: Mapping[str, float] = field(default_factory=dict)


def provenance(fit: Mapping[str, Any], checkpoint: Mapping[str, Any]) -> Provenance:
    """The facts that a fit YAML and a checkpoint tell.

    Args:
        fit: The fit YAML that was trained.
        checkpoint: The Lightning checkpoint, read.
    """
    model = (fit.get("model") or {}).get("init_args") or {}
    data = (fit.get("data") or {}).get("init_args") or {}
    trainer = fit.get("trainer") or {}
    settings = {f"model.init_args.{key}": model[key] for key in _SECTIONS if key in model}
    settings |= {f"data.init_args.{key}": data[key] for key in _DATA if data.get(key) is not None}
    passed = {key: trainer.get(key) for key in ("max_epochs", "accumulate_grad_batches", "gradient_clip_val")}
    settings |= {f"trainer.{key}": value for key, value in passed.items() if value is not None}
    settings["seed_everything"] = fit.get("seed_everything", 0)
    digests = [state["content_digest"] for state in checkpoint.values() if _has(state, "content_digest")]
    known = {"data.init_args.path": data.get("path"), "records_digest": digests[0] if digests else None}
    return Provenance({k: v for k, v in known.items() if v is not None}, settings, _scores(checkpoint))


def _scores(checkpoint: Mapping[str, Any]) -> dict[str, float]:
    """The validation score of the slice that the checkpoint was written after, and how many there had been."""
    callbacks = [state for state in (checkpoint.get("callbacks") or {}).values() if isinstance(state, Mapping)]
    slices = next((state["slices"] for state in callbacks if state.get("slices")), None)
    if slices:
        return {"score": float(slices[-1]["score"]), "slices": int(slices[-1]["fidelity"])}
    seen = [state["current_score"] for state in callbacks if state.get("monitor") == "score"]
    scores = {"score": float(seen[0])} if seen and seen[0] is not None else {}
    return {**scores, "slices": int(checkpoint["epoch"]) + 1} if "epoch" in checkpoint else scores


def _has(state: Any, key: str) -> bool:
    return isinstance(state, Mapping) and key in state
