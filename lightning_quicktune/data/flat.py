"""Records with one key for the question and one for the answer, and what may stand beside them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from lightning_quicktune.data.conversation import is_turn_list, read_rounds, read_turns
from lightning_quicktune.data.fields import Fields
from lightning_quicktune.data.multiple_choice import Options, options_of_keys, read_options, unfold_question
from lightning_quicktune.data.names import ANSWERS, CONTEXTS, LABELS, OPTIONS, QUESTIONS, REASONING, ROUNDS, SYSTEMS
from lightning_quicktune.data.parts import read_content
from lightning_quicktune.data.reading import ReadingSettings
from lightning_quicktune.data.spans import has_spans, read_spans
from lightning_quicktune.data.tool_calls import calls_text
from lightning_quicktune.data.turns import BadRecordError, Turn
from lightning_quicktune.data.values import as_text, boolean, is_absent, number, shown


def read_system(fields: Fields) -> list[Turn]:
    """The system turn that stands beside question or turns, if any."""
    texts = []
    for name in SYSTEMS:
        if name in fields:
            texts.append(read_content(fields.take(name), fields.typed[name]).text)
    return [Turn("system", text) for text in dict.fromkeys(texts)]


def question_key(fields: Fields) -> str | None:
    """The key of the question, if the record has one."""
    return fields.first(QUESTIONS)


def answer_keys(fields: Fields) -> list[str]:
    """Keys that may hold an answer; a `label` may be a mark or a class, and a boolean `correct` is a mark."""
    names = [name for name in ANSWERS if name in fields and name != question_key(fields)]
    return [name for name in names if name not in LABELS or boolean(fields.values[name]) is None]


def answer_key(fields: Fields) -> str | None:
    """The key of the answer, if the record has one.

    Raises:
        BadRecordError: If several have one, and not the same.
    """
    others = answer_keys(fields)
    found = [name for name in others if name != "label" or (question_key(fields) == "text" and len(others) == 1)]
    if len({repr(fields.values[name]) for name in found}) > 1:
        keys = " and ".join(f"`{fields.typed[name]}`" for name in found)
        raise BadRecordError(
            f"{keys} both hold an answer: leave one out by `data.init_args.reading.ignore: "
            f"[{fields.typed[found[-1]]}]`, or name the one that is meant in `data.init_args.reading.columns`"
        )
    return found[0] if found else None


def is_flat(fields: Fields, answer_required: bool) -> bool:
    """Whether a record has a question, and an answer if it needs one."""
    if question_key(fields) is None:
        return False
    return not answer_required or answer_key(fields) is not None or has_spans(fields)


def read_flat(fields: Fields, settings: ReadingSettings, answer_required: bool) -> tuple[str, list[Turn]]:
    """Reads a record as its format's name and its turns.

    The text of the question is, in this order and a blank line apart: a context (behind an instruction), the question,
    its input, its possible answers.

    Raises:
        BadRecordError: If a part isn't a text, or the record has no answer though it needs one.
    """
    unfold_question(fields)
    question = str(question_key(fields))
    answer = answer_key(fields)
    name = f"{question}/{answer or ('answers' if has_spans(fields) else QUESTIONS[question])}"
    head = [*read_system(fields), *_earlier(fields)]
    options = None if is_turn_list(fields.values[question], fields.cells) else _read_options(fields, answer)
    asked = _asked(fields, question, options)
    if answer is None and not has_spans(fields):
        if answer_required:
            fields.text(QUESTIONS[question])
        return name, [*head, *asked]
    return name, [*head, *asked, *_answered(fields, answer, options, settings)]


def _earlier(fields: Fields) -> list[Turn]:
    name = fields.first(ROUNDS)
    return read_rounds(fields.take(name), fields.typed[name], fields.ignore) if name else []


def _read_options(fields: Fields, answer: str | None) -> Options | None:
    name = fields.first(OPTIONS)
    if name is not None:
        return read_options(fields.take(name), fields.typed[name])
    keys = options_of_keys(fields, None if answer is None else fields.values[answer])
    if not keys:
        return None
    typed = ", ".join(fields.typed[name] for name in keys.values())
    return read_options({label: fields.take(name) for label, name in keys.items()}, typed)


def _asked(fields: Fields, question: str, options: Options | None) -> list[Turn]:
    """The user's turn; where the question is a list of turns, those, and none of them is learned."""
    value = fields.values[question]
    if is_turn_list(value, fields.cells):
        turns = read_turns(fields.take(question), fields.typed[question], fields.ignore)
        return [replace(turn, learned=turn.role != "assistant") for turn in turns]
    context = fields.first(CONTEXTS)
    before = _context(fields, context) if context else ""
    after = [fields.text(name) for name in _inputs(fields, question)]
    main = [before, fields.text(question)]
    if question == "instruction":
        main.reverse()
    parts = [*main, *after, options.text if options else ""]
    return [Turn("user", "\n\n".join(part for part in parts if part))]


def _context(fields: Fields, name: str) -> str:
    """A context; texts of a list are its paragraphs."""
    value = fields.values[name]
    if not isinstance(value, list) or not all(isinstance(part, str) for part in value):
        return fields.text(name)
    texts = [as_text(part, fields.typed[name]) for part in fields.take(name) if not is_absent(part)]
    return "\n\n".join(texts)


def _inputs(fields: Fields, question: str) -> list[str]:
    """Keys of what follows a question: its input, or the question that an instruction is about."""
    if question == "input":
        return []
    names = {"instruction": ("input", "question", "query"), "prompt": ("input", "query")}.get(question, ("input",))
    return [name for name in names if name in fields][:1]


def _answered(fields: Fields, answer: str | None, options: Options | None, settings: ReadingSettings) -> list[Turn]:
    """The answer as one turn, or as the turns that it is."""
    if answer is None:
        return [Turn("assistant", read_spans(fields, settings.unanswerable))]
    for name in ANSWERS:
        if name in fields and fields.values[name] == fields.values[answer]:
            fields.take(name)
    typed, value = fields.typed[answer], fields.take(answer)
    if is_turn_list(value, fields.cells):
        turns = read_turns(value, typed, fields.ignore)
        check_begins(turns, typed)
        return turns
    if answer in LABELS and options is None:
        raise BadRecordError(f"`{typed}` is {shown(value)}, the label of an option, but there are no `choices`")
    text = options.answer(value, typed) if options else _answer_text(answer, value, typed, fields.cells)
    return [Turn("assistant", text, reasoning=_reasoning(fields), tool_calls=_calls(fields))]


def check_begins(turns: Sequence[Turn], key: str) -> None:
    """Refuses turns of an answer that begin with another question.

    Raises:
        BadRecordError: If they do.
    """
    if turns and turns[0].role in ("user", "system"):
        raise BadRecordError(
            f"`{key}` begins with a turn of the {turns[0].role}, but the question stands beside it: "
            "keep it in one of them"
        )


def _answer_text(answer: str, value: Any, typed: str, cells: bool) -> str:
    if answer == "label" and number(value) is not None:
        raise BadRecordError(
            f"`{typed}` is {shown(value)}, the number of a class: write its name, or set "
            f"`data.init_args.reading.columns: {{question: text, answer: {typed}}}` if the number is the answer"
        )
    if isinstance(value, list) and len(value) == 1 and isinstance(value[0], str):  # as doccano writes a target text
        return as_text(value[0], typed, cells)
    return as_text(value, typed, cells)


def _reasoning(fields: Fields) -> str:
    name = fields.first(REASONING)
    return fields.text(name) if name else ""


def _calls(fields: Fields) -> str:
    name = fields.first(("tool_calls",))
    return calls_text(fields.take(name), fields.typed[name]) if name else ""
