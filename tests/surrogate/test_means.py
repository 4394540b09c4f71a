"""The mean learning curve of configurations over tasks."""

from dataclasses import replace

import numpy as np
import pytest

from lightning_quicktune.surrogate.curves import means
from lightning_quicktune.surrogate.curves.means import FEWEST, MeanCurve, Tried

BLOCKS = np.arange(3)


def tried(n, seed=0, noise=0.0):
    """Configurations of which two hyperparameters matter, and curves that rise to their end."""
    generator = np.random.default_rng(seed)
    encoded = generator.random((n, 3))
    final = np.sin(4 * encoded[:, 0]) + encoded[:, 1] + noise * generator.standard_normal(n)
    return Tried(encoded, final[:, None] * np.array([0.3, 0.7, 1.0]), np.ones(n))


def test_configurations_of_several_tasks_are_gathered_with_their_means():
    a, b, c = np.eye(3)
    first = np.stack([a, b]), np.array([[1.0, 2.0], [3.0, 4.0]])
    second = np.stack([c, a]), np.array([[7.0, 8.0], [5.0, 6.0]])
    found = Tried.of([first[0], second[0]], [first[1], second[1]])
    np.testing.assert_array_equal(found.encoded, np.stack([a, b, c]))
    np.testing.assert_array_equal(found.curves, [[3.0, 4.0], [3.0, 4.0], [7.0, 8.0]])
    np.testing.assert_array_equal(found.counts, [2.0, 1.0, 1.0])


def test_too_many_are_drawn_from_and_the_same_each_time():
    whole = tried(30)
    some, again = whole.some(10), whole.some(10)
    assert len(some.counts) == 10
    np.testing.assert_array_equal(some.encoded, again.encoded)
    places = [np.flatnonzero((whole.encoded == row).all(1))[0] for row in some.encoded]
    np.testing.assert_array_equal(some.curves, whole.curves[places])
    assert whole.some(30) is whole


def test_new_configurations_are_predicted_by_their_neighbours():
    mean, new = MeanCurve.fitted(tried(120), BLOCKS), tried(200, seed=1)
    found = mean.predict(new.encoded)
    error = np.abs(found - new.curves).mean(0) / new.curves.std(0)
    assert error.max() < 0.15
    assert np.corrcoef(found[:, -1], new.curves[:, -1])[0, 1] > 0.98


def test_few_configurations_are_left_to_the_gaussian_process_which_is_exact_where_they_were_tried():
    few = tried(FEWEST - 1)
    np.testing.assert_allclose(MeanCurve.fitted(few, BLOCKS).predict(few.encoded), few.curves, atol=0.1)


def test_without_forest_it_is_the_posterior_of_a_plain_gaussian_process(monkeypatch):
    monkeypatch.setattr(means, "FEWEST", 100)
    few, new = tried(12), tried(4, seed=1).encoded
    few = Tried(few.encoded, few.curves, np.arange(1.0, 13.0))
    mean = MeanCurve.fitted(few, BLOCKS)
    k, counts = mean.kernel, few.counts / few.counts.mean()
    covariance = mean.amplitudes.smooth * k(few.encoded, few.encoded) + np.diag(mean.amplitudes.noise / counts)
    cross, middle = mean.amplitudes.smooth * k(new, few.encoded), few.counts @ few.curves / few.counts.sum()
    expected = middle + cross @ np.linalg.inv(covariance) @ (few.curves - middle)
    np.testing.assert_allclose(mean.predict(new), expected, rtol=1e-6, atol=1e-8)
    left = mean.amplitudes.smooth - np.einsum("ij,jk,ik->i", cross, np.linalg.inv(covariance), cross)
    np.testing.assert_allclose(mean.ignorance(new), left / mean.amplitudes.smooth, rtol=1e-5, atol=1e-8)


def test_ignorance_is_small_where_much_was_tried_and_1_far_away():
    mean = MeanCurve.fitted(tried(60), BLOCKS)
    near, far = mean.ignorance(mean.tried.encoded), mean.ignorance(np.full((1, 3), 100.0))
    assert near.max() < 0.1
    assert far[0] == pytest.approx(1.0, abs=1e-6)


def test_what_was_tried_on_many_tasks_weighs_more():
    """Two values at one place: one seen on nine tasks, the other on one."""
    common, place = tried(30), np.full((2, 3), 0.5)
    place[1] += 1e-6
    fitted, found = MeanCurve.fitted(common, BLOCKS), []
    for counts in ([9.0, 1.0], [1.0, 9.0]):
        encoded, curves = np.concatenate([common.encoded, place]), np.array([[0.0] * 3, [2.0] * 3])
        known = Tried(encoded, np.concatenate([common.curves, curves]), np.concatenate([common.counts, counts]))
        found.append(fitted.relearned(known).predict(place[:1])[0, -1])
    assert found[0] < 0.7
    assert found[1] > 1.3


def test_process_and_forest_are_weighed():
    known, new = tried(50), tried(20, seed=1).encoded
    even = MeanCurve.fitted(known, BLOCKS)
    smooth, grown = even.parts(new)
    assert np.abs(smooth - grown).max() > 0.05
    for weight in (0.0, 0.25, 1.0):
        found = replace(even, forest=weight).relearned(known)
        np.testing.assert_allclose(found.predict(new), (1 - weight) * smooth + weight * grown)


def test_a_forest_is_grown_on_what_was_tried():
    """Means of leaves: no prediction lies beyond what was seen."""
    known, far = tried(100), np.full((1, 3), 9.0)
    mean = MeanCurve.fitted(known, BLOCKS)
    grown = mean.parts(np.concatenate([tried(50, seed=1).encoded, far]))[1]
    assert np.all(known.curves.min(0) <= grown)
    assert np.all(grown <= known.curves.max(0))
    new = tried(50, seed=1).curves[:, -1]
    assert np.corrcoef(grown[:-1, -1], new)[0, 1] > 0.95


def test_the_same_data_grow_the_same_trees():
    known, new = tried(50), tried(20, seed=1).encoded
    first = MeanCurve.fitted(known, BLOCKS)
    again = MeanCurve(known, first.kernel, first.amplitudes, first.forest, first.seed)
    np.testing.assert_array_equal(first.predict(new), again.predict(new))
