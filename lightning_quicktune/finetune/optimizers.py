"""Builds a trial's optimizer, with a learning rate of its own for the B matrices of LoRA."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from torch import nn
from torch.optim import Optimizer


def build_optimizer(
    model: nn.Module, factory: Callable[[Iterable[Any]], Optimizer], lora_plus_ratio: float
) -> Optimizer:
    """The optimizer of a model's trainable weights.

    Args:
        model: The model with its adapter.
        factory: Builds the optimizer from weights or groups of them, with one learning rate for all.
        lora_plus_ratio: Learning rate of the adapter's B matrices over that of all other weights, above 0.

    Returns:
        An optimizer of one group or, where the ratio isn't 1, of two: the B matrices are the second.

    Raises:
        ValueError: If the ratio isn't 1 and the model has no B matrices to apply it to.

    References:
        Hayou, Ghosh and Yu (2024), LoRA+: Efficient Low Rank Adaptation of Large Models.
    """
    trainable = {name: weight for name, weight in model.named_parameters() if weight.requires_grad}
    if lora_plus_ratio == 1:
        return factory(list(trainable.values()))
    b_matrices = [weight for name, weight in trainable.items() if "lora_B" in name]
    others = [weight for name, weight in trainable.items() if "lora_B" not in name]
    if not b_matrices:
        raise ValueError(
            f"The LoRA+ ratio is {lora_plus_ratio}, but the model has no trainable B matrix that it could apply to. "
            "Set `model.init_args.lora_plus_ratio: 1`, or train a LoRA adapter."
        )
    optimizer = factory([{"params": others}, {"params": b_matrices}])
    optimizer.param_groups[1]["lr"] = optimizer.param_groups[1]["lr"] * lora_plus_ratio
    return optimizer
