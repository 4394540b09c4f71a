"""Turns as the text that a base model reads: by the chat template of its tokenizer, or plain."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

from jinja2 import Environment, TemplateError, meta, nodes
from transformers import PreTrainedTokenizerBase

from lightning_quicktune.data.clock import chat_template
from lightning_quicktune.data.turns import BadRecordError, Turn

Template = Literal["chat", "plain"]
Arguments = Literal["object", "text"]

_THINKING = ("enable_thinking", "thinking")  # names under which templates ask whether to think
_GENERATION_TAG = re.compile(r"\{%-?\s*(end)?generation\s*-?%\}")


@dataclass(frozen=True)
class Conversation:
    """What is to be written.

    Args:
        turns: What was said so far.
        tools: Tools that the assistant may call, as the text of a JSON list.
        thinking: Whether the assistant thinks before its last answer.
        arguments: Whether the arguments of a call are handed over as an object or as its JSON text; templates differ.
    """

    turns: tuple[Turn, ...]
    tools: str = ""
    thinking: bool = False
    arguments: Arguments = "object"


def render(
    conversation: Conversation, tokenizer: PreTrainedTokenizerBase, template: Template, *, generation: bool = False
) -> str:
    """Writes a conversation in a template; where it asks for the date, always in the same one.

    Args:
        conversation: What was said.
        tokenizer: The base model's tokenizer.
        template: Which template.
        generation: Whether the text ends with the template's own mark of where the assistant starts to speak.

    Returns:
        The text, with special tokens.

    Raises:
        ValueError: If the tokenizer lacks what the template needs.
        BadRecordError: If its template rejects the turns.
    """
    if template == "plain":
        return _render_plain(conversation, tokenizer)
    if not tokenizer.chat_template:
        raise ValueError(
            f"The tokenizer `{tokenizer.name_or_path}` has no chat template, so it isn't known how its model marks "
            "question and answer. Set `data.init_args.template: plain`, name a template as "
            "`data.init_args.chat_template`, or use an instruction-tuned base model."
        )
    tools = json.loads(conversation.tools) if conversation.tools else None
    text = chat_template(tokenizer, tools)
    try:
        return str(
            tokenizer.apply_chat_template(
                [_message(turn, conversation.arguments) for turn in conversation.turns],
                tools=tools,
                chat_template=text,
                tokenize=False,
                add_generation_prompt=generation,
                **{name: conversation.thinking for name in _THINKING if name in variables(text)},
            )
        )
    except (TemplateError, TypeError, ValueError, LookupError) as error:  # it adds a text and an object, for example
        raise BadRecordError(
            f"{template_name(template, tokenizer)} rejects its turns, whose roles are "
            f"{', '.join(turn.role for turn in conversation.turns)}: {error}. Each turn must reach the model as it is "
            "in the file. Move a system text into the first question, let user and assistant alternate, or "
            f"{remedy(template)}"
        ) from error


def template_name(template: Template, tokenizer: PreTrainedTokenizerBase) -> str:
    """What error messages call a template."""
    return f"the chat template of `{tokenizer.name_or_path}`" if template == "chat" else "the template plain"


def remedy(template: Template) -> str:
    """What to do where a template can't write a record, as the end of a sentence."""
    if template == "chat":
        return "name another template as `data.init_args.chat_template`, or set `data.init_args.template: plain`"
    return "set `data.init_args.template: chat`"


@lru_cache(maxsize=64)
def variables(template: str) -> frozenset[str]:
    """Names that a chat template expects from outside, or none if it can't be parsed."""
    try:
        return frozenset(meta.find_undeclared_variables(parsed(template)))
    except TemplateError:
        return frozenset()  # rendering says why


def parsed(template: str) -> nodes.Template:
    """A chat template as Jinja reads it.

    Args:
        template: Its text, which may mark what the assistant says with ``{% generation %}``, as Transformers knows it.

    Raises:
        TemplateSyntaxError: If it is none.
    """
    return Environment(extensions=["jinja2.ext.loopcontrols"]).parse(_GENERATION_TAG.sub("", template))


def calls_of(turn: Turn) -> list[Any]:
    """The tool calls of a turn, decoded."""
    return list(json.loads(turn.tool_calls)) if turn.tool_calls else []


def _message(turn: Turn, arguments: Arguments) -> dict[str, Any]:
    """A turn as templates take it: reasoning under all names in use, nothing that isn't there."""
    optional = {
        "reasoning_content": turn.reasoning,
        "thinking": turn.reasoning,
        "tool_calls": [_call(call, arguments) for call in calls_of(turn)],
        "name": turn.name,
        "tool_call_id": turn.tool_call_id,
    }
    return {"role": turn.role, "content": turn.content, **{key: value for key, value in optional.items() if value}}


def _call(call: Any, arguments: Arguments) -> Any:
    function = call.get("function") if isinstance(call, dict) else None
    if not isinstance(function, dict):
        return call
    given = function.get("arguments")
    if arguments == "text" and given is not None and not isinstance(given, str):
        given = json.dumps(given, ensure_ascii=False)
    elif arguments == "object" and isinstance(given, str):
        given = decoded(given)
    return {**call, "function": {**function, "arguments": given}}


def decoded(text: str) -> Any:
    """The value of a JSON text, or the text itself where it is none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _render_plain(conversation: Conversation, tokenizer: PreTrainedTokenizerBase) -> str:
    if tokenizer.eos_token is None:
        raise ValueError(
            f"The tokenizer `{tokenizer.name_or_path}` has no end-of-sequence token, so a model could not learn where "
            "an answer ends. Set its `eos_token`, or use `data.init_args.template: chat`."
        )
    turns = conversation.turns
    begins = tokenizer.bos_token is not None and tokenizer("a")["input_ids"][:1] == [tokenizer.bos_token_id]
    ends = {"assistant": str(tokenizer.eos_token)}
    return "".join([str(tokenizer.bos_token) if begins else "", *(t.content + ends.get(t.role, "\n") for t in turns)])
