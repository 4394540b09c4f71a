"""Turns: what was said in a record, the one form in which the rest of the product sees text data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Role = Literal["system", "user", "assistant", "tool"]


class BadRecordError(ValueError):
    """A record that can't be used; the message says why, without file and line."""


@dataclass(frozen=True)
class Turn:
    """What one side says.

    Args:
        role: Who speaks.
        content: The text; empty only where the turn calls tools.
        learned: Whether an assistant's turn is a target, rather than context of a later one.
        reasoning: What the assistant thought before it spoke, for templates that write it.
        tool_calls: Calls that the assistant makes, as the text of a JSON list of OpenAI's form.
        name: Name of the tool that answers, or of the speaker.
        tool_call_id: Which call a tool answers.
    """

    role: Role
    content: str
    learned: bool = True
    reasoning: str = ""
    tool_calls: str = ""
    name: str = ""
    tool_call_id: str = ""


@dataclass(frozen=True)
class Record:
    """One question with its answer, or a longer conversation that ends with an answer.

    Args:
        turns: What was said, in order; the last turn is the assistant's, and learned, or a question to be answered.
        file: Name of the file that it was read from.
        line: Line of the file, or number of the record where a format has no lines, from 1.
        tools: Tools that the assistant may call, as the text of a JSON list.
    """

    turns: tuple[Turn, ...]
    file: str
    line: int
    tools: str = ""

    @property
    def where(self) -> str:
        """File and line, as error messages show them."""
        return f"{self.file}:{self.line}"

    @property
    def question(self) -> str:
        """Text of all turns before the answer, line by line."""
        asked = self.turns[:-1] if self.turns[-1].role == "assistant" else self.turns
        return "\n".join(turn.content for turn in asked)

    @property
    def answer(self) -> str:
        """Text of the last turn, if it is the assistant's; else empty."""
        return self.turns[-1].content if self.turns[-1].role == "assistant" else ""
