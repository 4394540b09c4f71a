"""Which linear modules of a base model an adapter goes on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from torch import nn


def linear_modules(model: nn.Module) -> list[str]:
    """Names of the linear modules that an adapter can go on, without the output head."""
    head = getattr(model, "get_output_embeddings", lambda: None)()
    return [name for name, module in model.named_modules() if _is_linear(module) and module is not head]


def target_modules(model: nn.Module, targets: str | list[str]) -> list[str]:
    """The shortest names, by their last parts, that mean the targets in this model and nothing else in it.

    Args:
        model: The base model.
        targets: ``all-linear``; ``attention``; ``mlp``, all linear modules of a block outside its attention; or names
            of modules, each in full or by its last parts.

    Returns:
        Names as peft matches them: a module whose name is one of these, or ends with one after a dot.

    Raises:
        ValueError: If a name or a group matches no linear module of the model.
    """
    present = linear_modules(model)
    chosen = _of_group(present, targets) if isinstance(targets, str) else _of_names(present, targets)
    unmatched = [] if isinstance(targets, str) else [t for t in targets if not _of_names(present, [t])]
    if unmatched or not chosen:
        raise ValueError(
            f"The LoRA targets {unmatched or targets!r} match no linear module of this base model, so they would train "
            f"nothing. It has {', '.join(sorted({_ending(name, 1) for name in present}))}. Set "
            "`model.init_args.lora.targets` to some of these, or to `all-linear`."
        )
    others = {name for name, module in model.named_modules() if _is_linear(module)}.difference(chosen)
    return _shortest(chosen, others)


def matching_modules(model: nn.Module, targets: Iterable[str]) -> dict[str, Any]:
    """The linear modules that an adapter goes on, by name.

    Args:
        model: The base model.
        targets: From ``target_modules``.
    """
    return {name: model.get_submodule(name) for name in _of_names(linear_modules(model), targets)}


def check_rank(modules: Mapping[str, Any], rank: int) -> None:
    """Refuses a rank above the size of a target: such an update has weights that can't add to it.

    Args:
        modules: From ``matching_modules``.
        rank: Rank of each update.

    Raises:
        ValueError: If a target is smaller.
    """
    name, size = min(((name, min(m.weight.shape)) for name, m in modules.items()), key=lambda pair: pair[1])
    if rank > size:
        raise ValueError(
            f"The LoRA rank is {rank}, but `{name}` has weights of {' x '.join(map(str, modules[name].weight.shape))}, "
            f"so no update of it has a rank above {size}. Set `model.init_args.lora.rank` to {size} or less, or leave "
            "this module out of `model.init_args.lora.targets`."
        )


def keeps_transposed(modules: Mapping[str, Any]) -> bool:
    """Whether weights are kept as (inputs, outputs), as GPT-2 does with its Conv1D modules.

    Args:
        modules: From ``matching_modules``.
    """
    return any(not isinstance(module, nn.Linear) for module in modules.values())


def _is_linear(module: nn.Module) -> bool:
    from transformers.pytorch_utils import Conv1D

    return isinstance(module, (nn.Linear, Conv1D))


def _of_group(names: list[str], group: str) -> list[str]:
    """By the parents: in GPT-2 attention and mlp have a module of the same name."""
    if group == "all-linear":
        return names
    in_block = [name for name in names if any(part.isdigit() for part in name.split("."))]
    return [name for name in in_block if _is_attention(name) == (group == "attention")]


def _is_attention(name: str) -> bool:
    return any("attn" in part or "attention" in part for part in name.lower().split(".")[:-1])


def _of_names(names: Iterable[str], endings: Iterable[str]) -> list[str]:
    endings = list(endings)
    return [name for name in names if any(name == e or name.endswith(f".{e}") for e in endings)]


def _shortest(chosen: list[str], others: set[str]) -> list[str]:
    for n_parts in range(1, max(name.count(".") for name in chosen) + 2):
        endings = {_ending(name, n_parts) for name in chosen}
        if not _of_names(others, endings):
            break
    return sorted(endings)


def _ending(name: str, n_parts: int) -> str:
    return ".".join(name.split(".")[-n_parts:])
