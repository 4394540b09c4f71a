"""Rules of cohorts: which trials can share passes over their base model, and which are of one cohort."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from torch import nn

from lightning_quicktune.compose import FitConfig, build
from lightning_quicktune.data.datamodule import TaskData
from lightning_quicktune.finetune.base_model import BaseModel
from lightning_quicktune.finetune.finetuner import CausalLMFinetuner, Seq2SeqFinetuner
from lightning_quicktune.finetune.lora import LoraSettings
from lightning_quicktune.finetune.targets import matching_modules, target_modules
from lightning_quicktune.trials.identity import WATCHING, callback_name, differences, flat_settings
from lightning_quicktune.trials.plan import TrialPlan

_PRECISIONS = (None, 32, "32", "32-true", "bf16", "bf16-mixed")  # that a cohort can have

# What each member has of its own in a fit YAML.
_OWN = (
    "data.init_args.batch_size",
    "model.init_args.label_smoothing",
    "model.init_args.lora.",
    "model.init_args.lora_plus_ratio",
    "model.init_args.neftune_alpha",
    "model.init_args.optimizer.",
    "model.init_args.schedule.",
    "seed_everything",
    "trainer.accumulate_grad_batches",
    "trainer.gradient_clip_algorithm",
    "trainer.gradient_clip_val",
)


def can_join(plan: TrialPlan) -> str | None:
    """Why a plan's trial can't share a pass with others and must be run alone; none if it can.

    Args:
        plan: What is to be trained.

    Raises:
        ValueError: If what its fit YAML shares with others is wrong.
        FileNotFoundError: If there is no such base model.
    """
    fit = plan.resolved
    reason = _of_recipe(json.dumps(_without_own(fit)))
    if reason is not None:
        return reason
    lora = fit["model"]["init_args"].get("lora") or {}
    initialization = lora.get("initialization", LoraSettings.initialization)
    if LoraSettings(rank=2, initialization=initialization).alters_base:
        return f"the initialization `{initialization}` changes the base weights"
    targets = lora.get("targets", LoraSettings.targets)
    return _of_targets(json.dumps(_without_own(fit)), targets if isinstance(targets, str) else tuple(targets))


def _without_own(fit: FitConfig) -> FitConfig:
    """A fit YAML without what each member has of its own."""
    shared = copy.deepcopy(fit)
    for key in _OWN:
        *parents, last = key.removesuffix(".").split(".")
        node: Any = shared
        for parent in parents:
            node = node.get(parent) or {}
        node.pop(last, None)
    return shared


@lru_cache(maxsize=8)
def _of_recipe(text: str) -> str | None:
    """What speaks against all trials of a recipe, given as JSON."""
    composed = build(json.loads(text))
    module, data, trainer = composed.model, composed.data, composed.trainer
    if type(module) not in (CausalLMFinetuner, Seq2SeqFinetuner) or type(data) is not TaskData:
        return f"it trains {type(module).__name__} on {type(data).__name__}, whose steps a cohort doesn't know"
    if data.packing:
        return "`data.init_args.packing` puts several records into a row"
    precision = trainer.get("precision")
    if precision in ("16-mixed", 16, "16"):
        return "`trainer.precision: 16-mixed` scales the loss by what its own gradients were"
    if precision not in _PRECISIONS:
        return f"`trainer.precision: {precision}` would change the shared base model"
    steering = [c for c in trainer.get("callbacks") or [] if callback_name(type(c).__name__) not in WATCHING]
    if steering:
        return f"`trainer.callbacks` has {type(steering[0]).__name__}, which may look at its trial alone"
    loaded = _loaded(text)
    if getattr(loaded.model, "is_quantized", False):
        return f"the weights of `{loaded.name}` are quantized ({loaded.info.quantization})"
    if _has_dropout(loaded.model):
        return f"`{loaded.name}` has dropout of its own, which depends on what else was drawn"
    return None


@lru_cache(maxsize=32)
def _of_targets(text: str, targets: str | tuple[str, ...]) -> str | None:
    """What speaks against adapters on these targets of the base model of a recipe."""
    loaded = _loaded(text)
    model: Any = loaded.model
    try:
        names = target_modules(model, targets if isinstance(targets, str) else list(targets))
    except ValueError:
        return None  # the trial says so itself, in its record
    if any(target.parameter for target in matching_modules(model, names).values()):
        return f"`{loaded.name}` is a mixture of experts, and the adapter is added to their weights"
    return None


def _loaded(text: str) -> BaseModel:
    module: Any = build(json.loads(text)).model
    loaded: BaseModel = module.loaded
    return loaded


def _has_dropout(model: Any) -> bool:
    """Whether a model drops parts of its states in training, by modules or, as in attention, by a number."""
    in_modules = any(isinstance(module, nn.Dropout) and module.p > 0 for module in model.modules())
    settings = model.config.to_dict()
    named = (key for key in settings if "dropout" in key or key.endswith("pdrop"))
    unused = ("classifier_dropout", "summary_first_dropout")
    return in_modules or any(isinstance(settings[k], float) and settings[k] > 0 for k in named if k not in unused)


def check_cohort(plans: Sequence[TrialPlan]) -> None:
    """Refuses plans that are not of one task and base model, or that differ in what all members share.

    Args:
        plans: At least one.

    Raises:
        ValueError: If they can't be one cohort; says what differs.
    """
    folders = [plan.folder for plan in plans]
    twice = next((folder for folder in folders if folders.count(folder) > 1), None)
    if twice is not None:
        raise ValueError(
            f"Two members of the cohort have the folder {twice}, so one would overwrite the other's record. Give each "
            "trial once, with a folder of its own."
        )
    first = _shared(plans[0])
    for plan in plans[1:]:
        if changes := differences(first, _shared(plan)):
            raise ValueError(
                f"{plans[0].key} and {plan.key} can't be one cohort: {'; '.join(changes)}. Its members share one pass "
                "over one base model, slice by slice. Give trials of one task and recipe, whose configurations differ "
                "in adapter, optimizer, schedule, regularization and batch size alone."
            )


def _shared(plan: TrialPlan) -> Mapping[str, Any]:
    """What must be the same for all members."""
    settings = {k: v for k, v in flat_settings(plan.resolved).items() if not k.startswith(_OWN)}
    task = plan.task
    return {
        **settings,
        "task": task.name,
        "base model": f"{task.base_model.name} (weights {task.base_model.weight_hash})",
        "max_fidelity": task.max_fidelity,
        "records_per_slice": task.records_per_slice,
        "content": task.facts.get("content_digest"),
    }
