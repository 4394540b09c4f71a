"""A recipe that is commonly advised, as a configuration of the LoRA search space."""

from __future__ import annotations

from collections.abc import Sequence

from lightning_quicktune.search.nearest import NearestMembers
from lightning_quicktune.space.search_space import SearchSpace
from lightning_quicktune.types import Configuration, Value

# Rank and alpha of 32 on all linear layers, AdamW at 3e-4, batches of 16, no dropout; the least decay that there is.
STRONG: dict[str, Value] = {
    "optimizer": "adamw",
    "lr": 3.0e-4,
    "adam_beta2": 0.999,
    "weight_decay": 1.0e-4,
    "schedule": "linear",
    "warmup_fraction": 0.03,
    "batch_size": 16,
    "gradient_clip": 1.0,
    "label_smoothing": 0.0,
    "neftune_alpha": 0.0,
    "lora_rank": 32,
    "lora_alpha_over_rank": 1,
    "lora_dropout": 0.0,
    "lora_targets": "all-linear",
    "lora_variant": "lora",
    "lora_initialization": "default",
    "lora_plus_ratio": 1.0,
}


def strong_configuration(space: SearchSpace) -> Configuration:
    """The recipe.

    Args:
        space: The search space.

    Raises:
        ValueError: If it is another search space, in which the recipe is no configuration.

    References:
        Schulman and Thinking Machines Lab (2025), LoRA Without Regret.
    """
    configuration = Configuration(STRONG)
    try:
        space.check(configuration)
    except ValueError as error:
        raise ValueError(
            f"`methods` has `strong`, a LoRA recipe that the search space of the meta-dataset doesn't hold: {error} "
            "Take `strong` out of `methods`."
        ) from error
    return configuration


def nearest_to_strong(space: SearchSpace, pool: Sequence[Configuration]) -> Configuration:
    """The recipe, where a pool has it, else the member that is nearest in encoded space.

    Args:
        space: The search space.
        pool: Configurations that were recorded.

    Raises:
        ValueError: As ``strong_configuration``.
    """
    return NearestMembers(space, pool).take(strong_configuration(space))
