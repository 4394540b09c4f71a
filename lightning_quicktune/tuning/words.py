"""A configuration in words, most telling first."""

from __future__ import annotations

from collections.abc import Mapping

from lightning_quicktune.types import Configuration, Value

_TELLING = ("optimizer", "lr", "adafactor_lr", "sgd_lr", "lora_rank", "batch_size", "lora_targets", "lora_variant")
_SHORT = {"adafactor_lr": "lr", "sgd_lr": "lr", "lora_rank": "rank", "batch_size": "batch"}
_UNNAMED = ("optimizer", "lora_targets", "lora_variant")  # their values speak for themselves
_USUAL = {"lora_targets": "all-linear", "lora_variant": "lora"}  # not said


def describe(configuration: Configuration | Mapping[str, Value], n: int = 4) -> str:
    """A configuration in words, such as ``adamw, lr 8e-4, rank 32``.

    Args:
        configuration: The configuration, or its values by name.
        n: Hyperparameters that are told, at least 1; those that usually matter most come first.
    """
    values = configuration.values if isinstance(configuration, Configuration) else configuration
    first = [name for name in _TELLING if name in values]
    names = [*first, *(name for name in values if name not in first)]
    told = [name for name in names if values[name] != _USUAL.get(name)]
    return ", ".join(_part(name, values[name]) for name in told[:n])


def shown(value: Value | None) -> str:
    """A value for people: three digits, ``8e-4`` rather than ``0.0008``; ``-`` for none."""
    if value is None:
        return "-"
    if isinstance(value, bool) or not isinstance(value, float):
        return str(value)
    if value == 0 or 0.01 <= abs(value) < 10_000:
        return f"{value:.3g}"
    mantissa, exponent = f"{value:.2e}".split("e")
    return f"{mantissa.rstrip('0').rstrip('.')}e{int(exponent)}"


def _part(name: str, value: Value) -> str:
    if name in _UNNAMED:
        return str(value)
    return f"{_SHORT.get(name, name.replace('_', ' '))} {shown(value)}"
