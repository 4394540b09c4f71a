"""Weights of whole segments, handed out to the modules of a pass: few kernels to launch for many modules."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from lightning_quicktune.finetune.cohort.layout import Matrices
from lightning_quicktune.finetune.cohort.part import AdapterPart, merged_norms
from lightning_quicktune.finetune.cohort.start import adapter_scale

if TYPE_CHECKING:
    from lightning_quicktune.finetune.cohort.bank import AdapterBank

_STACKED = 2**28  # weights of adapted modules up to which a copy of them, side by side, is worth its memory


class WholeSegments:
    """Gives each part its weights anew for a pass, as views of whole segments in the format that products are taken in.

    So a segment is converted, and its gradients are gathered and added up, in one kernel each rather than in one for
    each module. The norms that DoRA needs are computed for all modules of one shape at once, where the base model is
    so small that launching kernels is what takes the time.

    Args:
        bank: The bank.
    """

    def __init__(self, bank: AdapterBank) -> None:
        self.bank = bank
        self.leaves = [weights.detach().requires_grad_() for weights in bank.weights]
        for leaf, gradients in zip(self.leaves, bank.gradients, strict=True):
            leaf.grad = gradients
        self.parts: dict[tuple[str, int], AdapterPart] = {
            (adapted.name, start): part
            for adapted in bank.adapted
            for start, _, part in adapted.parts
            if part is not None
        }
        for part in self.parts.values():
            part.is_scaled = True
        self.scale = self._each([adapter_scale(row.lora) for row in bank.rows])
        self.kept = self._each([1 / (1 - row.lora.dropout) for row in bank.rows])
        self.first_dora = sum(not row.is_dora for row in bank.rows)
        n_dora = len(bank.rows) - self.first_dora
        self.sizes = [size for size in (self.first_dora, n_dora) if size]
        self.dora = {name: part for (name, start), part in self.parts.items() if n_dora and start == self.first_dora}
        self.adapts = {
            segment.size: torch.stack([self.dora[name].adapts for name in segment.modules])
            for segment in bank.layout.segments
            if segment.kind == "magnitude"
        }
        by_shape: dict[tuple[int, int], list[str]] = defaultdict(list)
        if sum(bank.targets[name].size for name in self.dora) <= _STACKED:
            for name in self.dora:
                by_shape[bank.targets[name].outputs_and_inputs].append(name)
        self._stacks = [_Stack(bank, [self.dora[name] for name in names]) for names in by_shape.values()]

    def hand_out(self) -> None:
        """Gives all parts their weights for one pass, or for one evaluation."""
        scale = self.scale if self.bank.noise is None else self.scale * self.kept
        norms = self._norms()
        found: dict[tuple[str, int], dict[str, Tensor]] = defaultdict(dict)
        for segment, leaf in zip(self.bank.layout.segments, self.leaves, strict=True):
            if segment.kind == "magnitude":
                ratio = leaf[:, self.first_dora :] / torch.stack([norms[name] for name in segment.modules])
                for name, factor in zip(
                    segment.modules, torch.where(self.adapts[segment.size], ratio, 1.0).unbind(0), strict=True
                ):
                    self.dora[name].factor = factor[:, None]
                continue
            given = self._converted(leaf * scale if segment.kind == "b" else leaf)
            for start, piece in zip((0, self.sizes[0]), torch.split(given, self.sizes, dim=1), strict=False):
                for name, own in zip(segment.modules, piece.unbind(0), strict=True):
                    found[name, start][segment.kind] = own
        for place, part in self.parts.items():
            part.weights = Matrices(found[place]["a"], found[place]["b"], part.weights.magnitude)

    def _each(self, numbers: list[float]) -> Tensor:
        return torch.tensor(numbers, dtype=self.bank.dtype, device=self.bank.device)[:, None, None]

    def _converted(self, leaf: Tensor) -> Tensor:
        """Matrices in the format of the pass."""
        device = leaf.device.type
        return leaf.to(torch.get_autocast_dtype(device)) if torch.is_autocast_enabled(device) else leaf

    @torch.no_grad()
    def _norms(self) -> dict[str, Tensor]:
        """Norms of the merged weights of all DoRA members, by module."""
        if self._stacks:
            return {name: own for stack in self._stacks for name, own in stack.norms().items()}
        raw = {name: self.bank.layout.matrices(self.bank.weights, name) for name in self.dora}
        return {
            name: part.norms(raw[name].a[self.first_dora :], raw[name].b[self.first_dora :])
            for name, part in self.dora.items()
        }


class _Stack:
    """DoRA's modules of one shape, whose norms are computed at once."""

    def __init__(self, bank: AdapterBank, parts: list[AdapterPart]) -> None:
        self.bank = bank
        self.parts = parts
        self.weight = torch.stack([part.weight() for part in parts])
        self.squares = self.weight.square().sum(-1)
        self.scale = torch.stack([part.scale for part in parts])

    def norms(self) -> dict[str, Tensor]:
        raw = [self.bank.layout.matrices(self.bank.weights, part.name) for part in self.parts]
        start = self.parts[0].start
        a, b = (torch.stack(own) for own in ([m.a[start:] for m in raw], [m.b[start:] for m in raw]))
        norms = merged_norms(self.weight, self.squares, a, b, self.scale)
        return {part.name: own for part, own in zip(self.parts, norms.unbind(0), strict=True)}
