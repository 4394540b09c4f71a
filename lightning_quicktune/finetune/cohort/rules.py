"""How optimizers move the weights of many members at once: what each would do to its own, in a few operations.

Weights are those of one segment, shape ``(modules, n, rank, size)``, or ``(modules, n, size)`` for magnitudes; every
setting is a tensor that has one number for each of the ``n`` members and spreads over the other dimensions.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.optim import SGD, AdamW, Optimizer

Numbers = Mapping[str, Tensor]


class Rule(ABC):
    """What one class of optimizers does.

    Attributes:
        settings: Entries of a parameter group that are numbers and may differ from member to member.
        state_names: Tensors of a weight's shape that the optimizer keeps of it.
    """

    settings: ClassVar[tuple[str, ...]]
    state_names: ClassVar[tuple[str, ...]]

    @staticmethod
    @abstractmethod
    def fits(group: Mapping[str, Any]) -> bool:
        """Whether it does what the optimizer would with the other settings of a group."""

    @staticmethod
    @abstractmethod
    def numbers(group: Mapping[str, Any], step: int) -> dict[str, float]:
        """The settings of a group as plain numbers, in the step of this number, from 1."""

    @staticmethod
    @abstractmethod
    def move(weights: Tensor, gradients: Tensor, state: list[Tensor], numbers: Numbers) -> None:
        """Changes weights and state in place.

        Args:
            weights: Weights of one segment.
            gradients: Their gradients, which it may change.
            state: What is kept of them, in the order of ``state_names``.
            numbers: Of ``numbers``; ``lr`` is the rate at which the weights move.
        """

    @staticmethod
    def state_of(names: tuple[str, ...], tensors: list[Tensor], group: Mapping[str, Any], step: int) -> dict[str, Any]:
        """The state that the optimizer has of one weight.

        Args:
            names: ``state_names``.
            tensors: One for each.
            group: The weight's group.
            step: Steps taken.
        """
        return {"step": torch.tensor(float(step)), **dict(zip(names, tensors, strict=True))}


class AdamWRule(Rule):
    """AdamW."""

    settings = ("lr", "weight_decay", "first", "second", "rate", "root", "eps")
    state_names = ("exp_avg", "exp_avg_sq")

    @staticmethod
    def fits(group: Mapping[str, Any]) -> bool:
        """Whether it is plain AdamW."""
        return not any(group.get(name) for name in ("amsgrad", "maximize", "capturable", "differentiable"))

    @staticmethod
    def numbers(group: Mapping[str, Any], step: int) -> dict[str, float]:
        """Rates and bias corrections."""
        first, second = group["betas"]
        return {
            "lr": group["lr"],
            "weight_decay": group["weight_decay"],
            "first": 1 - first,
            "second": 1 - second,
            "rate": 1 / (1 - first**step),
            "root": (1 - second**step) ** 0.5,
            "eps": group["eps"],
        }

    @staticmethod
    def move(weights: Tensor, gradients: Tensor, state: list[Tensor], numbers: Numbers) -> None:
        """Loshchilov and Hutter (2019), Decoupled Weight Decay Regularization, algorithm 2."""
        mean, square = state
        weights.mul_(1 - numbers["lr"] * numbers["weight_decay"])
        mean.lerp_(gradients, numbers["first"])
        square.lerp_(gradients.square_(), numbers["second"])
        height = square.sqrt().div_(numbers["root"]).add_(numbers["eps"])
        weights.sub_(torch.div(mean, height, out=height).mul_(numbers["lr"] * numbers["rate"]))


class SGDRule(Rule):
    """Gradient descent with momentum."""

    settings = ("lr", "weight_decay", "momentum", "nesterov")
    state_names = ("momentum_buffer",)

    @staticmethod
    def fits(group: Mapping[str, Any]) -> bool:
        """Whether its first step is like the others."""
        return not any(group.get(name) for name in ("dampening", "maximize", "differentiable"))

    @staticmethod
    def numbers(group: Mapping[str, Any], step: int) -> dict[str, float]:
        """Rates."""
        return {name: float(group[name]) for name in SGDRule.settings}

    @staticmethod
    def move(weights: Tensor, gradients: Tensor, state: list[Tensor], numbers: Numbers) -> None:
        """Sutskever et al. (2013), On the importance of initialization and momentum, in torch's form."""
        (velocity,) = state
        gradients.addcmul_(weights, numbers["weight_decay"].expand_as(weights))
        velocity.mul_(numbers["momentum"]).add_(gradients)
        ahead = gradients.addcmul_(velocity, numbers["momentum"].expand_as(velocity))
        moved = torch.where(numbers["nesterov"] > 0, ahead, velocity)
        weights.sub_(moved.mul_(numbers["lr"]))

    @staticmethod
    def state_of(names: tuple[str, ...], tensors: list[Tensor], group: Mapping[str, Any], step: int) -> dict[str, Any]:
        """The velocity, where there is momentum."""
        return {"momentum_buffer": tensors[0]} if group["momentum"] else {}


RULES: Mapping[type[Optimizer], type[Rule]] = {AdamW: AdamWRule, SGD: SGDRule}


def rule_of(optimizer: Optimizer) -> type[Rule] | None:
    """The rule that does what an optimizer does, or none if it must step itself."""
    rule = RULES.get(type(optimizer))
    return rule if rule is not None and all(rule.fits(group) for group in optimizer.param_groups) else None
