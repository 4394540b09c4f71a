"""LoRA settings, and putting an adapter on a shared base model and taking it off again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from torch import nn

from lightning_quicktune.finetune.base_model import BaseModel

_ATTENTION = ("qkv_proj", "q_proj", "k_proj", "v_proj", "o_proj", "c_attn", "q", "k", "v", "o")
_MLP = ("gate_up_proj", "gate_proj", "up_proj", "down_proj", "c_fc", "wi", "wi_0", "wi_1", "wo")


@dataclass(frozen=True)
class LoraSettings:
    """Shape and regularization of the adapter.

    Args:
        rank: Rank of each update, at least 1.
        alpha_over_rank: Scale of the update: ``lora_alpha`` divided by the rank, above 0.
        dropout: Share of adapter inputs set to 0 in training, in [0, 1).
        targets: ``all-linear``, ``attention``, ``mlp``, or names of linear modules.
        variant: ``lora``, ``rslora`` (scaled by the root of the rank) or ``dora`` (magnitude apart).
        initialization: ``init_lora_weights`` of peft, of those that leave the base weights alone.

    References:
        Hu et al. (2022), LoRA: Low-Rank Adaptation of Large Language Models. Kalajdzievski (2023), A Rank
        Stabilization Scaling Factor. Liu et al. (2024), DoRA: Weight-Decomposed Low-Rank Adaptation.
    """

    rank: int = 16
    alpha_over_rank: float = 2.0
    dropout: float = 0.0
    targets: Literal["all-linear", "attention", "mlp"] | list[str] = "all-linear"
    variant: Literal["lora", "rslora", "dora"] = "lora"
    initialization: Literal["default", "gaussian", "orthogonal"] = "default"

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


def linear_modules(model: nn.Module) -> list[str]:
    """Last name parts of the linear modules that an adapter can go on, without the output head."""
    from transformers.pytorch_utils import Conv1D

    head = getattr(model, "get_output_embeddings", lambda: None)()
    kinds = (nn.Linear, Conv1D)
    return sorted(
        {name.rsplit(".", 1)[-1] for name, m in model.named_modules() if isinstance(m, kinds) and m is not head}
    )


def target_modules(model: nn.Module, targets: str | list[str]) -> list[str]:
    """The linear modules that ``targets`` means in this model.

    Raises:
        ValueError: If a name or a group matches no linear module of the model.
    """
    present = linear_modules(model)
    if targets == "all-linear":
        return present
    groups = {"attention": _ATTENTION, "mlp": _MLP}
    wanted = groups[targets] if isinstance(targets, str) else targets
    found = [name for name in present if name in wanted]
    missing = [] if isinstance(targets, str) else [name for name in targets if name not in present]
    if missing or not found:
        raise ValueError(
            f"The LoRA targets {missing or targets!r} match no linear module of this base model, so they would train "
            f"nothing. It has {', '.join(present)}. Set `model.init_args.lora.targets` to some of these, or to "
            "`all-linear`."
        )
    return found


def attach_adapter(base: BaseModel, settings: LoraSettings) -> Any:
    """Wraps the base model with a fresh adapter whose weights come from the current random state."""
    from peft import LoraConfig, get_peft_model

    config = LoraConfig(
        task_type="CAUSAL_LM",
        r=settings.rank,
        lora_alpha=settings.alpha_over_rank * settings.rank,  # type: ignore[arg-type,unused-ignore]
        lora_dropout=settings.dropout,
        target_modules=target_modules(base.model, settings.targets),
        use_rslora=settings.variant == "rslora",
        use_dora=settings.variant == "dora",
        init_lora_weights=True if settings.initialization == "default" else settings.initialization,
    )
    return get_peft_model(base.model, config)


def detach_adapter(adapted: Any) -> None:
    """Takes the adapter off, so that the base model is as it was before ``attach_adapter``."""
    adapted.unload()
    adapted.base_model.model.requires_grad_(False).eval()
