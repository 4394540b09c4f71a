import numpy as np

from lightning_quicktune.surrogate.intervals import intervals_of_latent, intervals_of_scores
from lightning_quicktune.surrogate.scale import to_latent


def test_intervals_of_scores_lie_where_scores_can():
    found = intervals_of_scores(np.array([0.5, 1.2, 0.95, -0.1]), np.array([0.1, 0.1, 0.1, 0.1]))
    np.testing.assert_allclose(found.score, [0.5, 1.0, 0.95, 0.0])
    np.testing.assert_allclose(found.lower, [0.5 - 0.1644854, 1.0, 0.95 - 0.1644854, 0.0], atol=1e-6)
    np.testing.assert_allclose(found.upper, [0.5 + 0.1644854, 1.0, 1.0, 0.0644854], atol=1e-6)


def test_intervals_of_latent_scores_hold_nine_of_ten():
    draws = np.random.default_rng(0).normal(1.0, 2.0, 20_000)
    found = intervals_of_latent(np.array([1.0]), np.array([2.0]), zero_shot=0.3)
    ends = to_latent(np.array([found.lower[0], found.upper[0]]), 0.3)
    assert abs(((draws > ends[0]) & (draws < ends[1])).mean() - 0.9) < 0.01
    assert 0 < found.lower[0] < found.score[0] < found.upper[0] < 1
    extreme = intervals_of_latent(np.array([900.0, -900.0]), np.array([1.0, 1.0]), zero_shot=0.3)
    assert all(((each >= 0) & (each <= 1)).all() for each in extreme)
