"""The weights that an adapter begins with, drawn as peft draws them but without putting it on the model."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn

from lightning_quicktune.data.seeding import mixed_seed
from lightning_quicktune.finetune.lora import LoraSettings
from lightning_quicktune.finetune.targets import Target, keeps_transposed


class AdapterWeights(NamedTuple):
    """Adapter of one linear module.

    Args:
        a: Shape ``(rank, in)``.
        b: Shape ``(out, rank)``.
        magnitude: DoRA's, shape ``(out,)``; else none.
    """

    a: Tensor
    b: Tensor
    magnitude: Tensor | None = None


def starting_weights(modules: Mapping[str, Target], settings: LoraSettings, seed: int) -> dict[str, AdapterWeights]:
    """The weights that ``attach_adapter`` would begin with, bit by bit, on the CPU.

    Args:
        modules: Linear modules that the adapter goes on, in the order of the model.
        settings: The adapter; none that alters the base weights.
        seed: Seed of the trial.
    """
    generator = torch.Generator().manual_seed(mixed_seed(seed, 0, "slice"))
    return {name: _drawn(target, settings, generator) for name, target in modules.items()}


def adapter_scale(settings: LoraSettings) -> float:
    """What the product of the two matrices is multiplied with."""
    alpha = settings.alpha_over_rank * settings.rank
    return alpha / (math.sqrt(settings.rank) if settings.variant == "rslora" else settings.rank)


def adapter_dtype(base: torch.dtype) -> torch.dtype:
    """Number format of adapters on base weights: at least float32."""
    return torch.promote_types(base, torch.float32)


def _drawn(target: Target, settings: LoraSettings, generator: torch.Generator) -> AdapterWeights:
    """One module's, in peft's order: both matrices as linear layers begin, then as the setting wants them."""
    (n_out, n_in), rank, weight = target.outputs_and_inputs, settings.rank, target.module.weight
    a, b = torch.empty(rank, n_in), torch.empty(n_out, rank)
    for matrix in (a, b):
        nn.init.kaiming_uniform_(matrix, a=math.sqrt(5), generator=generator)
    if settings.initialization == "orthogonal":
        a, b = _orthogonal(n_in, n_out, rank, generator)
    elif settings.initialization == "gaussian":
        nn.init.normal_(a, std=1 / rank, generator=generator)
        b.zero_()
    else:
        nn.init.kaiming_uniform_(a, a=math.sqrt(5), generator=generator)
        b.zero_()
    kept = adapter_dtype(weight.dtype)
    a, b = a.to(weight.dtype), b.to(weight.dtype)  # the format of the base weights rounds them first
    if settings.variant != "dora":
        return AdapterWeights(a.to(kept), b.to(kept))
    plain = weight.detach().T if keeps_transposed({"": target}) else weight.detach()
    update = (b @ a).to(plain.device)
    norm = torch.linalg.norm(plain + adapter_scale(settings) * update, dim=1).cpu()
    return AdapterWeights(a.to(kept), b.to(kept), norm.to(kept))


def _orthogonal(n_in: int, n_out: int, rank: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Two matrices whose product is 0, from the halves of an orthogonal one."""
    rows, _ = torch.linalg.qr(torch.randn(rank, rank, generator=generator))
    a = torch.randn(n_in, rank // 2, generator=generator).mm(rows[0::2]).T / 10.0
    b = torch.randn(rank // 2, n_out, generator=generator).T.mm(rows[1::2]) / 10.0
    return a.contiguous(), b.contiguous()
