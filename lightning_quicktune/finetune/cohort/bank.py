"""The adapters of all members of a cohort, and their part of the forward pass of the base model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lightning_quicktune.finetune.cohort.layout import BankLayout
from lightning_quicktune.finetune.cohort.start import adapter_dtype, adapter_scale
from lightning_quicktune.finetune.lora import LoraSettings
from lightning_quicktune.finetune.noise import RecordNoise, threshold
from lightning_quicktune.finetune.targets import Target


@dataclass(frozen=True)
class BankRow:
    """One member's adapter, as the bank must know it.

    Args:
        lora: Its settings.
        modules: Linear modules that it adapts, by name, in the order of the model.
    """

    lora: LoraSettings
    modules: dict[str, Target]


class AdapterBank:
    """Adapters of K members on one base model.

    In the forward pass the rows of hidden states are ordered by member, equally many for each. The base model's product
    is that of all rows at once; each member's adapter is one entry of batched products. A rank below the largest is
    padded with zeros, and stays so: the gradients of zero rows of A are products with zero rows of B, and the other way
    round.

    Args:
        model: The base model, without an adapter.
        rows: The members, those with DoRA last.
        device: Where to compute.
    """

    def __init__(self, model: Any, rows: Sequence[BankRow], device: torch.device) -> None:
        order = [name for name, _ in model.named_modules()]
        modules = {name: target for row in rows for name, target in row.modules.items()}
        targets = {name: modules[name] for name in order if name in modules}
        self.model = model
        self.rows = list(rows)
        self.first_dora = next((k for k, row in enumerate(rows) if row.lora.variant == "dora"), len(rows))
        rank = max(row.lora.rank for row in rows)
        self.layout = BankLayout(targets, rank, with_magnitudes=self.first_dora < len(rows))
        dtype = adapter_dtype(next(model.parameters()).dtype)
        self.weights = self.layout.zeros(len(rows), dtype, device)
        self.gradients = self.layout.zeros(len(rows), dtype, device)
        self.noise: RecordNoise | None = None  # in training
        dropout = [row.lora.dropout for row in rows]
        self.thresholds = torch.tensor([threshold(p) for p in dropout], dtype=torch.int32, device=device)[:, None, None]
        self.kept = torch.tensor([1 / (1 - p) for p in dropout], dtype=dtype, device=device)[:, None, None]
        self.drops = any(dropout)
        self.dora_drops = any(dropout[self.first_dora :])
        self.adapted = [_AdaptedModule(self, target, name) for name, target in targets.items()]

    @property
    def size(self) -> int:
        """Number of members."""
        return len(self.rows)

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        return self.kept.device

    def of_member(self, tensors: Sequence[Tensor], k: int) -> dict[str, Tensor]:
        """Views of one member's own weights, by name.

        Args:
            tensors: ``weights``, ``gradients`` or others that are laid out like them.
            k: Which member.
        """
        row = self.rows[k]
        return self.layout.of_member(tensors, k, row.modules, row.lora.rank, row.lora.variant == "dora")

    @contextmanager
    def on_model(self) -> Iterator[None]:
        """Has the base model compute all adapters inside the context."""
        handles = [adapted.target.module.register_forward_hook(adapted) for adapted in self.adapted]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()


class _AdaptedModule:
    """The adapters of all members on one linear module, added to what it computes."""

    def __init__(self, bank: AdapterBank, target: Target, name: str) -> None:
        self.bank = bank
        self.target = target
        self.name = name
        a, b, magnitude = bank.layout.matrices(bank.weights, name)
        gradients = bank.layout.matrices(bank.gradients, name)
        self.a, self.b = _leaf(a, gradients.a), _leaf(b, gradients.b)
        scales = [adapter_scale(row.lora) if self.name in row.modules else 0.0 for row in bank.rows]
        self.scale = torch.tensor(scales, dtype=a.dtype, device=a.device)[:, None, None]
        self.first = bank.first_dora
        self.magnitude: Tensor | None = None
        if magnitude is not None and gradients.magnitude is not None and any(scales[self.first :]):
            self.magnitude = _leaf(magnitude[self.first :], gradients.magnitude[self.first :])
            self.has_magnitude = (self.scale[self.first :, :, 0] != 0).expand_as(self.magnitude)
        self.squares = self._weight().to(a.dtype).square().sum(1) if self.magnitude is not None else None

    def __call__(self, module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        """Hook of the module: its output with each member's update added."""
        x, out = self._by_member(inputs[0]), self._by_member(output)
        dropped, scale = self._dropped(x), self.scale
        if dropped is not x:
            scale = scale * self.bank.kept
        low = torch.bmm(self._as_adapter(dropped), self.a.transpose(1, 2)) * scale
        if self.magnitude is None:
            return self._added(out, low, self.b).view_as(output)
        n = self.first
        plain = self._added(out[:n], low[:n], self.b[:n])
        return torch.cat([plain, self._dora(out[n:], dropped[n:], low[n:], module)]).view_as(output)

    def _dora(self, out: Tensor, dropped: Tensor, low: Tensor, module: nn.Module) -> Tensor:
        """Those members' outputs: the base's part and the update are both scaled by magnitude over norm."""
        assert self.magnitude is not None
        factor = torch.where(self.has_magnitude, self.magnitude / self._norms(), 1.0)[:, None]
        bias = getattr(module, "bias", None)
        base = out if bias is None else out - bias
        if self.bank.noise is not None and self.bank.dora_drops:
            base = F.linear(self._as_adapter(dropped), self._weight().to(low.dtype)) * self.bank.kept[self.first :]
        update = torch.bmm(low, self.b[self.first :])
        return (out + (factor - 1) * base + factor * update).to(out.dtype)

    @torch.no_grad()
    def _norms(self) -> Tensor:
        r"""Norms of the rows of W + s B A, without forming it: \|W\|^2 + 2 s B \cdot W A^T + s^2 B A A^T B^T."""
        assert self.squares is not None
        with torch.autocast(self.a.device.type, enabled=False):
            a, b, scale = self.a[self.first :], self.b[self.first :], self.scale[self.first :, 0]
            crossed = torch.matmul(a, self._weight().to(a.dtype).T)  # (K, rank, out)
            gram = torch.bmm(torch.bmm(a, a.transpose(1, 2)), b)  # (K, rank, out)
            squares = self.squares + 2 * scale * (b * crossed).sum(1) + scale.square() * (b * gram).sum(1)
            return squares.sqrt()

    def _dropped(self, x: Tensor) -> Tensor:
        """The inputs of the adapters, with each member's share set to 0; not scaled up yet."""
        if self.bank.noise is None or not self.bank.drops:
            return x
        return x * (self.bank.noise.words(x, self.name) >= self.bank.thresholds)

    def _as_adapter(self, x: Tensor) -> Tensor:
        return x if torch.is_autocast_enabled(x.device.type) else x.to(self.a.dtype)

    def _added(self, out: Tensor, low: Tensor, b: Tensor) -> Tensor:
        if torch.is_autocast_enabled(out.device.type) or out.dtype == b.dtype:
            return torch.baddbmm(out, low, b)
        return (out + torch.bmm(low, b)).to(out.dtype)

    def _by_member(self, hidden: Tensor) -> Tensor:
        return hidden.reshape(self.bank.size, -1, hidden.shape[-1])

    def _weight(self) -> Tensor:
        """The frozen weight, (out, in)."""
        weight: Tensor = self.target.module.weight.detach()
        return weight if isinstance(self.target.module, nn.Linear) else weight.T


def _leaf(weights: Tensor, gradients: Tensor) -> Tensor:
    """A view that is trained, whose gradient is added up where ``gradients`` lies."""
    leaf = weights.detach().requires_grad_()
    leaf.grad = gradients
    return leaf
