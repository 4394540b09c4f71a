"""Target spans: where the answers of a record lie in what a template writes."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeVar

from transformers import PreTrainedTokenizerBase

from lightning_quicktune.data.seen import Seen
from lightning_quicktune.data.special_tokens import FIRST, LAST, SpecialTokens
from lightning_quicktune.data.template import (
    Arguments,
    Conversation,
    Template,
    other_template,
    remedy,
    render,
    template_name,
)
from lightning_quicktune.data.turns import BadRecordError, Record, Turn

T = TypeVar("T")
_ANSWER, _REASONING, _NEXT = (f"{FIRST}{name}{LAST}" for name in ("answer", "reasoning", "next"))
_THOUGHT = re.compile(r"\s*<think>(.*?)</think>(.*)", re.DOTALL)


@dataclass(frozen=True)
class Passage:
    """A record, or what leads to one of its answers, as text.

    Args:
        text: The text, with special tokens; those of the record's own text are shielded.
        targets: Where each learned turn starts and, after its end-of-turn token, ends.
        answer_mark: What stands between the last turn's reasoning and its answer.
    """

    text: str
    targets: tuple[tuple[int, int], ...]
    answer_mark: str = ""


class Writer:
    """Writes records in a template and finds their answers.

    An answer lies where two renderings differ that have another answer as the last turn. What the template puts between
    its mark for the assistant and the answer thus belongs to the prompt.

    Args:
        tokenizer: The base model's tokenizer.
        template: The template.
        special: The special tokens of the tokenizer.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, template: Template, special: SpecialTokens) -> None:
        self._tokenizer = tokenizer
        self._template: Template = template
        self._special = special
        self._seen = Seen(tokenizer, template)

    def passages(self, record: Record) -> list[Passage]:
        """Writes a record whose last turn is a learned answer.

        Args:
            record: The record, its special tokens shielded.

        Returns:
            One passage; or, where earlier answers don't stand in the whole conversation as they do when they are the
            last turn, one for each learned answer.

        Raises:
            BadRecordError: If the template can't write the record as it is.
        """
        return _in_either_form(record, self._passages)

    def prompt(self, record: Record, *, thinking: bool) -> Passage:
        """What a generation starts from, for a record that ends with a question.

        Args:
            record: The record, its special tokens shielded.
            thinking: Whether the model is to think before it answers.

        Returns:
            A passage without targets.

        Raises:
            BadRecordError: If the template can't write the record as it is.
        """
        return _in_either_form(record, lambda form, arguments: self._prompt(form, arguments, thinking=thinking))

    def _prompt(self, record: Record, arguments: Arguments, *, thinking: bool) -> Passage:
        asked = Conversation(record.turns, record.tools, thinking, arguments)
        try:
            text, (start, mark, _) = self._probed(asked, _REASONING if thinking else "")
        except BadRecordError:
            if not thinking:
                raise
            text, (start, mark, _) = self._probed(asked, "")  # think blocks are a part of the answers' own text
        prompt = text[: self._before_space(asked, text, start)]
        self._seen.check(asked, prompt)
        return Passage(prompt, (), mark)

    def _probed(self, asked: Conversation, reasoning: str) -> tuple[str, tuple[int, str, str]]:
        """A question with a trial for its answer, and the parts of that."""
        probe = Turn("assistant", _ANSWER, reasoning=reasoning)
        text = self._render(replace(asked, turns=(*asked.turns, probe)))
        return text, self._parts(text, probe)

    def _passages(self, record: Record, arguments: Arguments) -> list[Passage]:
        own = [
            self._own(Conversation(record.turns[:number], record.tools, thinks(turn), arguments))
            for number, turn in enumerate(record.turns, start=1)
            if turn.role == "assistant" and turn.learned
        ]
        whole = own[-1]
        if all(whole.text.startswith(passage.text[: passage.targets[0][1]]) for passage in own):
            return [replace(whole, targets=tuple(target for passage in own for target in passage.targets))]
        return own

    def _own(self, conversation: Conversation) -> Passage:
        """Writes a conversation that ends with an answer, and finds the answer."""
        turn = conversation.turns[-1]
        text = self._render(conversation)
        probe = replace(turn, content=_ANSWER, reasoning=_REASONING if turn.reasoning else "", tool_calls="")
        probed = self._render(replace(conversation, turns=(*conversation.turns[:-1], probe)))
        start, mark, tail = self._parts(probed, probe)
        if not tail.strip():
            text = text.removesuffix(tail)
            tail = self._next_mark(conversation, text)
            text += tail
        end = len(text) - len(self._after_end_of_turn(tail))
        if turn.tool_calls:
            start = self._whole_tokens(text, _common_length(text, probed))
            self._seen.check_calls(turn, text[start:end])
            if not text[:end].endswith(tuple(self._special.ids)):
                raise BadRecordError(self._no_end(text[start:end][-20:]))
        elif not _is_answer(text, probed[:start], turn, mark, tail):
            raise BadRecordError(self._rewritten())
        asked = replace(conversation, turns=conversation.turns[:-1])
        start = self._before_space(asked, text, start)
        self._seen.check(asked, text[:start])
        return Passage(text, ((start, end),), mark)

    def _render(self, conversation: Conversation) -> str:
        return render(conversation, self._tokenizer, self._template)

    def _position(self, probed: str, probe: str) -> int:
        """Where the text of a trial stands, which a template must write once and as it is."""
        if probed.count(probe) != 1:
            raise BadRecordError(self._rewritten())
        return probed.index(probe)

    def _parts(self, probed: str, probe: Turn) -> tuple[int, str, str]:
        """Where a probe begins, what stands between its reasoning and its answer, and what follows."""
        answer = self._position(probed, _ANSWER)
        tail = probed[answer + len(_ANSWER) :]
        if not probe.reasoning:
            return answer, "", tail
        start = self._reasoning(probed, answer)
        return start, probed[start + len(_REASONING) : answer], tail

    def _before_space(self, asked: Conversation, text: str, start: int) -> int:
        """Where the template's own generation prompt ends, if only spaces stand between it and an answer.

        Tokenizers join a space to the word that follows it, so it is the model's to write.
        """
        if not text[:start].endswith(" "):
            return start
        prompt = render(asked, self._tokenizer, self._template, generation=True)
        return len(prompt) if text.startswith(prompt) and text[len(prompt) : start].isspace() else start

    def _reasoning(self, probed: str, answer: int) -> int:
        position = probed.find(_REASONING)
        if not 0 <= position < answer:
            raise BadRecordError(
                f"{template_name(self._template, self._tokenizer)} doesn't write reasoning before the answer, so the "
                "record's reasoning would not be learned. Leave it out (a key of its own by "
                f"`data.init_args.reading.ignore`), or {other_template(self._template)}"
            )
        return position

    def _after_end_of_turn(self, tail: str) -> str:
        """What follows the special token that follows an answer, white space aside."""
        rest = tail.lstrip()
        found = self._special.pattern.match(rest)
        if found is None:
            raise BadRecordError(self._no_end(rest[:20]))
        return rest[found.end() :]

    def _next_mark(self, conversation: Conversation, text: str) -> str:
        """What begins the next turn, where nothing else ends an answer: the model stops on it."""
        *context, last = conversation.turns
        if last.tool_calls:
            turns, before = (*context, last, Turn("tool", _NEXT)), text
        else:
            turns, before = (*context, replace(last, content=_ANSWER), Turn("user", _NEXT)), _ANSWER
        between = self._render(replace(conversation, turns=turns)).partition(before)[2].partition(_NEXT)[0].lstrip()
        found = self._special.pattern.match(between)
        return found[0] if found else between

    def _whole_tokens(self, text: str, cut: int) -> int:
        """A cut moved before the added token that it lies in, if it lies in one."""
        for token in self._tokenizer.added_tokens_encoder:
            start = text.find(token, max(0, cut - len(token) + 1), cut + len(token) - 1)
            if 0 <= start < cut < start + len(token):
                return start
        return cut

    def _rewritten(self) -> str:
        return (
            f"{template_name(self._template, self._tokenizer)} writes an answer, or the turns before it, differently "
            "than they are in the file, so it isn't known what is to be learned. Mend the record, or "
            f"{remedy(self._template)}"
        )

    def _no_end(self, rest: str) -> str:
        return (
            f"no end-of-turn token follows the answer: {template_name(self._template, self._tokenizer)} has {rest!r} "
            "there. A model that never learns to end its turn does not stop generating. Take a template that ends "
            f"turns with a special token: {remedy(self._template)}"
        )


def thinks(turn: Turn) -> bool:
    """Whether an assistant's turn holds reasoning, apart or as a think block at the beginning of its text."""
    return bool(turn.reasoning) or (turn.role == "assistant" and _THOUGHT.fullmatch(turn.content) is not None)


def _in_either_form(record: Record, write: Callable[[Record, Arguments], T]) -> T:
    """Hands think blocks of answers over as reasoning and, where a template doesn't take that, as they are."""
    apart = replace(record, turns=tuple(map(_reasoning_apart, record.turns)))
    try:
        return _with_calls(apart, write)
    except BadRecordError as error:
        if apart == record:
            raise
        try:
            return _with_calls(record, write)
        except BadRecordError:
            raise error from None


def _with_calls(record: Record, write: Callable[[Record, Arguments], T]) -> T:
    """Hands the arguments of tool calls over as objects and, where a template doesn't take these, as text."""
    if not any(turn.tool_calls for turn in record.turns):
        return write(record, "object")
    try:
        return write(record, "object")
    except BadRecordError:
        return write(record, "text")


def _common_length(text: str, other: str) -> int:
    """Characters that two texts have in common at their starts."""
    return next((n for n, (a, b) in enumerate(zip(text, other, strict=False)) if a != b), min(len(text), len(other)))


def _is_answer(text: str, prompt: str, turn: Turn, mark: str, tail: str) -> bool:
    """Whether a text is prompt, answer and tail, white space around the parts of the answer aside."""
    length = len(text) - len(tail)
    if not (text.startswith(prompt) and text.endswith(tail) and len(prompt) <= length):
        return False
    spoken = text[len(prompt) : length].strip()
    if not turn.reasoning:
        return spoken == turn.content.strip()
    reasoning, content = turn.reasoning.strip(), turn.content.strip()
    if not (spoken.startswith(reasoning) and spoken.endswith(content) and len(spoken) >= len(reasoning + content)):
        return False
    return spoken[len(reasoning) : len(spoken) - len(content)].strip() == mark.strip()


def _reasoning_apart(turn: Turn) -> Turn:
    """An assistant's turn whose text begins with a think block: most templates want the block on its own."""
    found = _THOUGHT.fullmatch(turn.content) if turn.role == "assistant" and not turn.reasoning else None
    if found is None or not found[2].strip():
        return turn
    return replace(turn, reasoning=found[1].strip(), content=found[2].strip())
