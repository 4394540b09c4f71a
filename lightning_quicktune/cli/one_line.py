"""One line in the place of a YAML: the dataset first, then the names of model and budget."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, TypeVar

import yaml

from lightning_quicktune.arguments.order import with_values
from lightning_quicktune.cli.parsing import parse_settings, settings_parser
from lightning_quicktune.cli.short_help import ALL, one_screen
from lightning_quicktune.cli.shorts import shorts_of

Settings = TypeVar("Settings")

SET = {  # what people set, with what it takes
    "model": "NAME",
    "time": "TIME",
    "slices": "N",
    "trials": "N",
    "target": "SCORE",
    "k": "N",
    "records": "N",
    "where": "all|bad",
    "output": "FOLDER",
    "experience": "NAME|FOLDER",
    "contribute": "FOLDER",
    "recipe": "FILE",
    "columns": "PAIRS",
    "config": "FILE",
}


def parse_line(subcommand: str, kind: type[Settings], args: list[str]) -> Settings:
    """The settings of a subcommand whose recipe and experience are known by the model's name.

    Args:
        subcommand: Its name.
        kind: The dataclass of its settings; short options are taken where it has what they stand for.
        args: Words after the subcommand.
    """
    if {"-h", "--help"} & set(args):
        sys.stdout.write(_help(subcommand, kind))
        raise SystemExit(0)
    if ALL in args:
        return parse_settings(subcommand, kind, ["--help"])
    words, faults, given = _long(args, kind)
    files = _files(words)
    if files is None or not given.keys() <= _names(kind):  # the parser says what is wrong with it
        return parse_settings(subcommand, kind, words)
    from lightning_quicktune.tuning.one_line import IncompleteError, complete

    try:
        line = complete({**files, **given}, kind, faults)
    except IncompleteError as error:
        settings_parser(subcommand, kind).exit(2, f"lightning-quicktune {subcommand}: {error}\n")
    for note in line.notes:
        sys.stderr.write(f"{note}\n")
    model = [] if line.model is None else ["--model", line.model]
    return parse_settings(subcommand, kind, [f"--config={json.dumps(dict(line.under))}", *words, *model])


def _help(subcommand: str, kind: type[Any]) -> str:
    """One screen: the options in SET that the subcommand has, as its parser tells of them."""
    actions = {action.dest: action for action in settings_parser(subcommand, kind)._actions}
    keys = [(f"--{name} {takes}", str(actions[name].help)) for name, takes in SET.items() if name in actions]
    words = "DATASET --model NAME" + (" [--time TIME]" if "time" in actions else "") + " [options]"
    return one_screen(subcommand, words, (kind.__doc__ or "").split("\n")[0], keys)


def _long(args: list[str], kind: type[Any]) -> tuple[list[str], list[str], dict[str, Any]]:
    """Words that the parser of settings knows, what is wrong with those that were typed, and what they set."""
    shorts = shorts_of(kind)
    words, faults, given = list[str](), list[str](), dict[str, Any]()
    for pair in with_values(args):
        flag, _, joined = pair[0].partition("=")
        name, value = flag.removeprefix("--"), joined or (pair[1] if len(pair) > 1 else None)
        short = shorts.get(name) if flag.startswith("--") else None
        if not flag.startswith("-") and "task" not in given:
            given["task"] = flag
            words += ["--task", pair[0]]
        elif not flag.startswith("-"):
            faults.append(f"`{flag}` is a second dataset beside `{given['task']}`. Put both into one folder or file.")
        elif short is not None and value is None:
            faults.append(f"`--{name}` needs a value, but none follows it. {short.does}")
        elif short is not None and value is not None:
            given |= {"budget": {}} if short.ends else {}
            try:
                words += [f"--{short.setting}", str(short.read(value))]
            except ValueError as error:
                faults.append(f"`--{name}` is {error}")
        else:
            given |= {name.partition(".")[0]: value or {}}
            words += [] if name == "model" and value is not None else pair
    return words, faults, given


def _names(kind: type[Any]) -> set[str]:
    """First keys of all that the parser takes."""
    return {action.dest.partition(".")[0] for action in settings_parser("", kind)._actions}


def _files(words: list[str]) -> dict[str, Any] | None:
    """What the YAMLs after ``--config`` set, by their first keys; none if one can't be read."""
    found: dict[str, Any] = {}
    for pair in with_values(words):
        flag, _, joined = pair[0].partition("=")
        if flag == "--config":
            text = joined or (pair[1] if len(pair) > 1 else "")
            try:
                content = yaml.safe_load(Path(text).read_text(encoding="utf-8"))
            except (OSError, UnicodeDecodeError, yaml.YAMLError):
                return None
            if not isinstance(content, dict):
                return None
            found |= content
    return found
