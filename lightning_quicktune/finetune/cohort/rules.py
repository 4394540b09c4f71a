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

from lightning_quicktune.finetune.adafactor import Adafactor

_OF_MAGNITUDES = 3  # dimensions of a segment of magnitudes; of matrices 4
Numbers = Mapping[str, Tensor]


class Rule(ABC):
    """What one class of optimizers does.

    Attributes:
        settings: What ``numbers`` gives.
    """

    settings: ClassVar[tuple[str, ...]]

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
    def move(kind: str, weights: Tensor, gradients: Tensor, state: list[Tensor], numbers: Numbers) -> None:
        """Changes weights and state in place.

        Args:
            kind: ``a``, ``b`` or ``magnitude``.
            weights: Weights of one segment.
            gradients: Their gradients, which it may change.
            state: What is kept of them, from ``new_state``.
            numbers: Of ``numbers``; ``lr`` is the rate at which the weights move, and ``rank`` the members' ranks.
        """

    @staticmethod
    @abstractmethod
    def new_state(weights: Tensor) -> list[Tensor]:
        """What is kept of the weights of one segment before the first step.

        Args:
            weights: Of the members of the rule.
        """

    @staticmethod
    @abstractmethod
    def names(kind: str, group: Mapping[str, Any]) -> tuple[str, ...]:
        """The names that the optimizer gives to what is kept of a weight, in the order of ``new_state``."""


class AdamWRule(Rule):
    """AdamW."""

    settings = ("lr", "weight_decay", "first", "second", "rate", "root", "eps")

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
    def move(kind: str, weights: Tensor, gradients: Tensor, state: list[Tensor], numbers: Numbers) -> None:
        """Loshchilov and Hutter (2019), Decoupled Weight Decay Regularization, algorithm 2."""
        mean, square = state
        weights.mul_(1 - numbers["lr"] * numbers["weight_decay"])
        mean.lerp_(gradients, numbers["first"])
        square.lerp_(gradients.square_(), numbers["second"])
        height = square.sqrt().div_(numbers["root"]).add_(numbers["eps"])
        weights.sub_(torch.div(mean, height, out=height).mul_(numbers["lr"] * numbers["rate"]))

    @staticmethod
    def new_state(weights: Tensor) -> list[Tensor]:
        """Means of the gradients and of their squares."""
        return [torch.zeros_like(weights), torch.zeros_like(weights)]

    @staticmethod
    def names(kind: str, group: Mapping[str, Any]) -> tuple[str, ...]:
        """As torch has them."""
        return "step", "exp_avg", "exp_avg_sq"


class SGDRule(Rule):
    """Gradient descent with momentum."""

    settings = ("lr", "weight_decay", "momentum", "nesterov")

    @staticmethod
    def fits(group: Mapping[str, Any]) -> bool:
        """Whether its first step is like the others."""
        return not any(group.get(name) for name in ("dampening", "maximize", "differentiable"))

    @staticmethod
    def numbers(group: Mapping[str, Any], step: int) -> dict[str, float]:
        """Rates."""
        return {name: float(group[name]) for name in SGDRule.settings}

    @staticmethod
    def move(kind: str, weights: Tensor, gradients: Tensor, state: list[Tensor], numbers: Numbers) -> None:
        """Sutskever et al. (2013), On the importance of initialization and momentum, in torch's form."""
        (velocity,) = state
        gradients.addcmul_(weights, numbers["weight_decay"].expand_as(weights))
        velocity.mul_(numbers["momentum"]).add_(gradients)
        ahead = gradients.addcmul_(velocity, numbers["momentum"].expand_as(velocity))
        moved = torch.where(numbers["nesterov"] > 0, ahead, velocity)
        weights.sub_(moved.mul_(numbers["lr"]))

    @staticmethod
    def new_state(weights: Tensor) -> list[Tensor]:
        """The velocity."""
        return [torch.zeros_like(weights)]

    @staticmethod
    def names(kind: str, group: Mapping[str, Any]) -> tuple[str, ...]:
        """As torch has them: nothing is kept without momentum."""
        return ("momentum_buffer",) if group["momentum"] else ()


class AdafactorRule(Rule):
    """Adafactor, whose second moments are one row and one column of each matrix."""

    settings = ("lr", "weight_decay", "forgotten", "smallest", "least", "limit")

    @staticmethod
    def fits(group: Mapping[str, Any]) -> bool:
        """Always."""
        return True

    @staticmethod
    def numbers(group: Mapping[str, Any], step: int) -> dict[str, float]:
        """Rates and limits."""
        smallest, least = group["eps"]
        return {
            "lr": group["lr"],
            "weight_decay": group["weight_decay"],
            "forgotten": float(step ** group["beta2_decay"]),
            "smallest": smallest,
            "least": least,
            "limit": group["clip_threshold"],
        }

    @staticmethod
    def move(kind: str, weights: Tensor, gradients: Tensor, state: list[Tensor], numbers: Numbers) -> None:
        """Shazeer and Stern (2018), Adafactor, algorithms 4 and 5, as ``finetune.adafactor`` has them."""
        over_size, over_rank = state
        squares = gradients.square()
        if kind == "magnitude":
            dims, rows = [-1], torch.ones_like(numbers["rank"])
            over_size.lerp_(squares, numbers["forgotten"])
            estimate = over_size.clone()
        else:
            dims, rows = [-2, -1], numbers["rank"]
            over_size.lerp_(squares.mean(-1, keepdim=True), numbers["forgotten"])
            over_rank.lerp_(squares.sum(-2, keepdim=True) / numbers["rank"], numbers["forgotten"])
            in_rank = over_size.sum(-2, keepdim=True) / numbers["rank"]  # of A the mean of the row moments
            mean = in_rank if kind == "a" else over_rank.mean(-1, keepdim=True)
            estimate = over_size * over_rank / torch.maximum(mean, numbers["smallest"])
        update = gradients.div_(torch.maximum(estimate, numbers["smallest"].square()).sqrt_())
        size, height = ((t.square().sum(dims, keepdim=True) / (rows * t.shape[-1])).sqrt() for t in (weights, update))
        step = numbers["lr"] * torch.maximum(size, numbers["least"]) / (height / numbers["limit"]).clamp_min(1.0)
        weights.mul_(1 - numbers["lr"] * numbers["weight_decay"]).sub_(update.mul_(step))

    @staticmethod
    def new_state(weights: Tensor) -> list[Tensor]:
        """Means of squared gradients over the size and over the rank; of magnitudes the squares themselves."""
        if weights.ndim == _OF_MAGNITUDES:
            return [torch.zeros_like(weights), torch.zeros_like(weights[..., :0])]
        return [torch.zeros_like(weights[..., :1]), torch.zeros_like(weights[..., :1, :])]

    @staticmethod
    def names(kind: str, group: Mapping[str, Any]) -> tuple[str, ...]:
        """As ``finetune.adafactor`` has them; B lies transposed here."""
        return {"a": ("step", "row", "column"), "b": ("step", "column", "row"), "magnitude": ("step", "variance")}[kind]


RULES: Mapping[type[Optimizer], type[Rule]] = {AdamW: AdamWRule, SGD: SGDRule, Adafactor: AdafactorRule}


def rule_of(optimizer: Optimizer) -> type[Rule] | None:
    """The rule that does what an optimizer does, or none if it must step itself."""
    rule = RULES.get(type(optimizer))
    return rule if rule is not None and all(rule.fits(group) for group in optimizer.param_groups) else None
