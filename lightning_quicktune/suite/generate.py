"""The generator of a task's records from its specification."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Literal

from lightning_quicktune.suite.domains import DOMAINS
from lightning_quicktune.suite.knowledge import Fact, invent_facts
from lightning_quicktune.suite.phrasing import phrase
from lightning_quicktune.suite.task_spec import TaskSpec

Split = Literal["train", "validation", "test"]
Records = list[dict[str, str]]

N_TRAIN_PHRASINGS = 10


def generate(spec: TaskSpec) -> dict[Split, Records]:
    """The records of a task, the same on every machine.

    Each fact is asked for in twelve ways: ten in training, one in validation, one in test. So validation and
    test ask for known facts in words that were not used for them before.

    Args:
        spec: What the task is like.

    Returns:
        By split, records with ``question`` and ``answer``; training records in random order.
    """
    rng = random.Random(spec.seed)
    facts = invent_facts(DOMAINS[spec.domain], spec.attributes, spec.n_facts, rng, "suite")
    context = _Context(spec, facts)
    splits: dict[Split, Records] = {"train": [], "validation": [], "test": []}

    def add(split: Split, question: str, fact: Fact, answered: Fact) -> None:
        answer = answered.value if spec.answer_form == "value" else answered.statements[0]
        splits[split].append({"question": context.before(question, fact), "answer": answer})

    for fact in facts:
        train, validation, test = phrase(fact, spec.wording, N_TRAIN_PHRASINGS, rng)
        wrong = _wrong_answers(fact, facts)
        for question in train:
            noisy = rng.random() < spec.label_noise and bool(wrong)
            add("train", question, fact, replace(fact, value=rng.choice(wrong)) if noisy else fact)
        add("validation", validation, fact, fact)
        add("test", test, fact, fact)
    rng.shuffle(splits["train"])
    return splits


class _Context:
    """Sentences before a question; their chance is apart from that of the task."""

    def __init__(self, spec: TaskSpec, facts: list[Fact]) -> None:
        self.spec = spec
        self.entities = {fact.entity for fact in facts}
        self.rng = random.Random(f"context {spec.seed}")

    def before(self, question: str, fact: Fact) -> str:
        """The question after its sentences, one of which tells the fact if the task is to read it."""
        told = [self._distractor() for _ in range(self.spec.n_distractors)]
        if self.spec.told:
            told.insert(self.rng.randint(0, len(told)), self.rng.choice(fact.statements))
        return " ".join([*told, question])

    def _distractor(self) -> str:
        """A sentence about an entity that the task never asks about."""
        attribute = self.rng.choice(self.spec.attributes)
        while True:
            (fact,) = invent_facts(DOMAINS[self.spec.domain], [attribute], 1, self.rng, "suite")
            if fact.entity not in self.entities:
                return self.rng.choice(fact.statements)


def _wrong_answers(fact: Fact, facts: list[Fact]) -> list[str]:
    """Values that other entities have for the same attribute."""
    return sorted({f.value for f in facts if f.attribute == fact.attribute} - {fact.value})
