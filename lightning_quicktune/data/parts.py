"""The content of a turn where it comes in parts, as OpenAI, Anthropic, Gemini and Bedrock write it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lightning_quicktune.data.tool_calls import json_text, without_nulls
from lightning_quicktune.data.turns import BadRecordError, Turn
from lightning_quicktune.data.values import as_text, is_absent, shown

_TEXT_TYPES = (None, "text", "input_text", "output_text")
_ASIDE = frozenset({"type", "cache_control", "citations", "annotations", "id", "index", "logprobs", "signature"})


@dataclass
class Content:
    """What the parts of one turn hold.

    Args:
        texts: Its texts.
        reasoning: What was thought.
        calls: Calls of tools.
        results: What tools answered.
    """

    texts: list[str] = field(default_factory=list)
    reasoning: list[str] = field(default_factory=list)
    calls: list[dict[str, Any]] = field(default_factory=list)
    results: list[Turn] = field(default_factory=list)

    @property
    def text(self) -> str:
        """All texts, each on lines of its own."""
        return "\n".join(self.texts)


def read_content(value: Any, key: str) -> Content:
    """Reads a turn's content: a text, or parts all of which can become text.

    Raises:
        BadRecordError: If a part is an image or of another kind that isn't text.
    """
    content = Content()
    if isinstance(value, dict) and "parts" in value:
        value = value["parts"]
    if not isinstance(value, (list, dict)):
        content.texts.append(as_text(value, key))
        return content
    parts = [part for part in (value if isinstance(value, list) else [value]) if not is_absent(part)]
    for number, part in enumerate(parts, start=1):
        _read_part(content, without_nulls(part), f"part {number} of `{key}`")
    return content


def result_text(value: Any, key: str) -> str:
    """What a tool answered: a text, its text parts, or else JSON."""
    value = without_nulls(value)
    if isinstance(value, list) and len(value) == 1 and isinstance(value[0], dict) and value[0].keys() == {"json"}:
        value = value[0]["json"]  # as Bedrock writes it
    if isinstance(value, dict) or (isinstance(value, list) and not all(_is_text_part(part) for part in value)):
        return json_text(value)
    return read_content(value, key).text


def _is_text_part(part: Any) -> bool:
    return isinstance(part, dict) and isinstance(part.get("text"), str) and part.keys() <= {"type", "text"}


def _read_part(content: Content, part: Any, where: str) -> None:
    if isinstance(part, str):
        content.texts.append(as_text(part, where))
        return
    if not isinstance(part, dict):
        raise BadRecordError(f"{where} is {shown(part)}, not a text")
    kind = part.get("type")
    if kind in ("tool_use", "tool_call", "functionCall"):
        content.calls.append(part)
    elif call := part.get("functionCall") or part.get("function_call") or part.get("toolUse"):
        content.calls.append(call)
    elif result := _result(part):
        content.results.append(_tool_turn(result, where))
    elif kind in ("thinking", "reasoning") or part.get("thought") is True:
        rest = {name: value for name, value in part.items() if name != "thought"}
        content.reasoning.append(_only_text(rest, where, ("thinking", "reasoning", "text"), kind))
    elif kind in _TEXT_TYPES:
        if part.get("text") != "":
            content.texts.append(_only_text(part, where, ("text",), kind))
    else:
        raise BadRecordError(f"{where} is of type {kind!r}, and only text can be read")


def _only_text(part: Mapping[str, Any], where: str, names: tuple[str, ...], kind: Any) -> str:
    name = next((name for name in names if not is_absent(part.get(name))), None)
    others = [key for key in part if key != name and key not in _ASIDE and not is_absent(part[key])]
    if others:
        raise BadRecordError(f"{where} holds `{others[0]}`, and only text can be read")
    if name is None:
        raise BadRecordError(f"{where} holds no `{names[0]}`" + (f", though its type is {kind!r}" if kind else ""))
    return as_text(part[name], where)


def _result(part: Mapping[str, Any]) -> Mapping[str, Any] | None:
    if part.get("type") == "tool_result":
        return part
    found = part.get("functionResponse") or part.get("function_response") or part.get("toolResult")
    return found if isinstance(found, dict) else None


def _tool_turn(result: Mapping[str, Any], where: str) -> Turn:
    value = next((result[key] for key in ("content", "response", "output") if not is_absent(result.get(key))), None)
    if value is None:
        raise BadRecordError(f"{where} is a tool's answer without content")
    id_ = next((result[key] for key in ("tool_use_id", "toolUseId", "id") if not is_absent(result.get(key))), "")
    name = result.get("name")
    return Turn(
        "tool",
        result_text(value, where),
        name="" if is_absent(name) else as_text(name, where),
        tool_call_id=id_ and as_text(id_, where),
    )
