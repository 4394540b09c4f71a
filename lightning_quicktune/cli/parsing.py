"""The parser of a subcommand's settings, from YAML files and flags."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, TypeVar, get_type_hints

from lightning_quicktune.arguments.parser import DEBUG_HELP, Strict
from lightning_quicktune.cli.examples import examples_of
from lightning_quicktune.cli.shorts import shorts_of

Settings = TypeVar("Settings")


def parse_settings(subcommand: str, kind: type[Settings], args: list[str]) -> Settings:
    """The settings that ``args`` describe; ends the program with a message if they can't be parsed.

    Args:
        subcommand: Its name, for the usage line.
        kind: The dataclass to build. The flag of a field that ends with ``_`` is a word of Python's, without the ``_``.
        args: Words after the subcommand.
    """
    parser, words = settings_parser(subcommand, kind), _words(kind)
    built = parser.instantiate(parser.parse_args(args))
    return kind(**{name: built[word] for name, word in words.items()})


def settings_parser(subcommand: str, kind: type[Any]) -> Strict:
    """The parser of a subcommand's settings; arguments as in ``parse_settings``."""
    about = (kind.__doc__ or "").split("\n")[0]
    parser = Strict(prog=f"lightning-quicktune {subcommand}", description=about, epilog=DEBUG_HELP)
    parser.examples = examples_of(subcommand)
    parser.add_argument(
        "--config", action="config", help="YAML file with any of the options below; may be repeated, and options win."
    )
    reserved = {name: word for name, word in _words(kind).items() if name != word}
    parser.add_class_arguments(kind, as_group=False, skip=set(reserved))
    for name, word in reserved.items():
        told: Any = next(field for field in fields(kind) if field.name == name)
        parser.add_argument(
            f"--{word}", type=get_type_hints(kind)[name], default=told.default, help=told.metadata["help"]
        )
    for name, short in shorts_of(kind).items():
        parser.add_argument(f"--{name}", metavar=short.takes, help=short.does)
    return parser


def _words(kind: type[Any]) -> dict[str, str]:
    """The word of each field on the command line and in YAML, by the field's name."""
    return {field.name: field.name.removesuffix("_") for field in fields(kind)}
