"""Meta-features of a task's text: what its training records look like, before any model has seen them."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from lightning_quicktune.data.records import Record
from lightning_quicktune.data.tokens import TokenRecord


class MetaFeature(NamedTuple):
    """What a meta-feature says.

    Args:
        unit: Its unit, or ``1`` for a share.
        meaning: What it measures.
    """

    unit: str
    meaning: str


TEXT_META_FEATURES: Mapping[str, MetaFeature] = {
    "log_train_records": MetaFeature("log(records)", "Natural logarithm of the number of training records."),
    "prompt_tokens_mean": MetaFeature("tokens", "Mean tokens before the last answer, template included."),
    "answer_tokens_mean": MetaFeature("tokens", "Mean tokens that are learned, end-of-turn tokens included."),
    "log_answer_words": MetaFeature("log(words)", "Natural logarithm of one plus the distinct words of all answers."),
    "answer_entropy": MetaFeature("nats", "Entropy of the distribution over distinct answers."),
    "distinct_answers": MetaFeature("1", "Distinct answers per record."),
    "answer_overlap": MetaFeature("1", "Mean share of an answer's words that its question has too."),
    "type_token_ratio": MetaFeature("1", "Distinct words per word, over questions and answers."),
    "non_ascii": MetaFeature("1", "Share of characters outside ASCII."),
    "numeric_answers": MetaFeature("1", "Share of answers that are one number."),
}

_WORD = re.compile(r"\w+")
_NUMBER = re.compile(r"[-+]?[\d.,]*\d[\d.,]*\s?%?")


def text_meta_features(records: Sequence[Record], tokens: Sequence[TokenRecord]) -> dict[str, float]:
    """Describes the training records of a task.

    Args:
        records: Training records, at least one; never those of another split.
        tokens: The same records as tokens.

    Returns:
        A finite number for each of ``TEXT_META_FEATURES``.

    Raises:
        ValueError: If there is no record, or not one token record per record.
    """
    if not records or len(records) != len(tokens):
        raise ValueError(
            f"Meta-features need at least one record and as many token records, but got {len(records)} and "
            f"{len(tokens)}. Pass `records` and `tokens` of the training split of the same TaskData."
        )
    answers = [_words(record.answer) for record in records]
    questions = [_words(record.question) for record in records]
    words = [word for text in (*answers, *questions) for word in text]
    characters = "".join(record.question + record.answer for record in records)
    counts = Counter(" ".join(record.answer.casefold().split()) for record in records)
    n_numeric = sum(_NUMBER.fullmatch(record.answer.strip()) is not None for record in records)
    return {
        "log_train_records": math.log(len(records)),
        "prompt_tokens_mean": sum(record.prompt_length for record in tokens) / len(tokens),
        "answer_tokens_mean": sum(record.n_targets for record in tokens) / len(tokens),
        "log_answer_words": math.log1p(len({word for answer in answers for word in answer})),
        "answer_entropy": entropy(list(counts.values())),
        "distinct_answers": len(counts) / len(records),
        "answer_overlap": sum(map(_overlap, answers, questions)) / len(records),
        "type_token_ratio": len(set(words)) / max(len(words), 1),
        "non_ascii": sum(not character.isascii() for character in characters) / len(characters),
        "numeric_answers": n_numeric / len(records),
    }


def entropy(counts: Sequence[int]) -> float:
    """Entropy of a distribution given by counts.

    Args:
        counts: How often each outcome was seen, each above 0, at least one.

    Returns:
        Entropy in nats, at least 0.
    """
    total = sum(counts)
    return sum(count / total * math.log(total / count) for count in counts)


def _words(text: str) -> list[str]:
    """Words in lower case; an unspaced script gives one word per run of letters."""
    return _WORD.findall(text.casefold())


def _overlap(answer: Sequence[str], question: Sequence[str]) -> float:
    asked = set(question)
    return sum(word in asked for word in answer) / max(len(answer), 1)
