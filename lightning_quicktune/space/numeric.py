"""Numeric domains."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from lightning_quicktune.space.declaration import check_fields, is_number, is_number_as_text, label
from lightning_quicktune.types import Value


@dataclass(frozen=True)
class NumericDomain:
    """Numbers between two bounds, both included.

    Args:
        type: ``float``, or ``int`` for whole numbers.
        lower: Smallest value; above 0 on a log scale.
        upper: Largest value.
        log: Whether the logarithm of the value is what is sampled uniformly and encoded.
        default: What a careful practitioner would take.
    """

    type: Literal["float", "int"]
    lower: float
    upper: float
    log: bool
    default: Value

    @classmethod
    def from_dict(cls, record: Mapping[str, Any], where: str) -> NumericDomain:
        """Reads and checks a declaration.

        Args:
            record: ``type``, ``bounds``, ``default`` and perhaps ``log``.
            where: Dotted place in the declaration, for messages.

        Raises:
            ValueError: If bounds or default make no domain.
        """
        check_fields(record, where, ("type", "bounds", "default"), ("log",))
        bounds, log = record["bounds"], record.get("log", False)
        if not isinstance(log, bool):
            raise ValueError(
                f"`{where}.log` is {log!r}, but it says whether the scale is logarithmic. Write true or false."
            )
        lower, upper = _check_bounds(bounds, where, record["type"] == "int", log)
        domain = cls(record["type"], lower, upper, log, lower)
        default = domain.find(record["default"])
        if default is None:
            raise ValueError(
                f"`{where}.default` is {record['default']!r}, but the domain is {domain.describe()}. "
                f"The default is always tried, so it must be a value of the domain: correct it or `{where}.bounds`."
                f"{_hint(record['default'])}"
            )
        return replace(domain, default=default)

    @property
    def size(self) -> float:
        """How many values there are."""
        return self.upper - self.lower + 1 if self.type == "int" else math.inf

    @property
    def columns(self) -> tuple[str, ...]:
        """Suffix of each encoded column."""
        return ("",)

    def find(self, value: Any) -> Value | None:
        """The value as this domain would give it (16 for 16.0), or none if it lies outside."""
        if not is_number(value) or not self.lower <= value <= self.upper:
            return None
        if self.type == "float":
            return float(value)
        return int(value) if float(value).is_integer() else None

    def encode(self, value: Value) -> tuple[float, ...]:
        """Position between the bounds, in [0, 1]."""
        number, lower, upper = float(value), self.lower, self.upper
        if self.log:
            number, lower, upper = math.log(number), math.log(lower), math.log(upper)
        return (min(max((number - lower) / (upper - lower), 0.0), 1.0),)

    def decode(self, columns: Sequence[float]) -> Value:
        """The value that ``encode`` turned into this position, of so few digits as have it.

        Args:
            columns: The position, one number in [0, 1].
        """
        (position,) = columns
        lower, upper = float(self.lower), float(self.upper)
        if self.log:
            number = math.exp(math.log(lower) + position * (math.log(upper) - math.log(lower)))
        else:
            number = lower + position * (upper - lower)
        if self.type == "int":
            return min(max(round(number), int(lower)), int(upper))
        short = (min(max(float(f"{number:.{digits}g}"), lower), upper) for digits in range(1, 18))
        return next((value for value in short if self.encode(value) == (position,)), min(max(number, lower), upper))

    def describe(self) -> str:
        """The domain in words."""
        return f"{self.type} from {label(self.lower)} to {label(self.upper)}{' on a log scale' if self.log else ''}"

    def to_dict(self) -> dict[str, Any]:
        """What ``from_dict`` reads."""
        number = int if self.type == "int" else float
        bounds = [number(self.lower), number(self.upper)]
        return {"type": self.type, "bounds": bounds, "log": self.log, "default": self.default}


def _check_bounds(bounds: Any, where: str, whole: bool, log: bool) -> tuple[float, float]:
    if not isinstance(bounds, list | tuple) or len(bounds) != 2 or not all(is_number(b) for b in bounds):
        hint = "".join(_hint(b) for b in bounds[:1]) if isinstance(bounds, list | tuple) else ""
        raise ValueError(
            f"`{where}.bounds` is {bounds!r}, but it must be two finite numbers, the smallest and the largest value. "
            f"Write `bounds: [1.0e-5, 1.0e-2]`.{hint}"
        )
    lower, upper = bounds
    if whole and not (float(lower).is_integer() and float(upper).is_integer()):
        raise ValueError(
            f"`{where}.bounds` is {bounds!r}, but a domain of type `int` needs whole bounds. "
            f"Round them, or set `{where}.type: float`."
        )
    if not lower < upper:
        raise ValueError(
            f"`{where}.bounds` is {bounds!r}, but the first must be below the second: one value alone can't be "
            "searched. Swap or widen the bounds, or set the value in the fit YAML and drop this hyperparameter."
        )
    if log and lower <= 0:
        raise ValueError(
            f"`{where}.bounds` starts at {lower}, but a log scale needs a lower bound above 0. Give the bounds "
            f"themselves, not their logarithms (`1.0e-5`, not `-5`), or set `{where}.log: false`."
        )
    return lower, upper


def _hint(value: Any) -> str:
    return (
        f" YAML reads {value} as text: write 1.0e-5, with a dot, instead of 1e-5." if is_number_as_text(value) else ""
    )
