import numpy as np
import pytest
from scipy.special import logit

from lightning_quicktune.metadataset.latent import to_latent, to_score


def test_the_latent_score_is_a_difference_of_logits():
    scores = np.array([0.1, 0.5, 0.9])
    np.testing.assert_allclose(to_latent(scores, 0.3), logit(scores) - logit(0.3))
    assert to_latent(np.array([0.3]), 0.3) == 0.0


def test_scores_come_back():
    scores = np.array([[0.001, 0.5], [0.9, 0.999]])
    np.testing.assert_allclose(to_score(to_latent(scores, 0.01), 0.01), scores)


def test_perfect_scores_stay_finite():
    latent = to_latent(np.array([0.0, 1.0]), 0.0)
    np.testing.assert_allclose(latent, [0.0, logit(1 - 1e-4) - logit(1e-4)])


def test_an_unknown_zero_shot_score_counts_as_one_half():
    scores = np.array([0.1, 0.5, 0.9])
    np.testing.assert_allclose(to_latent(scores, float("nan")), logit(scores))
    np.testing.assert_allclose(to_score(logit(scores), float("nan")), scores)


@pytest.mark.parametrize("zero_shot", [-0.1, 1.5])
def test_a_zero_shot_score_outside_the_unit_interval_is_refused(zero_shot):
    with pytest.raises(ValueError, match=r"`zero_shot_score` is .* lies in \[0, 1\].*Measure it again"):
        to_latent(np.array([0.5]), zero_shot)
