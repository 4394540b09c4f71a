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
        weights: Views of their weights, A and B of the part's rank; magnitudes if it is DoRA's.
        gradients: Views of where the gradients are added up.
    """

    def __init__(
        self,
        name: str,
        module: nn.Module,
        n_members: int,
        start: int,
        members: list[MemberPart],
        weights: Matrices,
        gradients: Matrices,
    ) -> None:
        self.name = name
        self.n_members = n_members
        self.module = module
        self.start = start
        self.end = start + len(members)
        self.a, self.b = _leaf(weights.a, gradients.a), _leaf(weights.b, gradients.b)
        self.magnitude: Tensor | None = None
        if weights.magnitude is not None and gradients.magnitude is not None:
            self.magnitude = _leaf(weights.magnitude, gradients.magnitude)
            self.squares = self._weight().square().sum(1)
        self.scale = self._each([member.scale for member in members])
        self.kept = self._each([1 / (1 - member.dropout) for member in members])
        self.drops = any(member.dropout for member in members)
        thresholds = [threshold(member.dropout) for member in members]
        self.thresholds = torch.tensor(thresholds, dtype=torch.int32, device=self.a.device)[:, None, None]

    def __call__(self, x: Tensor, out: Tensor, noise: RecordNoise | None) -> Tensor:
        """The module's outputs with the updates added.

        Args:
            x: Its inputs, shape ``(n, tokens, in)``.
            out: Its outputs, shape ``(n, tokens, out)``.
            noise: The batch's, in training.
        """
        scale = self.scale
        if drops := noise is not None and self.drops:
            x, scale = self._dropped(x, noise), scale * self.kept
        x = self._as_adapter(x)
        low = torch.bmm(x, self.a.transpose(1, 2)) * scale
        if self.magnitude is not None:
            return self._dora(x, low, out, drops)
        if out.dtype == self.b.dtype or torch.is_autocast_enabled(out.device.type):
            return torch.baddbmm(out, low, self.b)
        return (out + torch.bmm(low, self.b)).to(out.dtype)

    def _dropped(self, x: Tensor, noise: RecordNoise) -> Tensor:
        """Inputs with each member's share set to 0; not scaled up yet."""
        n_rows = noise.n_rows // self.n_members  # of each
        words = noise.words(x.view(len(x) * n_rows, -1, x.shape[-1]), self.name, self.start * n_rows)
        return x * (words.view(x.shape) >= self.thresholds)

    def _dora(self, x: Tensor, low: Tensor, out: Tensor, drops: bool) -> Tensor:
        """Outputs of which the base's part and the update are both scaled by magnitude over norm."""
        adapts = self.scale[:, :, 0] != 0
        factor = torch.where(adapts, self.magnitude / self._norms(), 1.0)[:, None]  # type: ignore[operator]
        bias = getattr(self.module, "bias", None)
        base = out if bias is None else out - bias
        if drops:
            base = F.linear(x, self._weight()) * self.kept
        return (out + (factor - 1) * base + factor * torch.bmm(low, self.b)).to(out.dtype)

    @torch.no_grad()
    def _norms(self) -> Tensor:
        r"""Norms of the rows of W + s B A, without forming it: \|W\|^2 + 2 s B \cdot W A^T + s^2 B A A^T B^T."""
        with torch.autocast(self.a.device.type, enabled=False):
            crossed = torch.matmul(self.a, self._weight().T)  # (n, rank, out)
            gram = torch.bmm(torch.bmm(self.a, self.a.transpose(1, 2)), self.b)  # (n, rank, out)
            scale = self.scale[:, 0]
            squares = 2 * scale * (self.b * crossed).sum(1) + scale.square() * (self.b * gram).sum(1)
            return (self.squares + squares).sqrt()

    def _weight(self) -> Tensor:
        """The frozen weight, (out, in), in the format of the adapters."""
        weight: Tensor = self.module.weight.detach()  # type: ignore[operator,union-attr]
        return (weight if isinstance(self.module, nn.Linear) else weight.T).to(self.a.dtype)

    def _as_adapter(self, x: Tensor) -> Tensor:
        return x if torch.is_autocast_enabled(x.device.type) else x.to(self.a.dtype)

    def _each(self, numbers: list[float]) -> Tensor:
        return torch.tensor(numbers, dtype=self.a.dtype, device=self.a.device)[:, None, None]


def _leaf(weights: Tensor, gradients: Tensor) -> Tensor:
    """A view that is trained, whose gradient is added up where ``gradients`` lies."""
    leaf = weights.detach().requires_grad_()
    leaf.grad = gradients
    return leaf
