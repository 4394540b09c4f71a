"""Meta-features of a task's text: what its training records look like, before any model has seen them."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple, TypeVar

import numpy as np

from lightning_quicktune.data.evaluation import evenly_spaced
from lightning_quicktune.data.similarity import inverse_frequencies, nearest_neighbours
from lightning_quicktune.data.tokens import TokenRecord
from lightning_quicktune.data.turns import Record


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
    "log_train_tokens": MetaFeature("log(tokens)", "Natural logarithm of all their tokens, template included."),
    "turns_mean": MetaFeature("turns", "Mean turns of a record, those of the system included."),
    "prompt_tokens_mean": MetaFeature("tokens", "Mean tokens before the last answer, template included."),
    "prompt_tokens_spread": MetaFeature("tokens", "Upper minus lower quartile of the tokens before the last answer."),
    "prompt_tokens_p95": MetaFeature("tokens", "95th percentile of the tokens before the last answer."),
    "answer_tokens_mean": MetaFeature("tokens", "Mean tokens that are learned, end-of-turn tokens included."),
    "answer_tokens_median": MetaFeature("tokens", "Median of the tokens that are learned."),
    "answer_tokens_spread": MetaFeature("tokens", "Upper minus lower quartile of the tokens that are learned."),
    "answer_tokens_p95": MetaFeature("tokens", "95th percentile of the tokens that are learned."),
    "tokens_per_word": MetaFeature("tokens", "Tokens per word, template included."),
    "question_characters_median": MetaFeature("characters", "Median length of a question."),
    "answer_characters_median": MetaFeature("characters", "Median length of an answer."),
    "question_sentences_mean": MetaFeature("sentences", "Mean sentences or lines of a question."),
    "log_question_words": MetaFeature(
        "log(words)", "Natural logarithm of one plus the distinct words of all questions."
    ),
    "log_answer_words": MetaFeature("log(words)", "Natural logarithm of one plus the distinct words of all answers."),
    "type_token_ratio": MetaFeature("1", "Distinct words per word, over questions and answers."),
    "question_type_token_ratio": MetaFeature("1", "Distinct words per word of the questions."),
    "answer_type_token_ratio": MetaFeature("1", "Distinct words per word of the answers."),
    "question_word_rarity": MetaFeature("nats", "Mean log of records over records that have it, of a question's word."),
    "answer_entropy": MetaFeature("nats", "Entropy of the distribution over distinct answers."),
    "log_answers": MetaFeature("log(answers)", "Natural logarithm of the number of distinct answers."),
    "distinct_answers": MetaFeature("1", "Distinct answers per record."),
    "repeated_answers": MetaFeature("1", "Share of records whose answer another record has too."),
    "most_frequent_answer": MetaFeature("1", "Share of records with the most frequent answer."),
    "numeric_answers": MetaFeature("1", "Share of answers that are one number."),
    "answer_overlap": MetaFeature("1", "Mean share of an answer's words that its question has too."),
    "question_similarity": MetaFeature("1", "Mean cosine of a question and the most similar other, by weighted words."),
    "isolated_answers": MetaFeature("1", "Share of records whose answer none of the five most similar questions has."),
    "non_ascii": MetaFeature("1", "Share of characters outside ASCII."),
    "digits": MetaFeature("1", "Share of characters that are digits."),
    "capitals": MetaFeature("1", "Share of letters that are capitals."),
}

T = TypeVar("T")

_WORD = re.compile(r"\w+")
_NUMBER = re.compile(r"[-+]?[\d.,]*\d[\d.,]*\s?%?")
_SENTENCE_END = re.compile(r"[.!?]+(?=\s|$)|[\u3002\uff01\uff1f]|\n")
_MAX_RECORDS = 1000
_MAX_COMPARED = 600
_N_NEIGHBOURS = 5
_MAX_CHARACTERS = 2000


class _Text(NamedTuple):
    """A record's text, cut where it is very long; the lengths are those of all of it."""

    question: str
    answer: str
    question_words: list[str]
    answer_words: list[str]
    question_length: int
    answer_length: int


def text_meta_features(records: Sequence[Record], tokens: Sequence[TokenRecord]) -> dict[str, float]:
    """Describes the training records of a task, in milliseconds.

    Of more than a thousand records, a thousand are read, evenly spaced; of a longer text its first 2,000 characters.

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
    chosen = evenly_spaced(records, _MAX_RECORDS)
    texts = [_read(record) for record in chosen]
    features = (
        {"log_train_records": math.log(len(records)), "turns_mean": sum(len(r.turns) for r in chosen) / len(chosen)}
        | _sizes(texts, evenly_spaced(tokens, _MAX_RECORDS), len(records))
        | _vocabulary(texts)
        | _answers([text.answer for text in texts])
        | _neighbours(evenly_spaced(texts, _MAX_COMPARED))
        | _characters("".join(text.question + text.answer for text in texts))
    )
    return {name: float(features[name]) for name in TEXT_META_FEATURES}


def entropy(counts: Sequence[int]) -> float:
    """Entropy of a distribution given by counts.

    Args:
        counts: How often each outcome was seen, each above 0, at least one.

    Returns:
        Entropy in nats, at least 0.
    """
    total = sum(counts)
    return sum(count / total * math.log(total / count) for count in counts)


def _sizes(texts: Sequence[_Text], tokens: Sequence[TokenRecord], n_records: int) -> dict[str, float]:
    """Lengths in tokens, words, characters and sentences."""
    prompts = np.array([record.prompt_length for record in tokens])
    answers = np.array([record.n_targets for record in tokens])
    all_tokens = sum(record.n_tokens for record in tokens) / len(tokens)
    words = sum(len(text.question_words) + len(text.answer_words) for text in texts) / len(texts)
    uncut = sum(t.question_length + t.answer_length for t in texts) / sum(len(t.question + t.answer) for t in texts)
    quartiles = {"prompt": np.percentile(prompts, (25, 75, 95)), "answer": np.percentile(answers, (25, 75, 95))}
    return {
        "log_train_tokens": math.log(max(n_records * all_tokens, 1)),
        "prompt_tokens_mean": prompts.mean(),
        "answer_tokens_mean": answers.mean(),
        "answer_tokens_median": np.median(answers),
        **{f"{part}_tokens_spread": upper - lower for part, (lower, upper, _) in quartiles.items()},
        **{f"{part}_tokens_p95": p95 for part, (_, _, p95) in quartiles.items()},
        "tokens_per_word": all_tokens / max(words * uncut, 1),
        "question_characters_median": np.median([text.question_length for text in texts]),
        "answer_characters_median": np.median([text.answer_length for text in texts]),
        "question_sentences_mean": np.mean([_n_sentences(text.question) for text in texts]),
    }


def _vocabulary(texts: Sequence[_Text]) -> dict[str, float]:
    """Which words there are, and how often."""
    questions = [word for text in texts for word in text.question_words]
    answers = [word for text in texts for word in text.answer_words]
    rarity = inverse_frequencies([text.question_words for text in texts])
    return {
        "log_question_words": math.log1p(len(set(questions))),
        "log_answer_words": math.log1p(len(set(answers))),
        "type_token_ratio": _type_token_ratio(questions + answers),
        "question_type_token_ratio": _type_token_ratio(questions),
        "answer_type_token_ratio": _type_token_ratio(answers),
        "question_word_rarity": sum(rarity[word] for word in questions) / max(len(questions), 1),
        "answer_overlap": sum(_overlap(text.answer_words, text.question_words) for text in texts) / len(texts),
    }


def _answers(answers: Sequence[str]) -> dict[str, float]:
    """How often answers come back, and what they are."""
    counts = Counter(map(_normalised, answers))
    return {
        "answer_entropy": entropy(list(counts.values())),
        "log_answers": math.log(len(counts)),
        "distinct_answers": len(counts) / len(answers),
        "repeated_answers": sum(count for count in counts.values() if count > 1) / len(answers),
        "most_frequent_answer": max(counts.values()) / len(answers),
        "numeric_answers": sum(_NUMBER.fullmatch(answer.strip()) is not None for answer in answers) / len(answers),
    }


def _neighbours(texts: Sequence[_Text]) -> dict[str, float]:
    """What similar questions have in common: near-duplicates, and answers that nothing else supports."""
    if len(texts) < 2:
        return {"question_similarity": 0.0, "isolated_answers": 1.0}
    nearest = nearest_neighbours([text.question_words for text in texts], _N_NEIGHBOURS)
    answers = [_normalised(text.answer) for text in texts]
    isolated = [answer not in {answers[i] for i in row} for answer, row in zip(answers, nearest.indices, strict=True)]
    return {"question_similarity": nearest.similarities[:, 0].mean(), "isolated_answers": np.mean(isolated)}


def _characters(text: str) -> dict[str, float]:
    """What the text is written in."""
    letters = sum(map(str.isalpha, text))
    return {
        "non_ascii": sum(not character.isascii() for character in text) / len(text),
        "digits": sum(map(str.isdigit, text)) / len(text),
        "capitals": sum(map(str.isupper, text)) / max(letters, 1),
    }


def _read(record: Record) -> _Text:
    asked = record.question
    question, answer = asked[:_MAX_CHARACTERS], record.answer[:_MAX_CHARACTERS]
    return _Text(question, answer, _words(question), _words(answer), len(asked), len(record.answer))


def _words(text: str) -> list[str]:
    """Words in lower case; an unspaced script gives one word per run of letters."""
    return _WORD.findall(text.casefold())


def _n_sentences(text: str) -> int:
    return sum(_WORD.search(sentence) is not None for sentence in _SENTENCE_END.split(text))


def _normalised(answer: str) -> str:
    return " ".join(answer.casefold().split())


def _type_token_ratio(words: Sequence[str]) -> float:
    return len(set(words)) / max(len(words), 1)


def _overlap(answer: Sequence[str], question: Sequence[str]) -> float:
    asked = set(question)
    return sum(word in asked for word in answer) / max(len(answer), 1)
