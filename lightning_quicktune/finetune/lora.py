"""LoRA settings, and putting an adapter on a shared base model and taking it off again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor, nn

from lightning_quicktune.finetune.adaptable import check_adapted, check_possible
from lightning_quicktune.finetune.base_model import BaseModel
from lightning_quicktune.finetune.identity import count_weights
from lightning_quicktune.finetune.noise import NoiseSource, RecordDropout
from lightning_quicktune.finetune.targets import (
    Target,
    check_rank,
    keeps_transposed,
    matching_modules,
    shortest,
    target_modules,
)


@dataclass(frozen=True)
class LoraSettings:
    """Shape and regularization of the adapter.

    Args:
        rank: Rank of each update, from 1 to the size of the smallest target.
        alpha_over_rank: Scale of the update: ``lora_alpha`` divided by the rank, above 0.
        dropout: Share of adapter inputs set to 0 in training, in [0, 1).
        targets: ``all-linear`` (stacked experts too, never their routers), ``attention``, ``mlp``, or names of linear
            modules, in full or by their last parts.
        variant: ``lora``, ``rslora`` (scaled by the root of the rank) or ``dora`` (magnitude apart).
        initialization: ``init_lora_weights`` of peft. ``pissa``, ``pissa_niter_16`` and ``olora`` start from a part of
            the base weights, which needs memory for another copy of them.

    References:
        Hu et al. (2022), LoRA: Low-Rank Adaptation of Large Language Models. Kalajdzievski (2023), A Rank
        Stabilization Scaling Factor. Liu et al. (2024), DoRA: Weight-Decomposed Low-Rank Adaptation. Meng, Wang and
        Zhang (2024), PiSSA: Principal Singular Values and Singular Vectors Adaptation of Large Language Models.
        Büyükakyüz (2024), OLoRA: Orthonormal Low-Rank Adaptation of Large Language Models.
    """

    rank: int = 16
    alpha_over_rank: float = 2.0
    dropout: float = 0.0
    targets: Literal["all-linear", "attention", "mlp"] | list[str] = "all-linear"
    variant: Literal["lora", "rslora", "dora"] = "lora"
    initialization: Literal["default", "gaussian", "orthogonal", "pissa", "pissa_niter_16", "olora"] = "default"

    def __post_init__(self) -> None:
        if self.rank < 1:
            raise ValueError(
                f"The LoRA rank is {self.rank}, but an update needs at least 1. Set `model.init_args.lora.rank`."
            )
        if not self.alpha_over_rank > 0:
            raise ValueError(
                f"alpha over rank is {self.alpha_over_rank}, which would switch the adapter off. Set "
                "`model.init_args.lora.alpha_over_rank` above 0."
            )
        if not 0 <= self.dropout < 1:
            raise ValueError(
                f"The LoRA dropout is {self.dropout}, but it is a share in [0, 1). Set `model.init_args.lora.dropout`."
            )
        if self.initialization == "orthogonal" and self.rank % 2:
            raise ValueError(
                f"The LoRA rank is {self.rank}, but the initialization `orthogonal` gives one half of the rank to each "
                "matrix. Set `model.init_args.lora.rank` to an even number, or `model.init_args.lora.initialization`."
            )

    @property
    def alters_base(self) -> bool:
        """Whether the adapter takes a part of the base weights out of them, so that both together begin as before."""
        return self.initialization in ("pissa", "pissa_niter_16", "olora")


@dataclass(frozen=True, eq=False)
class BeforeAdapter:
    """A base model as it was before an adapter was put on it.

    Args:
        model: The base model.
        modules: All its modules, by every name that each has.
        weights: A copy of the weight of each that the adapter alters, on the CPU.
        gradient_checkpointing: Whether it is on while the adapter is.
        share: Share of the model's weights that the adapter is on.
        start: The adapter's first weights where it alters the base, by name.
    """

    model: Any
    modules: dict[str, Any]
    weights: dict[str, Tensor]
    gradient_checkpointing: bool
    share: float
    start: dict[str, Tensor] = field(default_factory=dict)

    def restore(self) -> None:
        """Makes the model that again, bit by bit."""
        for name, module in self.modules.items():  # parents before their children
            if name and self.model.get_submodule(name) is not module:
                self.model.set_submodule(name, module)
        for name, weight in self.weights.items():
            current = self.modules[name].weight
            current.data = weight.to(current.device)
        if hasattr(self.model, "peft_config"):
            del self.model.peft_config
        if self.gradient_checkpointing:
            self.model.activation_checkpointing_disable()
            self.model.disable_input_require_grads()  # a hook on the embeddings that switching it on has left there
        self.model.requires_grad_(False).eval()


def attach_adapter(base: BaseModel, settings: LoraSettings, gradient_checkpointing: bool = False) -> Any:
    """Wraps the base model with a fresh adapter whose weights come from the current random state.

    Where it fails, the base model is as it was.

    Args:
        base: The base model.
        settings: The adapter.
        gradient_checkpointing: Whether to compute activations again in the backward pass, which saves memory.

    Raises:
        ValueError: If the base model can't have such an adapter.
        RuntimeError: If it still has another.
    """
    from peft import get_peft_model, get_peft_model_state_dict

    model: Any = base.model
    if hasattr(model, "peft_config"):
        raise RuntimeError(
            f"`{base.name}` still carries the adapter of another trial, and one at a time is possible. Call "
            "`release()` on the module that trained it."
        )
    modules = adapted_modules(base, settings, gradient_checkpointing)
    before = _snapshot(model, modules, settings, gradient_checkpointing)
    try:
        with torch.device("cpu"), _random_state(settings):  # else first weights would depend on the device
            adapted: Any = get_peft_model(model, _peft_config(base, settings, modules))
        check_adapted(adapted, modules, base.name)
        adapted.noise_source = _own_dropout(model)
        if gradient_checkpointing:
            model.activation_checkpointing_enable(activation_checkpointing_kwargs={"use_reentrant": False})
    except BaseException:
        before.restore()
        raise
    if settings.alters_base:
        before.start.update({k: v.detach().clone().cpu() for k, v in get_peft_model_state_dict(adapted).items()})
    adapted.before_adapter = before
    return adapted


def adapted_modules(base: BaseModel, settings: LoraSettings, gradient_checkpointing: bool) -> dict[str, Target]:
    """What an adapter goes on, by name, in the order of the model.

    Args:
        base: The base model, without an adapter.
        settings: The adapter.
        gradient_checkpointing: Whether activations are computed again in the backward pass.

    Raises:
        ValueError: If the base model can't have such an adapter.
    """
    modules = matching_modules(base.model, target_modules(base.model, settings.targets))
    check_rank(modules, settings.rank)
    check_possible(base, modules, settings, gradient_checkpointing)
    return modules


def _own_dropout(model: Any) -> NoiseSource:
    """Puts dropout that depends on the records alone in the place of peft's, and says where it looks for them."""
    from peft.tuners.lora import LoraLayer

    source = NoiseSource()
    for name, module in model.named_modules():
        dropout = module.lora_dropout["default"] if isinstance(module, LoraLayer) and module.lora_dropout else None
        if isinstance(dropout, nn.Dropout):
            module.lora_dropout["default"] = RecordDropout(dropout.p, name, source)
    return source


def detach_adapter(adapted: Any) -> None:
    """Takes the adapter off, so that the base model is as it was before ``attach_adapter``, bit by bit."""
    adapted.before_adapter.restore()


def _snapshot(
    model: Any, modules: dict[str, Target], settings: LoraSettings, gradient_checkpointing: bool
) -> BeforeAdapter:
    weights = {}
    if settings.alters_base:
        model.cpu()  # wherever the last trial left it: another device would factorize with other rounding
        weights = {name: target.module.weight.detach() for name, target in modules.items()}
        for name, target in modules.items():  # in memory of its own: rounding may go by where a weight begins in a file
            target.module.weight.data = weights[name].clone()
    every = dict(model.named_modules(remove_duplicate=False))
    share = sum(target.size for target in modules.values()) / count_weights(model)
    return BeforeAdapter(model, every, weights, gradient_checkpointing, share)


@contextmanager
def _random_state(settings: LoraSettings) -> Iterator[None]:
    """A randomized factorization of the base weights is the same whatever the seed of the trial is.

    Else an adapter that is exported, or goes on, under another seed would be put on another remainder of them.
    """
    if settings.initialization != "pissa_niter_16":
        yield
        return
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        yield


def _peft_config(base: BaseModel, settings: LoraSettings, modules: dict[str, Target]) -> Any:
    from peft import LoraConfig

    named = [name for name, target in modules.items() if target.parameter is None]
    weights = [f"{name}.weight" if t.parameter == "weight" else name for name, t in modules.items() if t.parameter]
    every_weight = (name for name, _ in base.model.named_parameters())
    return LoraConfig(
        task_type={"decoder": "CAUSAL_LM", "encoder_decoder": "SEQ_2_SEQ_LM"}[base.layout],
        r=settings.rank,
        lora_alpha=settings.alpha_over_rank * settings.rank,  # type: ignore[arg-type,unused-ignore]
        lora_dropout=settings.dropout,
        target_modules=shortest(named, (name for name, _ in base.model.named_modules())),
        target_parameters=shortest(weights, every_weight) if weights else None,
        fan_in_fan_out=keeps_transposed(modules),
        use_rslora=settings.variant == "rslora",
        use_dora=settings.variant == "dora",
        init_lora_weights=True if settings.initialization == "default" else settings.initialization,
    )
