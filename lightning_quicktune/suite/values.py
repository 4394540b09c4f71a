"""Values of the answers: one small class per type of answer."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import ClassVar, Literal

from lightning_quicktune.suite.names import World, invent_name, invent_person

AnswerType = Literal["name", "number", "date", "label", "phrase"]

_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)


@dataclass(frozen=True)
class People:
    """Names of persons."""

    answer_type: ClassVar[AnswerType] = "name"

    def draw(self, rng: random.Random, world: World) -> str:
        """First name and invented family name."""
        return invent_person(rng, world)


@dataclass(frozen=True)
class Places:
    """Invented one-word names of places.

    Args:
        form: How the name is written, with ``{}`` for the invented word.
    """

    form: str = "{}"
    answer_type: ClassVar[AnswerType] = "name"

    def draw(self, rng: random.Random, world: World) -> str:
        """An invented name in its form."""
        return self.form.format(invent_name(rng, world, n_syllables=2))


@dataclass(frozen=True)
class Numbers:
    """Whole numbers in words of digits, without separators.

    Args:
        lower: Smallest number.
        upper: Largest number, above ``lower``.
    """

    lower: int
    upper: int
    answer_type: ClassVar[AnswerType] = "number"

    def draw(self, rng: random.Random, world: World) -> str:
        """Any number of the range, all equally often."""
        return str(rng.randint(self.lower, self.upper))


@dataclass(frozen=True)
class Dates:
    """Days such as ``7 March 1846``.

    Args:
        first_year: Earliest year.
        last_year: Latest year.
    """

    first_year: int
    last_year: int
    answer_type: ClassVar[AnswerType] = "date"

    def draw(self, rng: random.Random, world: World) -> str:
        """A day that every month has."""
        return f"{rng.randint(1, 28)} {rng.choice(_MONTHS)} {rng.randint(self.first_year, self.last_year)}"


@dataclass(frozen=True)
class Labels:
    """One word or two out of a closed set.

    Args:
        choices: The set.
    """

    choices: tuple[str, ...]
    answer_type: ClassVar[AnswerType] = "label"

    def draw(self, rng: random.Random, world: World) -> str:
        """Any of the set, all equally often."""
        return rng.choice(self.choices)


@dataclass(frozen=True)
class Phrases:
    """Phrases put together from one choice per part.

    Args:
        parts: Choices of each part, in the order they are spoken.
    """

    parts: tuple[tuple[str, ...], ...]
    answer_type: ClassVar[AnswerType] = "phrase"

    def draw(self, rng: random.Random, world: World) -> str:
        """One choice per part, joined by blanks."""
        return " ".join(rng.choice(part) for part in self.parts)


Values = People | Places | Numbers | Dates | Labels | Phrases
