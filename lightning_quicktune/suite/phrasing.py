"""Phrasings of a fact: frames around the noun phrases and clauses of its attribute."""

from __future__ import annotations

import random
from typing import Literal

from lightning_quicktune.suite.knowledge import Attribute, Fact, capitalized

Wording = Literal["near", "far", "across"]
Core = Literal["near", "far", "nouns", "clauses"]

_NEAR, _FAR, _ALL, _NONE = slice(None, -1), slice(-1, None), slice(None), slice(0)
_PARTS: dict[Core | None, tuple[slice, slice]] = {  # of the nouns, of the clauses
    None: (_ALL, _ALL),
    "near": (_NEAR, _NEAR),
    "far": (_FAR, _FAR),
    "nouns": (_ALL, _NONE),
    "clauses": (_NONE, _ALL),
}

_SHOWN_AND_HIDDEN: dict[Wording, tuple[Core, Core]] = {"far": ("near", "far"), "across": ("nouns", "clauses")}
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


def questions(attribute: Attribute, entity: str, core: Core | None = None) -> list[str]:
    """Every question that asks for an attribute of an entity.

    Args:
        attribute: What is asked for.
        entity: What it is asked about.
        core: ``far`` for the questions around the last noun and the last clause, ``near`` for the others;
            ``nouns`` or ``clauses`` for the questions around these; none for all.

    Returns:
        Distinct questions, in a fixed order.
    """
    nouns, clauses = _PARTS[core]
    asked = [frame.format(noun.format(e=entity)) for noun in attribute.nouns[nouns] for frame in _NOUN_FRAMES]
    for clause in attribute.clauses[clauses]:
        asked += [capitalized(frame.format(clause.format(e=entity))) for frame in _CLAUSE_FRAMES]
    return asked


def phrase(fact: Fact, wording: Wording, n_train: int, rng: random.Random) -> tuple[list[str], str, str]:
    """Words one fact for the three splits: no two questions are the same.

    Args:
        fact: What is asked for.
        wording: With ``near``, validation and test questions are drawn like the training questions; with ``far``
            they use a noun or clause that no training question of the task uses; with ``across`` training questions
            use nouns alone, and the others clauses.
        n_train: Training questions.
        rng: Source of chance; it moves on.

    Returns:
        Training questions, the validation question, the test question.
    """
    if wording == "near":
        drawn = rng.sample(questions(fact.attribute, fact.entity), n_train + 2)
        return drawn[:n_train], drawn[-2], drawn[-1]
    shown, hidden = _SHOWN_AND_HIDDEN[wording]
    train = rng.sample(questions(fact.attribute, fact.entity, shown), n_train)
    validation, test = rng.sample(questions(fact.attribute, fact.entity, hidden), 2)
    return train, validation, test
