import math

import numpy as np
import pytest

from lightning_quicktune.metadataset.layout import Layout


def laid_out(task, latents, seen, targets, lengths=None, layout=None):
    """Curve, mask and fidelities of points."""
    layout = layout or Layout(1, (), 6)
    lengths = None if lengths is None else np.array(lengths)
    arrays = np.array(latents, dtype=float), np.array(seen), np.array(targets)
    inputs = layout.inputs(task, np.zeros((len(seen), 1)), *arrays, lengths)
    return np.split(inputs, np.cumsum(layout.widths)[:-1], axis=1)[2:]


def test_trainings_of_one_length_are_laid_out_slice_by_slice_bit_for_bit(make_task):
    """Against the plain way: the curve, cut off at what was seen."""
    random, task = np.random.default_rng(0), make_task("new", max_fidelity=6)
    latents, seen = random.normal(size=(40, 6)), random.integers(0, 6, size=40)
    targets = random.integers(seen + 1, 7)
    curve, mask, fidelities = laid_out(task, latents, seen, targets)
    before = np.arange(6) < seen[:, None]
    np.testing.assert_array_equal(curve, np.where(before, latents, 0.0))
    np.testing.assert_array_equal(mask, before.astype(float))
    np.testing.assert_array_equal(fidelities, np.stack([seen, targets], axis=1) / 6)
    for array, other in zip((curve, mask, fidelities), laid_out(task, latents, seen, targets, [6] * 40), strict=True):
        np.testing.assert_array_equal(array, other)


@pytest.mark.parametrize(
    ("length", "seen", "curve", "mask"),
    [
        (3, 0, [0, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0]),
        (3, 1, [0, 1, 1, 0, 0, 0], [0, 1, 1, 0, 0, 0]),
        (3, 3, [0, 1, 1, 2, 2, 3], [0, 1, 1, 1, 1, 1]),
        (4, 1, [0, 1, 0, 0, 0, 0], [0, 1, 0, 0, 0, 0]),  # slice 1 ends at 1/4: after share 1/6, before 1/3
        (4, 3, [0, 1, 2, 2, 3, 0], [0, 1, 1, 1, 1, 0]),
        (1, 1, [0, 0, 0, 0, 0, 1], [0, 0, 0, 0, 0, 1]),
    ],
)
def test_a_place_holds_the_last_score_at_or_before_its_share(make_task, length, seen, curve, mask):
    found = laid_out(make_task("new"), [[1, 2, 3, 4]], [seen], [length], [length])
    assert [found[0].tolist(), found[1].tolist()] == [[curve], [mask]]
    assert found[2].tolist() == [[seen / length, 1.0]]


def test_every_score_that_was_seen_has_a_place(make_task):
    for length in range(1, 9):
        latents = np.arange(1, length + 1)[None].repeat(length, axis=0)
        seen = np.arange(1, length + 1)
        curve, mask, _ = laid_out(make_task("new"), latents, seen, seen, [length] * length, Layout(1, (), 8))
        for row, places, last in zip(curve, mask, seen, strict=True):
            assert set(row[places > 0]) == set(range(1, last + 1))


def test_without_lengths_the_tasks_own_counts(make_task):
    task = make_task("new", max_fidelity=3)
    given = laid_out(task, [[1, 2, 3]], [1], [2], [3])
    for array, other in zip(given, laid_out(task, [[1, 2, 3]], [1], [2]), strict=True):
        np.testing.assert_array_equal(array, other)


def test_a_lacking_meta_feature_is_the_median_of_the_training_tasks(make_task):
    layout = Layout(8, ("loss", "shift", "size"), 4, {"loss": 2.5, "shift": 0.5, "size": 9.0})
    task = make_task("new", meta_features={"size": 1.0, "shift": math.nan})
    np.testing.assert_allclose(layout.task_features(task), [2.5, 0.5, 1.0, math.log(1000), math.log(100)])


def test_a_task_without_any_meta_feature_is_refused(make_task):
    layout = Layout(8, ("shift", "size"), 4, {"shift": 0.5, "size": 9.0})
    with pytest.raises(
        ValueError, match=r"Task 'new' has none of the meta-features shift, size.*`data.init_args.meta_features: \[\]`"
    ):
        layout.task_features(make_task("new", meta_features={"other": 1.0, "shift": math.inf}))


@pytest.mark.parametrize("lengths", [None, [4]])
def test_longer_curves_than_known_are_refused(make_task, lengths):
    with pytest.raises(ValueError, match=r"curves of 4 slices, but the surrogate knows 3 at most. Lower"):
        laid_out(make_task("new"), [[1, 2, 3, 4]], [0], [1], lengths, Layout(1, (), 3))


def test_the_length_of_a_full_training_is_a_feature_of_the_task(make_task):
    task = make_task("new", 0.5)
    old, new = (Layout(8, ("shift",), 4, {"shift": 0.0}, by_training=by).task_features(task) for by in (False, True))
    np.testing.assert_allclose(np.exp(old), [np.exp(0.5), 1000, 100])
    np.testing.assert_allclose(np.exp(new), [np.exp(0.5), 1000, 100 * task.max_fidelity])
