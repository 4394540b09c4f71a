import math

import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfTransformer

from lightning_quicktune.data.similarity import inverse_frequencies, nearest_neighbours

TEXTS = [text.split() for text in ("who leads vel", "vel is led by whom", "who leads kor", "kor and vel", "is it so")]


def test_a_word_is_rare_in_the_logarithm_of_texts():
    weights = inverse_frequencies([*TEXTS, ["vel", "vel"]])
    assert weights["who"] == pytest.approx(math.log(6 / 2))
    assert weights["vel"] == pytest.approx(math.log(6 / 4))


def test_neighbours_are_those_of_another_implementation():
    words = sorted({word for text in TEXTS for word in text})
    counts = np.array([[word in text for word in words] for text in TEXTS], dtype=float)
    # Its weights are log(n / count) + 1; ours are without the one.
    weights = TfidfTransformer(smooth_idf=False, norm=None).fit(counts).idf_ - 1
    rows = counts * weights / np.linalg.norm(counts * weights, axis=1, keepdims=True)
    cosines = rows @ rows.T - 2 * np.eye(len(TEXTS))
    nearest = nearest_neighbours(TEXTS, 2)
    assert nearest.indices[:, 0].tolist() == cosines.argmax(1).tolist()
    np.testing.assert_allclose(nearest.similarities, -np.sort(-cosines, axis=1)[:, :2], atol=1e-12)


def test_a_text_is_not_its_own_neighbour_and_a_copy_is():
    nearest = nearest_neighbours([["a", "b"], ["c"], ["b", "a"]], 1)
    assert nearest.indices[[0, 2]].tolist() == [[2], [0]]
    assert nearest.similarities[:, 0].tolist() == pytest.approx([1, 0, 1])


@pytest.mark.parametrize("n_texts", [1, 2, 9])
def test_there_are_no_more_neighbours_than_other_texts(n_texts):
    assert nearest_neighbours([["a"]] * n_texts, 5).indices.shape == (n_texts, min(5, n_texts - 1))


@pytest.mark.parametrize("texts", [[[], []], [["a"], ["a"]], [[], ["a"], ["b"]]])
def test_texts_without_a_word_of_their_own_are_like_none(texts):
    assert nearest_neighbours(texts, 1).similarities.max() == 0
