"""Tools that an assistant may call, and its calls, in OpenAI's form whoever wrote them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from lightning_quicktune.data.turns import BadRecordError
from lightning_quicktune.data.values import as_text, is_absent, shown

_SCHEMAS = ("parameters", "input_schema", "inputSchema")


def calls_text(value: Any, key: str) -> str:
    """Calls of a turn as the text of a JSON list; each call's arguments are a JSON text in it, as OpenAI writes them.

    Args:
        value: One call or a list of calls, decoded or as JSON: OpenAI's, Anthropic's, Gemini's, Bedrock's, or an object
            with name and arguments.
        key: Where they stand, for error messages.

    Raises:
        BadRecordError: If a call has no name, or arguments that aren't an object.
    """
    entries = _entries(value, key)
    return json_text([_call(entry, f"call {number} of `{key}`") for number, entry in enumerate(entries, start=1)])


def tools_text(value: Any, key: str) -> str:
    """Descriptions of tools as the text of a JSON list, in OpenAI's form.

    Args:
        value: A list of tools, decoded or as JSON: OpenAI's, or objects with a name.
        key: Where they stand, for error messages.

    Raises:
        BadRecordError: If a tool has no name.
    """
    entries = [tool for entry in _entries(value, key) for tool in _declared(entry)]
    return json_text([_tool(entry, f"tool {number} of `{key}`") for number, entry in enumerate(entries, start=1)])


def without_nulls(value: Any) -> Any:
    """A value without what columnar files fill in: nulls, and objects of nothing else, at any depth."""
    if isinstance(value, dict):
        kept = {key: without_nulls(part) for key, part in value.items() if part is not None}
        return {key: part for key, part in kept.items() if part is not None} if kept or not value else None
    if isinstance(value, (list, tuple)):
        return [without_nulls(part) for part in value]
    return value


def _entries(value: Any, key: str) -> list[Any]:
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            raise BadRecordError(f"`{key}` is {shown(value)}, which isn't JSON") from None
    else:
        value = without_nulls(value)
    entries = value if isinstance(value, list) else [value]
    if not entries or not all(isinstance(entry, dict) for entry in entries):
        raise BadRecordError(f"`{key}` is {shown(value)}, not a list of objects")
    return entries


def _call(entry: Mapping[str, Any], where: str) -> dict[str, Any]:
    function = entry.get("function", entry)
    if not isinstance(function, dict) or is_absent(function.get("name")):
        raise BadRecordError(f"{where} is {shown(entry)}, without the `name` of a tool")
    given: Any = next((function[key] for key in ("arguments", "args", "input", "parameters") if key in function), {})
    call = {"type": "function", "function": {"name": function["name"], "arguments": _arguments(given, where)}}
    id_ = next((entry[key] for key in ("id", "call_id", "toolUseId") if not is_absent(entry.get(key))), None)
    return call if id_ is None else {"id": as_text(id_, "id"), **call}


def _arguments(given: Any, where: str) -> str:
    if isinstance(given, str) and not given.strip():
        return "{}"
    try:
        value = json.loads(given) if isinstance(given, str) else given
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise BadRecordError(f"{where} has the arguments {shown(given)}, not an object")
    return given if isinstance(given, str) else json_text(given)


def _declared(entry: Mapping[str, Any]) -> list[Any]:
    """The tools of an entry, which holds several as Gemini writes it."""
    several = next((entry[key] for key in ("functionDeclarations", "function_declarations") if key in entry), None)
    return several if isinstance(several, list) and len(entry) == 1 and several else [entry]


def _tool(entry: Mapping[str, Any], where: str) -> dict[str, Any]:
    function = entry.get("function", entry) if isinstance(entry, dict) else None
    if not isinstance(function, dict) or is_absent(function.get("name")):
        raise BadRecordError(f"{where} is {shown(entry)}, without a `name`")
    if "function" in entry:
        return {"type": "function", **entry}
    schema = next((key for key in _SCHEMAS if key in function), None)
    known = {key: value for key, value in function.items() if key not in ("type", schema)}
    return {"type": "function", "function": known | ({} if schema is None else {"parameters": function[schema]})}


def json_text(value: Any) -> str:
    """A value as JSON.

    Raises:
        BadRecordError: If it can't be written so.
    """
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False)
        text.encode()  # half a surrogate pair can't be
        return text
    except (TypeError, ValueError) as error:
        raise BadRecordError(f"{shown(value)} can't be written as JSON: {error}") from None
