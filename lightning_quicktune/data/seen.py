"""The check that a template writes all that a record holds, in order."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from transformers import PreTrainedTokenizerBase

from lightning_quicktune.data.special_tokens import FIRST, LAST
from lightning_quicktune.data.template import (
    Conversation,
    Template,
    calls_of,
    decoded,
    other_template,
    remedy,
    render,
    template_name,
)
from lightning_quicktune.data.turns import BadRecordError, Role, Turn


class Seen:
    """Compares what was to be written with what was.

    Templates drop turns without a word: a second system turn, all system turns, tool calls, tools. Reasoning is looked
    for where it is learned, since templates rightly leave out that of earlier turns.

    Args:
        tokenizer: The base model's tokenizer.
        template: The template.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, template: Template) -> None:
        self._tokenizer = tokenizer
        self._template: Template = template
        self._lost: dict[tuple[Role, ...], int] = {}

    def check(self, conversation: Conversation, text: str) -> None:
        """Refuses a rendering that lacks a turn or a tool, or has the turns in another order.

        Args:
            conversation: What was to be written.
            text: What was written.

        Raises:
            BadRecordError: If something is missing; the message names it.
        """
        position = 0
        for number, turn in enumerate(conversation.turns, start=1):
            for part in _parts(turn):
                position = _end(text, part, position)
                if position < 0:
                    raise BadRecordError(self._missing(number, turn, part))
        for name in _tool_names(conversation.tools):
            if _end(text, name, 0) < 0:
                raise BadRecordError(self._not_written("tools", name, "which the record offers to the assistant"))
        if number := self._first_lost(tuple(turn.role for turn in conversation.turns)):
            turn = conversation.turns[number - 1]
            raise BadRecordError(self._missing(number, turn, turn.content))

    def check_calls(self, turn: Turn, text: str) -> None:
        """Refuses a rendering that lacks a name or an argument of a tool call.

        Args:
            turn: The turn that calls.
            text: What was written of it.

        Raises:
            BadRecordError: If something is missing.
        """
        for function in map(_function, calls_of(turn)):
            arguments = function.get("arguments", {})
            given = decoded(arguments) if isinstance(arguments, str) else arguments
            for leaf in [str(function.get("name", "")), *_leaves(given)]:
                if _end(text, leaf, 0) < 0:
                    raise BadRecordError(self._not_written("tool calls", leaf, "a part of a call"))

    def _first_lost(self, roles: tuple[Role, ...]) -> int:
        if roles not in self._lost:
            self._lost[roles] = first_lost(self._tokenizer, self._template, roles)
        return self._lost[roles]

    def _missing(self, number: int, turn: Turn, part: str) -> str:
        if turn.role == "tool" or turn.tool_calls:
            what = "tool answers" if turn.role == "tool" else "tool calls"
            return self._not_written(what, part, f"turn {number}")
        return (
            f"{template_name(self._template, self._tokenizer)} writes turn {number}, {part[:40]!r} of the {turn.role}, "
            "differently, in another place, or not at all. Each turn must reach the model as it is in the file. Move a "
            f"system text into the first question, or {remedy(self._template)}"
        )

    def _not_written(self, what: str, part: str, meaning: str) -> str:
        return (
            f"{template_name(self._template, self._tokenizer)} can't write {what}: {part[:40]!r}, {meaning}, is not in "
            f"what the model would see. Leave such records out, or {other_template(self._template)}"
        )


def first_lost(tokenizer: PreTrainedTokenizerBase, template: Template, roles: Sequence[Role]) -> int:
    """Number of the first turn before an answer, from 1, that a template loses; 0 if it writes all.

    A turn is lost that isn't written once the answer is there, or is then written otherwise than in the template's own
    generation prompt. Short texts may stand by chance in what was written; those that are tried here can't.

    Args:
        tokenizer: The base model's tokenizer.
        template: The template.
        roles: Who speaks before the answer, in order.
    """
    contents = [f"{FIRST}{number}{LAST}" for number in range(len(roles))]
    asked = tuple(Turn(role, content) for role, content in zip(roles, contents, strict=True))
    try:
        text = render(Conversation((*asked, Turn("assistant", f"{FIRST}answer{LAST}"))), tokenizer, template)
        prompt = render(Conversation(asked), tokenizer, template, generation=True)
    except BadRecordError:  # these texts aren't what this template wants (answers of tools, for example)
        return 0
    position = 0
    for number, (role, content) in enumerate(zip(roles, contents, strict=True), start=1):
        position = text.find(content, position) + len(content)
        if position < len(content):
            return 0 if role == "tool" else number
        if text[:position] != prompt[:position]:
            return number
    return 0


def _parts(turn: Turn) -> Iterator[str]:
    """Texts that must stand in what the model sees of a turn."""
    if turn.content.strip():
        yield turn.content.strip()
    for function in map(_function, calls_of(turn)):
        yield str(function.get("name", ""))


def _function(call: Any) -> dict[str, Any]:
    function = call.get("function", call) if isinstance(call, dict) else {}
    return function if isinstance(function, dict) else {}


def _tool_names(tools: str) -> list[str]:
    return [str(_function(tool).get("name", "")) for tool in json.loads(tools)] if tools else []


def _end(text: str, part: str, position: int) -> int:
    """Where a part ends in a text, as it is or as JSON writes it, or -1."""
    found = text.find(part, position)
    if found >= 0:
        return found + len(part)
    for form in (json.dumps(part, ensure_ascii=False)[1:-1], json.dumps(part)[1:-1]):
        found = text.find(form, position)
        if found >= 0:
            return found + len(form)
    return -1


def _leaves(value: Any) -> Iterator[str]:
    """All keys and values of decoded JSON, as text."""
    if isinstance(value, dict):
        for key, each in value.items():
            yield str(key)
            yield from _leaves(each)
    elif isinstance(value, list):
        for each in value:
            yield from _leaves(each)
    elif value is not None:
        yield value if isinstance(value, str) else json.dumps(value)
