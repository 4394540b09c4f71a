"""The adapters of neighbouring members on one linear module."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lightning_quicktune.finetune.cohort.dropped import Kept, dropped_products
from lightning_quicktune.finetune.cohort.layout import Matrices
from lightning_quicktune.finetune.noise import RecordNoise, threshold


@dataclass(frozen=True)
class MemberPart:
    """What one member of a part has.

    Args:
        scale: What the product of its matrices is multiplied with; 0 if it doesn't adapt the module.
        dropout: Share of the adapter's inputs set to 0 in training.
    """

    scale: float
    dropout: float


class AdapterPart:
    """Adapters of members ``start`` to ``end`` of a bank on one module.

    Args:
        name: Name of the module.
        module: A linear module of the base model.
        start: First of the part's members.
        members: One for each.
        weights: Their weights, A and B of the part's rank; magnitudes if it is DoRA's.
    """

    def __init__(self, name: str, module: nn.Module, start: int, members: list[MemberPart], weights: Matrices) -> None:
        self.name = name
        self.module = module
        self.start = start
        self.end = start + len(members)
        self.weights = weights
        self.factor: Tensor | None = None  # DoRA's, (n, 1, out), if it was computed for this pass already
        self.is_scaled = False  # whether B is given with the scale, and with what dropout scales up
        self.scale = _each([member.scale for member in members], weights.a)
        self.kept = _each([1 / (1 - member.dropout) for member in members], weights.a)
        self.dropout = Dropout([member.dropout for member in members], weights.a.device)
        self.adapts = self.scale[:, :, 0] != 0
        self._squares: Tensor | None = None

    def __call__(self, x: Tensor, out: Tensor, kept: Kept | None) -> Tensor:
        """The module's outputs with the updates added.

        Args:
            x: Inputs of the adapters, shape ``(n, tokens, in)``.
            out: The module's outputs, shape ``(n, tokens, out)``.
            kept: Which inputs dropout leaves, if it does anything.
        """
        device = x.device.type
        dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else self.scale.dtype
        a, is_dora = self.weights.a.to(dtype), self.weights.magnitude is not None
        if kept is None:
            low, base = torch.bmm(x.to(dtype), a.transpose(1, 2)), None
        else:
            low, base = dropped_products(x, a, kept, self.weight if is_dora else None)
        if not self.is_scaled:
            low = low * (self.scale if kept is None else self.scale * self.kept)
        if not is_dora:
            return self._added(out, low)
        base = self._less_bias(out) if base is None else base * self.kept
        factor = self.own_factor() if self.factor is None else self.factor
        return (out - base + factor * self._added(base, low)).to(out.dtype)

    def _added(self, out: Tensor, low: Tensor) -> Tensor:
        """``out`` and the product of B with what A has made of the inputs."""
        b = self.weights.b
        if out.dtype == b.dtype or torch.is_autocast_enabled(out.device.type):
            return torch.baddbmm(out, low, b)
        return (out + torch.bmm(low, b)).to(out.dtype)

    def _less_bias(self, out: Tensor) -> Tensor:
        bias = getattr(self.module, "bias", None)
        return out if bias is None else out - bias

    def own_factor(self) -> Tensor:
        """DoRA's magnitude over the norm of the merged weights, shape ``(n, 1, out)``."""
        assert self.weights.magnitude is not None
        norms = self.norms(self.weights.a, self.weights.b)
        return torch.where(self.adapts, self.weights.magnitude / norms, 1.0)[:, None]

    def norms(self, a: Tensor, b: Tensor) -> Tensor:
        """Norms of the rows of the merged weights, shape ``(n, out)``.

        Args:
            a: A, as the optimizer has it.
            b: B transposed, likewise.
        """
        if self._squares is None:
            self._squares = self.weight().square().sum(1)
        return merged_norms(self.weight(), self._squares, a, b, self.scale)

    def weight(self) -> Tensor:
        """The frozen weight, (out, in), in the format of the adapters."""
        weight: Tensor = self.module.weight.detach()  # type: ignore[operator]
        return (weight if isinstance(self.module, nn.Linear) else weight.T).to(self.scale.dtype)


class Dropout:
    """Dropout of the inputs of neighbouring members' adapters, each with its own probability.

    Args:
        probabilities: One for each member.
        device: Where to compute.
    """

    def __init__(self, probabilities: list[float], device: torch.device) -> None:
        self.is_on = any(probabilities)
        thresholds = [threshold(probability) for probability in probabilities]
        self.thresholds = torch.tensor(thresholds, dtype=torch.int32, device=device)[:, None, None]

    def kept(self, noise: RecordNoise, name: str, rows: slice) -> Kept:
        """Tells which inputs stay, in shape ``(n, tokens, in)``; those are not scaled up yet.

        Args:
            noise: The batch's.
            name: Name of the module.
            rows: The members' rows of the batch.
        """
        return lambda x: noise.words(x, name, rows) >= self.thresholds


@torch.no_grad()
def merged_norms(weight: Tensor, squares: Tensor, a: Tensor, b: Tensor, scale: Tensor) -> Tensor:
    r"""Norms of the rows of W + s B A, without forming it: \|W\|^2 + 2 s B \cdot W A^T + s^2 B A A^T B^T.

    Args:
        weight: W, shape ``(*modules, out, in)``.
        squares: Squared norms of its rows, shape ``(*modules, out)``.
        a: A, shape ``(*modules, n, rank, in)``.
        b: B transposed, shape ``(*modules, n, rank, out)``.
        scale: s, shape ``(n, 1, 1)``, or of each module.

    Returns:
        Shape ``(*modules, n, out)``.
    """
    with torch.autocast(a.device.type, enabled=False):
        crossed = torch.matmul(a.flatten(-3, -2), weight.transpose(-1, -2)).view(b.shape)
        gram = torch.matmul(torch.matmul(a, a.transpose(-1, -2)), b)
        added = (b * (2 * scale * crossed + scale.square() * gram)).sum(-2)
        return (squares.unsqueeze(-2) + added).sqrt()


def _each(numbers: list[float], like: Tensor) -> Tensor:
    return torch.tensor(numbers, dtype=like.dtype, device=like.device)[:, None, None]
