"""Trials that a search is compared with: the user's recipe as written, a common strong one, the space's default."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from lightning_quicktune.compose import FitConfig, with_overrides
from lightning_quicktune.space.categorical import CategoricalDomain
from lightning_quicktune.space.hyperparameter import Hyperparameter
from lightning_quicktune.space.search_space import SearchSpace
from lightning_quicktune.trials.identity import flat_settings, label_settings
from lightning_quicktune.trials.plan import TrialPlan, WrittenPlan
from lightning_quicktune.trials.task_setup import TaskSetup
from lightning_quicktune.tuning.settings import Reference
from lightning_quicktune.tuning.words import shown
from lightning_quicktune.types import Configuration, Value

_STEP_RECORDS = 16


def recipe_plan(setup: TaskSetup, recipe: FitConfig, space: SearchSpace, seed: int, trials: Path) -> TrialPlan:
    """The user's recipe, trained for as many slices as it says; where it is in the search space, the trial of there.

    Args:
        setup: The task.
        recipe: The fit YAML as it was read.
        space: The search space.
        seed: Seed of the trials.
        trials: Folder of all trials.
    """
    length = (recipe.get("trainer") or {}).get("max_epochs") or setup.info.max_fidelity
    task = replace(setup.info, max_fidelity=int(length))
    return _plan(TaskSetup(task, setup.fit), setup.info.max_fidelity, space, seed, trials, "recipe")


def strong_plan(setup: TaskSetup, space: SearchSpace, seed: int, trials: Path) -> TrialPlan:
    """A recipe as it is commonly advised, on the user's base model and data.

    All linear layers, some ten times the rate of full finetuning and small batches are what the references advise. Rank
    and alpha of 32, AdamW at 3e-4 and no dropout are usual values; nobody has published just this recipe.

    Args:
        setup: The task.
        space: The search space.
        seed: Seed of the trials.
        trials: Folder of all trials.

    References:
        Schulman and Thinking Machines Lab (2025), LoRA Without Regret. Biderman et al. (2024), LoRA Learns Less and
        Forgets Less, on which modules to adapt.
    """
    own = int(flat_settings(setup.fit).get("data.init_args.batch_size") or _STEP_RECORDS)
    in_memory = next(n for n in (16, 8, 4, 2, 1) if n <= own)
    fit = with_overrides(
        setup.fit,
        {
            "model.init_args.lora.rank": 32,
            "model.init_args.lora.alpha_over_rank": 1.0,
            "model.init_args.lora.dropout": 0.0,
            "model.init_args.lora.targets": "all-linear",
            "model.init_args.lora.variant": "lora",
            "model.init_args.lora.initialization": "default",
            "model.init_args.lora_plus_ratio": 1.0,
            "model.init_args.optimizer": {
                "class_path": "torch.optim.AdamW",
                "init_args": {"lr": 3.0e-4, "weight_decay": 0.0},
            },
            "model.init_args.schedule": {"name": "linear", "warmup_fraction": 0.03},
            "model.init_args.label_smoothing": 0.0,
            "model.init_args.neftune_alpha": 0.0,
            "data.init_args.batch_size": in_memory,
            "trainer.accumulate_grad_batches": _STEP_RECORDS // in_memory,
            "trainer.gradient_clip_val": 1.0,
        },
    )
    return _plan(TaskSetup(setup.info, fit), setup.info.max_fidelity, space, seed, trials, "strong")


def default_plan(setup: TaskSetup, space: SearchSpace, seed: int, trials: Path) -> TrialPlan:
    """The default of the search space.

    Args:
        setup: The task.
        space: The search space.
        seed: Seed of the trials.
        trials: Folder of all trials.
    """
    folder = trials / f"{space.default.id}-{seed}"
    return TrialPlan(setup.info, setup.fit, space, space.default, seed, folder)


def reference_plans(
    names: Sequence[Reference], setup: TaskSetup, recipe: FitConfig, space: SearchSpace, seed: int, trials: Path
) -> dict[Reference, TrialPlan]:
    """What a search is compared with, by name.

    Args:
        names: Which of them.
        setup: The task.
        recipe: The fit YAML as it was read.
        space: The search space.
        seed: Seed of the trials.
        trials: Folder of all trials.
    """
    place = (space, seed, trials)
    plans: dict[Reference, Callable[[], TrialPlan]] = {
        "recipe": lambda: recipe_plan(setup, recipe, *place),
        "strong": lambda: strong_plan(setup, *place),
        "default": lambda: default_plan(setup, *place),
    }
    return {name: plans[name]() for name in names}


def values_of(fit: FitConfig, space: SearchSpace) -> dict[str, Value]:
    """What a fit YAML sets of a search space's hyperparameters, also outside of their bounds.

    Args:
        fit: The fit YAML.
        space: The search space.
    """
    flat = flat_settings(fit)
    values: dict[str, Value] = {}
    for h in space.hyperparameters:
        value = _value(flat, h)
        if value is not None and h.is_active(values):
            values[h.name] = value
    return {name: values[name] for name in space.names if name in values}


def outside(plan: TrialPlan) -> list[str]:
    """Hyperparameters of a plan that the search space has no such value of, as ``weight_decay 0``."""
    domains = {h.name: h.domain for h in plan.space.hyperparameters}
    values = plan.configuration.values
    return [f"{name} {shown(value)}" for name, value in values.items() if domains[name].find(value) is None]


def _value(flat: Mapping[str, Any], h: Hyperparameter) -> Value | None:
    if h.key is not None:
        value = flat.get(h.key)
        return value if isinstance(value, (bool, int, float, str)) else None
    choices = h.domain.choices if isinstance(h.domain, CategoricalDomain) else ()
    return next((c for c in choices if all(flat.get(k) == v for k, v in h.overrides(c).items())), None)


def _plan(setup: TaskSetup, longest: int, space: SearchSpace, seed: int, trials: Path, name: str) -> TrialPlan:
    """The plan of a fit YAML as it is; the one of the search space where that trains the same."""
    configuration = Configuration(values_of(setup.fit, space))
    written = WrittenPlan(setup.info, setup.fit, space, configuration, seed, trials / f"{name}-{seed}")
    try:
        folder = trials / f"{configuration.id}-{seed}"
        known = TrialPlan(setup.info, setup.fit, space, configuration, seed, folder)
        is_same = label_settings(known.resolved) == label_settings(written.resolved)
    except ValueError:  # outside of the space
        return written
    return known if is_same and setup.info.max_fidelity == longest else written
