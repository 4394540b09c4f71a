"""Invented names: pronounceable, unlimited, and split into two worlds that never share one."""

from __future__ import annotations

import random
import zlib
from typing import Literal

World = Literal["suite", "pretraining"]

_CONSONANTS = "bdfgklmnprstvz"
_VOWELS = "aeiou"
_ENDINGS = ("", "", "l", "n", "r", "s")
_FIRST_NAMES = (
    *("Ada", "Bruno", "Clara", "David", "Elena", "Felix", "Grace", "Hugo", "Iris", "Jonas", "Karin", "Leo"),
    *("Maria", "Nils", "Olga", "Paul", "Rosa", "Simon", "Tessa", "Viktor"),
)


def world_of(name: str) -> World:
    """Which world an invented name belongs to: a checksum decides, so both agree without a list."""
    return "suite" if zlib.crc32(name.encode()) % 2 else "pretraining"


def invent_name(rng: random.Random, world: World, n_syllables: int = 3) -> str:
    """An invented word such as ``Velmora``.

    Args:
        rng: Source of chance; it moves on.
        world: Names of the suite's tasks are never names of the nano models' pretraining, and the other way round.
        n_syllables: Syllables, at least 1.

    Returns:
        A capitalized word.
    """
    while True:
        syllables = (rng.choice(_CONSONANTS) + rng.choice(_VOWELS) for _ in range(n_syllables))
        name = ("".join(syllables) + rng.choice(_ENDINGS)).capitalize()
        if world_of(name) == world:
            return name


def invent_person(rng: random.Random, world: World) -> str:
    """A person's name, such as ``Clara Tevon``; only the family name is invented."""
    return f"{rng.choice(_FIRST_NAMES)} {invent_name(rng, world, n_syllables=2)}"
