"""The check that a recipe and a search space make trials that can be compared, before any is trained."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lightning_quicktune.compose import FitConfig, check_space, with_overrides
from lightning_quicktune.space.search_space import SearchSpace
from lightning_quicktune.trials.identity import callback_name

# Arguments of the Trainer that would cut slices or validation short, and the values with which they don't. A whole
# number counts batches, so 1 is another thing than 1.0.
_WHOLE: Mapping[str, tuple[Any, ...]] = {
    "check_val_every_n_epoch": (1,),
    "fast_dev_run": (False, None, 0),
    "limit_test_batches": (1.0, None),
    "limit_train_batches": (1.0, None),
    "limit_val_batches": (1.0, None),
    "max_steps": (-1, None),
    "max_time": (None,),
    "min_epochs": (None,),
    "min_steps": (None,),
    "overfit_batches": (0.0, 0, None),
    "val_check_interval": (1.0, None),
}
# Arguments of the Trainer that keep a trial from being paused and going on as if it had not been.
_RESUMABLE: Mapping[str, tuple[Any, ...]] = {
    "barebones": (False, None),
    "enable_checkpointing": (True, None),
    "reload_dataloaders_every_n_epochs": (0, None),
}
_STEERING_CALLBACKS = (
    "BatchSizeFinder",
    "EMAWeightAveraging",
    "EarlyStopping",
    "GradientAccumulationScheduler",
    "LearningRateFinder",
    "StochasticWeightAveraging",
    "Timer",
    "WeightAveraging",
)
# Keys that are the same for all trials of a task, whatever their configuration.
_FIXED = (
    "ckpt_path",
    "data.class_path",
    "data.init_args.evaluation",
    "data.init_args.path",
    "data.init_args.reading",
    "data.init_args.records_per_slice",
    "model.init_args.base_model.name",
    "model.init_args.base_model.revision",
    "model.init_args.score",
    "seed_everything",
    *(f"trainer.{name}" for name in ("accelerator", "callbacks", "devices", "max_epochs", "num_nodes", "strategy")),
    *(f"trainer.{name}" for name in (*_WHOLE, *_RESUMABLE)),
)


def check_recipe(recipe: FitConfig) -> None:
    """Refuses a recipe whose slices would not all have the same records and end with one whole validation.

    Raises:
        ValueError: If it has such a setting; names its key.
    """
    trainer = recipe.get("trainer") or {}
    for name, whole in _WHOLE.items():
        if not _is_one_of(trainer.get(name, whole[0]), whole):
            raise ValueError(
                f"`trainer.{name}` is {trainer[name]!r} in `recipe`, but all slices of all trials have the same number "
                "of records and end with one whole validation, or their scores couldn't be compared. Remove the key; "
                "`max_fidelity`, `data.init_args.records_per_slice` and `data.init_args.evaluation` say how much is "
                "trained and measured."
            )
    for name, resumable in _RESUMABLE.items():
        if not _is_one_of(trainer.get(name, resumable[0]), resumable):
            raise ValueError(
                f"`trainer.{name}` is {trainer[name]!r} in `recipe`, but trials are paused after any slice, and go on "
                f"from its checkpoint with the same data loaders. Remove the key, or set `trainer.{name}: "
                f"{str(resumable[0]).lower()}`."
            )
    callbacks = trainer.get("callbacks") or []
    if not isinstance(callbacks, list):
        raise ValueError(
            f"`trainer.callbacks` is {callbacks!r} in `recipe`, but trials look at each callback of a list. Write "
            "it as a list with one entry."
        )
    for callback in callbacks:
        name = callback_name(callback)
        if name in _STEERING_CALLBACKS:
            raise ValueError(
                f"`trainer.callbacks` has {name} in `recipe`, which changes what or how long a trial trains, so that "
                "its slices couldn't be compared or resumed. Remove it; the search decides how far a trial goes."
            )


def _is_one_of(value: Any, allowed: tuple[Any, ...]) -> bool:
    return any(value == v and type(value) is type(v) for v in allowed)


def check_search(recipe: FitConfig, space: SearchSpace) -> None:
    """Checks recipe and search space alone and together, before any data or weights are read.

    Raises:
        ValueError: If one of them is wrong, or they don't fit each other; says which.
    """
    check_recipe(recipe)
    for key in space.keys:
        fixed = next((f for f in _FIXED if f == key or f.startswith(f"{key}.") or key.startswith(f"{f}.")), None)
        if fixed is not None:
            raise ValueError(
                f"The search space sets `{key}`, but `{fixed}` is the same for all trials of a task, or their learning "
                "curves couldn't be compared. Remove that hyperparameter from `space`, and set the key in `recipe`."
            )
    check_space(with_overrides(recipe, {"data.init_args.path": ""}), space)
