"""The target modules of an adapter: which weights of a base model it goes on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn

# The parts of a feed-forward block that peft takes for those of experts, wherever they are in a model with experts.
_TAKEN_FOR_EXPERTS = {"gate_proj", "up_proj", "down_proj", "w1", "w2", "w3", "gate"}
_PLAIN = ("FalconLinear",)  # of Transformers' own subclasses with a ``forward``, those that compute what Linear does
_MATRIX, _STACK = 2, 3


@dataclass(frozen=True)
class Target:
    """One weight that an adapter can go on.

    Args:
        module: What holds it.
        parameter: Its name there, where the adapter is on the weight itself; none where it is on a linear module.
    """

    module: Any
    parameter: str | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the weight, of one expert where several are stacked, whatever form it is stored in."""
        if self.parameter is None and isinstance(self.module, nn.Linear):
            return (self.module.out_features, self.module.in_features)  # a 4-bit weight is one long row of bytes
        return tuple(self._weight.shape[-2:])

    @property
    def outputs_and_inputs(self) -> tuple[int, int]:
        """Outputs and inputs of a linear module, whichever way it keeps its weight."""
        rows, columns = self.shape
        return (rows, columns) if isinstance(self.module, nn.Linear) else (columns, rows)

    @property
    def size(self) -> int:
        """Number of weights, of all experts where several are stacked."""
        experts = self._weight.shape[0] if self._weight.ndim == _STACK else 1
        return experts * self.shape[0] * self.shape[1]

    @property
    def _weight(self) -> Any:
        return getattr(self.module, self.parameter or "weight")


def possible_targets(model: nn.Module) -> dict[str, Target]:
    """Every weight that an adapter can go on, by name: linear modules, and stacked experts.

    The output head and what chooses (``is_router``) are none. Weights of stacked experts have the name of their
    parameter, without ``.weight``. Where a subclass of Linear computes something else with its weight, as DeepSeek-V4's
    grouped projection does, the adapter is on the weight itself, which is exact whatever is computed with it.
    """
    head = getattr(model, "get_output_embeddings", lambda: None)()
    experts = has_experts(model)
    found = {}
    for name, module in model.named_modules():
        if _is_linear(module):
            if module is not head and not is_router(name, module):
                taken = experts and name.rpartition(".")[2] in _TAKEN_FOR_EXPERTS
                found[name] = Target(module, "weight" if taken or _computes_otherwise(module) else None)
        elif not isinstance(module, nn.modules.conv._ConvNd):
            for own, weight in module.named_parameters(recurse=False):
                full = f"{name}.{own}".removesuffix(".weight")
                if weight.ndim == _STACK and weight.is_floating_point() and not is_router(full, module):
                    found[full] = Target(module, own)
    return found


def linear_modules(model: nn.Module) -> list[str]:
    """Names of the weights that an adapter can go on, without output head and routers."""
    return list(possible_targets(model))


def target_modules(model: nn.Module, targets: str | list[str]) -> list[str]:
    """The shortest names, by their last parts, that mean the targets in this model and nothing else in it.

    Args:
        model: The base model.
        targets: ``all-linear``; ``attention``; ``mlp``, all linear modules of a block outside its attention; or names
            of modules, each in full or by its last parts.

    Returns:
        Names as peft matches them: a module whose name is one of these, or ends with one after a dot.

    Raises:
        ValueError: If a name or a group matches no linear module of the model, or a group has experts that no adapter
            can go on.
    """
    present = linear_modules(model)
    chosen = _of_group(present, targets) if isinstance(targets, str) else _of_names(present, targets)
    unmatched = [] if isinstance(targets, str) else [t for t in targets if not _of_names(present, [t])]
    if unmatched or not chosen:
        routers = [name for name, module in model.named_modules() if is_router(name, module)]
        about = "routers or indexers, never adapted," if _of_names(routers, unmatched) else "no linear module"
        raise ValueError(
            f"The LoRA targets {unmatched or targets!r} match {about} of this base model, so they would train "
            f"nothing. It has {', '.join(sorted({_ending(name, 1) for name in present}))}. Set "
            "`model.init_args.lora.targets` to some of these, or to `all-linear`."
        )
    if isinstance(targets, str):
        _check_reachable(model, targets)
    return shortest(chosen, (name for name, _ in model.named_modules()))


def matching_modules(model: nn.Module, targets: Iterable[str]) -> dict[str, Target]:
    """The weights that an adapter goes on, by name.

    Args:
        model: The base model.
        targets: From ``target_modules``.
    """
    present = possible_targets(model)
    return {name: present[name] for name in _of_names(present, targets)}


def shortest(chosen: Iterable[str], present: Iterable[str]) -> list[str]:
    """The shortest endings, all of equally many parts, that mean the chosen names and no others that are present."""
    wanted = set(chosen)
    others = set(present).difference(wanted)
    endings = wanted
    for n_parts in range(1, max((name.count(".") for name in wanted), default=0) + 2):
        endings = {_ending(name, n_parts) for name in wanted}
        if not _of_names(others, endings):
            break
    return sorted(endings)


def check_rank(modules: Mapping[str, Target], rank: int) -> None:
    """Refuses a rank above the size of a target: such an update has weights that can't add to it.

    Args:
        modules: From ``matching_modules``.
        rank: Rank of each update.

    Raises:
        ValueError: If a target is smaller.
    """
    name, size = min(((name, min(target.shape)) for name, target in modules.items()), key=lambda pair: pair[1])
    if rank > size:
        raise ValueError(
            f"The LoRA rank is {rank}, but `{name}` has weights of {' x '.join(map(str, modules[name].shape))}, "
            f"so no update of it has a rank above {size}. Set `model.init_args.lora.rank` to {size} or less, or leave "
            "this module out of `model.init_args.lora.targets`."
        )


def keeps_transposed(modules: Mapping[str, Target]) -> bool:
    """Whether weights are kept as (inputs, outputs), as GPT-2 does with its Conv1D modules.

    Args:
        modules: From ``matching_modules``.
    """
    return any(t.parameter is None and not isinstance(t.module, nn.Linear) for t in modules.values())


def has_experts(model: nn.Module) -> bool:
    """Whether a model's configuration speaks of experts, even if none of its layers has any."""
    config = getattr(model, "config", None)
    return config is not None and any("expert" in key for key in config.to_dict())


def is_router(name: str, module: nn.Module) -> bool:
    """Whether a module chooses experts, weighs them, or chooses what is attended to (an indexer, without gradient)."""
    parts = name.lower().split(".")
    named = any("router" in part or "indexer" in part or part.endswith("expert_gate") for part in parts)
    return named or "router" in type(module).__name__.lower() or ("gate" in parts and not is_attention(name))


def _check_reachable(model: nn.Module, group: str) -> None:
    """Refuses a group of targets that has experts in a form that no adapter can go on."""
    reached = {id(getattr(t.module, t.parameter or "weight")) for t in possible_targets(model).values()}
    missed = [
        name
        for name, weight in model.named_parameters()
        if any("expert" in part for part in name.split("."))
        and weight.ndim >= _MATRIX
        and id(weight) not in reached
        and not name.endswith("bias")
        and not is_router(name, model)
    ]
    if missed := _of_group(missed, group):
        raise ValueError(
            f"The LoRA targets `{group}` of this base model include experts whose weights no adapter can go on: "
            f"{', '.join(shortest(missed, ()))}, {len(missed)} in all. Set `model.init_args.lora.targets` to "
            "`attention`, or to a list of what is to be adapted."
        )


def _computes_otherwise(module: nn.Module) -> bool:
    """Whether it is one of Transformers' own kinds of Linear, with another product of inputs and weight."""
    kind = type(module)
    own = kind.__module__.startswith("transformers.models.") and kind.__name__ not in _PLAIN
    return own and isinstance(module, nn.Linear) and kind.forward is not nn.Linear.forward


def _is_linear(module: nn.Module) -> bool:
    from transformers.pytorch_utils import Conv1D

    return isinstance(module, (nn.Linear, Conv1D))


def _of_group(names: list[str], group: str) -> list[str]:
    """By the parents: in GPT-2 attention and mlp have a module of the same name."""
    if group == "all-linear":
        return names
    in_block = [name for name in names if any(part.isdigit() for part in name.split("."))]
    return [name for name in in_block if is_attention(name) == (group == "attention")]


def is_attention(name: str) -> bool:
    """Whether a weight belongs to the attention of a block, by the names of its parents."""
    return any("attn" in part or "attention" in part for part in name.lower().split(".")[:-1])


def _of_names(names: Iterable[str], endings: Iterable[str]) -> list[str]:
    endings = list(endings)
    return [name for name in names if any(name == e or name.endswith(f".{e}") for e in endings)]


def _ending(name: str, n_parts: int) -> str:
    return ".".join(name.split(".")[-n_parts:])
