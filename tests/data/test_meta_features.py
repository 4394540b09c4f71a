import inspect
import math
import time

import numpy as np
import pytest
from scipy.stats import entropy as scipy_entropy

from lightning_quicktune.data.meta_features import TEXT_META_FEATURES, entropy, text_meta_features
from lightning_quicktune.data.tokens import TokenRecord
from lightning_quicktune.data.turns import Record, Turn


def record(question, answer):
    return Record((Turn("user", question), Turn("assistant", answer)), "a", 1)


def tokens(n_prompt, n_answer):
    mask = np.arange(n_prompt + n_answer) >= n_prompt
    return TokenRecord(np.zeros(n_prompt + n_answer, dtype=np.int64), mask, n_prompt, "", "")


def test_values_against_counting_by_hand():
    records = [
        record("Is 4 even?", "Yes"),
        record("Is 5 even?", "yes "),
        record("Which is née?", "née 5"),
        record("?", "5.5 %"),
    ]
    features = text_meta_features(records, [tokens(10, 2), tokens(20, 4), tokens(10, 2), tokens(4, 4)])
    expected = {
        "log_train_records": math.log(4),
        "log_train_tokens": math.log(12 + 24 + 12 + 8),
        "turns_mean": 2,
        "prompt_tokens_mean": 11,
        "prompt_tokens_spread": 12.5 - 8.5,
        "prompt_tokens_p95": 10 + 0.85 * 10,
        "answer_tokens_mean": 3,
        "answer_tokens_median": 3,
        "answer_tokens_spread": 2,
        "answer_tokens_p95": 4,
        "tokens_per_word": 56 / 15,
        "question_characters_median": 10,
        "answer_characters_median": 4.5,
        "question_sentences_mean": 3 / 4,
        "log_question_words": math.log(1 + 6),
        "log_answer_words": math.log(1 + 3),
        "type_token_ratio": 7 / 15,
        "question_type_token_ratio": 6 / 9,
        "answer_type_token_ratio": 3 / 6,
        "question_word_rarity": (3 * math.log(4 / 3) + 2 * math.log(2) + 4 * math.log(4)) / 9,
        "answer_entropy": scipy_entropy([2, 1, 1]),
        "log_answers": math.log(3),
        "distinct_answers": 3 / 4,
        "repeated_answers": 2 / 4,
        "most_frequent_answer": 2 / 4,
        "numeric_answers": 1 / 4,
        "answer_overlap": (0 + 0 + 1 / 2 + 0) / 4,
        "non_ascii": 2 / 51,
        "digits": 5 / 51,
        "capitals": 4 / 31,
    }
    assert {name: features[name] for name in expected} == pytest.approx(expected, rel=1e-6)
    assert list(features) == list(TEXT_META_FEATURES)
    assert features.keys() - expected.keys() == {"question_similarity", "isolated_answers"}


def test_an_answer_that_similar_questions_do_not_have_is_seen():
    things = ["iron", "gold", "coal", "salt", "zinc", "lead"]
    clean = [record(f"What has {thing} {thing}{i}?", thing) for thing in things for i in range(6)]
    noisy = [record(r.question, f"wrong {i}" if i % 4 == 0 else r.answer) for i, r in enumerate(clean)]
    some = [tokens(3, 1)] * len(clean)
    assert text_meta_features(clean, some)["isolated_answers"] == 0
    assert text_meta_features(noisy, some)["isolated_answers"] == pytest.approx(1 / 4)


@pytest.mark.parametrize("text", ["?", "😀", "答え", "5", "a" * 1000, "." * 5000])
def test_values_are_finite_for_any_text(text):
    features = text_meta_features([record(text, text)], [tokens(1, 1)])
    assert all(math.isfinite(value) and value >= 0 for value in features.values())


def test_a_huge_task_is_read_in_part():
    records = [record(f"Question {i} of many? " * 200, f"{i % 7}") for i in range(4000)]
    start = time.process_time()
    features = text_meta_features(records, [tokens(900, 2)] * 4000)
    assert time.process_time() - start < 5  # 0.4 s, where all of it would take minutes
    assert features["log_train_records"] == pytest.approx(math.log(4000))
    assert features["log_train_tokens"] == pytest.approx(math.log(4000 * 902))
    assert features["tokens_per_word"] == pytest.approx(902 / 801, rel=0.02)
    assert features["question_characters_median"] > 4000


def test_no_meta_feature_looks_at_more_than_the_records():
    assert set(inspect.signature(text_meta_features).parameters) == {"records", "tokens"}


def test_entropy_is_that_of_scipy():
    counts = [1, 5, 2, 9]
    assert entropy(counts) == pytest.approx(scipy_entropy(counts))
    assert entropy([7]) == 0


@pytest.mark.parametrize(("n_records", "n_tokens"), [(0, 0), (2, 1)])
def test_records_and_tokens_must_belong_together(n_records, n_tokens):
    with pytest.raises(
        ValueError, match=f"got {n_records} and {n_tokens}.*`records` and `tokens` of the training split"
    ):
        text_meta_features([record("q", "a")] * n_records, [tokens(1, 1)] * n_tokens)
