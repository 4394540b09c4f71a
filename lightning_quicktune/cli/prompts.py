"""``predict --prompt``: answers a question by any fit YAML, without the data that it names."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

import yaml

from lightning_quicktune.arguments.order import with_values

PROMPT = "--prompt"


def answer_prompts(args: list[str]) -> None:
    """Runs ``predict`` with ``--prompt``: answers the prompts and prints the answers, whatever data the YAML names.

    Args:
        args: Words after the subcommand.
    """
    from lightning_quicktune.cli.talking import speaker_of, talk
    from lightning_quicktune.compose import read_yaml, with_overrides

    prompts, typed, fit, checkpoint, folder = list[str](), dict[str, Any](), dict[str, Any](), None, Path()
    for pair in with_values(args):
        flag, equals, value = pair[0].partition("=")
        value = value if equals else pair[1] if len(pair) > 1 else ""
        if not flag.startswith("-") or not value:
            _refuse(f"`{flag}` needs a value, but none follows it." if flag.startswith("-") else _stray(flag))
        if flag == PROMPT:
            prompts.append(value)
        elif flag in ("--config", "-c"):
            fit, folder = _merged(fit, read_yaml(value)), Path(value).parent
        elif flag == "--ckpt_path":
            checkpoint = value
        else:
            typed[flag.removeprefix("--")] = yaml.safe_load(value)
    if not fit:
        _refuse(f"`--config` is not set. Give the fit YAML of the model that `{PROMPT}` is for.")
    adapter = folder / "adapter" if checkpoint is None and (folder / "adapter").is_dir() else None
    if checkpoint is None and adapter is None:
        sys.stderr.write("No `--ckpt_path` is set, so the base model answers as it is.\n")
    talk(speaker_of(with_overrides(fit, typed), checkpoint=checkpoint, adapter=adapter), prompts)


def _merged(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Two YAMLs as one, of which the second wins."""
    both = {k: _merged(under[k], v) for k, v in over.items() if isinstance(v, dict) and isinstance(under.get(k), dict)}
    return {**under, **over, **both}


def _stray(word: str) -> str:
    return f'`{word}` belongs to no option. Put a prompt of several words in quotes, as in `{PROMPT} "Two words"`.'


def _refuse(sentence: str) -> NoReturn:
    sys.stderr.write(f"lightning-quicktune predict: {sentence}\n")
    raise SystemExit(2)
