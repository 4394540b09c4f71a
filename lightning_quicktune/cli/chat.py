"""``chat``: talks to what ``tune`` found, a line at a time."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lightning_quicktune.cli.parsing import parse_settings


@dataclass(frozen=True)
class ChatSettings:
    """Talks to what a search found; each line of the standard input is a question.

    Args:
        run: Folder of a search that has ended, or its ``result``.
        prompt: The one question to answer, in the place of the standard input.
        remember: Whether a question follows what was said before; models that were trained on single questions are
            better asked anew each time.
        max_new_tokens: Most tokens of an answer; as many as the recipe says if left out.
    """

    run: str
    prompt: str | None = None
    remember: bool = False
    max_new_tokens: int | None = None

    def __post_init__(self) -> None:
        if self.max_new_tokens is not None and self.max_new_tokens < 1:
            raise ValueError(
                f"`max_new_tokens` is {self.max_new_tokens}, but an answer has at least 1 token. Raise it."
            )


def run(args: list[str]) -> None:
    """Runs the subcommand.

    Raises:
        FileNotFoundError: If there is no result in the folder.
    """
    words = ["--run", *args] if args and not args[0].startswith("-") else args
    settings = parse_settings("chat", ChatSettings, words)
    folder = result_folder(Path(settings.run))
    from lightning_quicktune.cli.talking import speaker_of, talk
    from lightning_quicktune.compose import read_yaml

    speaker = speaker_of(read_yaml(folder / "fit.yaml"), adapter=folder / "adapter", limit=settings.max_new_tokens)
    questions = [settings.prompt] if settings.prompt is not None else _typed()
    talk(speaker, questions, remember=settings.remember, spaced=settings.prompt is None and sys.stdin.isatty())


def result_folder(run: Path) -> Path:
    """The folder with adapter and fit YAML of a search.

    Args:
        run: The search's folder, or that folder itself.

    Raises:
        FileNotFoundError: If there is none.
    """
    if not run.is_dir():
        raise FileNotFoundError(f"There is no folder {run}. Give the `output` of a search, such as runs/shop.")
    for folder in (run / "result", run):
        if (folder / "fit.yaml").is_file() and (folder / "adapter").is_dir():
            return folder
    raise FileNotFoundError(
        f"There is nothing to talk to in {run}: no `result` with `fit.yaml` and `adapter`. Give the `output` of a "
        "search that has ended; the same `tune` goes on with one that has not."
    )


def _typed() -> Iterator[str]:
    """Lines of the standard input that are not empty; at a terminal each is asked for."""
    is_asked = sys.stdin.isatty()
    if is_asked:
        sys.stderr.write("One question a line; Ctrl-D ends.\n")
    while True:
        if is_asked:
            sys.stderr.write("> ")
            sys.stderr.flush()
        line = sys.stdin.readline()
        if not line:
            return
        if line.strip():
            yield line.strip()
