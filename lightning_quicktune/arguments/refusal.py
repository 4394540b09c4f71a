"""One sentence in the place of jsonargparse's account of every type that it tried."""

from __future__ import annotations

import dataclasses
import importlib
import json
import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace

from lightning_quicktune.arguments.expected import expectation
from lightning_quicktune.arguments.names import closest_name
from lightning_quicktune.arguments.order import without_value

_GROUP = "\N{OBJECT REPLACEMENT CHARACTER}"  # stands for the keys above, which only the parser there knows
_SEAL = re.compile("\N{LEFT WHITE SQUARE BRACKET}([0-9a-f]+)\N{RIGHT WHITE SQUARE BRACKET}")
_KEY = re.compile(r'^Parser key "([^"]+)"(?: element \d+)?:\s*')
_UNKNOWN = (
    re.compile(r"^Option '(?P<key>[^']+)' is not accepted"),
    re.compile(r"^Group '(?P<group>[^']+)' does not accept option '(?P<key>[^']+)'"),
    re.compile(r"^Subcommand '[^']+' does not accept option '(?P<key>[^']+)'"),
)
_NUMBER = re.compile(r"-\.?\d")  # the value of an option, although it begins as a flag does
_REQUIRED = "the following arguments are required: "
_UNRECOGNIZED = "unrecognized arguments: "
_CLASS = re.compile(r"Problem with given class_path '(?P<path>[^']+)':\s*(?P<reason>[^\n]+)")
_FEW = 8  # keys that are named in one sentence
_BASES = ("lightning.LightningModule", "lightning.LightningDataModule")  # what is tried where no class is named


@dataclass(frozen=True)
class Refusal:
    """Why something typed or written in a YAML is not taken.

    Args:
        text: One sentence or two; before the keys in it the place of the keys above is marked.
        missing: Keys that were not given, if that is all.
    """

    text: str
    missing: tuple[str, ...] = ()

    @property
    def sealed(self) -> str:
        """As one word, which survives whatever text is put around it."""
        content = json.dumps([self.text, self.missing]).encode().hex()
        return f"\N{LEFT WHITE SQUARE BRACKET}{content}\N{RIGHT WHITE SQUARE BRACKET}"

    def without(self, keys: Collection[str]) -> Refusal:
        """The same, where these keys of the parser's own are not missing."""
        return replace(self, missing=tuple(key for key in self.missing if key.removeprefix(_GROUP) not in keys))

    @property
    def words(self) -> str:
        """For a person."""
        text = _missing(self.missing) if self.missing else self.text
        return text.replace(_GROUP, "")


def refusal(
    message: str,
    known: Collection[str],
    words: Sequence[str],
    written: Callable[[], Collection[str]] = tuple,
    has_help: bool = True,
) -> Refusal:
    """What a parser's message says, of its own options or sealed by the parser of a class below it.

    Args:
        message: What jsonargparse says.
        known: Names of the parser's options.
        words: Words of the command line.
        written: Names that the files of the command line know besides.
        has_help: Whether ``--help`` lists the parser's options; those of a class are listed in the message.
    """
    message = re.sub(r"^argument (\S+): Parser key", "Parser key", message)
    key = match.group(1) if (match := _KEY.match(message)) else None
    if below := _sealed(message):
        if key and (match := _CLASS.search(message)) and match["path"] in _BASES:
            return Refusal(_no_class(key, below[0]))
        return _lifted(below[0], f"{key}{_joint(message)}") if key else below[0]
    if message.startswith(_REQUIRED):
        return Refusal("", tuple(f"{_GROUP}{name}" for name in message.removeprefix(_REQUIRED).split(", ")))
    if message.startswith(_UNRECOGNIZED):
        return _unrecognized(message.removeprefix(_UNRECOGNIZED).split(" "), known, written)
    for shape in _UNKNOWN:
        if match := shape.match(message):
            return Refusal(_unknown(".".join(filter(None, match.groupdict().values())), known, written, has_help))
    if flags := re.match(r"argument (\S+): expected one argument", message):
        listed = flags[1].split("/")  # -c/--config
        flag = next(filter(None, (without_value(words, each) for each in listed)), listed[-1])
        return Refusal(f"`{flag}` needs a value, but none follows it. Write one after it, or leave `{flag}` out.")
    if key is None:
        return Refusal(" ".join(message.split()))
    return Refusal(_wrong_value(key, message[match.end() :] if match else message, known))


def together(found: Collection[Refusal]) -> Refusal:
    """All missing keys in one refusal, or the first that is of another kind."""
    others = [each for each in found if each.text]
    return others[0] if others else Refusal("", tuple(key for each in found for key in each.missing))


def unsealed(message: str) -> str:
    """A message of jsonargparse for a person: the refusal that it holds, or the message in one line."""
    below = _sealed(message)
    return below[0].words if below else " ".join(message.split())


def _sealed(message: str) -> list[Refusal]:
    found = [json.loads(bytes.fromhex(content)) for content in _SEAL.findall(message)]
    return [Refusal(text, tuple(missing)) for text, missing in found]


def _lifted(below: Refusal, group: str) -> Refusal:
    """The refusal as the parser above sees it."""
    marked = f"{_GROUP}{group}"
    missing = tuple(key.replace(_GROUP, marked) for key in below.missing)
    return replace(below, text=below.text.replace(_GROUP, marked), missing=missing)


def _joint(message: str) -> str:
    """What is between the key of a class and those of its arguments."""
    match = _CLASS.search(message)
    if match is None:
        return ".init_args." if "a callable class" in message else "."
    return "." if _is_dataclass(match["path"]) else ".init_args."


def _is_dataclass(path: str) -> bool:
    module, _, name = path.rpartition(".")
    try:
        return dataclasses.is_dataclass(getattr(importlib.import_module(module), name, None))
    except (ImportError, ValueError):
        return False


def _missing(keys: tuple[str, ...]) -> str:
    named = [f"`{key}`" for key in keys]
    listed = " and ".join(filter(None, (", ".join(named[:-1]), named[-1])))
    verb, them = ("is", "it") if len(keys) == 1 else ("are", "each")
    return (
        f"{listed} {verb} not set. Give {them} as an option, as in `--{keys[0]} VALUE`, or in a YAML after `--config`."
    )


def _no_class(key: str, below: Refusal) -> str:
    typed = re.search(f"`{_GROUP}([^`]+)`", below.text)
    what = f"`{_GROUP}{key}.init_args.{typed[1]}`" if typed else "its arguments"
    return (
        f"`{_GROUP}{key}` has no `class_path`, so there is no class that takes {what}. Give a YAML that names one "
        f"after `--config`, or `--{_GROUP}{key} CLASS_PATH`."
    )


def _unrecognized(words: list[str], known: Collection[str], written: Callable[[], Collection[str]]) -> Refusal:
    flags = [word.partition("=")[0].lstrip("-") for word in words if word.startswith("-") and not _NUMBER.match(word)]
    if not flags:
        return Refusal(f"`{' '.join(words)}` belongs to no option. Write the option's name before it, as in `--name`.")
    return Refusal(" ".join(_unknown(flag, known, written) for flag in flags))


def _unknown(name: str, known: Collection[str], written: Callable[[], Collection[str]], has_help: bool = True) -> str:
    close = closest_name(name, known) or (closest_name(name, written()) if has_help else None)
    if close:
        return f"There is no option `{_GROUP}{name}`. Did you mean `{_GROUP}{close}`?"
    group, dot, _ = name.rpartition(".")
    beside = [f"`{_GROUP}{each}`" for each in sorted({*known} - {"help"}) if each.rpartition(".")[0] == group]
    if not beside or (has_help and not dot):
        return f"There is no option `{_GROUP}{name}`. `--help` lists those that there are."
    where = f"In `{_GROUP}{group}`" if dot else "Beside it"
    return f"There is no option `{_GROUP}{name}`. {where} there are {', '.join(beside)}."


def _wrong_value(key: str, told: str, known: Collection[str]) -> str:
    """Of a value that the option does not take."""
    if match := re.search(r"(?:Not of type \S+: )?(?:File|Directory) does not exist: (.+)", told):
        return f"`{_GROUP}{key}` is {match[1]}, but there is no such file. Correct the path."
    if match := re.search(r"Unable to load config '(.*)'", told):
        return f"`{_GROUP}{key}` is {match[1]}, but {_mapping(key, known)} is expected, or a YAML file that holds one."
    if match := _CLASS.search(told):
        return f"`{_GROUP}{key}` names the class {match['path']}, which can't be used: {_of_a_class(match)}"
    found = expectation(told)
    if found is None:
        return f"`{_GROUP}{key}` can't be taken: {' '.join(told.split())}"
    return f"`{_GROUP}{key}` is {found.given}, but {found.expected}"


def _mapping(key: str, known: Collection[str]) -> str:
    """A mapping, with the keys that it takes if they are few."""
    below = sorted(each for each in known if each.startswith(f"{key}."))
    if not 0 < len(below) <= _FEW:
        return "a mapping"
    return f"a mapping of {', '.join(f'`{_GROUP}{each}`' for each in below)}"


def _of_a_class(match: re.Match[str]) -> str:
    """Why a class can't be used, with the name in its module that is spelled alike."""
    module, _, name = match["path"].rpartition(".")
    reason = match["reason"].rstrip(".")
    if f"has no attribute '{name}'" not in reason and "Not a valid subclass" not in reason:
        return f"{reason}. Correct `class_path`."
    close = closest_name(name, dir(importlib.import_module(module))) if "has no attribute" in reason else None
    return f"{reason}. " + (f"Did you mean `{module}.{close}`?" if close else "Correct `class_path`.")
