"""Adafactor whose rate is its relative step, so that schedule, ratio and decay mean what they mean elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer


class Adafactor(Optimizer):
    """Steps by ``lr`` times the size of each weight matrix, with second moments kept as one row and one column.

    ``torch.optim.Adafactor`` steps by min(lr, 1 / sqrt(t)), so that a larger rate, and whatever multiplies it, has no
    effect, while its decay goes by lr itself; and it is no longer free of the gradient's scale where that is small.
    Here the step is lr, decay goes by the same lr, and ``eps[0]`` only guards a division. Where torch's limit doesn't
    bind and gradients aren't small, both are equal.

    Args:
        params: Weights, or groups of them.
        lr: Length of a step over the root mean square of the weights, above or equal 0.
        beta2_decay: Exponent of the step number by which second moments forget, at most 0.
        eps: Smallest mean square of gradients, and smallest root mean square of weights that a step is relative to.
        clip_threshold: Largest root mean square of an update before it is multiplied by the step, at least 1.
        weight_decay: Share by which ``lr`` shrinks the weights in a step.

    Raises:
        ValueError: If a value is out of its range.

    References:
        Shazeer and Stern (2018), Adafactor: Adaptive Learning Rates with Sublinear Memory Cost, algorithms 4 and 5.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-2,
        beta2_decay: float = -0.8,
        eps: tuple[float, float] = (1e-15, 1e-3),
        clip_threshold: float = 1.0,
        weight_decay: float = 0.0,
    ) -> None:
        _check("lr", lr, lr >= 0, "at least 0")
        _check("beta2_decay", beta2_decay, beta2_decay <= 0, "at most 0")
        _check("eps", eps, len(eps) == 2 and min(eps) > 0, "two numbers above 0")
        _check("clip_threshold", clip_threshold, clip_threshold >= 1, "at least 1")
        _check("weight_decay", weight_decay, weight_decay >= 0, "at least 0")
        defaults = {
            "lr": lr,
            "beta2_decay": beta2_decay,
            "eps": tuple(eps),
            "clip_threshold": clip_threshold,
            "weight_decay": weight_decay,
        }
        super().__init__(params, defaults)

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Takes one step; on a GPU without waiting for it.

        Args:
            closure: Computes the loss and its gradients, if they aren't there yet.

        Returns:
            What the closure returned.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            alike: dict[tuple[float, torch.device, torch.dtype], list[Tensor]] = {}
            for weight in group["params"]:
                if weight.grad is not None:
                    if not self.state[weight]:
                        self._begin(weight)
                    state = self.state[weight]
                    state["step"] += 1
                    alike.setdefault((state["step"].item(), weight.device, weight.dtype), []).append(weight)
            for (number, *_), weights in alike.items():
                self._step(weights, 1 - number ** group["beta2_decay"], group)
        return loss

    def _begin(self, weight: Tensor) -> None:
        state = self.state[weight]
        state["step"] = torch.tensor(0.0)  # on the CPU: read without waiting for a GPU
        if weight.dim() > 1:
            state["row"] = torch.zeros_like(weight[..., :1])
            state["column"] = torch.zeros_like(weight[..., :1, :])
        else:
            state["variance"] = torch.zeros_like(weight)

    def _step(self, weights: list[Tensor], beta2: float, group: dict[str, Any]) -> None:
        """One step of weights that have taken equally many, on one device."""
        smallest, least = group["eps"]
        gradients = [weight.grad for weight in weights if weight.grad is not None]
        estimates = self._second_moments(weights, gradients, beta2, smallest)
        torch._foreach_sqrt_(estimates)
        updates = list(torch._foreach_div(gradients, estimates))
        lengths = list(torch._foreach_norm([*weights, *updates]))
        torch._foreach_div_(lengths, 2 * [weight.numel() ** 0.5 for weight in weights])
        sizes, heights = torch.stack(lengths).chunk(2)  # root mean squares of weights and of updates
        steps = group["lr"] * sizes.clamp_min(least) / (heights / group["clip_threshold"]).clamp_min(1.0)
        torch._foreach_mul_(updates, list(steps.unbind()))
        if group["weight_decay"]:
            torch._foreach_mul_(weights, 1 - group["lr"] * group["weight_decay"])
        torch._foreach_sub_(weights, updates)

    def _second_moments(
        self, weights: list[Tensor], gradients: list[Tensor], beta2: float, smallest: float
    ) -> list[Tensor]:
        """Running estimate of each squared gradient, of the gradients' shapes and never 0."""
        squares = list(torch._foreach_mul(gradients, gradients))
        pairs = []
        for weight, square in zip(weights, squares, strict=True):
            state = self.state[weight]
            if square.dim() > 1:
                pairs += [(state["row"], square.mean(-1, keepdim=True))]
                pairs += [(state["column"], square.mean(-2, keepdim=True))]
            else:
                pairs += [(state["variance"], square)]
        torch._foreach_lerp_([kept for kept, _ in pairs], [new for _, new in pairs], 1 - beta2)
        estimates = [self._estimate(self.state[weight], smallest) for weight in weights]
        torch._foreach_clamp_min_(estimates, smallest**2)
        return estimates

    def _estimate(self, state: dict[str, Tensor], smallest: float) -> Tensor:
        if "variance" in state:
            return state["variance"].clone()
        return state["row"] @ state["column"] / state["row"].mean(-2, keepdim=True).clamp_min(smallest)


def _check(name: str, value: Any, fits: bool, meaning: str) -> None:
    if not fits:
        raise ValueError(f"`{name}` of Adafactor is {value}, but it is {meaning}")
