import numpy as np
import pytest

from lightning_quicktune.statistics.paired import paired_difference


def test_the_interval_of_a_mean_is_that_of_the_normal_where_records_are_many():
    generator = np.random.default_rng(1)
    first = generator.normal(0.4, 0.2, 2000)
    second = first + generator.normal(0.05, 0.1, 2000)
    found = paired_difference(first, second)
    reach = 1.96 * (second - first).std(ddof=1) / np.sqrt(2000)
    assert found.value == pytest.approx((second - first).mean())
    assert (found.lower, found.upper) == pytest.approx((found.value - reach, found.value + reach), abs=4e-4)
    assert found.n == 2000


def test_what_both_models_have_in_common_says_nothing():
    values = np.random.default_rng(0).random(30)
    found = paired_difference(values, values + 0.1)
    assert (found.value, found.lower, found.upper) == pytest.approx((0.1, 0.1, 0.1))


def test_a_likelihood_is_that_of_all_tokens_and_its_interval_holds_the_truth():
    """Loss per token and tokens of records, as a loop over resampled records has it."""
    generator = np.random.default_rng(2)
    tokens = generator.integers(1, 9, 40).astype(float)
    first, second = generator.random(40) + 1.0, generator.random(40) + 0.5
    found = paired_difference(first, second, tokens, lambda loss: np.exp(-loss))
    value = np.exp(-(second @ tokens) / tokens.sum()) - np.exp(-(first @ tokens) / tokens.sum())
    assert found.value == pytest.approx(value)
    loop = []
    for _ in range(4000):
        rows = generator.integers(0, 40, 40)
        t = tokens[rows]
        loop.append(np.exp(-(second[rows] @ t) / t.sum()) - np.exp(-(first[rows] @ t) / t.sum()))
    assert (found.lower, found.upper) == pytest.approx(tuple(np.quantile(loop, [0.025, 0.975])), abs=0.01)


def test_records_that_are_not_the_same_are_refused():
    with pytest.raises(ValueError, match=r"the same records of both models, at least one, but got 2 and 3"):
        paired_difference(np.zeros(2), np.zeros(3))
