import math
from dataclasses import replace

import numpy as np
import pytest

from lightning_quicktune.metadataset.arrays import curve_arrays
from lightning_quicktune.metadataset.build import build
from lightning_quicktune.metadataset.describe import describe
from lightning_quicktune.metadataset.usefulness import (
    COLLAPSED,
    criteria,
    failures,
    n_ended,
    seed_noise,
    share_outside_top,
    without_zero_shot,
)
from lightning_quicktune.types import LearningCurve


@pytest.fixture(scope="module")
def configurations(space):
    return [space.default, *space.sample(11, seed=2)]


@pytest.fixture(scope="module")
def make_table(space, tasks, configurations, make_trial):
    """A table of whole trials whose final scores are given by configuration and seed, on each task."""

    def make(final, tasks=tasks[:2]):
        trials = [make_trial(t, c, seed=seed) for t in tasks for c in configurations for seed in range(final.shape[1])]
        table = build(trials, tasks, space, "tests", "MIT")
        value = {(c.id, s): v for c, row in zip(configurations, final, strict=True) for s, v in enumerate(row)}
        keys = zip(table.trials["config_id"], table.trials["seed"], strict=True)
        reached = table.trials["fidelity"] / table.trials["max_fidelity"]
        frame = table.trials.assign(score=np.array([value[key] for key in keys]) * reached)
        return replace(table, trials=frame)

    return make


def ending_at(trial, score, **changes):
    *before, last = trial.curve.slices
    return replace(trial, curve=LearningCurve((*before, replace(last, score=score, **changes))))


def test_seeds_and_configurations_are_told_apart(make_table):
    draw = np.random.default_rng(0)
    final = 0.5 + 0.1 * draw.standard_normal((12, 1)) + 0.02 * draw.standard_normal((12, 5))
    first, second = seed_noise(make_table(final))
    means, variances = final.mean(axis=1), final.var(axis=1, ddof=1)
    assert (first.task, first.n_configurations, first.n_trials) == ("t0", 12, 60)
    assert first.seed_std == pytest.approx(math.sqrt(variances.mean()))
    assert first.configuration_std == pytest.approx(math.sqrt(means.var(ddof=1) - variances.mean() / 5))
    assert second.ratio == first.ratio == pytest.approx(5, rel=0.5)


def test_configurations_that_differ_less_than_their_seeds_have_no_spread(make_table):
    final = np.tile([0.1, 0.9], (12, 1))
    assert seed_noise(make_table(final))[0].ratio == 0.0


def test_one_seed_or_seeds_that_change_nothing_say_nothing_of_noise(make_table):
    assert seed_noise(make_table(np.linspace(0.1, 0.9, 12)[:, None])) == []
    constant = seed_noise(make_table(np.tile(np.linspace(0.1, 0.9, 12)[:, None], 2)))
    assert all(math.isnan(found.ratio) for found in constant)


def test_failures_are_counted_by_kind(space, tasks, configurations, make_trial, diverged):
    kept = [make_trial(tasks[0], c) for c in configurations[:3]]
    kept += [ending_at(make_trial(tasks[0], configurations[3]), 0.09), make_trial(tasks[0], configurations[4], n=2)]
    kept += [make_trial(tasks[0], configurations[5], n=2, status="failed", failure="error: lost"), diverged]
    table = build(kept, tasks[:1], space, "tests", "MIT")
    assert failures(table) == {"diverged": 1, COLLAPSED: 1}
    assert n_ended(table) == 5  # all but the ones that were stopped and interrupted
    assert without_zero_shot(table) == []
    assert "| diverged | 1 | 20.0% |" in describe(table, importance=False)


def test_another_score_has_its_likelihood_beside_it(space, make_task, configurations, make_trial):
    task = make_task(
        "t", metric="exact_match", zero_shot_score=0.0, meta_features={"shift": 0.0, "zero_shot_loss": 2.0}
    )
    whole = [make_trial(task, c) for c in configurations[:2]]
    half = 0.5 * math.exp(-2.0)
    likelihoods = ({"answer_likelihood": share * half} for share in (0.9, 1.1))
    ended = [ending_at(trial, 0.0, metrics=m) for trial, m in zip(whole, likelihoods, strict=True)]
    table = build(ended, [task], space, "tests", "MIT")
    assert failures(table) == {COLLAPSED: 1}


def test_tasks_without_a_zero_shot_likelihood_are_said(space, make_task, configurations, make_trial):
    task = make_task("t", metric="exact_match")
    table = build([make_trial(task, c) for c in configurations], [task], space, "tests", "MIT")
    assert without_zero_shot(table) == ["t"]
    text = describe(table, importance=False)
    assert "Only failures are seen on the 1 tasks without a zero-shot likelihood" in text
    assert "None of 12 that ended" in text


def test_the_top_tenth_beats_nine_in_ten(make_table):
    assert share_outside_top(np.array([89.0, 90.0, 100.0, np.nan])) == pytest.approx(1 / 3)
    assert math.isnan(share_outside_top(np.array([np.nan])))


def test_each_property_stands_beside_its_wanted_range(make_table):
    draw = np.random.default_rng(1)
    table = make_table(0.5 + 0.1 * draw.standard_normal((12, 1)) + 0.02 * draw.standard_normal((12, 3)))
    found = criteria(table, curve_arrays(table), np.array([50.0, 95.0]))
    noise, regret, outside, between, _, failed = found
    assert noise.holds
    assert noise.measured > 3
    assert not regret.holds
    assert regret.measured == 0.0  # both tasks are the same one
    assert outside.holds
    assert outside.measured == 0.5
    assert not between.holds
    assert between.measured == pytest.approx(1.0)
    assert not failed.holds
    assert failed.measured == 0.0
    text = describe(table, importance=False)
    assert "| tasks with the default outside the top 10 % |" in text
    assert "| trials that fail or collapse | 0.0% | some, at most 15 % | no |" in text
    assert "| t0 | 12 | 36 |" in text
