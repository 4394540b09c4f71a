"""Parses the settings of a subcommand from YAML files and flags."""

from __future__ import annotations

from typing import TypeVar

from jsonargparse import ArgumentParser

Settings = TypeVar("Settings")


def parse_settings(subcommand: str, kind: type[Settings], args: list[str]) -> Settings:
    """The settings that ``args`` describe; ends the program with a message if they can't be parsed.

    Args:
        subcommand: Its name, for the usage line.
        kind: The dataclass to build.
        args: Words after the subcommand.
    """
    parser = ArgumentParser(prog=f"lightning-quicktune {subcommand}", description=(kind.__doc__ or "").split("\n")[0])
    parser.add_argument("--config", action="config", help="YAML file with any of the options below; may be repeated.")
    parser.add_class_arguments(kind, as_group=False)
    built = parser.instantiate(parser.parse_args(args))
    return kind(**{name: built[name] for name in kind.__dataclass_fields__})  # type: ignore[attr-defined]
