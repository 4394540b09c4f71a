"""The declaration of a search space in YAML: what every part of it shares."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml
from yaml.constructor import ConstructorError

from lightning_quicktune.types import Value
from lightning_quicktune.wording.spelling import did_you_mean


class _UniqueKeyLoader(yaml.SafeLoader):
    """Plain YAML, in which a key given twice is an error instead of silently replacing the first."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise ConstructorError(None, None, f"`{key}` is declared twice", key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep)


def read_declaration(path: Path) -> dict[str, Any]:
    """Parses the YAML file of a search space.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is not YAML, declares a name twice, or holds no mapping.
    """
    if not path.is_file():
        raise FileNotFoundError(
            f"There is no search space at `{path}`. It is a YAML file with one entry per hyperparameter, such as "
            "`configs/space/lora.yaml`; relative paths count from the current folder. Correct the path."
        )
    try:
        # A subclass of SafeLoader builds plain values only.
        parsed = yaml.load(path.read_text(encoding="utf-8"), Loader=_UniqueKeyLoader)
    except yaml.YAMLError as error:
        raise ValueError(
            f"`{path}` can't be read as YAML: {error}. A search space has each hyperparameter once, by name. "
            "Correct the file at that line."
        ) from error
    if not isinstance(parsed, dict):
        raise ValueError(
            f"`{path}` holds {'nothing' if parsed is None else type(parsed).__name__}, but a search space is a mapping "
            "from each hyperparameter to its `domain` and its `key` or `sets`. See `configs/space/lora.yaml`."
        )
    return parsed


def check_fields(record: Any, where: str, required: Collection[str], optional: Collection[str]) -> None:
    """Checks that ``record`` is a mapping with the fields it needs and no others.

    Args:
        record: What the declaration holds at ``where``.
        where: Dotted place in the declaration, as the user would look it up.
        required: Fields that must be there.
        optional: Fields that may be there.

    Raises:
        ValueError: If it is no mapping, a field is unknown, or one is missing.
    """
    allowed = sorted({*required, *optional})
    if not isinstance(record, Mapping):
        raise ValueError(
            f"`{where}` is {record!r}, but it must be a mapping with the fields {', '.join(allowed)}. "
            "Write it as in `configs/space/lora.yaml`."
        )
    for field in record:
        if field not in allowed:
            raise ValueError(
                f"`{where}` has the unknown field `{field}`. Known ones are {', '.join(allowed)}."
                f"{did_you_mean(str(field), allowed)} Rename or remove `{where}.{field}`."
            )
    for field in required:
        if field not in record:
            raise ValueError(f"`{where}` lacks the field `{field}`, which has no default. Add `{where}.{field}`.")


def is_number(value: Any) -> bool:
    """Whether ``value`` is a finite number; true and false are none."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def is_number_as_text(value: Any) -> bool:
    """Whether ``value`` is text that was most likely meant as a number: YAML reads ``1e-5`` as text."""
    if not isinstance(value, str):
        return False
    try:
        return math.isfinite(float(value))
    except ValueError:
        return False


def same(left: Any, right: Any) -> bool:
    """Whether two values are the same choice: 1 and 1.0 are, 1 and true are not."""
    return isinstance(left, bool) == isinstance(right, bool) and bool(left == right)


def label(value: Any) -> str:
    """Short text of a value, the same whether it came from YAML or, as a key, from JSON."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return value if isinstance(value, str) else json.dumps(value)


def labels(values: Iterable[Value]) -> str:
    """The values in a row, for messages."""
    return ", ".join(label(v) for v in values)
