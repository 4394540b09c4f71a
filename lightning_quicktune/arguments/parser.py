"""Parsers that guess nothing: no abbreviations, options over files, one sentence for what is refused."""

from __future__ import annotations

import functools
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

import yaml
from jsonargparse import ActionConfigFile, ArgumentParser, Namespace  # type: ignore[attr-defined]

from lightning_quicktune.arguments.order import files_first
from lightning_quicktune.arguments.refusal import Refusal, refusal, together
from lightning_quicktune.arguments.written import names_in_files

_TOOLS = {"h", "print_shtab"}  # that nobody means by another name
DEBUG = "--debug"
DEBUG_HELP = f"`{DEBUG}` after any subcommand shows where in the code an error came from."


class Strict(ArgumentParser):
    """What the parsers of all subcommands, and of the classes that their options name, have in common.

    An option is taken by its whole name only. What is typed as an option wins over every ``--config``, whichever comes
    first.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{**kwargs, "allow_abbrev": False})
        self.args: list[str] = []
        self.examples: Sequence[str] = ()  # command lines that end the help
        self._file: str | None = None

    def parse_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, *further: Any, **kwargs: Any
    ) -> Namespace:
        """Parses the words of a command line; as ``ArgumentParser.parse_args``."""
        words = list(sys.argv[1:] if args is None else args)
        flags = self._config_flags()
        if flags and not self._subparsers_by_name():  # else the parser of the subcommand does so
            words = files_first(words, flags)
            self._check_files(words, flags)
        return super().parse_args(words, *further, **kwargs)

    def format_help(self, *args: Any, **kwargs: Any) -> str:
        """The help, ended by the examples in lines of their own."""
        text: str = super().format_help(*args, **kwargs)
        return text + ("\nexamples:\n" + "".join(f"  {line}\n" for line in self.examples) if self.examples else "")

    def parse_path(self, path: Any, *further: Any, **kwargs: Any) -> Namespace:
        """Parses a YAML; what is refused is then said with its name."""
        self._file = str(path)
        try:
            found: Namespace = super().parse_path(path, *further, **kwargs)
        finally:
            self._file = None
        return found

    def validate(self, namespace: Namespace, *args: Any, **kwargs: Any) -> None:
        """Checks a configuration; all that is missing in it, at any depth, is named at once."""
        try:
            super().validate(namespace, *args, **kwargs)
        except TypeError as error:
            found = self._refusal(str(error))
            if not found.missing:
                raise
            raise TypeError(self._all_missing(namespace).sealed) from error

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Ends the program with one sentence, or raises it where a parser above is to say it."""
        found = self._refusal(message)
        if not self.exit_on_error:
            super().error(found.sealed, ex)
        words, program = found.words, self.prog.replace(" [options]", "")
        for subcommand in self._subparsers_by_name():
            words = words.replace(f"`{subcommand}.", "`").replace(f"`--{subcommand}.", "`--")
            program += f" {subcommand}" if subcommand in self.args[:1] else ""
        where = f" (in {self._file})" if self._file else ""
        self.exit(2, f"{program}: {words}{where}\n")

    def _refusal(self, message: str) -> Refusal:
        known = {option.lstrip("-") for action in self._actions for option in action.option_strings}
        known = {name for name in known if not name.endswith("+")} - _TOOLS
        written = functools.partial(names_in_files, self.args, self._config_flags())
        return refusal(message, known, self.args, written, self.exit_on_error)

    def _all_missing(self, namespace: Namespace) -> Refusal:
        """What this parser lacks, and what the classes lack that the configuration names."""
        rest, below, lacking = namespace.clone(), list[Refusal](), set[str]()
        for key in self._keys(namespace):
            try:
                part = Namespace({key: namespace[key]})  # type: ignore[no-untyped-call]
                super().validate(part, skip_required=True)
            except (TypeError, KeyError) as error:
                below.append(self._refusal(str(error)))
                lacking.add(key)
                del rest[key]
        try:
            super().validate(rest)
        except (TypeError, KeyError) as error:
            return together([self._refusal(str(error)).without(lacking), *below])
        return together(below)

    def _keys(self, namespace: Namespace) -> list[str]:
        """The keys of a configuration, with those below a subcommand in the place of its name."""
        keys = list(vars(namespace))
        for name in self._subparsers_by_name():
            if name in keys and isinstance(part := namespace[name], Namespace):
                keys = [key for key in keys if key != name] + [f"{name}.{key}" for key in vars(part)]
        return keys

    def _subparsers_by_name(self) -> Sequence[str]:
        return list(self._subcommands_action.choices) if self._subcommands_action is not None else []

    def _config_flags(self) -> set[str]:
        return {f for action in self._actions if isinstance(action, ActionConfigFile) for f in action.option_strings}

    def _check_files(self, words: Sequence[str], flags: set[str]) -> None:
        """Refuses a ``--config`` that is no mapping, by the name of the file."""
        for place, word in enumerate(words):
            flag, equals, value = word.partition("=")
            value = value if equals else next(iter(words[place + 1 : place + 2]), "")
            if flag in flags and value and (fault := _fault_of(value)):
                self.exit(2, f"{self.prog.replace(' [options]', '')}: `{flag}` is {value}, {fault}\n")


def _fault_of(value: str) -> str | None:
    """What is wrong with the value of ``--config``: the path of a YAML, or its text."""
    try:
        is_file = not value.startswith("{") and Path(value).is_file()  # a long text is no path that could be asked for
        content = yaml.safe_load(Path(value).read_text(encoding="utf-8") if is_file else value)
    except yaml.YAMLError as error:
        return f"which is not valid YAML: {' '.join(str(error).split())}. Mend it."
    except (OSError, UnicodeDecodeError) as error:
        return f"which can't be read: {error}. Give a text file in UTF-8."
    if isinstance(content, dict):
        return None
    if not is_file and isinstance(content, str):
        return "but there is no such file. Correct the path."
    held = "nothing" if content is None else f"a {type(content).__name__}"
    return f"which holds {held}, but a mapping of options to values is expected."
