"""Values of Arrow tables as a text file would hold them: JSON decoded, classes by name, dates written out."""

from __future__ import annotations

import datetime
import decimal
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa

Conversion = Callable[[Any], Any] | None
"""Makes a value of Arrow's one that JSON could have held; none where it already is."""


class UnreadableValueError(ValueError):
    """A value that can't be what its column says; the message says why."""


def conversion(field: pa.Field, feature: Any, json_leaves: Iterator[bool]) -> Conversion:
    """Finds out how to convert a column, at any depth.

    Args:
        field: The column, or a part of one.
        feature: What ``datasets`` noted of it in the schema, if anything.
        json_leaves: Whether each coming leaf of the file is marked as JSON by Parquet itself.
    """
    kind = field.type
    if _is_json(field) or (isinstance(feature, Mapping) and feature.get("_type") == "Json"):
        next(json_leaves, None)
        return _from_json
    if isinstance(kind, pa.BaseExtensionType):
        return conversion(pa.field(field.name, kind.storage_type), feature, json_leaves)
    if pa.types.is_struct(kind):
        return _struct([kind.field(number) for number in range(kind.num_fields)], feature, json_leaves)
    if pa.types.is_map(kind):
        key = conversion(kind.key_field, None, json_leaves)
        return _map(key, conversion(kind.item_field, None, json_leaves))
    if _is_list(kind):
        return _list(conversion(kind.value_field, _element(feature), json_leaves))
    if next(json_leaves, False) and not pa.types.is_binary(kind):
        return _from_json
    names = feature.get("names") if isinstance(feature, Mapping) and feature.get("_type") == "ClassLabel" else None
    return _class_name(names) if names else _written(kind)


def json_leaves(schema: Any) -> Iterator[bool]:
    """Whether each leaf of a Parquet schema has the logical type JSON, in order."""
    return (schema.column(number).logical_type.type == "JSON" for number in range(len(schema.names)))


def _is_json(field: pa.Field) -> bool:
    """Whether a type or a note says JSON: Arrow's own, or that of a system whose type isn't registered here."""
    name = getattr(field.type, "extension_name", "")
    if not name:
        name = (field.metadata or {}).get(b"ARROW:extension:name", b"").decode(errors="replace")
    return name.lower().replace(":", ".").split(".")[-1] == "json"


def _is_list(kind: pa.DataType) -> bool:
    checks = ("is_list", "is_large_list", "is_fixed_size_list", "is_list_view", "is_large_list_view")
    return any(getattr(pa.types, check)(kind) for check in checks if hasattr(pa.types, check))


def _element(feature: Any) -> Any:
    """What is noted of a list's elements, in the ways that ``datasets`` has had."""
    if isinstance(feature, list):
        return feature[0] if feature else None
    return feature.get("feature") if isinstance(feature, Mapping) else None


def _struct(fields: Sequence[pa.Field], feature: Any, leaves: Iterator[bool]) -> Conversion:
    notes = feature if isinstance(feature, Mapping) else {}
    parts = {field.name: conversion(field, _note(notes, field.name), leaves) for field in fields}
    needed = {name: part for name, part in parts.items() if part is not None}
    if not needed:
        return None

    def convert(value: Any) -> Any:
        return None if value is None else {**value, **{name: part(value[name]) for name, part in needed.items()}}

    return convert


def _note(notes: Mapping[str, Any], name: str) -> Any:
    """What is noted of a part of a struct; of a list of structs, old files have a struct of lists."""
    if notes.get("_type") != "Sequence":
        return notes.get(name)
    inner = notes.get("feature")
    return [inner[name]] if isinstance(inner, Mapping) and name in inner else None


def _list(element: Conversion) -> Conversion:
    if element is None:
        return None
    return lambda value: None if value is None else [element(entry) for entry in value]


def _map(key: Conversion, item: Conversion) -> Conversion:
    def convert(value: Any) -> Any:
        if value is None:
            return None
        return {(key(k) if key else k): (item(v) if item else v) for k, v in value}

    return convert


def _class_name(names: Sequence[str]) -> Conversion:
    def convert(value: Any) -> Any:
        if value is None or value == -1:  # -1: none, in ``datasets``
            return None
        if not 0 <= value < len(names):
            raise UnreadableValueError(f"class {value}, but its column has the {len(names)} classes {', '.join(names)}")
        return names[value]

    return convert


def _written(kind: pa.DataType) -> Conversion:
    """Dates and times in ISO 8601, decimal numbers as their digits; all else is left alone."""
    if pa.types.is_dictionary(kind):
        return _written(kind.value_type)
    if pa.types.is_temporal(kind) and not pa.types.is_duration(kind):
        return lambda value: value.isoformat() if isinstance(value, datetime.date | datetime.time) else value
    if pa.types.is_decimal(kind):
        return lambda value: format(value, "f") if isinstance(value, decimal.Decimal) else value
    return None


def _from_json(value: Any) -> Any:
    if value is None:
        return None
    try:
        return json.loads(value)
    except (RecursionError, ValueError) as error:
        raise UnreadableValueError(f"its column is marked as JSON, but it holds {value[:40]!r}") from error
