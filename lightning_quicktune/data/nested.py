"""Texts within the objects of a record, named by the keys on the way to them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from lightning_quicktune.data.values import texts_in


def with_nested(raw: Mapping[str, Any], names: Iterable[str]) -> Mapping[str, Any]:
    """A record in which what a name with dots leads to stands under that name, and no longer where it was.

    Args:
        raw: The record; it stays as it is.
        names: Keys of the record, or keys of objects in it, such as ``translation.de``.
    """
    for name in names:
        if "." in name and name not in raw and (found := _without(raw, name.split("."))) is not None:
            rest, value = found
            raw = {**rest, name: value}
    return raw


def first_nested(raw: Mapping[str, Any]) -> str | None:
    """The name of the first text within an object of a record."""
    for key, value in raw.items():
        if isinstance(value, Mapping):
            inner = next((k for k, part in value.items() if isinstance(part, str) and texts_in(part)), None)
            deeper = inner if inner is not None else first_nested(value)
            if deeper is not None:
                return f"{key}.{deeper}"
    return None


def _without(entry: Any, path: list[str]) -> tuple[dict[str, Any], Any] | None:
    """An object without what the path leads to, and that; none if it leads to nothing."""
    if not isinstance(entry, Mapping) or path[0] not in entry:
        return None
    if len(path) == 1:
        return {key: value for key, value in entry.items() if key != path[0]}, entry[path[0]]
    found = _without(entry[path[0]], path[1:])
    return None if found is None else ({**entry, path[0]: found[0]}, found[1])
