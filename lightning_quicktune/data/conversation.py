"""Records that are lists of turns, whatever names they have for roles and texts."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

from lightning_quicktune.data.fields import Fields, canonical
from lightning_quicktune.data.names import CALLS, LISTS, QUESTIONS, REASONING, ROLE_KEYS
from lightning_quicktune.data.parts import Content, read_content, result_text
from lightning_quicktune.data.tool_calls import calls_text
from lightning_quicktune.data.turns import BadRecordError, Role, Turn
from lightning_quicktune.data.values import as_text, decoded, is_absent, shown
from lightning_quicktune.data.wanted import is_learned

ROLES: Mapping[str, Role] = {
    **dict.fromkeys(("system", "developer"), "system"),
    **dict.fromkeys(("user", "human", "prompter", "customer"), "user"),
    **dict.fromkeys(("assistant", "gpt", "model", "bot", "chatbot", "chatgpt", "ai", "bard", "bing"), "assistant"),
    **dict.fromkeys(
        ("tool", "function", "observation", "ipython", "tool_response", "function_response", "tool_result"), "tool"
    ),
}
CALL_ROLES = frozenset({"function_call", "tool_call"})  # an assistant's turn whose text is the call
_CONTENT_KEYS = ("content", "value", "parts", "text", "message")


def read_turns(entries: Any, key: str, ignore: Collection[str] = ()) -> list[Turn]:
    """Reads a list of turns; a system turn without text is left out.

    What an assistant thought in a turn of its own (``channel: analysis``) joins its next turn.

    Args:
        entries: The list, or its text in JSON or Python's notation, as a table's cell holds it.
        key: Where it stands, for error messages.
        ignore: Keys of turns, as typed, that are to be left out.

    Raises:
        BadRecordError: If it isn't such a list, or anything in it would be lost.
    """
    given = decoded(entries) if isinstance(entries, str) else entries
    given = [given] if isinstance(given, dict) and given and _role_key(given) else given
    if not isinstance(given, (list, tuple)) or not given:
        raise BadRecordError(f"`{key}` is {shown(entries)}, not a list of turns")
    turns: list[Turn] = []
    thought = ""
    for number, entry in enumerate(given, start=1):
        read = plain_turn(entry) or _Reader(number, entry, ignore).read()
        for turn in read if isinstance(read, list) else [read]:
            if isinstance(turn, _Thought):
                thought = "\n".join(filter(None, (thought, turn.text)))
                continue
            if thought and turn.role != "assistant":
                raise BadRecordError(f"turn {number} comes between an assistant's analysis and its answer")
            turns.append(_with_thought(turn, thought) if thought else turn)
            thought = ""
    if thought:
        raise BadRecordError("the last turn is an analysis, and no answer follows it")
    return turns


def is_turn_list(value: Any, in_text: bool = True) -> bool:
    """Whether a value is a list of turns, or one turn.

    Args:
        value: Any decoded value.
        in_text: Whether it may be the text of one, in JSON or Python's notation.
    """
    if isinstance(value, str):
        if not in_text or value.lstrip()[:1] != "[":
            return False
        value = decoded(value)
    if isinstance(value, dict):
        value = [value]
    return isinstance(value, (list, tuple)) and bool(value) and all(_role_key(entry) for entry in value)


def list_key(fields: Fields) -> str | None:
    """The key of a list of turns; one that is something else counts where there is no question."""
    lists = [name for name in LISTS if name in fields and is_turn_list(fields.values[name])]
    if lists or fields.first(QUESTIONS) is not None:
        return lists[0] if lists else None
    return fields.first(LISTS[:2])


def without_open_answer(entries: Any) -> Any:
    """A list of turns without its last one, where that is an assistant's that says nothing yet."""
    last = entries[-1] if isinstance(entries, list) and entries else None
    if not isinstance(last, dict):
        return entries
    fields = Fields(last)
    key = fields.first(ROLE_KEYS)
    is_open = (
        key is not None
        and ROLES.get(canonical(str(fields.take(key)))) == "assistant"
        and fields.read == {*fields.values}
    )
    return entries[:-1] if is_open else entries


def _role_key(entry: Any) -> bool:
    return isinstance(entry, dict) and any(canonical(key) in ROLE_KEYS for key in entry)


def _with_thought(turn: Turn, thought: str) -> Turn:
    return replace(turn, reasoning="\n".join(filter(None, (thought, turn.reasoning))))


def plain_turn(entry: Any) -> Turn | None:
    """The turn, where it has a role and a text and nothing else: nearly always."""
    if type(entry) is not dict or len(entry) != 2:
        return None
    role, content = entry.get("role") or entry.get("from"), entry.get("content") or entry.get("value")
    if type(role) is not str or type(content) is not str or role not in ROLES or not content.strip():
        return None
    if not content.isascii():
        try:
            content.encode()
        except UnicodeEncodeError:
            return None
    return Turn(ROLES[role], content)


@dataclass(frozen=True)
class _Thought:
    """A turn that only holds what the assistant thought."""

    text: str


class _Reader:
    """Reads one turn with all its keys."""

    def __init__(self, number: int, entry: Any, ignore: Collection[str]) -> None:
        self.where = f"turn {number}"
        if not isinstance(entry, dict):
            speaker = ", which doesn't say who speaks: write an object with role and content" * isinstance(entry, str)
            raise BadRecordError(f"{self.where} is {shown(entry)}, not an object{speaker}")
        self.fields = Fields(entry, ignore)

    def read(self) -> list[Turn | _Thought]:
        """Its turn; several where tools answer in parts, none for a system turn without text."""
        role, is_call = self._role()
        try:
            turns = self._turns(role, is_call)
            self.fields.check_unread()
        except BadRecordError as error:
            raise type(error)(f"{self.where}: {error}") from None
        return turns

    def _role(self) -> tuple[Role, bool]:
        fields = self.fields
        key = fields.first(ROLE_KEYS)
        typed = fields.typed[key] if key else next((k for k in ROLE_KEYS if k in fields.empty), ROLE_KEYS[0])
        role = fields.take(key) if key else None
        role = role.get("role") if isinstance(role, dict) else role  # ChatGPT's export
        name = canonical(role) if isinstance(role, str) else ""
        if name in CALL_ROLES:
            return "assistant", True
        if name not in ROLES:
            raise BadRecordError(f"{self.where} has `{typed}` {shown(role)}, not one of {', '.join(ROLES)}")
        return ROLES[name], False

    def _turns(self, role: Role, is_call: bool) -> list[Turn | _Thought]:
        fields, key = self.fields, self.fields.first(_CONTENT_KEYS)
        if key is None and role == "system":
            return []
        content = self._content(role, key, is_call)
        calls = self._calls(content)
        reasoning = self._reasoning(role, content)
        channel = fields.take("channel")
        if channel == "analysis" and role == "assistant":
            return [_Thought(content.text)]
        if channel not in (None, "final", "commentary") or (channel == "commentary" and not calls):
            raise BadRecordError(f"`channel` is {shown(channel)}, which can't be told from an answer")
        if not content.texts and not calls and not content.results:
            fields.text(key or self._empty_key())
        learned = role != "assistant" or is_learned(fields)
        own = Turn(role, content.text, learned, reasoning, calls, self._optional("name"), self._call_id(role))
        return [*content.results, *([own] if content.texts or calls else [])]

    def _content(self, role: Role, key: str | None, is_call: bool) -> Content:
        if key is None:
            return Content()
        value, typed = self.fields.take(key), self.fields.typed[key]
        if is_call:
            return Content(calls=decoded(calls_text(value, typed)))
        if role == "tool":
            return Content(texts=[result_text(value, typed)])
        content = read_content(value, typed)
        if role != "assistant" and (content.calls or content.reasoning):
            raise BadRecordError(f"`{typed}` holds an assistant's thoughts or calls, but the turn is the {role}'s")
        return content

    def _calls(self, content: Content) -> str:
        key = self.fields.first(CALLS)
        if key is None:
            return calls_text(content.calls, "content") if content.calls else ""
        text = calls_text(self.fields.take(key), self.fields.typed[key])
        if content.calls and calls_text(content.calls, "content") != text:
            raise BadRecordError(f"`{key}` and the content name different calls")
        return text

    def _reasoning(self, role: Role, content: Content) -> str:
        found = [self.fields.text(key) for key in REASONING if key in self.fields and role == "assistant"]
        found += ["\n".join(content.reasoning)] if content.reasoning else []
        if len(set(found)) > 1:
            raise BadRecordError(f"reasoning is there {len(found)} times, with different texts")
        if found and content.text.lstrip().startswith("<think>"):
            raise BadRecordError("reasoning is there twice, once before the answer: keep it in one of them")
        return found[0] if found else ""

    def _optional(self, *names: str) -> str:
        key = self.fields.first(names)
        return as_text(self.fields.take(key), self.fields.typed[key]) if key else ""

    def _call_id(self, role: Role) -> str:
        return self._optional("tool_call_id", "call_id") if role == "tool" else ""

    def _empty_key(self) -> str:
        return next((key for key in _CONTENT_KEYS if key in self.fields.empty), _CONTENT_KEYS[0])


def read_rounds(value: Any, key: str, ignore: Collection[str] = ()) -> list[Turn]:
    """Earlier rounds: pairs of question and answer as LLaMA-Factory has them, or turns.

    Their answers are learned as those of any conversation are.

    Raises:
        BadRecordError: If they are something else.
    """
    given = decoded(value) if isinstance(value, str) else value
    if is_turn_list(given):
        return read_turns(given, key, ignore)
    turns = []
    for number, pair in enumerate(given if isinstance(given, (list, tuple)) else [value], start=1):
        if not isinstance(pair, (list, tuple)) or len(pair) != 2 or any(is_absent(part) for part in pair):
            raise BadRecordError(f"round {number} of `{key}` is {shown(pair)}, not a pair of question and answer")
        question, answer = (as_text(part, f"round {number} of {key}") for part in pair)
        turns += [Turn("user", question), Turn("assistant", answer)]
    return turns
