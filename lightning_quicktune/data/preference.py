"""Records that hold a preferred and a rejected answer."""

from __future__ import annotations

from lightning_quicktune.data.conversation import is_turn_list, list_key, read_turns
from lightning_quicktune.data.fields import Fields
from lightning_quicktune.data.flat import check_begins, question_key, read_flat, read_system
from lightning_quicktune.data.names import PREFERENCES, TOOLS
from lightning_quicktune.data.reading import ReadingSettings
from lightning_quicktune.data.turns import BadRecordError, Turn
from lightning_quicktune.data.values import as_text, boolean, shown


def preference_pair(fields: Fields) -> tuple[str, str] | None:
    """Keys of the preferred and of the rejected answer, where one of them is there and no boolean."""
    for pair in PREFERENCES:
        if any(boolean(fields.values.get(name)) is None and name in fields for name in pair):
            return pair
    return None


def read_preferred(fields: Fields, pair: tuple[str, str], settings: ReadingSettings) -> tuple[str, list[Turn]]:
    """Reads a record as its format's name and its turns: the question, and the preferred answer.

    Args:
        fields: The record.
        pair: Keys of both answers.
        settings: Whether pairs are read at all.

    Raises:
        BadRecordError: If they aren't, or neither answer is preferred.
    """
    chosen = _chosen(fields, pair, settings.preference)
    head, asked = read_system(fields), _asked(fields, settings)
    known = [(turn.role, turn.content) for turn in chosen]
    if len(chosen) > 1 and all((turn.role, turn.content) in known for turn in asked):
        asked = []  # both answers are whole conversations, and the question is a copy of their beginning
    if asked:
        check_begins(chosen, fields.typed[pair[0]])
        asked = _without_answer(asked, chosen, fields.typed[pair[0]])
    elif len(chosen) == 1:
        raise BadRecordError(
            f"`{fields.typed[pair[0]]}` is {shown(chosen[0].content)}, and no question stands beside it: write the "
            "question as `prompt`, or both as a list of turns with role and content"
        )
    return f"{pair[0]}/{pair[1]}", [*head, *asked, *chosen]


def _asked(fields: Fields, settings: ReadingSettings) -> list[Turn]:
    nested = fields.values.get("input")
    if isinstance(nested, dict) and is_turn_list(nested.get("messages")):  # as OpenAI writes it
        inner = Fields(fields.take("input"), fields.ignore)
        for name in ("messages", *TOOLS):
            if name in inner:
                fields.put(name, inner.take(name))
        inner.check_unread("`input`: ")
    if (key := list_key(fields)) is not None:
        return read_turns(fields.take(key), fields.typed[key], fields.ignore)
    return read_flat(fields, settings, answer_required=False)[1] if question_key(fields) is not None else []


def _without_answer(asked: list[Turn], chosen: list[Turn], key: str) -> list[Turn]:
    """The question alone, where the record holds the preferred answer twice.

    Raises:
        BadRecordError: If it holds another answer than the preferred one.
    """
    if asked[-1].role != "assistant":
        return asked
    if len(chosen) == 1 and asked[-1].content.strip() == chosen[0].content.strip():
        return asked[:-1]
    raise BadRecordError(
        f"an answer, {shown(asked[-1].content)}, stands beside `{key}`, and both would be learned: leave out the key "
        "of the one that isn't meant by `data.init_args.reading.ignore`"
    )


def _chosen(fields: Fields, pair: tuple[str, str], preference: str) -> list[Turn]:
    """The preferred answer as turns; the rejected one is left out."""
    chosen, rejected = pair
    keys = " and ".join(f"`{fields.typed[name]}`" for name in pair if name in fields)
    if chosen not in fields:
        typed = fields.typed[rejected]
        raise BadRecordError(
            f"{keys} is there, but no `{chosen}`: name the preferred answer's key by `data.init_args.reading.columns: "
            f"{{{chosen}: THEIRS}}`, or leave this one out by `data.init_args.reading.ignore: [{typed}]`"
        )
    if preference != "chosen":
        raise BadRecordError(
            f"{keys} make it a preference pair, of which one answer is better than the other, and answers are "
            f"learned one by one: set `data.init_args.reading.preference: chosen` to learn `{chosen}` and leave "
            f"`{rejected}` out"
        )
    value = fields.take(chosen)
    if rejected in fields and fields.values[rejected] == value:
        raise BadRecordError(f"{keys} are equal, so neither is preferred")
    fields.drop(rejected)
    typed = fields.typed[chosen]
    if is_turn_list(value, fields.cells):
        return read_turns(value, typed, fields.ignore)
    return [Turn("assistant", as_text(value, typed, fields.cells))]
