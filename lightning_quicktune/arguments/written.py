"""Names of options that a command line's YAML files set, and of those that the classes named there take."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, get_type_hints

import yaml


def names_in_files(words: Sequence[str], config_flags: set[str]) -> set[str]:
    """Dotted names of all that the files after ``--config`` set or could set; files that can't be read tell none.

    Args:
        words: Words after the subcommand.
        config_flags: The flags that take a whole configuration, as in ``{"-c", "--config"}``.
    """
    found: set[str] = set()
    for place, word in enumerate(words):
        flag, equals, value = word.partition("=")
        path = value if equals else next(iter(words[place + 1 : place + 2]), "")
        if flag in config_flags:
            with suppress(OSError, UnicodeDecodeError, yaml.YAMLError):
                found |= set(_names(yaml.safe_load(Path(path).read_text(encoding="utf-8")), ""))
    return found


def _names(tree: Any, prefix: str) -> Iterator[str]:
    if not isinstance(tree, Mapping):
        return
    if isinstance(path := tree.get("class_path"), str):
        yield from (f"{prefix}init_args.{name}" for name in _arguments(path))
    for key, value in tree.items():
        if key != "class_path":
            if not isinstance(value, Mapping):
                yield f"{prefix}{key}"
            yield from _names(value, f"{prefix}{key}.")


def _arguments(path: str) -> Iterator[str]:
    """Names of a class's arguments, with those of the dataclasses among them."""
    module, _, name = path.rpartition(".")
    with suppress(ImportError, ValueError, AttributeError, TypeError, NameError):
        kind = getattr(importlib.import_module(module), name)
        hints = get_type_hints(kind.__init__)
        for argument in inspect.signature(kind).parameters.values():
            if argument.kind in (argument.VAR_POSITIONAL, argument.VAR_KEYWORD):
                continue
            hint = hints.get(argument.name)
            if dataclasses.is_dataclass(hint):
                yield from (f"{argument.name}.{field.name}" for field in dataclasses.fields(hint))
            else:
                yield argument.name
