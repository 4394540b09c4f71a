"""The kernel between configurations."""

import math

import numpy as np
import pytest

from lightning_quicktune.surrogate.curves.kernel import USUAL_NOISE, Kernel, fit_kernel, solve


def plain(a, b, blocks, lengths):
    """Matern 5/2 of two encodings, one number at a time."""
    total = 0.0
    for x, y, block in zip(a, b, blocks, strict=True):
        total += (x - y) ** 2 / lengths[block] ** 2
    r = math.sqrt(5.0 * total)
    return (1.0 + r + r * r / 3.0) * math.exp(-r)


def test_it_is_matern_with_one_length_for_each_hyperparameter():
    generator = np.random.default_rng(0)
    blocks, lengths = np.array([0, 1, 1, 1, 2]), np.array([0.3, 1.5, 4.0])
    a, b = generator.random((5, 5)), generator.random((7, 5))
    expected = [[plain(x, y, blocks, lengths) for y in b] for x in a]
    kernel = Kernel(blocks, lengths)
    np.testing.assert_allclose(kernel(a, b), expected, rtol=1e-10)
    np.testing.assert_allclose(np.diag(kernel(a, a)), 1.0, atol=1e-6)
    wider = [[plain(x, y, blocks, 2.0 * lengths) for y in b] for x in a]
    np.testing.assert_allclose(kernel.stretched(2.0)(a, b), wider, rtol=1e-10)


def test_a_choice_among_hundreds_has_one_length():
    generator, blocks = np.random.default_rng(0), np.zeros(361, dtype=np.int64)
    encoded, values = np.eye(361), generator.standard_normal((361, 2))
    kernel, _ = fit_kernel(blocks, encoded, values - values.mean(0), np.ones(361))
    assert kernel.lengths.shape == (1,)
    apart = kernel(encoded, encoded)[~np.eye(361, dtype=np.bool_)]
    np.testing.assert_allclose(apart, plain([1.0, 0.0], [0.0, 1.0], [0, 0], kernel.lengths), rtol=1e-9)


@pytest.mark.parametrize("lengths", [(0.3, 2.0), (1.0, 0.2)])
def test_length_scales_and_noise_are_found_in_what_they_made(lengths):
    generator, blocks = np.random.default_rng(0), np.arange(2)
    encoded = generator.random((150, 2))
    true = Kernel(blocks, np.array(lengths))
    smooth = np.linalg.cholesky(true(encoded, encoded) + 1e-8 * np.eye(150)) @ generator.standard_normal((150, 3))
    values = smooth + 0.1 * generator.standard_normal(smooth.shape)
    kernel, amplitudes = fit_kernel(blocks, encoded, values - values.mean(0), np.ones(150))
    np.testing.assert_allclose(np.log(kernel.lengths), np.log(lengths), atol=0.4)
    assert 0.3 < amplitudes.noise / (0.01 / np.mean(values**2)) < 3.0


def test_a_hyperparameter_that_does_not_matter_gets_a_long_scale():
    generator = np.random.default_rng(1)
    encoded = generator.random((120, 2))
    values = np.sin(6 * encoded[:, :1])
    kernel, _ = fit_kernel(np.arange(2), encoded, values - values.mean(), np.ones(120))
    assert kernel.lengths[1] > 5 * kernel.lengths[0]


def test_single_choices_without_neighbours_are_not_taken_for_noise():
    """Nothing tells values from noise there, so a small share of noise is believed: the values are kept."""
    generator, encoded = np.random.default_rng(2), np.eye(40)
    values = generator.standard_normal((40, 3))
    values -= values.mean(0)
    kernel, amplitudes = fit_kernel(np.zeros(40, dtype=np.int64), encoded, values, np.ones(40))
    assert amplitudes.noise == pytest.approx(USUAL_NOISE, rel=0.2)
    covariance = amplitudes.smooth * kernel(encoded, encoded)
    kept = covariance @ solve(covariance + amplitudes.noise * np.eye(40), values)
    np.testing.assert_allclose(kept, values, atol=0.1)


def test_what_was_seen_often_has_less_noise():
    generator, n = np.random.default_rng(3), 150
    encoded, counts = generator.random((n, 1)), np.repeat([0.1, 1.9], n // 2)
    noise = generator.standard_normal((n, 3)) * np.sqrt(0.1 / counts)[:, None]
    values = np.sin(3 * encoded) + noise
    _, weighed = fit_kernel(np.zeros(1, dtype=np.int64), encoded, values - values.mean(0), counts)
    _, alike = fit_kernel(np.zeros(1, dtype=np.int64), encoded, values - values.mean(0), np.ones(n))
    unit = np.mean((values - values.mean(0)) ** 2)
    assert weighed.noise * unit == pytest.approx(0.1, rel=0.3)
    assert alike.noise * unit > 0.3


def test_a_system_is_solved():
    generator = np.random.default_rng(4)
    factor, right = generator.standard_normal((6, 6)), generator.standard_normal((6, 2))
    matrix = factor @ factor.T + np.eye(6)
    np.testing.assert_allclose(matrix @ solve(matrix, right), right, atol=1e-10)
