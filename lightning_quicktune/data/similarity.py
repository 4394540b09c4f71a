"""The similarity of texts, by the words that they share and others lack."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array


class Neighbours(NamedTuple):
    """The most similar other texts of each text, the most similar first.

    Args:
        indices: Which ones, shape ``(N, K)``.
        similarities: Cosine of the angle between both texts' word vectors, in [0, 1], shape ``(N, K)``.
    """

    indices: npt.NDArray[np.int64]
    similarities: npt.NDArray[np.float64]


def inverse_frequencies(texts: Sequence[Sequence[str]]) -> dict[str, float]:
    """Logarithm of texts over texts that have a word, in nats, of each word.

    Args:
        texts: Texts as words.
    """
    counts = Counter(word for text in texts for word in set(text))
    return {word: math.log(len(texts) / count) for word, count in counts.items()}


def nearest_neighbours(texts: Sequence[Sequence[str]], n_neighbours: int) -> Neighbours:
    """Finds the most similar other texts by cosine over words, each weighted by its inverse frequency.

    A word that all texts have weighs nothing; a text without any other word is like none.

    Args:
        texts: Texts as words.
        n_neighbours: Neighbours of each, at least 1; fewer where there are not as many other texts.

    References:
        Salton and Buckley (1988), Term-weighting approaches in automatic text retrieval.
    """
    rows = _unit_rows(texts)
    similarities = (rows @ rows.T).toarray()
    np.fill_diagonal(similarities, -1.0)
    nearest = (-similarities).argsort(axis=1, kind="stable")[:, : min(n_neighbours, len(texts) - 1)]
    return Neighbours(nearest, np.take_along_axis(similarities, nearest, axis=1).clip(0.0, 1.0))


def _unit_rows(texts: Sequence[Sequence[str]]) -> csr_array:
    weights = inverse_frequencies(texts)
    columns = {word: column for column, word in enumerate(weights)}
    indices: list[int] = []
    values: list[float] = []
    starts = [0]
    for text in texts:
        row = {word: weights[word] for word in text}
        norm = math.sqrt(sum(weight**2 for weight in row.values())) or 1.0
        indices += [columns[word] for word in row]
        values += [weight / norm for weight in row.values()]
        starts.append(len(indices))
    return csr_array((values, indices, starts), shape=(len(texts), len(columns)))
