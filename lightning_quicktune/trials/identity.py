"""The identity of a label: the settings and the content that change it, by which trials are comparable."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

LABEL_VERSION = 2  # raised when the same settings, records and weights get other labels; records without it have 1
SETTINGS = "settings_digest"  # among the facts of a task
# Classes that have moved since records of them were made: these go on naming the place they had first.
_FINETUNE = "lightning_quicktune.finetune"
_FIRST_PLACE = {
    f"{_FINETUNE}.finetuner.CausalLMFinetuner": f"{_FINETUNE}.causal_lm.CausalLMFinetuner",
    f"{_FINETUNE}.finetuner.Seq2SeqFinetuner": f"{_FINETUNE}.seq2seq.Seq2SeqFinetuner",
}
CONTENT_CHANGED = "the records have changed, or the tokens that tokenizer and chat template make of them"

# Arguments of the Trainer that say where and how loudly it trains, not what comes of it; the length of the training is
# compared apart, as `max_fidelity`.
_NO_LABEL = frozenset(
    {
        "accelerator",
        "default_root_dir",
        "devices",
        "enable_checkpointing",
        "enable_model_summary",
        "enable_progress_bar",
        "log_every_n_steps",
        "logger",
        "max_epochs",
        "num_nodes",
        "num_sanity_val_steps",
        "profiler",
        "strategy",
    }
)
_FILES = ("data.init_args.chat_template", "data.init_args.path")
# Callbacks that watch, and leave weights and data alone.
WATCHING = frozenset(
    {
        "AnswerWriter",
        "DeviceStatsMonitor",
        "LearningRateMonitor",
        "ModelCheckpoint",
        "ModelSummary",
        "OnExceptionCheckpoint",
        "RichModelSummary",
        "RichProgressBar",
        "TQDMProgressBar",
    }
)


def callback_name(callback: Any) -> str:
    """Name of the class of an entry of ``trainer.callbacks``."""
    return str(callback.get("class_path") if isinstance(callback, Mapping) else callback).rsplit(".", 1)[-1]


def label_settings(fit: Mapping[str, Any]) -> dict[str, Any]:
    """What changes a label in a fit YAML, by dotted key; neither files of data (their content counts) nor the seed.

    A class is the same wherever it has moved to.

    Args:
        fit: The fit YAML.
    """
    trainer = {k: v for k, v in (fit.get("trainer") or {}).items() if k not in _NO_LABEL}
    callbacks = [c for c in trainer.pop("callbacks", None) or [] if callback_name(c) not in WATCHING]
    if callbacks:
        trainer["callbacks"] = callbacks
    flat = dict(_flat({"trainer": trainer, "model": fit.get("model"), "data": fit.get("data")}, ""))
    return {key: value for key, value in flat.items() if key not in _FILES}


def flat_settings(fit: Mapping[str, Any]) -> dict[str, Any]:
    """All of a fit YAML by dotted key."""
    return dict(_flat(fit, ""))


def settings_digest(fit: Mapping[str, Any]) -> str:
    """Changes with anything in ``label_settings``."""
    return hashlib.sha256(json.dumps(label_settings(fit), sort_keys=True).encode()).hexdigest()[:16]


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Settings that differ, each in words: ``key was 1 and is now 2``."""
    keys = sorted(k for k in before.keys() | now.keys() if before.get(k) != now.get(k))
    return [f"`{k}` was {before.get(k, 'not set')!r} and is now {now.get(k, 'not set')!r}" for k in keys]


def _flat(tree: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    """Leaves of nested mappings by dotted key; an empty mapping is a leaf."""
    if not isinstance(tree, Mapping) or not tree:
        yield prefix, _FIRST_PLACE.get(tree, tree) if isinstance(tree, str) else tree
        return
    for key, value in tree.items():
        yield from _flat(value, f"{prefix}.{key}" if prefix else str(key))
