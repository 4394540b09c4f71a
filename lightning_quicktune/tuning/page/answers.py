"""Test records answered side by side, as the page shows them."""

from __future__ import annotations

from dataclasses import dataclass

from lightning_quicktune.finetune.text_metrics import exact_match
from lightning_quicktune.tuning.page.clipped import Clipped, clipped
from lightning_quicktune.tuning.rows import Answer


@dataclass(frozen=True)
class Said:
    """One model's answer.

    Args:
        who: Which model.
        text: The answer.
        is_right: Whether it is the reference's, but for case, punctuation and articles; none for the reference.
        is_chosen: Whether the tuned model said it.
    """

    who: str
    text: Clipped
    is_right: bool | None
    is_chosen: bool = False


@dataclass(frozen=True)
class Card:
    """One record with all answers.

    Args:
        question: The prompt.
        said: The reference first, the tuned model last.
        is_flipped: Whether only one of tuning and not tuning is right.
    """

    question: Clipped
    said: tuple[Said, ...]
    is_flipped: bool


def cards(answers: tuple[Answer, ...], recipe: str) -> tuple[Card, ...]:
    """All records, in their order.

    Args:
        answers: The records.
        recipe: What the recipe is called.
    """
    return tuple(Card(clipped(a.question), _said(a, recipe), a.flipped) for a in answers)


def _said(answer: Answer, recipe: str) -> tuple[Said, ...]:
    models = (("base model", answer.base), (recipe, answer.recipe), ("tuned", answer.chosen))
    given = [
        Said(who, clipped(text), bool(exact_match(text, answer.reference)), who == "tuned")
        for who, text in models
        if text is not None
    ]
    return (Said("reference", clipped(answer.reference), None), *given)
