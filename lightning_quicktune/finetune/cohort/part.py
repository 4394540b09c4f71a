"""The adapters of neighbouring members on one linear module."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

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
        n_members: Members of the bank.
        start: First of the part's.
        members: One for each of the part's.
        weights: Their weights, A and B of the part's rank; magnitudes if it is DoRA's. They may be replaced by equal
            ones for each pass.
    """

    def __init__(
        self,
        name: str,
        module: nn.Module,
        n_members: int,
        start: int,
        members: list[MemberPart],
        weights: Matrices,
    ) -> None:
        self.name = name
        self.n_members = n_members
        self.module = module
        self.start = start
        self.end = start + len(members)
        self.weights = weights
        self.norms: Tensor | None = None
        self.dtype, self.device = weights.a.dtype, weights.a.device
        self.scale = self._each([member.scale for member in members])
        self.kept = self._each([1 / (1 - member.dropout) for member in members])
        self.is_scaled = False  # whether B is given with the scale, and with what dropout scales up
        self.adapts = self.scale[:, :, 0] != 0
        self._squares: Tensor | None = None
        self.drops = any(member.dropout for member in members)
        thresholds = [threshold(member.dropout) for member in members]
        self.thresholds = torch.tensor(thresholds, dtype=torch.int32, device=self.device)[:, None, None]

    def __call__(self, x: Tensor, out: Tensor, noise: RecordNoise | None) -> Tensor:
        """The module's outputs with the updates added.

        Args:
            x: Its inputs, shape ``(n, tokens, in)``.
            out: Its outputs, shape ``(n, tokens, out)``.
            noise: The batch's, in training.
        """
        drops = noise if self.drops else None
        x = self._as_adapter(x if drops is None else self._dropped(x, drops))
        a, b, magnitude = self.weights
        low = torch.bmm(x, a.transpose(1, 2))
        if not self.is_scaled:
            low = low * (self.scale if drops is None else self.scale * self.kept)
        if magnitude is None:
            return self._added(out, low, b)
        base = self._less_bias(out) if drops is None else F.linear(x, self.weight()) * self.kept
        factor = torch.where(self.adapts, magnitude / self._norms(), 1.0)[:, None]
        return (out - base + factor * self._added(base, low, b)).to(out.dtype)

    def _less_bias(self, out: Tensor) -> Tensor:
        bias = getattr(self.module, "bias", None)
        return out if bias is None else out - bias

    def _added(self, out: Tensor, low: Tensor, b: Tensor) -> Tensor:
        """``out`` and the product of B with what A has made of the inputs."""
        if out.dtype == b.dtype or torch.is_autocast_enabled(out.device.type):
            return torch.baddbmm(out, low, b)
        return (out + torch.bmm(low, b)).to(out.dtype)

    def _dropped(self, x: Tensor, noise: RecordNoise) -> Tensor:
        """Inputs with each member's share set to 0; not scaled up yet."""
        n_rows = noise.n_rows // self.n_members  # of each
        words = noise.words(x.view(len(x) * n_rows, -1, x.shape[-1]), self.name, self.start * n_rows)
        return x * (words.view(x.shape) >= self.thresholds)

    def _norms(self) -> Tensor:
        """Norms of the rows of the merged weights, unless they were computed for this pass already."""
        if self.norms is not None:
            return self.norms
        if self._squares is None:
            self._squares = self.weight().square().sum(1)
        return merged_norms(self.weight(), self._squares, self.weights.a, self.weights.b, self.scale)

    def weight(self) -> Tensor:
        """The frozen weight, (out, in), in the format of the adapters."""
        weight: Tensor = self.module.weight.detach()  # type: ignore[operator]
        return (weight if isinstance(self.module, nn.Linear) else weight.T).to(self.dtype)

    def _as_adapter(self, x: Tensor) -> Tensor:
        return x if torch.is_autocast_enabled(x.device.type) else x.to(self.dtype)

    def _each(self, numbers: list[float]) -> Tensor:
        return torch.tensor(numbers, dtype=self.dtype, device=self.device)[:, None, None]


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
