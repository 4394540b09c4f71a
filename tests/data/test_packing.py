import random

import pytest

from lightning_quicktune.data.packing import first_fit_decreasing


def test_longest_first_each_into_the_first_row_with_room():
    assert first_fit_decreasing([2, 5, 3, 4, 1], 5) == [[1], [3, 4], [2, 0]]
    assert first_fit_decreasing([3, 3], 3) == [[0], [1]]
    assert first_fit_decreasing([], 3) == []


@pytest.mark.parametrize("seed", range(10))
def test_each_once_within_the_width_in_few_rows(seed):
    draw = random.Random(seed)
    lengths = [draw.randint(1, 30) for _ in range(40)]
    rows = first_fit_decreasing(lengths, 30)
    assert sorted(index for row in rows for index in row) == list(range(40))
    assert all(sum(lengths[index] for index in row) <= 30 for row in rows)
    assert len(rows) <= 11 / 9 * -(-sum(lengths) // 30) + 2
