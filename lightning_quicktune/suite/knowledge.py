"""Invented knowledge: domains, their attributes, and facts about invented entities."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from lightning_quicktune.suite.names import World, invent_name
from lightning_quicktune.suite.values import Values


@dataclass(frozen=True)
class Attribute:
    """Something that every entity of a domain has, and the ways to speak about it.

    Args:
        key: Name, unique in its domain.
        values: Where its values come from.
        nouns: Noun phrases without article, with ``{e}`` for the entity.
        clauses: Indirect questions, with ``{e}`` for the entity; the last noun and the last clause are
            the *far* wording, which some tasks keep out of the training records.
        statements: Sentences that tell the fact, with ``{e}`` and ``{v}`` for the value.
    """

    key: str
    values: Values
    nouns: tuple[str, ...]
    clauses: tuple[str, ...]
    statements: tuple[str, ...]


@dataclass(frozen=True)
class Domain:
    """A kind of invented entity.

    Args:
        name: Plural noun, as in the names of tasks.
        entity_forms: How entities are written, with ``{}`` for an invented word.
        attributes: What can be asked about an entity.
    """

    name: str
    entity_forms: tuple[str, ...]
    attributes: tuple[Attribute, ...]

    def invent_entity(self, rng: random.Random, world: World) -> str:
        """A name for a new entity of this domain."""
        return rng.choice(self.entity_forms).format(invent_name(rng, world))


@dataclass(frozen=True)
class Fact:
    """One thing that is so: ``attribute`` of ``entity`` is ``value``."""

    entity: str
    attribute: Attribute
    value: str

    @property
    def statements(self) -> tuple[str, ...]:
        """Sentences that tell this fact."""
        return tuple(capitalized(s.format(e=self.entity, v=self.value)) for s in self.attribute.statements)


def capitalized(sentence: str) -> str:
    """The sentence with a capital letter at its beginning, and all others as they are."""
    return sentence[0].upper() + sentence[1:]


def invent_facts(
    domain: Domain, attributes: Sequence[Attribute], n_facts: int, rng: random.Random, world: World
) -> list[Fact]:
    """Facts about new entities: each gets all the attributes, until there are enough facts.

    Args:
        domain: Where the entities are from.
        attributes: What is told about each entity; attributes of ``domain``.
        n_facts: Facts to invent.
        rng: Source of chance; it moves on.
        world: World that invented names belong to.

    Returns:
        Facts, no two with the same entity and attribute.
    """
    facts: list[Fact] = []
    entities: set[str] = set()
    while len(facts) < n_facts:
        entity = domain.invent_entity(rng, world)
        if entity not in entities:
            entities.add(entity)
            facts += [Fact(entity, attribute, attribute.values.draw(rng, world)) for attribute in attributes]
    return facts[:n_facts]
