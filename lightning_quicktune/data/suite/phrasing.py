"""How a fact is asked for: frames around the noun phrases and clauses of its attribute."""

from __future__ import annotations

import random
from typing import Literal

from lightning_quicktune.data.suite.knowledge import Attribute, Fact

Wording = Literal["near", "far"]

_NOUN_FRAMES = (
    "What is the {}?",
    "Name the {}.",
    "Give me the {}.",
    "State the {}.",
    "Tell me the {}.",
    "I need the {}.",
    "Do you know the {}?",
    "Please look up the {}.",
    "Can you name the {}?",
    "What would be the {}?",
)
_CLAUSE_FRAMES = (
    "{}?",
    "Tell me {}.",
    "Do you know {}?",
    "I want to know {}.",
    "Can you say {}?",
    "Please say {}.",
    "Remind me {}.",
    "I wonder {}.",
)


def questions(attribute: Attribute, entity: str, core: Wording | None = None) -> list[str]:
    """Every question that asks for an attribute of an entity.

    Args:
        attribute: What is asked for.
        entity: What it is asked about.
        core: ``far`` for the questions around the last noun and the last clause, ``near`` for the others;
            none for all.

    Returns:
        Distinct questions, in a fixed order.
    """
    near, last = slice(None, -1), slice(-1, None)
    part = {"near": near, "far": last, None: slice(None)}[core]
    asked = [frame.format(noun.format(e=entity)) for noun in attribute.nouns[part] for frame in _NOUN_FRAMES]
    for clause in attribute.clauses[part]:
        asked += [_capitalized(frame.format(clause.format(e=entity))) for frame in _CLAUSE_FRAMES]
    return asked


def phrase(fact: Fact, wording: Wording, n_train: int, rng: random.Random) -> tuple[list[str], str, str]:
    """Words one fact for the three splits: no two questions are the same.

    Args:
        fact: What is asked for.
        wording: With ``near``, validation and test questions are drawn like the training questions; with ``far``
            they use a noun or clause that no training question of the task uses.
        n_train: Training questions.
        rng: Source of chance; it moves on.

    Returns:
        Training questions, the validation question, the test question.
    """
    if wording == "near":
        drawn = rng.sample(questions(fact.attribute, fact.entity), n_train + 2)
        return drawn[:n_train], drawn[-2], drawn[-1]
    train = rng.sample(questions(fact.attribute, fact.entity, "near"), n_train)
    validation, test = rng.sample(questions(fact.attribute, fact.entity, "far"), 2)
    return train, validation, test


def _capitalized(sentence: str) -> str:
    return sentence[0].upper() + sentence[1:]
