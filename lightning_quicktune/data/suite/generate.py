"""From a task's specification to its records."""

from __future__ import annotations

import random
from typing import Literal

from lightning_quicktune.data.suite.domains import DOMAINS
from lightning_quicktune.data.suite.knowledge import Fact, invent_facts
from lightning_quicktune.data.suite.phrasing import phrase
from lightning_quicktune.data.suite.task_spec import TaskSpec

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
    splits: dict[Split, Records] = {"train": [], "validation": [], "test": []}
    for fact in facts:
        train, validation, test = phrase(fact, spec.wording, N_TRAIN_PHRASINGS, rng)
        wrong = _wrong_answers(fact, facts)
        for question in train:
            noisy = rng.random() < spec.label_noise and bool(wrong)
            splits["train"].append(_record(question, rng.choice(wrong) if noisy else fact.value))
        splits["validation"].append(_record(validation, fact.value))
        splits["test"].append(_record(test, fact.value))
    rng.shuffle(splits["train"])
    return splits


def _record(question: str, answer: str) -> dict[str, str]:
    return {"question": question, "answer": answer}


def _wrong_answers(fact: Fact, facts: list[Fact]) -> list[str]:
    """Values that other entities have for the same attribute."""
    return sorted({f.value for f in facts if f.attribute == fact.attribute} - {fact.value})
