"""Builds a trial's optimizer: which weights decay, and at which rate the B matrices of LoRA learn."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from typing import Any

from torch import nn
from torch.optim import Optimizer, SparseAdam

OptimizerFactory = Callable[[Iterable[Any]], Optimizer]


def build_optimizer(model: nn.Module, factory: OptimizerFactory, lora_plus_ratio: float) -> Optimizer:
    """The optimizer of a model's trainable weights.

    DoRA's magnitudes begin at the norms of the base weights, so decay would shrink the base model itself: it is never
    applied to them, and neither is the ratio.

    Args:
        model: The model with its adapter.
        factory: Builds the optimizer from weights or groups of them, with one learning rate for all.
        lora_plus_ratio: Learning rate of the adapter's B matrices over that of all other weights, above 0.

    Returns:
        An optimizer of one group; where the ratio isn't 1 the B matrices are the second, and where it decays weights
        DoRA's magnitudes are the last.

    Raises:
        ValueError: If the ratio isn't 1 and the model has no B matrices to apply it to, or this optimizer can't train
            the model.

    References:
        Hayou, Ghosh and Yu (2024), LoRA+: Efficient Low Rank Adaptation of Large Models.
    """
    trainable = {name: weight for name, weight in model.named_parameters() if weight.requires_grad}
    b_matrices = [weight for name, weight in trainable.items() if "lora_B" in name and lora_plus_ratio != 1]
    if not b_matrices and lora_plus_ratio != 1:
        raise ValueError(
            f"The LoRA+ ratio is {lora_plus_ratio}, but the model has no trainable B matrix that it could apply to. "
            "Set `model.init_args.lora_plus_ratio: 1`, or train a LoRA adapter."
        )
    magnitudes = [weight for name, weight in trainable.items() if "lora_magnitude_vector" in name]
    apart = {id(weight) for weight in b_matrices}
    optimizer = _built(factory, [[w for w in trainable.values() if id(w) not in apart], b_matrices])
    if magnitudes and optimizer.defaults.get("weight_decay"):
        apart |= {id(weight) for weight in magnitudes}
        optimizer = _built(factory, [[w for w in trainable.values() if id(w) not in apart], b_matrices, magnitudes])
        optimizer.param_groups[-1]["weight_decay"] = 0.0
    if b_matrices:
        optimizer.param_groups[1]["lr"] = optimizer.param_groups[1]["lr"] * lora_plus_ratio
    return optimizer


def _built(factory: OptimizerFactory, groups: list[list[nn.Parameter]]) -> Optimizer:
    """The optimizer of all groups that aren't empty, if it can step on dense gradients of each weight's shape."""
    filled = [group for group in groups if group]
    try:
        optimizer = factory(filled[0] if len(filled) == 1 else [{"params": group} for group in filled])
    except (ValueError, TypeError) as error:
        raise ValueError(_impossible("This optimizer", str(error).rstrip("."))) from error
    if inspect.signature(optimizer.step).parameters["closure"].default is inspect.Parameter.empty:
        reason = "it computes the loss several times a step, which no schedule, accumulation or clipping allows for"
        raise ValueError(_impossible(type(optimizer).__name__, reason))
    if isinstance(optimizer, SparseAdam):
        raise ValueError(_impossible(type(optimizer).__name__, "it takes sparse gradients alone"))
    return optimizer


def _impossible(optimizer: str, reason: str) -> str:
    return (
        f"{optimizer} can't train this adapter: {reason}. Set `model.init_args.optimizer.class_path` to "
        "`torch.optim.AdamW` or another optimizer that steps on weights of any shape by their gradients."
    )
