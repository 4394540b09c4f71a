import math
from dataclasses import replace

import numpy as np
import pytest

from lightning_quicktune.metadataset.build import build
from lightning_quicktune.metadataset.examples import Layout, Point, log_relative_cost, task_curves
from lightning_quicktune.metadataset.latent import to_latent

LAYOUT = Layout(n_configuration=8, meta_features=("shift",), max_fidelity=6)


@pytest.fixture
def table(trials, tasks, space):
    return build(trials, tasks, space, "tests", "")


def test_a_point_holds_the_curve_so_far_and_nothing_later(table, space, trials):
    (curves,) = task_curves(table, ["t1"])
    examples = curves.examples([Point(2, 0, 4), Point(2, 2, 3)], LAYOUT)
    latent = to_latent(np.array(table.curves(["t1"])[2].scores), 0.2)
    parts = np.split(examples.inputs, np.cumsum(LAYOUT.widths)[:-1], axis=1)
    np.testing.assert_array_equal(parts[0], space.encode([curves.configurations[2]] * 2))
    np.testing.assert_allclose(parts[1], [[-1 / 3, math.log(1000), math.log(100)]] * 2)
    np.testing.assert_allclose(parts[2], [[0] * 6, [*latent[:2], 0, 0, 0, 0]])
    np.testing.assert_array_equal(parts[3], [[0] * 6, [1, 1, 0, 0, 0, 0]])
    np.testing.assert_allclose(parts[4], [[0, 1], [0.5, 0.75]])
    np.testing.assert_allclose(examples.latent, [latent[3], latent[2]])


def test_draws_lie_on_the_curve_and_ask_every_question(table):
    (curves,) = task_curves(table, ["t0"])
    points = curves.draw(500, np.random.default_rng(0))
    assert all(0 <= p.seen < p.target <= 4 for p in points)
    assert {(p.seen, p.target) for p in points} == {(s, t) for s in range(4) for t in range(s + 1, 5)}
    assert {p.trial for p in points} == set(range(6))
    assert points == curves.draw(500, np.random.default_rng(0))


def test_a_diverged_trial_ends_at_the_lowest_score(table, tasks, trials, diverged, space):
    (curves,) = task_curves(build([*trials, diverged], tasks, space, "", ""), ["t0"])
    i = curves.configurations.index(diverged.configuration)
    assert curves.lengths[i] == 1
    assert curves.latents[i, 0] == min(0.0, curves.latents.min())
    assert math.isnan(curves.log_costs[i])


def test_trials_without_a_slice_are_left_out(tasks, trials, diverged, space):
    (curves,) = task_curves(build([*trials, replace(diverged, failure="error: x")], tasks, space, "", ""), ["t0"])
    assert diverged.configuration not in curves.configurations


def test_costs_are_relative_to_step_and_records():
    assert log_relative_cost(6.0, 0.02, 100) == pytest.approx(math.log(3.0))
    assert math.isnan(log_relative_cost(6.0, math.nan, 100))
    assert math.isnan(log_relative_cost(0.0, 0.02, 100))


def test_a_task_without_scores_is_refused(tasks, diverged, space):
    table = build([replace(diverged, failure="out_of_memory")], tasks, space, "", "")
    with pytest.raises(ValueError, match=r"Task 't0' has no trial with a score.*leave the task out"):
        task_curves(table, ["t0"])


def test_lacking_meta_features_are_listed(make_task):
    task = make_task("new", meta_features={"size": 1.0, "shift": math.nan})
    with pytest.raises(
        ValueError, match=r"Task 'new' lacks the meta-features loss, shift, .*`data.init_args.meta_feat"
    ):
        Layout(8, ("loss", "shift", "size"), 4).task_features(task)


def test_longer_curves_than_known_are_refused(make_task):
    layout = Layout(8, ("shift",), 3)
    none = np.zeros(1, dtype=np.int64)
    with pytest.raises(ValueError, match=r"curves of 4 slices, but the surrogate knows 3 at most. Lower"):
        layout.inputs(make_task("new"), np.zeros((1, 8)), np.zeros((1, 3)), none, none + 1)
