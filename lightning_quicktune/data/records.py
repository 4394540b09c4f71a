"""The reader of a row as a record, of any format that people keep text data in."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache, partial
from typing import Any, NamedTuple

from lightning_quicktune.data.classes import take_class_name
from lightning_quicktune.data.conversation import is_turn_list, list_key, read_turns, without_open_answer
from lightning_quicktune.data.exports import unpacked
from lightning_quicktune.data.fields import Fields
from lightning_quicktune.data.flat import answer_key, answer_keys, is_flat, question_key, read_flat, read_system
from lightning_quicktune.data.names import LISTS, QUESTIONS, TOOLS
from lightning_quicktune.data.nested import first_nested, with_nested
from lightning_quicktune.data.preference import preference_pair, read_preferred
from lightning_quicktune.data.quick import quick_plan
from lightning_quicktune.data.reading import ReadingSettings
from lightning_quicktune.data.tool_calls import tools_text
from lightning_quicktune.data.turns import BadRecordError, Record, Turn
from lightning_quicktune.data.values import shown, texts_in
from lightning_quicktune.data.wanted import UnwantedRecordError, check_wanted

FORMATS: Mapping[str, tuple[str, ...]] = {
    "messages (role, content)": ("messages",),
    "conversations (from, value)": ("conversations",),
    "contents (role, parts)": ("contents",),
    "instruction/input/output": ("instruction", "output"),
    "instruction/context/response": ("instruction", "response"),
    "prompt/completion": ("prompt", "completion"),
    "prompt/response": ("prompt", "response"),
    "question/answer": ("question", "answer"),
    "question/answers (SQuAD)": ("question", "answers"),
    "input/output": ("input", "output"),
    "text/label": ("text", "label"),
}
_TABLES = re.compile(r"\.(csv|tsv)(\.|$)", re.IGNORECASE)


class Parsed(NamedTuple):
    """A record, and what of its object it was read from.

    Args:
        record: The record.
        format: Name of the format.
        read: Keys, as typed, that became part of it.
        ignored: Keys with a value that say nothing in it, or that were to be left out.
    """

    record: Record
    format: str
    read: frozenset[str]
    ignored: frozenset[str]


def parse_record(
    raw: Any, file: str, line: int, settings: ReadingSettings = ReadingSettings(), answer_required: bool = True
) -> Parsed:
    """Reads one record of any of the known formats; null, blank texts and empty lists are the same as absent.

    Every key is read, known to say nothing in the record, or an error: no text is dropped. Marks that an answer isn't
    wanted are kept to. Turns behind the last one that is learned are left out; an assistant that speaks first is
    context.

    Args:
        raw: What the file holds at this place, such as a decoded JSON object.
        file: Name of the file.
        line: Line in it.
        settings: What to do with keys that aren't read, pairs of answers, and questions without any.
        answer_required: Whether a record needs an answer; without one, the last turn is the user's.

    Returns:
        The record with what it was read from.

    Raises:
        UnwantedRecordError: If it is marked as not to be learned.
        BadRecordError: If it has no known format, or no answer, or a part that can't be read or would be lost.
    """
    try:
        if is_turn_list(raw, in_text=False) and not isinstance(raw, dict):
            raw = {"messages": raw}
        if not isinstance(raw, dict):
            raise BadRecordError(
                f"{shown(raw)} is not an object with keys: write it as one, such as "
                '{"question": "...", "answer": "..."}'
            )
        raw = with_nested(raw, settings.columns.values()) if settings.columns else raw
        plan = quick_plan(tuple(raw), tuple(settings.columns.items()), tuple(settings.ignore))
        if plan is not None and (turns := plan.turns(raw)) is not None:
            return Parsed(Record(turns, file, line), plan.format, plan.read, plan.ignored)
        return _parse(raw, file, line, settings, answer_required)
    except RecursionError:
        raise BadRecordError("nested too deeply to be read") from None


def _parse(raw: Mapping[str, Any], file: str, line: int, settings: ReadingSettings, answer_required: bool) -> Parsed:
    rebuild = partial(Fields, ignore=settings.ignore, columns=settings.columns, cells=_is_table(file))
    fields = unpacked(raw, rebuild(raw), rebuild)
    _take_source(fields)
    take_class_name(fields)
    pair = preference_pair(fields)
    has_answer = any(name != "label" for name in answer_keys(fields))
    check_wanted(fields, label_is_mark=pair is not None or list_key(fields) is not None or has_answer)
    if pair is not None:
        name, turns = read_preferred(fields, pair, settings)
    elif (key := list_key(fields)) is not None:
        head, entries = _beside(fields, key), fields.take(key)
        entries = entries if answer_required else without_open_answer(entries)
        name, turns = key, [*head, *read_turns(entries, fields.typed[key], fields.ignore)]
    elif is_flat(fields, answer_required):
        name, turns = read_flat(fields, settings, answer_required)
    else:
        raise BadRecordError(_missing(fields, settings.columns))
    tools = next((tools_text(fields.take(key), fields.typed[key]) for key in TOOLS if key in fields), "")
    record = Record(_ordered(turns, answer_required), file, line, tools)
    fields.check_unread()
    read = frozenset(fields.typed[key] for key in fields.read)
    return Parsed(record, name, read, frozenset(fields.ignored))


def _take_source(fields: Fields) -> None:
    """A `source` beside a `target` is the text that the target is made of, if nothing else is; else it may be either.

    Raises:
        BadRecordError: If a question stands beside both.
    """
    if "source" not in fields or "target" not in fields or not texts_in(fields.values["source"]):
        return
    if question_key(fields) is not None:
        typed = fields.typed["source"]
        raise BadRecordError(
            f"`{typed}` beside `{fields.typed['target']}` may be a part of the question or the record's origin: "
            f"set `data.init_args.reading.columns: {{input: {typed}}}`, or leave it out by "
            f"`data.init_args.reading.ignore: [{typed}]`"
        )
    fields.rename("source", "input")


@lru_cache
def _is_table(file: str) -> bool:
    return _TABLES.search(file) is not None


def _beside(fields: Fields, key: str) -> list[Turn]:
    """System turn beside a list; Vertex AI's chats keep it as a context."""
    entries = fields.values[key]
    is_vertex = isinstance(entries, list) and all(isinstance(entry, dict) and "author" in entry for entry in entries)
    if "context" in fields and is_vertex:
        return [*read_system(fields), Turn("system", fields.text("context"))]
    return read_system(fields)


def _missing(fields: Fields, columns: Mapping[str, str]) -> str:
    """Says which key a record of the nearest format lacks."""
    for ours, theirs in columns.items():
        if ours not in fields.typed:
            return f"no `{theirs}`, which `data.init_args.reading.columns` names as `{ours}`"
    empty = [name for name in (*QUESTIONS, *LISTS) if name in fields.empty]
    question = question_key(fields)
    if question is not None and (question != "text" or "label" in fields.typed):
        try:
            fields.text(QUESTIONS[question].lower())
        except BadRecordError as error:
            return str(error)
    for name in empty:
        value = fields.empty[name]
        wanted = "a list of turns" if name in LISTS else "a text"
        if name in LISTS or answer_key(fields) is not None:
            return f"`{fields.typed[name]}` is " + ("empty" if value == "" else f"{shown(value)}, not {wanted}")
    return "no known format" + _unlike(fields)


def _unlike(fields: Fields) -> str:
    """Why a record may have no known format, where that can be told."""
    if question_key(fields) == "text":
        others = any(texts_in(value) for name, value in fields.values.items() if name != "text")
        named = "name its key by `data.init_args.reading.columns: {question: text, answer: THEIRS}`"
        parts = "write the two under keys of their own"
        return f": `text` is there, but not which part of it is the answer: {named if others else parts}"
    nested = first_nested({fields.typed[name]: value for name, value in fields.values.items()})
    if nested is not None:
        return (
            f": `{nested.partition('.')[0]}` is an object, and the texts in it are not looked for: name each of them "
            f"as in `data.init_args.reading.columns: {{question: {nested}, answer: THEIRS}}`, or move them up"
        )
    lists = next((name for name, value in fields.values.items() if isinstance(value, dict) and texts_in(value)), None)
    if lists is not None:
        return (
            f": `{fields.typed[lists]}` is an object, and the texts in it are not looked for: move them to the record"
        )
    return ""


def _ordered(turns: Sequence[Turn], answer_required: bool) -> tuple[Turn, ...]:
    """Turns in the order that a record has: one system turn first, and a learned answer last.

    Raises:
        BadRecordError: If nothing is asked, or nothing answered or learned.
    """
    count = next((n for n, turn in enumerate(turns) if turn.role != "system"), len(turns))
    system = "\n\n".join(dict.fromkeys(turn.content for turn in turns[:count]))
    head = [Turn("system", system)] if system else []
    rest = list(turns[count:])
    first = next((n for n, turn in enumerate(rest) if turn.role == "user"), None)
    if first is None:
        raise BadRecordError("no turn is the user's, so there is no question")
    rest[:first] = [replace(turn, learned=False) if turn.role == "assistant" else turn for turn in rest[:first]]
    if rest[-1].role == "user" and not answer_required:
        return (*head, *rest)
    if rest[-1].role != "assistant":
        raise BadRecordError("the last turn is not the assistant's, so there is no answer")
    last = next((n for n in range(len(rest) - 1, -1, -1) if _is_target(rest[n])), None)
    if last is None:
        raise UnwantedRecordError("marked as unwanted: no turn of it is to be learned")
    return (*head, *rest[: last + 1])


def _is_target(turn: Turn) -> bool:
    return turn.role == "assistant" and turn.learned


def format_advice(keys: list[str]) -> str:
    """Says which formats exist and which is nearest to a record with these keys."""
    nearest = max(FORMATS, key=lambda name: _closeness(keys, FORMATS[name]))
    return (
        f"Keys of the first record: {', '.join(keys) or 'none'}. Formats tried: {'; '.join(FORMATS)}. "
        f"Nearest: {nearest}, which needs {' and '.join(f'`{key}`' for key in FORMATS[nearest])}; other names are "
        "mapped by `data.init_args.reading.columns: {question: THEIRS, answer: THEIRS}`, for `tune`, `recommend` and "
        "`inspect` also by `--columns question=THEIRS,answer=THEIRS`."
    )


def _closeness(keys: Sequence[str], wanted: Sequence[str]) -> float:
    best = [max((difflib.SequenceMatcher(None, key, name).ratio() for key in keys), default=0.0) for name in wanted]
    return sum(best) / len(best)
