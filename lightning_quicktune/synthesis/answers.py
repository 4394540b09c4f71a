"""Questions to the LLM, and what of its answers is taken."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

TRAIN_PER_FACT, VALIDATION_PER_FACT, TEST_PER_FACT = 10, 1, 1
PAIRS_PER_FACT = TRAIN_PER_FACT + VALIDATION_PER_FACT + TEST_PER_FACT

_FACTS_PROMPT = """\
Read the text and list up to {n_facts} facts that it states.

Each fact is one sentence that is true by this text, holds something specific (a name, number, cause or definition), \
and can be understood without the text: no "this study", "the author" or "it". Leave out opinions, and the structure \
of the text. If there is no such fact, answer [].

Answer with a JSON array of strings and nothing else.

Text:
{text}"""

_PAIRS_PROMPT = """\
Write {n_pairs} questions about one fact, each with its answer.

All ask for what the fact states, but no two in the same words: vary phrasing, sentence form and which part of the \
fact is asked for. Each question can be understood alone and has only one answer; the answer is short, complete, and \
says nothing that the fact does not.

Answer with a JSON array of {n_pairs} objects {{"question": "...", "answer": "..."}} and nothing else.

Fact:
{fact}"""


class MalformedAnswerError(ValueError):
    """An answer of the LLM that can't be used; asking again may help."""


@dataclass(frozen=True)
class Pair:
    """A question with its answer."""

    question: str
    answer: str


def facts_prompt(text: str, n_facts: int) -> str:
    """Asks for the facts of a text."""
    return _FACTS_PROMPT.format(n_facts=n_facts, text=text)


def pairs_prompt(fact: str) -> str:
    """Asks for question-answer pairs about one fact."""
    return _PAIRS_PROMPT.format(n_pairs=PAIRS_PER_FACT, fact=fact)


def parse_facts(answer: str, n_facts: int) -> list[str]:
    """Facts in an answer, without repetitions, at most ``n_facts``.

    Raises:
        MalformedAnswerError: If it is no JSON array of non-empty strings.
    """
    items = _json_array(answer)
    if not all(isinstance(item, str) and item.strip() for item in items):
        raise MalformedAnswerError("a fact is not a text")
    return list({normalized(fact): " ".join(fact.split()) for fact in items}.values())[:n_facts]


def parse_pairs(answer: str) -> list[Pair]:
    """The first pairs in an answer, as many as a fact needs, each with a question of its own.

    Raises:
        MalformedAnswerError: If there are fewer.
    """
    found: dict[str, Pair] = {}
    for item in _json_array(answer):
        question, given = (item.get("question"), item.get("answer")) if isinstance(item, dict) else (None, None)
        if isinstance(given, int | float) and not isinstance(given, bool):
            given = str(given)
        if isinstance(question, str) and isinstance(given, str) and normalized(question) and given.strip():
            found.setdefault(normalized(question), Pair(question.strip(), given.strip()))
    if len(found) < PAIRS_PER_FACT:
        raise MalformedAnswerError(f"{len(found)} usable pairs of {PAIRS_PER_FACT}")
    return list(found.values())[:PAIRS_PER_FACT]


def normalized(text: str) -> str:
    """Words of a text in lower case: what two texts share if they differ in punctuation and spaces alone."""
    return " ".join(re.findall(r"\w+", text.casefold()))


def _json_array(answer: str) -> list[Any]:
    """The first JSON array in an answer, whatever stands around it; a bracket that begins none is passed over."""
    reason, start = "", answer.find("[")
    while start >= 0:
        try:
            found: list[Any] = json.JSONDecoder().raw_decode(answer, start)[0]
        except json.JSONDecodeError as error:
            reason = reason or f": {error.msg}"
            start = answer.find("[", start + 1)
        else:
            return found
    raise MalformedAnswerError(f"no JSON array{reason}")
