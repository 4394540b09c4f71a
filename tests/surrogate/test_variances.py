"""How far a new task lies from what others say, learned from tasks that were left out."""

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal

from lightning_quicktune.surrogate.curves.kernel import Kernel
from lightning_quicktune.surrogate.curves.left_out import LeftOut
from lightning_quicktune.surrogate.curves.tables import NormalisedTask
from lightning_quicktune.surrogate.curves.variances import LeftOutLikelihood, Residual, residual_curves

KERNEL = Kernel(np.arange(2), np.array([0.5, 0.5]))
SMOOTH, OWN, TRANSFER, NOISE = 0.3, 0.1, 1.0, 0.01  # variances of what is made up here
N, N_OTHERS = 40, 6


def left_out(seed, n_knots=1, failed=0, ignorance=0.0, n=N):
    """A task drawn from the prior: the others' mean, deviations like theirs, and a residual."""
    generator = np.random.default_rng(seed)
    encoded = generator.random((n, 2))
    factor = np.linalg.cholesky(KERNEL(encoded, encoded) + 1e-8 * np.eye(n))
    mean, others = factor @ generator.standard_normal(n), factor @ generator.standard_normal((n, N_OTHERS))
    curves = (mean[:, None] + others).T
    loadings = (curves - curves.mean(0)).T / np.sqrt(N_OTHERS - 1)
    final = curves.mean(0) + np.sqrt(TRANSFER) * loadings @ generator.standard_normal(N_OTHERS)
    final += np.sqrt(SMOOTH) * factor @ generator.standard_normal(n) + np.sqrt(OWN) * generator.standard_normal(n)
    share = np.linspace(0.4, 1.0, n_knots) if n_knots > 1 else np.ones(1)
    own = final[:, None] * share + np.sqrt(NOISE) * generator.standard_normal((n, n_knots))
    task = NormalisedTask(encoded, own, own[:, -1], np.arange(n) < failed, 0.5, 0.1)
    ranks = np.zeros(curves.shape)
    return LeftOut(task, curves[:, :, None] * share, ranks, np.full(n, ignorance), *np.ones((2, N_OTHERS)))


def test_where_others_tell_nothing_the_residual_is_the_second_moment_of_what_is_left():
    """All others are alike, so that only the level is fitted."""
    generator, left = np.random.default_rng(0), []
    total = np.zeros((3, 3))
    for _ in range(4):
        rest = generator.standard_normal((50, 3)) * np.array([0.3, 0.2, 0.4])
        rest[:, :2] += 0.5 * rest[:, 2:]
        rest -= rest.mean()
        encoded, sound = generator.random((50, 2)), np.zeros(50, dtype=np.bool_)
        task = NormalisedTask(encoded, 0.7 + rest, rest[:, -1], sound, 0.5, 0.1)
        left.append(LeftOut(task, np.zeros((3, 50, 3)), np.zeros((3, 50)), np.zeros(50), *np.ones((2, 3))))
        total += rest.T @ rest / 50 / 4
    found = residual_curves(left)
    assert found.variance == pytest.approx(total[-1, -1], rel=1e-4)
    np.testing.assert_allclose(found.following, total[-1] / total[-1, -1], rtol=1e-4)
    np.testing.assert_allclose(found.given_final[-1], 0.0, atol=1e-5)
    rebuilt = found.given_final + np.outer(found.following, found.following) * found.variance
    np.testing.assert_allclose(rebuilt, total, atol=1e-5)


def test_what_other_tasks_span_is_no_residual():
    left = [left_out(seed, n_knots=2) for seed in range(5)]
    plain = np.mean([np.mean((each.task.curves - each.curves.mean(0))[:, -1] ** 2) for each in left])
    assert residual_curves(left).variance < 0.6 * plain
    assert np.linalg.eigvalsh(residual_curves(left).given_final).min() > -1e-6


def test_failed_trials_are_not_learned_from():
    one, other = left_out(0, failed=10), left_out(0, failed=10)
    other.task.curves[:10] = -50.0
    assert residual_curves([one]).variance == residual_curves([other]).variance


def test_the_likelihood_is_that_of_a_dense_gaussian():
    """Of one knot, where all of a few configurations are looked at, at the starting values."""
    left, residual = [left_out(0, n=12, ignorance=0.5)], Residual(np.ones(1), np.array([[0.2]]), 0.3)
    likelihood = LeftOutLikelihood(left, KERNEL, residual, n_tasks=7, seed=0)
    v, (each,) = likelihood.variances, left
    loadings = (each.curves[:, :, 0] - each.curves[:, :, 0].mean(0)).T / np.sqrt(N_OTHERS - 1)
    near, own = KERNEL.stretched(v.stretch)(each.task.encoded, each.task.encoded), np.eye(12)
    wide = 1.0 + v.ignorance * 0.5
    covariance = v.transfer * loadings @ loadings.T + 0.1  # and a level
    covariance += wide * v.residual * (v.smooth * near + (1 - v.smooth) * own)
    covariance += wide * 0.2 * (v.shape_smooth * near + v.shape_own * own) + v.noise * own
    surprise = each.task.curves[:, 0] - each.curves[:, :, 0].mean(0)
    reference = multivariate_normal(np.zeros(12), covariance).logpdf(surprise) + 6 * np.log(2 * np.pi)
    assert likelihood().item() == pytest.approx(-reference / 12, rel=1e-3)


@pytest.fixture(scope="module")
def learned():
    left = [left_out(seed) for seed in range(30)]
    likelihood = LeftOutLikelihood(left, KERNEL, residual_curves(left), n_tasks=30, seed=0)
    before = likelihood().item()
    likelihood.minimise()
    return likelihood, before


def test_the_variances_that_made_the_tasks_are_found(learned):
    found = learned[0].variances
    assert found.transfer == pytest.approx(TRANSFER, rel=0.4)
    assert found.residual * found.smooth == pytest.approx(SMOOTH, rel=0.4)
    assert found.residual * (1 - found.smooth) + found.noise == pytest.approx(OWN + NOISE, rel=0.3)
    assert found.stretch == pytest.approx(1.0, rel=0.4)


def test_the_minimum_is_lower_than_the_start_and_than_what_lies_around(learned):
    likelihood, before = learned
    after, best = likelihood().item(), likelihood.raw.detach().clone()
    assert after < before
    for place in range(5):
        for step in (-0.3, 0.3):
            with torch.no_grad():
                likelihood.raw.copy_(best)
                likelihood.raw[place] += step
            assert likelihood().item() > after
    with torch.no_grad():
        likelihood.raw.copy_(best)


def test_one_task_tells_little_and_leaves_them_near_their_start():
    left = [left_out(0)]
    likelihood = LeftOutLikelihood(left, KERNEL, residual_curves(left), n_tasks=1, seed=0)
    start = likelihood.raw.detach().clone()
    likelihood.minimise()
    assert (likelihood.raw.detach() - start).abs().max() < 0.5


def test_the_same_seed_looks_at_the_same_points():
    left = [left_out(seed, n_knots=4, n=80) for seed in range(3)]
    values = [LeftOutLikelihood(left, KERNEL, residual_curves(left), 3, seed)().item() for seed in (0, 0, 1)]
    assert values[0] == values[1] != values[2]


def test_a_line_search_may_try_what_cannot_be_computed_with():
    """So it does on tasks that are nearly alike: it tries variances of e to the power of 50 on its way."""
    left = [left_out(seed) for seed in range(3)]
    likelihood = LeftOutLikelihood(left, KERNEL, residual_curves(left), 3, seed=0)
    usual = likelihood().detach()
    with torch.no_grad():
        likelihood.raw += torch.tensor([-10.0, 60.0, 100.0, 16.0, 0.0, -30.0, 15.0, -2.0, 0.0], dtype=torch.float64)
    value = likelihood()
    torch.autograd.backward(value)
    assert usual < value.detach() < 1e6
    assert torch.isfinite(likelihood.raw.grad).all()
    assert likelihood.variances.residual < 1e4
