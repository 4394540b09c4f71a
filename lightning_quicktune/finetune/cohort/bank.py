"""The adapters of all members of a cohort, and their part of the forward pass of the base model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import torch
from torch import Tensor, nn

from lightning_quicktune.finetune.cohort.dropped import Kept
from lightning_quicktune.finetune.cohort.layout import BankLayout, Matrices
from lightning_quicktune.finetune.cohort.part import AdapterPart, MemberPart
from lightning_quicktune.finetune.cohort.start import adapter_dtype, adapter_scale
from lightning_quicktune.finetune.cohort.whole import WholeSegments
from lightning_quicktune.finetune.lora import LoraSettings
from lightning_quicktune.finetune.noise import RecordNoise
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

    @property
    def is_dora(self) -> bool:
        """Whether it has magnitudes."""
        return self.lora.variant == "dora"


def goes_by_rank(device: torch.device) -> bool:
    """Whether members of one rank are taken together, rather than as many as can be.

    Args:
        device: Where to compute.
    """
    return device.type == "cpu"


class AdapterBank:
    """Adapters of K members on one base model.

    In the forward pass the rows of hidden states are ordered by member, equally many for each. The base model's product
    is that of all rows at once; the adapters are batched products. There a rank below the largest may be padded with
    zeros, and a module that a member doesn't adapt has such an adapter: they stay 0, because the gradients of zero rows
    of A are products with zero rows of B, and the other way round. A GPU, which waits for kernels to be launched, takes
    as many members as it can in one product; a CPU, which waits for arithmetic, takes those of one rank and leaves out
    those that don't adapt the module.

    Args:
        model: The base model, without an adapter.
        rows: The members, those with DoRA last.
        device: Where to compute.
    """

    def __init__(self, model: Any, rows: Sequence[BankRow], device: torch.device) -> None:
        order = [name for name, _ in model.named_modules()]
        modules = {name: target for row in rows for name, target in row.modules.items()}
        self.targets = {name: modules[name] for name in order if name in modules}
        self.rows = list(rows)
        self.device = device
        self.dtype = adapter_dtype(next(model.parameters()).dtype)
        self.rank = max(row.lora.rank for row in rows)
        self.layout = BankLayout(self.targets, self.rank, any(row.is_dora for row in rows))
        self.weights = self.layout.zeros(len(rows), self.dtype, device)
        self.gradients = self.layout.zeros(len(rows), self.dtype, device)
        self.noise: RecordNoise | None = None  # in training
        self.by_rank = goes_by_rank(device)
        self.adapted = [_AdaptedModule(self, name, target.module) for name, target in self.targets.items()]
        self._whole = None if self.by_rank else WholeSegments(self)

    def of_member(self, tensors: Sequence[Tensor], k: int, place: int | None = None) -> dict[str, Tensor]:
        """Views of one member's own weights, by name.

        Args:
            tensors: ``weights``, ``gradients`` or others that are laid out like them.
            k: Which member.
            place: Where it lies in them, if they are of some members alone.
        """
        row = self.rows[k]
        return self.layout.of_member(tensors, k if place is None else place, row.modules, row.lora.rank, row.is_dora)

    @contextmanager
    def on_model(self) -> Iterator[None]:
        """Has the base model compute all adapters inside the context."""
        if self._whole is not None:
            self._whole.hand_out()
        handles = [adapted.module.register_forward_hook(adapted) for adapted in self.adapted]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()


class _AdaptedModule:
    """One linear module of the base model with the adapters of all members."""

    def __init__(self, bank: AdapterBank, name: str, module: nn.Module) -> None:
        self.bank = bank
        self.name = name
        self.module = module
        self.parts = [self._part(list(run)) for _, run in groupby(range(len(bank.rows)), key=self._alike)]

    def __call__(self, module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        """Hook of the module: its output with each member's update added."""
        n_members, sizes = len(self.bank.rows), [end - start for start, end, _ in self.parts]
        x, out = (hidden.reshape(n_members, -1, hidden.shape[-1]) for hidden in (inputs[0], output))
        outs = []
        for own_x, own_out, part in zip(torch.split(x, sizes), torch.split(out, sizes), self.parts, strict=True):
            outs.append(own_out if part[2] is None else part[2](own_x, own_out, self._kept(part[2])))
        return (outs[0] if len(outs) == 1 else torch.cat(outs)).view(output.shape)

    def _kept(self, part: AdapterPart) -> Kept | None:
        """Which inputs of a part's members dropout leaves, where there is any."""
        noise = self.bank.noise
        if noise is None or not part.dropout.is_on:
            return None
        each = noise.n_rows // len(self.bank.rows)
        return part.dropout.kept(noise, self.name, slice(part.start * each, part.end * each))

    def _alike(self, k: int) -> tuple[bool, int, bool]:
        """What members of one part have in common: DoRA, the rank they are padded to, and whether they adapt at all."""
        row = self.bank.rows[k]
        if not self.bank.by_rank:
            return row.is_dora, self.bank.rank, True
        adapts = self.name in row.modules
        return row.is_dora, row.lora.rank if adapts else 0, adapts

    def _part(self, places: list[int]) -> tuple[int, int, AdapterPart | None]:
        """The adapter of neighbouring members, or none if no one adapts the module."""
        start, end = places[0], places[-1] + 1
        is_dora, rank, adapts = self._alike(start)
        if not adapts:
            return start, end, None
        rows = self.bank.rows[start:end]
        members = [MemberPart(adapter_scale(r.lora) if self.name in r.modules else 0.0, r.lora.dropout) for r in rows]
        weights, gradients = (
            self._matrices(tensors, slice(start, end), rank, is_dora)
            for tensors in (self.bank.weights, self.bank.gradients)
        )
        for weight, gradient in zip(weights, gradients, strict=True):
            if weight is not None and gradient is not None:
                weight.requires_grad_().grad = gradient
        return start, end, AdapterPart(self.name, self.module, start, members, weights)

    def _matrices(self, tensors: Sequence[Tensor], places: slice, rank: int, is_dora: bool) -> Matrices:
        """Leaves of their own for those members' weights."""
        a, b, magnitude = self.bank.layout.matrices(tensors, self.name)
        own = magnitude[places].detach() if is_dora and magnitude is not None else None
        return Matrices(a[places, :rank].detach(), b[places, :rank].detach(), own)
