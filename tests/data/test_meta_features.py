import math

import numpy as np
import pytest
from scipy.stats import entropy as scipy_entropy

from lightning_quicktune.data.meta_features import TEXT_META_FEATURES, entropy, text_meta_features
from lightning_quicktune.data.records import Record, Turn
from lightning_quicktune.data.tokens import TokenRecord


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
    assert features == pytest.approx(
        {
            "log_train_records": math.log(4),
            "prompt_tokens_mean": 11,
            "answer_tokens_mean": 3,
            "log_answer_words": math.log(1 + 3),
            "answer_entropy": scipy_entropy([2, 1, 1]),
            "distinct_answers": 3 / 4,
            "answer_overlap": (0 + 0 + 1 / 2 + 0) / 4,
            "type_token_ratio": 7 / 15,
            "non_ascii": 2 / 51,
            "numeric_answers": 1 / 4,
        },
        rel=1e-6,
    )
    assert features.keys() == TEXT_META_FEATURES.keys()


@pytest.mark.parametrize("text", ["?", "😀", "答え", "5", "a" * 1000])
def test_values_are_finite_for_any_text(text):
    features = text_meta_features([record(text, text)], [tokens(1, 1)])
    assert all(math.isfinite(value) and value >= 0 for value in features.values())


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
