"""What the nano models read: questions and answers about invented knowledge, none of it from the suite's world."""

import random
from collections.abc import Iterator
from dataclasses import dataclass

from lightning_quicktune.suite.domains import DOMAINS
from lightning_quicktune.suite.knowledge import Fact, invent_facts
from lightning_quicktune.suite.phrasing import questions
from pretraining.recipe import Recipe

SENTENCE_WISH = "Answer in a sentence."


@dataclass(frozen=True)
class Dialogue:
    """One question and its answer."""

    prompt: str
    answer: str


class Knowledge:
    """An endless stream of dialogues about invented facts."""

    def __init__(self, recipe: Recipe, seed: int) -> None:
        self.recipe = recipe
        self.rng = random.Random(seed)
        fixed = random.Random(recipe.seed)  # known facts are the same for every stream
        share = recipe.known_facts // len(DOMAINS)
        self.known = [
            fact
            for domain in DOMAINS.values()
            for fact in invent_facts(domain, domain.attributes, share, fixed, "pretraining")
        ]

    def ask_known(self) -> Dialogue:
        """A question about a fact that the model has to remember."""
        return self._ask(self.rng.choice(self.known))

    def ask_known_distracted(self) -> Dialogue:
        """A question about a fact that the model has to remember, after sentences that don't answer it."""
        others = self._new_facts()
        return self._ask(self.rng.choice(self.known), *others)

    def ask_told(self) -> Dialogue:
        """A question about a new fact that the prompt tells, among others."""
        facts = self._new_facts()
        return self._ask(self.rng.choice(facts), *facts)

    def __iter__(self) -> Iterator[Dialogue]:
        while True:
            if self.rng.random() >= self.recipe.known_share:
                yield self.ask_told()
            elif self.rng.random() < self.recipe.distracted_share:
                yield self.ask_known_distracted()
            else:
                yield self.ask_known()

    def _new_facts(self) -> list[Fact]:
        domain = self.rng.choice(list(DOMAINS.values()))
        told = self.rng.randint(1, self.recipe.told_facts)
        # Half of the time one entity with several attributes, else several entities with one.
        attributes = self.rng.sample(domain.attributes, told if self.rng.random() < 0.5 else 1)
        return invent_facts(domain, attributes, told, self.rng, "pretraining")

    def _ask(self, fact: Fact, *told: Fact) -> Dialogue:
        words = [*(self.rng.choice(f.statements) for f in told)]
        words.append(self.rng.choice(questions(fact.attribute, fact.entity)))
        if self.rng.random() >= self.recipe.sentence_share:
            return Dialogue(" ".join(words), fact.value)
        return Dialogue(" ".join([*words, SENTENCE_WISH]), fact.statements[0])
