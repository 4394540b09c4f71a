"""Products of inputs that dropout has thinned out, which keep the inputs for the backward pass, not what was left.

The modules of a block share their inputs, but dropout leaves each of them something else. Its masks are hashes, which
can be computed again; so what dropout has left is, too. Masks are computed again where memory is the limit, on a GPU;
on a CPU, where time is, they are kept.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

Kept = Callable[[Tensor], Bool[Tensor, "n tokens in"]]  # which elements of the inputs stay; the same at each call


def dropped_products(
    x: Float[Tensor, "n tokens in"],
    a: Float[Tensor, "n rank in"],
    kept: Kept,
    weight: Callable[[], Float[Tensor, "out in"]] | None = None,
) -> tuple[Float[Tensor, "n tokens rank"], Float[Tensor, "n tokens out"] | None]:
    """What dropout leaves of the inputs, multiplied with A and, if asked for, with a frozen weight.

    Args:
        x: Inputs.
        a: A of each member, in the format in which products are taken.
        kept: Gives the mask.
        weight: Gives the frozen weight, in any format.

    Returns:
        Both products, in the format of ``a``; what is left is not scaled up.
    """
    low, base = _DroppedProducts.apply(x, a, kept, weight)  # type: ignore[no-untyped-call]
    return low, base


class _DroppedProducts(torch.autograd.Function):
    """``dropped_products`` with its gradients."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, a: Tensor, kept: Kept, weight: Callable[[], Tensor] | None) -> Any:
        mask = kept(x)
        ctx.save_for_backward(x, a, *([] if is_scarce(x) else [mask]))
        ctx.kept, ctx.weight = kept, weight
        left = (x * mask).to(a.dtype)
        low = torch.bmm(left, a.transpose(1, 2))
        return low, None if weight is None else left @ weight().to(a.dtype).T

    @staticmethod
    def backward(ctx: Any, of_low: Tensor, of_base: Tensor | None) -> Any:
        x, a, *masks = ctx.saved_tensors
        mask, of_x, of_a = masks[0] if masks else ctx.kept(x), None, None
        if ctx.needs_input_grad[1]:
            left = (x * mask).to(a.dtype)
            of_a = torch.bmm(left.transpose(1, 2), of_low).transpose(1, 2)
        if ctx.needs_input_grad[0]:
            of_left = torch.bmm(of_low, a)
            if of_base is not None:
                of_left += of_base @ ctx.weight().to(a.dtype)
            of_x = of_left.to(x.dtype).mul_(mask)
        return of_x, of_a, None, None


def is_scarce(x: Tensor) -> bool:
    """Whether memory is the limit where a tensor is, and not time."""
    return x.device.type != "cpu"
