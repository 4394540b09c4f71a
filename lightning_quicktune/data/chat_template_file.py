"""A chat template from a file, in the place of a tokenizer's own."""

from __future__ import annotations

import copy
from functools import lru_cache
from pathlib import Path

from jinja2 import TemplateSyntaxError
from transformers import PreTrainedTokenizerBase

from lightning_quicktune.data.template import Template, parsed


def read_chat_template(path: str | None, template: Template) -> str | None:
    """The text of the file, or none without a file.

    Args:
        path: The file.
        template: Which template writes the records.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it can't be read, holds no template, or would not be used.
    """
    if path is None:
        return None
    if template != "chat":
        raise ValueError(
            f"`data.init_args.chat_template` is {path}, but `data.init_args.template` is {template}, which doesn't use "
            "it. Remove one of the two."
        )
    file = Path(path).expanduser()
    if not file.is_file():
        raise FileNotFoundError(
            f"There is no file `{path}` in {Path.cwd()}, but `data.init_args.chat_template` names it. Write the Jinja "
            "text of a chat template there, or name another file."
        )
    try:
        text = file.read_text(encoding="utf-8")
        parsed(text)
    except (OSError, UnicodeDecodeError, TemplateSyntaxError) as error:
        raise ValueError(
            f"`{path}` can't be used as a chat template: {error}. It is to hold the Jinja text of one, in UTF-8. Mend "
            "it, or name another file as `data.init_args.chat_template`."
        ) from error
    if "messages" not in text:
        raise ValueError(
            f"`{path}` is no chat template: it doesn't mention `messages`, so it would write the same for every "
            "record. Name a file with the Jinja text of one as `data.init_args.chat_template`."
        )
    return text


def with_chat_template(tokenizer: PreTrainedTokenizerBase, text: str | None) -> PreTrainedTokenizerBase:
    """A tokenizer that has a chat template; the given one where it has it already.

    Args:
        tokenizer: The base model's tokenizer, which is left as it is.
        text: The template, or none for the tokenizer's own.
    """
    return tokenizer if text is None or tokenizer.chat_template == text else _copied(tokenizer, text)


@lru_cache(maxsize=8)
def _copied(tokenizer: PreTrainedTokenizerBase, text: str) -> PreTrainedTokenizerBase:
    changed = copy.deepcopy(tokenizer)
    changed.chat_template = text
    return changed
