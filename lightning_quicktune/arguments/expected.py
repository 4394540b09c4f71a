"""What an option takes, read from jsonargparse's list of the types that it tried."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass

from lightning_quicktune.arguments.names import closest_name

_TYPE = re.compile(r"Expected an? (typing\.Literal\[[^\]]*\]|<class '[^']+'>|dot import path string|[^\n.]+)")
_PLAIN = {
    "bool": ("true", "false"),
    "float": ("a number",),
    "int": ("a whole number",),
    "str": ("a text",),
    "dict": ("a mapping",),
    "list": ("a list",),
    "tuple": ("a list",),
    "NoneType": ("null",),
}
_CLASS = ("a class path", "a mapping")
_GIVEN = (r"Given value: (.*)", r"\. Got value: (.*)", r"Expected a dot import path string: (.*)")


@dataclass(frozen=True)
class Expectation:
    """A value that was refused.

    Args:
        given: The value.
        expected: What would be taken, as the end of a sentence.
    """

    given: str
    expected: str


def expectation(told: str) -> Expectation | None:
    """What ``told`` says of a value and of the types that were tried; none if it says something else.

    Args:
        told: jsonargparse's message, after the key.
    """
    given = next((match[1].strip() for shape in _GIVEN if (match := re.search(shape, told))), None)
    tried = [match.strip() for match in _TYPE.findall(told) if not match.startswith("path but")]
    if given is None or not tried:
        return None
    choices = [str(choice) for each in tried if each.startswith("typing.Literal") for choice in _choices(each)]
    kinds = [_kinds(each) for each in tried if not each.startswith("typing.Literal")]
    plain = [kind for kind in kinds if kind != _CLASS]
    if choices or any(kind != _PLAIN["NoneType"] for kind in plain):
        kinds = plain  # a class may stand for a number or a name, which is seldom meant
    named = sorted(dict.fromkeys(word for kind in kinds for word in kind), key=lambda word: word == "null")
    if not choices:
        listed = " or ".join(filter(None, (", ".join(named[:-1]), named[-1])))
        return Expectation(given, f"{listed} is expected.")
    close = closest_name(given, choices)
    hint = f" Did you mean `{close}`?" if close else ""
    return Expectation(given, f"it is one of {', '.join(dict.fromkeys([*choices, *named]))}.{hint}")


def _choices(literal: str) -> tuple[object, ...]:
    found = ast.literal_eval(f"({literal.removeprefix('typing.Literal[').removesuffix(']')},)")
    return tuple(found)


def _kinds(tried: str) -> tuple[str, ...]:
    if tried.startswith("dot import path"):
        return _CLASS
    name = tried.removeprefix("<class '").removesuffix("'>")
    return _PLAIN.get(name, (f"a {name.rpartition('.')[2]}",))
