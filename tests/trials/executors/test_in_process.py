from dataclasses import replace

import pytest

from lightning_quicktune.trials import cohort_runner, cohorts
from lightning_quicktune.trials.executors.in_process import InProcessExecutor
from lightning_quicktune.trials.executors.suggested import SuggestedTrials
from lightning_quicktune.trials.executors.worker import Brief
from lightning_quicktune.types import LearningCurve, Suggestion


@pytest.fixture
def executor(setup, small_space, tmp_path):
    return SuggestedTrials(InProcessExecutor(Brief(cohort=3), capacity=3), setup, small_space, tmp_path / "together")


def test_what_is_submitted_is_trained_at_once_and_told_one_by_one(executor, small_space, setup, tmp_path):
    chosen = [small_space.default, *small_space.sample(2, seed=0)]
    for n, configuration in enumerate(chosen):
        executor.submit(Suggestion(configuration, 1 + n % 2))
    assert executor.n_ended == 0
    seen = [executor.wait()]
    assert executor.n_ended == 2
    seen += [executor.wait(), executor.wait()]
    assert [o.configuration for o in seen] == chosen
    assert [o.curve.fidelity for o in seen] == [1, 2, 1]
    assert [s.cohort_size for s in seen[1].curve.slices] == [3, 1]
    assert all(o.cost_s > sum(o.curve.costs_s) for o in seen)
    alone = SuggestedTrials(InProcessExecutor(Brief()), setup, small_space, tmp_path / "alone")
    for observation in seen:
        alone.submit(Suggestion(observation.configuration, observation.curve.fidelity))
        scores = alone.wait().curve.scores
        assert scores == pytest.approx(observation.curve.scores, abs=1e-4)


def test_a_paused_trial_goes_on_beside_one_that_begins(executor, small_space):
    (other,) = small_space.sample(1, seed=0)
    executor.submit(Suggestion(small_space.default, 1))
    first = executor.wait()
    for suggestion in (Suggestion(small_space.default, 2), Suggestion(other, 1)):
        executor.submit(suggestion)
    seen = [executor.wait(), executor.wait()]
    assert [o.curve.fidelity for o in seen] == [2, 1]
    assert seen[0].curve.slices[:1] == first.curve.slices


def test_what_an_error_interrupts_is_tried_once_more_alone(executor, small_space, monkeypatch):
    def interrupted(plans, fidelities, *told):
        return [replace(plan.blank, status="interrupted", failure="error: OSError: the cable") for plan in plans]

    tried = []

    def run(plan, fidelity, *told):
        tried.append(plan.configuration)
        return replace(plan.blank, curve=LearningCurve(), status="interrupted")

    monkeypatch.setattr(cohort_runner, "run_cohort", interrupted)
    monkeypatch.setattr(cohorts, "run_trial", run)
    (other,) = small_space.sample(1, seed=0)
    for configuration in (small_space.default, other):
        executor.submit(Suggestion(configuration, 1))
    assert executor.wait().failed
    assert executor.wait().failed
    assert set(tried) == {small_space.default, other}


def test_what_cant_join_is_trained_alone(executor, small_space, monkeypatch):
    monkeypatch.setattr(
        cohort_runner, "can_join", lambda plan: "odd" if plan.configuration == small_space.default else None
    )
    for configuration in (small_space.default, *small_space.sample(2, seed=0)):
        executor.submit(Suggestion(configuration, 1))
    seen = [executor.wait() for _ in range(3)]
    sizes = {o.configuration: o.curve.slices[0].cohort_size for o in seen}
    assert sizes.pop(small_space.default) == 1
    assert set(sizes.values()) == {2}
