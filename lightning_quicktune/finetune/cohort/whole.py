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

_OF_MATRICES = 4  # dimensions of a segment of matrices; of magnitudes 3
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
        n_dora = sum(row.is_dora for row in bank.rows)
        self.sizes = [size for size in (len(bank.rows) - n_dora, n_dora) if size]
        self.first_dora = len(bank.rows) - n_dora
        self._shapes: dict[tuple[int, ...], list[AdapterPart]] = defaultdict(list)
        if n_dora and sum(t.size for t in bank.targets.values()) <= _STACKED:
            for (name, start), part in self.parts.items():
                if start == self.first_dora:
                    self._shapes[bank.targets[name].outputs_and_inputs].append(part)
        self._stacked = {
            shape: (stack, stack.square().sum(-1))
            for shape, parts in self._shapes.items()
            for stack in [torch.stack([part.weight() for part in parts])]
        }

    def hand_out(self) -> None:
        """Gives all parts their weights for one pass, or for one evaluation."""
        scale = self.scale if self.bank.noise is None else self.scale * self.kept
        found: dict[tuple[str, int], dict[str, Tensor]] = defaultdict(dict)
        for segment, leaf in zip(self.bank.layout.segments, self.leaves, strict=True):
            given = self._converted(leaf * scale if segment.kind == "b" else leaf)
            for start, piece in zip((0, self.sizes[0]), torch.split(given, self.sizes, dim=1), strict=False):
                for name, own in zip(segment.modules, piece.unbind(0), strict=True):
                    found[name, start][segment.kind] = own
        for place, part in self.parts.items():
            kinds = found[place]
            magnitude = kinds["magnitude"] if place[1] == self.first_dora else None
            part.weights = Matrices(kinds["a"], kinds["b"], magnitude)
        self._compute_norms()

    def _each(self, numbers: list[float]) -> Tensor:
        return torch.tensor(numbers, dtype=self.bank.dtype, device=self.bank.device)[:, None, None]

    def _converted(self, leaf: Tensor) -> Tensor:
        """A leaf in the format of the pass; magnitudes keep theirs."""
        device = leaf.device.type
        matrices = leaf.ndim > 3
        return leaf.to(torch.get_autocast_dtype(device)) if matrices and torch.is_autocast_enabled(device) else leaf

    def _compute_norms(self) -> None:
        """Norms of the merged weights of all DoRA members and modules, one shape of modules after the other."""
        for shape, parts in self._shapes.items():
            matrices = [self.bank.layout.matrices(self.bank.weights, part.name) for part in parts]
            a = torch.stack([m.a[self.first_dora :] for m in matrices])
            b = torch.stack([m.b[self.first_dora :] for m in matrices])
            scale = torch.stack([part.scale for part in parts])
            for part, norms in zip(parts, merged_norms(*self._stacked[shape], a, b, scale), strict=True):
                part.norms = norms
