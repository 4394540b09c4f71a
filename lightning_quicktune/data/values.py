"""Single values of a record: what counts as absent, and which text a value is."""

from __future__ import annotations

import ast
import json
import math
import re
import warnings
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from lightning_quicktune.data.turns import BadRecordError

# Keys of the values that annotation tools and pandas put into a cell.
_CELL_KEYS = frozenset(
    {"text", "choices", "labels", "rating", "taxonomy", "number", "datetime", "answer_start", "start", "end"}
    | {"type", "value", "from_name", "to_name", "user_id", "status"}
)
_NUMBER = re.compile(r"[-+]?\d[-+\d_,.:/ TZe%]*|[-+]?(nan|inf|infinity)|true|false|none|null", re.IGNORECASE)
_ARRAY = re.compile(r"\barray\(\[|\bdtype=")


def is_absent(value: Any) -> bool:
    """Whether a value says nothing: null, NaN, a blank text, or a list or object of nothing else."""
    if value is None or isinstance(value, str):
        return not (value and value.strip())
    if isinstance(value, float):
        return math.isnan(value)  # what pandas' records hold where there is nothing
    if isinstance(value, (list, tuple)):
        return all(is_absent(part) for part in value)
    if isinstance(value, dict):
        return all(is_absent(part) for part in value.values())
    return False


def as_text(value: Any, key: str, cells: bool = False) -> str:
    """The text that a value is.

    A number or a boolean is the text that JSON writes for it (``7``, ``0.5``, ``true``); the text of a CSV cell stays
    as it is. How many zeros a JSON number ended with can't be known: 1.50 is ``1.5``.

    Args:
        value: Any decoded value.
        key: What error messages call it.
        cells: Whether it may be the cell of a table, in which tools write lists and objects as text.

    Returns:
        The text, not blank.

    Raises:
        BadRecordError: If it isn't one.
    """
    text = value if isinstance(value, str) else _scalar(value, key)
    if not text.strip():
        raise BadRecordError(f"`{key}` is empty")
    if not text.isascii():
        _check_encodes(text, key)
    if cells and (found := _structure(text)):
        raise BadRecordError(
            f"`{key}` is {shown(text)}, {found} rather than a text: keep the one text that is meant, or write the "
            "records as .jsonl if the marks belong to it"
        )
    return text


def _scalar(value: Any, key: str) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, Decimal)):
        return str(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise BadRecordError(f"`{key}` is {json.dumps(value)}, which is no text and no number")
        return repr(value)
    if found := _tool_structure(value):
        raise BadRecordError(f"`{key}` is {shown(value)}, {found}, not a text: keep the one text that is meant")
    remedy = ""
    if isinstance(value, dict) and key.isidentifier():
        inner = f"as in `{key}.{next(iter(value), 'NAME')}`"
        remedy = f": write it as one, or name a text in it by `data.init_args.reading.columns`, {inner}"
    raise BadRecordError(f"`{key}` is {shown(value)}, not a text{remedy}")


def _check_encodes(text: str, key: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise BadRecordError(f"`{key}` has half a surrogate pair, which is no text") from None


def boolean(value: Any) -> bool | None:
    """The boolean that a value is, in any file: a CSV holds the word; none if it is something else."""
    if isinstance(value, str):
        return {"true": True, "false": False}.get(value.strip().lower())
    return value if isinstance(value, bool) else None


def flag(value: Any) -> bool | None:
    """The boolean that a mark is, where 0 and 1 stand for one too; none if it is something else."""
    found = number(value)
    return bool(found) if found in (0, 1) else boolean(value)


def number(value: Any) -> float | None:
    """The number that a value is, in any file; none if it is something else."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str, Decimal)):
        return None
    try:
        return float(value)
    except (ValueError, OverflowError):
        return None


def texts_in(value: Any) -> list[str]:
    """All texts in a value at any depth, stripped; numbers, booleans and dates are none, in any file."""
    if isinstance(value, str):
        stripped = value.strip()
        return [stripped] if stripped and not _NUMBER.fullmatch(stripped) else []
    if isinstance(value, dict):
        return [text for part in value.values() for text in texts_in(part)]
    if isinstance(value, (list, tuple)):
        return [text for part in value for text in texts_in(part)]
    return []


def decoded(text: str) -> Any:
    """What a text in JSON or in Python's notation holds; none if it is in neither."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return _literal(text)


def _literal(text: str) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of backslashes in texts
            return ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
        return None


def _structure(text: str) -> str | None:
    """Names what a table's cell holds if it is a list or object of a tool; none if it is a text.

    A text may be JSON on purpose, so JSON alone is no mark: the keys of annotation tools are, several texts in a list,
    and what only Python writes.
    """
    stripped = text.strip()
    if stripped[:2] in ("b'", 'b"') and isinstance(_literal(stripped), bytes):
        return "a text's bytes as Python writes them"
    if stripped[:1] not in ("[", "{", "(") or stripped[-1:] not in ("]", "}", ")"):
        return "an array as NumPy writes it" if stripped.startswith("array([") else None
    try:
        return _tool_structure(json.loads(stripped))
    except (ValueError, RecursionError):
        value = _literal(stripped)
    if isinstance(value, (list, dict)) or (isinstance(value, (tuple, set)) and any(isinstance(v, str) for v in value)):
        return f"a {type(value).__name__} as Python writes it"
    return "an array as NumPy writes it" if _ARRAY.search(stripped) else None


def _tool_structure(value: Any) -> str | None:
    entries = value if isinstance(value, list) else [value]
    if entries and _is_texts(entries):
        return f"a list of {len(entries)} texts"
    if entries and all(isinstance(entry, list) and entry and _is_texts(entry) for entry in entries):
        return "a list of lists of texts"
    if entries and all(isinstance(entry, dict) and entry and set(entry) <= _CELL_KEYS for entry in entries):
        return "an annotation tool's object"
    return None


def _is_texts(values: Sequence[Any]) -> bool:
    return all(isinstance(value, str) for value in values)


def shown(value: Any) -> str:
    """A value as error messages show it, cut."""
    text = "null" if value is None else repr(value)
    return text if len(text) <= 40 else text[:37] + "..."
