import math
from dataclasses import replace

import numpy as np
import pytest

from lightning_quicktune.metadataset.build import build
from lightning_quicktune.metadataset.examples import Point, log_relative_cost, task_curves
from lightning_quicktune.metadataset.latent import to_latent
from lightning_quicktune.metadataset.layout import Layout

LAYOUT = Layout(n_configuration=8, meta_features=("shift",), max_fidelity=4)


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
    np.testing.assert_allclose(parts[2], [[0] * 4, [*latent[:2], 0, 0]])
    np.testing.assert_array_equal(parts[3], [[0] * 4, [1, 1, 0, 0]])
    np.testing.assert_allclose(parts[4], [[0, 1], [0.5, 0.75]])
    np.testing.assert_allclose(examples.latent, [latent[3], latent[2]])


def test_draws_lie_on_the_curve_and_ask_every_question(table):
    (curves,) = task_curves(table, ["t0"])
    points = curves.draw(500, np.random.default_rng(0))
    assert all(0 <= p.seen < p.target <= 4 for p in points)
    assert {(p.seen, p.target) for p in points} == {(s, t) for s in range(4) for t in range(s + 1, 5)}
    assert {p.trial for p in points} == set(range(6))
    assert points == curves.draw(500, np.random.default_rng(0))


@pytest.mark.parametrize("failure", ["diverged", "out_of_memory: batch of 8 records"])
def test_a_trial_that_failed_ends_at_the_lowest_score(tasks, trials, diverged, space, failure):
    (curves,) = task_curves(build([*trials, replace(diverged, failure=failure)], tasks, space, "", ""), ["t0"])
    i = curves.configurations.index(diverged.configuration)
    assert curves.lengths[i] == 1
    assert curves.latents[i, 0] == min(0.0, curves.latents.min())
    assert math.isnan(curves.log_costs[i])


def test_a_failure_after_some_slices_adds_one(tasks, space, make_trial):
    failed = make_trial(tasks[0], space.default, 2, status="failed", failure="out_of_memory: batch of 8 records")
    (curves,) = task_curves(build([failed], tasks, space, "", ""), ["t0"])
    latent = to_latent(np.array(failed.curve.scores), 0.2)
    np.testing.assert_allclose(curves.latents[0], [*latent, min(0.0, *latent), 0.0])
    assert curves.lengths.tolist() == [3]


def test_a_partial_trial_counts_as_far_as_it_went(tasks, space, make_trial):
    (curves,) = task_curves(build([make_trial(tasks[0], space.default, 2)], tasks, space, "", ""), ["t0"])
    assert (curves.lengths.tolist(), curves.max_fidelities.tolist()) == ([2], [4])


def test_interrupted_trials_and_trials_without_a_slice_are_left_out(table, space, make_trial, tasks):
    first, second = table.curves(["t0"])[:2]
    rows = table.trials["task"] == "t0"
    table.trials.loc[rows & (table.trials["config_id"] == first.configuration.id), "status"] = "interrupted"
    lost = rows & (table.trials["config_id"] == second.configuration.id)
    table.trials.loc[lost & (table.trials["fidelity"] == 1), ["fidelity", "score"]] = [0, math.nan]
    table = replace(table, trials=table.trials[~lost | (table.trials["fidelity"] == 0)])
    (curves,) = task_curves(table, ["t0"])
    assert len(curves.configurations) == 4
    assert not {first.configuration, second.configuration} & set(curves.configurations)


def test_costs_are_relative_to_step_and_records():
    assert log_relative_cost(6.0, 0.02, 100) == pytest.approx(math.log(3.0))
    assert math.isnan(log_relative_cost(6.0, math.nan, 100))
    assert math.isnan(log_relative_cost(0.0, 0.02, 100))


def test_a_task_without_scores_is_refused(tasks, diverged, space):
    table = build([replace(diverged, status="stopped", failure=None)], tasks, space, "", "")
    with pytest.raises(ValueError, match=r"Task 't0' has no trial with a score.*leave the task out"):
        task_curves(table, ["t0"])


def test_fidelities_and_curves_are_shares_of_each_trials_own_training(tasks, space, make_trial):
    """Trainings of 2 and 4 slices of one task, laid out side by side."""
    short, long = space.sample(2, seed=3)
    trials = [make_trial(tasks[0], short, 2, max_fidelity=2, status="completed"), make_trial(tasks[0], long)]
    (curves,) = task_curves(build(trials, tasks, space, "", ""), ["t0"])
    place = curves.configurations.index(short)
    examples = curves.examples([Point(place, 1, 2), Point(1 - place, 2, 4)], LAYOUT)
    latents = [to_latent(np.array(trial.curve.scores), 0.2) for trial in trials]
    parts = np.split(examples.inputs, np.cumsum(LAYOUT.widths)[:-1], axis=1)
    np.testing.assert_allclose(parts[2], [[0, latents[0][0], latents[0][0], 0], [*latents[1][:2], 0, 0]])
    np.testing.assert_array_equal(parts[3], [[0, 1, 1, 0], [1, 1, 0, 0]])
    np.testing.assert_allclose(parts[4], [[0.5, 1], [0.5, 1]])
    np.testing.assert_allclose(examples.latent, [latents[0][1], latents[1][3]])
