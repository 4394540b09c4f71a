"""The check of what an adapter can be on, said before anything is changed, and of what it is on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from lightning_quicktune.finetune.targets import Target, is_attention, keeps_transposed, shortest

if TYPE_CHECKING:
    from lightning_quicktune.finetune.base_model import BaseModel
    from lightning_quicktune.finetune.lora import LoraSettings


def check_possible(
    base: BaseModel, modules: Mapping[str, Target], settings: LoraSettings, gradient_checkpointing: bool
) -> None:
    """Refuses what peft or Transformers would get wrong, or fail at, for this base model.

    Args:
        base: The base model.
        modules: What the adapter goes on, by name.
        settings: The adapter.
        gradient_checkpointing: Whether activations are computed again in the backward pass.

    Raises:
        ValueError: If the base model can't have such an adapter.
    """
    if settings.initialization == "olora" and keeps_transposed(modules):
        raise ValueError(
            f"The initialization `olora` would mistake inputs for outputs in `{base.name}`, which keeps its weights "
            "transposed (Conv1D). Set `model.init_args.lora.initialization: pissa`, or to one with random weights."
        )
    if settings.alters_base and getattr(base.model, "is_quantized", False):
        raise ValueError(
            f"The initialization `{settings.initialization}` takes a part out of the base weights, but those of "
            f"`{base.name}` are quantized ({base.info.quantization}), and what is left couldn't be kept exactly. Set "
            "`model.init_args.lora.initialization: default`, or another `model.init_args.base_model.name`."
        )
    if settings.variant == "dora" and getattr(base.model, "is_loaded_in_8bit", False):
        raise ValueError(
            f"`model.init_args.lora.variant` is dora, but the weights of `{base.name}` are quantized to 8 bits, and "
            "peft loses their scales when it measures the magnitudes. Set `model.init_args.lora.variant: lora`, or "
            "another `model.init_args.base_model.name`."
        )
    on_weights = [name for name, target in modules.items() if target.parameter is not None]
    elsewhere = "attention" if not any(map(is_attention, on_weights)) else "a list without them"
    for key, value, instead in _impossible_on_weights(settings) if on_weights else ():
        raise ValueError(
            f"`model.init_args.lora.{key}` is {value}, but on {', '.join(shortest(on_weights, ()))} of `{base.name}` "
            "the adapter is added to the weights themselves, where that can't be done exactly. Set "
            f"`model.init_args.lora.{key}: {instead}`, or `model.init_args.lora.targets` to {elsewhere}."
        )
    if gradient_checkpointing and not base.model.supports_gradient_checkpointing:
        raise ValueError(
            f"`{base.name}` can't compute its activations a second time, as gradient checkpointing asks. Set "
            "`model.init_args.base_model.gradient_checkpointing: false`."
        )


def check_adapted(adapted: Any, modules: Mapping[str, Target], name: str) -> None:
    """Refuses an adapter that peft has put on other weights than those that were asked for.

    Args:
        adapted: What peft made of the base model.
        modules: What was asked for, by name.
        name: The base model's name.

    Raises:
        RuntimeError: If they differ.
    """
    asked = {f"{key}.{t.parameter}" if t.parameter == "weight" else key for key, t in modules.items()}
    found = set(_adapted(adapted))
    if found != asked:
        less, more = shortest(asked - found, ()), shortest(found - asked, ())
        raise RuntimeError(
            f"peft has put the adapter of `{name}` on other weights than those of `model.init_args.lora.targets`: "
            f"missing are {less or 'none'}, too many are {more or 'none'}. It doesn't know this architecture; set "
            "`model.init_args.lora.targets: attention`, and report it with the versions of peft and Transformers."
        )


def _adapted(adapted: Any) -> Iterator[str]:
    """Names, in the base model, of what carries a LoRA layer."""
    from peft.tuners.lora.layer import LoraLayer

    for name, module in adapted.get_base_model().named_modules():
        if isinstance(module, LoraLayer):
            plain = name.replace(".base_layer", "")
            parameter = getattr(module, "parameter_name", None)
            yield plain if parameter is None else f"{plain}.{parameter}"


def _impossible_on_weights(settings: LoraSettings) -> Iterator[tuple[str, Any, Any]]:
    """Keys, values and the values to set instead of what needs the inputs of a linear module, or its weight alone."""
    if settings.dropout:
        yield "dropout", settings.dropout, 0
    if settings.variant == "dora":
        yield "variant", settings.variant, "lora"
    if settings.initialization not in ("default", "gaussian"):
        yield "initialization", settings.initialization, "default"
