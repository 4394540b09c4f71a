"""The key that was typed, in errors that name the key of a YAML below it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

TASK_PATH = "data.init_args.path"  # what `task` and `tasks` become in a fit YAML


@contextmanager
def typed_as(key: str, below: str) -> Iterator[None]:
    """Lets errors raised within name ``key`` where they name ``below``; their type and traceback stay.

    Args:
        key: What was typed, as in ``task``.
        below: The key that it was put into, as in ``data.init_args.path``.
    """
    try:
        yield
    except Exception as error:
        if error.args and isinstance(error.args[0], str):
            error.args = (in_typed_words(error.args[0], key, below), *error.args[1:])
        raise


def in_typed_words(text: str, key: str, below: str) -> str:
    """The text with `key` in the place of `below`."""
    return text.replace(f"`{below}`", f"`{key}`")
