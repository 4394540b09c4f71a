"""The optimizer of a trial: which weights decay, and how far the B matrices of LoRA move."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer, SparseAdam

OptimizerFactory = Callable[[Iterable[Any]], Optimizer]
UPDATE_SCALE = "update_scale"  # in a group: how many times as far its weights are moved


def build_optimizer(model: nn.Module, factory: OptimizerFactory, lora_plus_ratio: float) -> Optimizer:
    """The optimizer of a model's trainable weights.

    DoRA's magnitudes begin at the norms of the base weights, so decay would shrink the base model itself: it is never
    applied to them, and neither is the ratio.

    The ratio multiplies how far a step moves the B matrices, decay included, and not the rate that the optimizer is
    given: some optimizers limit or ignore their rate, and the ratio means the same for each. Where a step is
    proportional to the rate, as that of AdamW and SGD is, both are equal.

    Args:
        model: The model with its adapter.
        factory: Builds the optimizer from weights or groups of them, with one learning rate for all.
        lora_plus_ratio: How far the adapter's B matrices move over how far they would at the rate of all others, above
            0.

    Returns:
        An optimizer of one group; where the ratio isn't 1 the B matrices are the second, which says so under
        ``update_scale``, and where it decays weights DoRA's magnitudes are the last.

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
        optimizer.param_groups[1][UPDATE_SCALE] = lora_plus_ratio
        _scale_updates(optimizer)
    _take_steps_together(optimizer)
    return optimizer


def _scale_updates(optimizer: Optimizer) -> None:
    """Makes each step move the weights of a group with ``update_scale`` as many times as far."""
    before: list[tuple[float, list[Tensor], list[Tensor]]] = []

    def remember(optimizer: Optimizer, *_: Any) -> None:
        scaled = [group for group in optimizer.param_groups if UPDATE_SCALE in group]
        before[:] = [(g[UPDATE_SCALE], g["params"], [w.detach().clone() for w in g["params"]]) for g in scaled]

    @torch.no_grad()
    def go_further(*_: Any) -> None:
        for scale, weights, start in before:
            torch._foreach_lerp_(weights, start, 1 - scale)  # from where the step ended, away from where it began
        before.clear()

    optimizer.register_step_pre_hook(remember)
    optimizer.register_step_post_hook(go_further)


def _take_steps_together(optimizer: Optimizer) -> None:
    """On a GPU all weights of a group at once, where an optimizer of torch would take one after the other."""
    for group in optimizer.param_groups:
        on_gpu = all(weight.is_cuda for weight in group["params"])
        if on_gpu and "foreach" in group and group["foreach"] is None and not group.get("fused"):
            group["foreach"] = True


def _built(factory: OptimizerFactory, groups: list[list[nn.Parameter]]) -> Optimizer:
    """The optimizer of all groups that aren't empty, if it can step on dense gradients of each weight's shape."""
    filled = [group for group in groups if group]
    try:
        optimizer = factory(filled[0] if len(filled) == 1 else [{"params": group} for group in filled])
    except (RuntimeError, TypeError, ValueError) as error:
        raise ValueError(_impossible("This optimizer", str(error).rstrip("."))) from error
    closure = inspect.signature(optimizer.step).parameters.get("closure")
    if closure is None:
        reason = "its `step` takes no `closure`, through which the trainer has the loss computed"
        raise ValueError(_impossible(type(optimizer).__name__, reason))
    if closure.default is inspect.Parameter.empty:
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
