"""The specification of one task of the suite: the numbers and choices that its generator needs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from lightning_quicktune.suite.domains import DOMAINS
from lightning_quicktune.suite.knowledge import Attribute
from lightning_quicktune.suite.phrasing import Wording
from lightning_quicktune.suite.values import AnswerType

AnswerForm = Literal["value", "sentence"]

_CHOICES: tuple[tuple[str, str, tuple[str, ...]], ...] = (  # field, why it matters, what it may be
    ("domain", "an entity needs one to have attributes", tuple(DOMAINS)),
    ("answer_type", "without attributes of that type there is nothing to ask", (*get_args(AnswerType), "mixed")),
    ("wording", "it decides which questions training never shows", get_args(Wording)),
    ("answer_form", "an answer needs one to be written", get_args(AnswerForm)),
)


@dataclass(frozen=True)
class TaskSpec:
    """A task of the built-in suite, before its text is written.

    Args:
        name: Unique name of the task.
        domain: Kind of entity that is asked about.
        answer_type: Type of its answers; ``mixed`` for all the domain has.
        n_facts: Facts to know; each gives ten training questions.
        seed: Seed of entities, values, wording and noise.
        wording: Whether validation and test questions are worded like those of training (``near``), around nouns and
            clauses that training never shows (``far``), or as indirect questions after direct ones (``across``).
        label_noise: Share of training records with the answer of another fact.
        n_distractors: Sentences before each question, which tell of something else.
        told: Whether a sentence among these tells the fact itself, so that reading is enough.
        answer_form: Whether an answer is the value alone or a sentence with it.
    """

    name: str
    domain: str
    answer_type: AnswerType | Literal["mixed"]
    n_facts: int
    seed: int
    wording: Wording = "near"
    label_noise: float = 0.0
    n_distractors: int = 0
    told: bool = False
    answer_form: AnswerForm = "value"

    def __post_init__(self) -> None:
        for field, why, choices in _CHOICES:
            if getattr(self, field) not in choices:
                raise ValueError(
                    f"Task `{self.name}`: there is no {field.replace('_', ' ')} `{getattr(self, field)}`; {why}. "
                    f"Set `{field}` to one of {', '.join(choices)}."
                )
        if self.n_facts < 2:
            raise ValueError(
                f"Task `{self.name}`: `n_facts` is {self.n_facts}, but a task needs at least 2 facts, "
                "so that one answer can be told from another. Raise `n_facts`."
            )
        if not 0 <= self.label_noise < 1:
            raise ValueError(
                f"Task `{self.name}`: `label_noise` is {self.label_noise}, but it is the share of wrong training "
                "answers, at least 0 and below 1. For five wrong answers in a hundred, set `label_noise` to 0.05."
            )
        if self.n_distractors < 0:
            raise ValueError(
                f"Task `{self.name}`: `n_distractors` is {self.n_distractors}, but it counts the sentences before a "
                "question. For questions alone, set `n_distractors` to 0."
            )

    @property
    def attributes(self) -> tuple[Attribute, ...]:
        """What is asked about each entity."""
        attributes = DOMAINS[self.domain].attributes
        return tuple(a for a in attributes if self.answer_type in (a.values.answer_type, "mixed"))
