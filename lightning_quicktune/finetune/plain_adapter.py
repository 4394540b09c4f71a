"""The plain LoRA that an adapter equals: whole alpha, no root of the rank, no part of the base weights taken out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor


def plain_adapter(adapted: Any) -> tuple[Any, dict[str, Tensor]]:
    """Config and weights of an adapter that every reader of LoRA takes for the same.

    Readers know one scale, alpha over rank, with a whole alpha; some ignore what else the config says without a word.
    So what differs from that scale is multiplied into the B matrices, module by module. An adapter that took a part of
    the base weights out of them becomes one of twice the rank, which subtracts that part: it goes on the base model as
    everybody has it.

    Args:
        adapted: The model with its adapter, from ``attach_adapter``.

    Returns:
        The peft config, and each weight by its name, on the CPU.
    """
    from peft import get_peft_model_state_dict

    trained = {k: v.detach().float().cpu() for k, v in get_peft_model_state_dict(adapted).items()}
    config, start = adapted.peft_config["default"], adapted.before_adapter.start
    times = 2 if start else 1
    alpha = max(1, round(times * config.lora_alpha * (config.r**0.5 if config.use_rslora else 1)))
    quotients = {name: times * own / alpha for name, own in _plain_alphas(adapted).items()}
    both = _less_start(trained, start) if start else trained
    weights = {name: _scaled(name, weight, quotients) for name, weight in both.items()}
    plain = replace(
        config,
        r=times * config.r,
        lora_alpha=alpha,
        rank_pattern={name: times * rank for name, rank in (config.rank_pattern or {}).items()},
        alpha_pattern={},
        use_rslora=False,
        init_lora_weights=True,
        inference_mode=True,
    )
    if isinstance(plain.target_modules, set):
        plain.target_modules = sorted(plain.target_modules)  # a set would be written in another order each time
    return plain, weights


def _plain_alphas(adapted: Any) -> dict[str, float]:
    """The factor that each adapted module applies times its rank, by the module's name within the base model."""
    from peft.tuners.lora import LoraLayer

    adapters = {name: m for name, m in adapted.get_base_model().named_modules() if isinstance(m, LoraLayer)}
    return {name: float(m.scaling["default"] * m.r["default"]) for name, m in adapters.items()}


def _scaled(name: str, weight: Tensor, quotients: dict[str, float]) -> Tensor:
    """A B matrix times what the whole alpha leaves out of its module's scale; other weights as they are."""
    if "lora_B" not in name:
        return weight.contiguous()
    quotient = quotients[name.removeprefix("base_model.model.").split(".lora_B")[0]]
    return (weight if quotient == 1 else weight * quotient).contiguous()


def _less_start(trained: dict[str, Tensor], start: dict[str, Tensor]) -> dict[str, Tensor]:
    """Adapter weights whose product is that of ``trained`` minus that of ``start``: B A - B0 A0 = [B, -B0] [A; A0]."""
    both = dict(trained)
    for name, weight in trained.items():
        if "lora_A" in name:
            both[name] = torch.cat([weight, start[name].float()], dim=0)
        elif "lora_B" in name:
            both[name] = torch.cat([weight, -start[name].float()], dim=1)
    return both
