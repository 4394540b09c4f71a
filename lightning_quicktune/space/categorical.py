"""Categorical domains."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from lightning_quicktune.space.declaration import check_fields, is_number, is_number_as_text, label, labels, same
from lightning_quicktune.types import Value


@dataclass(frozen=True)
class CategoricalDomain:
    """A few choices, perhaps in an order.

    Args:
        type: ``categorical``, or ``bool`` for false and true.
        choices: All values.
        ordered: Whether neighbours are alike, as ranks or batch sizes are.
        default: What a careful practitioner would take.
    """

    type: Literal["categorical", "bool"]
    choices: tuple[Value, ...]
    ordered: bool
    default: Value

    @classmethod
    def from_dict(cls, record: Mapping[str, Any], where: str) -> CategoricalDomain:
        """Reads and checks a declaration.

        Args:
            record: ``type``, ``default`` and, unless the type is ``bool``, ``choices`` and perhaps ``ordered``.
            where: Dotted place in the declaration, for messages.

        Raises:
            ValueError: If choices or default make no domain.
        """
        if record["type"] == "bool":
            check_fields(record, where, ("type", "default"), ())
            domain = cls("bool", (False, True), True, False)
        else:
            check_fields(record, where, ("type", "choices", "default"), ("ordered",))
            choices, ordered = record["choices"], record.get("ordered", False)
            _check_choices(choices, where)
            if not isinstance(ordered, bool):
                raise ValueError(
                    f"`{where}.ordered` is {ordered!r}, but it says whether the choices come in an order. "
                    "Write true or false."
                )
            domain = cls("categorical", tuple(choices), ordered, choices[0])
        default = domain.find(record["default"])
        if default is None:
            raise ValueError(
                f"`{where}.default` is {record['default']!r}, but the domain is {domain.describe()}. "
                "The default is always tried, so it must be one of the choices: correct it or add it to them."
            )
        return replace(domain, default=default)

    @property
    def size(self) -> float:
        """How many values there are."""
        return len(self.choices)

    @property
    def columns(self) -> tuple[str, ...]:
        """Suffix of each encoded column: one per choice where there is no order."""
        return ("",) if self.ordered else tuple(f"={label(c)}" for c in self.choices)

    def find(self, value: Any) -> Value | None:
        """The choice that equals ``value``, as it was declared, or none."""
        return next((c for c in self.choices if same(c, value)), None)

    def index(self, value: Value) -> int:
        """Place of ``value`` among the choices, from 0."""
        return next(i for i, c in enumerate(self.choices) if same(c, value))

    def encode(self, value: Value) -> tuple[float, ...]:
        """Rank in [0, 1] where the choices are ordered, else the whole one-hot block."""
        place = self.index(value)
        if self.ordered:
            return (place / (len(self.choices) - 1),)
        return tuple(float(i == place) for i in range(len(self.choices)))

    def decode(self, columns: Sequence[float]) -> Value:
        """The choice that ``encode`` turned into these columns.

        Args:
            columns: As many as ``encode`` gives.
        """
        if self.ordered:
            return self.choices[round(columns[0] * (len(self.choices) - 1))]
        return self.choices[max(range(len(self.choices)), key=lambda i: columns[i])]

    def describe(self) -> str:
        """The domain in words."""
        return f"{self.type}, {'in this order' if self.ordered else 'one of'} {labels(self.choices)}"

    def to_dict(self) -> dict[str, Any]:
        """What ``from_dict`` reads."""
        if self.type == "bool":
            return {"type": "bool", "default": self.default}
        choices = list(self.choices)
        return {"type": "categorical", "choices": choices, "ordered": self.ordered, "default": self.default}


def _check_choices(choices: Any, where: str) -> None:
    if not isinstance(choices, list | tuple) or len(choices) < 2:
        raise ValueError(
            f"`{where}.choices` is {choices!r}, but a search needs a list of at least two choices. "
            "Add one, or set the value in the fit YAML and drop this hyperparameter."
        )
    for choice in choices:
        if not isinstance(choice, bool | str) and not is_number(choice):
            raise ValueError(
                f"`{where}.choices` holds {choice!r}, but a choice is text, a finite number, true or false, because "
                "it becomes one cell of a table. Name the choice, and write what it sets under `sets`."
            )
        if is_number_as_text(choice):
            raise ValueError(
                f"`{where}.choices` holds the text {choice!r}, which looks like a number; a table would mix them up. "
                "Write numbers without quotes and with a dot before the exponent: 1.0e-5, not 1e-5."
            )
    seen: set[str] = set()
    for choice in choices:
        if label(choice) in seen:
            raise ValueError(
                f"`{where}.choices` holds {label(choice)} twice, but each choice must be told from the others. "
                "Remove or rename one of them."
            )
        seen.add(label(choice))
