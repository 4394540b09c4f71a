"""Chat templates that write today's date get a fixed one, so that tokens and labels are the same tomorrow."""

from __future__ import annotations

from datetime import datetime
from functools import cache
from typing import Any

from transformers import PreTrainedTokenizerBase

TODAY = datetime(2025, 1, 1)
_DIRECTIVES = [f"%{letter}" for letter in "aAwdbBmyYHIpMSfjUWcxXzZGuV"]


def chat_template(tokenizer: PreTrainedTokenizerBase, tools: list[Any] | None = None) -> str:
    """The tokenizer's chat template; where it asks for the date, it is told that of ``TODAY``.

    Transformers gives templates a function ``strftime_now`` that reads the clock, and replaces functions among the
    arguments by their names; a macro of the same name in the template itself hides it.

    Args:
        tokenizer: A tokenizer with a chat template.
        tools: The record's tools: some tokenizers have a template of its own for these.
    """
    template = str(tokenizer.get_chat_template(tools=tools))
    return _prelude() + template if "strftime_now" in template else template


@cache
def _prelude() -> str:
    """A Jinja macro that replaces each directive; the empty output at its end keeps a line break that follows."""
    values = {
        **{
            f"%-{name[1]}": TODAY.strftime(name).lstrip("0") for name in _DIRECTIVES if name in ("%d", "%m", "%I", "%j")
        },
        **{name: TODAY.strftime(name) for name in _DIRECTIVES},
        "%%": "%",
    }
    replaced = "".join(f" | replace({name!r}, {value!r})" for name, value in values.items())
    return f"{{% macro strftime_now(format) %}}{{{{ format{replaced} }}}}{{% endmacro %}}{{{{ '' }}}}"
