from dataclasses import replace

import pytest

from lightning_quicktune.files.locks import exclusive
from lightning_quicktune.trials import cohorts
from lightning_quicktune.trials.executors import suggested
from lightning_quicktune.trials.executors.in_process import InProcessExecutor
from lightning_quicktune.trials.executors.orders import Result
from lightning_quicktune.trials.executors.pool import LOST
from lightning_quicktune.trials.executors.suggested import SuggestedTrials
from lightning_quicktune.trials.executors.worker import Brief
from lightning_quicktune.types import LearningCurve, SliceResult, Suggestion


@pytest.fixture
def executor_of(setup, small_space, tmp_path, monkeypatch):
    """An executor whose trials end as listed: slices and status of each call."""

    def make(*ends):
        left = list(ends)

        def run(plan, fidelity, *told):
            n, status = left.pop(0)
            curve = LearningCurve(tuple(SliceResult(i, 0.5, 1.0, 1.0, 1) for i in range(1, n + 1)))
            return replace(plan.blank, curve=curve, status=status)

        monkeypatch.setattr(cohorts, "run_trial", run)
        return SuggestedTrials(InProcessExecutor(Brief()), setup, small_space, tmp_path), left

    return make


def ask(executor, configuration, fidelity):
    executor.submit(Suggestion(configuration, fidelity))
    observation = executor.wait()
    return observation.curve.fidelity, observation.failed


def test_an_interrupted_trial_is_tried_once_more(executor_of, small_space):
    executor, left = executor_of((1, "interrupted"), (2, "paused"))
    assert ask(executor, small_space.default, 2) == (2, False)
    assert not left


def test_a_trial_that_is_interrupted_twice_is_given_up_with_what_it_has(executor_of, small_space, caplog):
    executor, left = executor_of((0, "interrupted"), (1, "interrupted"), (3, "paused"))
    assert ask(executor, small_space.default, 3) == (1, True)
    assert len(left) == 1
    assert "is given up: errors have interrupted it 2 times" in caplog.text


def test_a_trial_that_lost_its_workers_is_given_up_at_once(setup, small_space, tmp_path, caplog):
    lost = replace(
        SuggestedTrials(Done(), setup, small_space, tmp_path).plan(small_space.default).blank,
        status="interrupted",
        failure=f"{LOST}: it has lost 3 workers",
    )
    executor = SuggestedTrials(Done(lost), setup, small_space, tmp_path)
    assert ask(executor, small_space.default, 1) == (0, True)
    assert "is given up: errors have interrupted it once." in caplog.text


def test_interruptions_count_over_the_suggestions_of_a_configuration(executor_of, small_space):
    ends = [(0, "interrupted"), (1, "paused"), (1, "interrupted"), (0, "interrupted"), (1, "paused")]
    executor, left = executor_of(*ends)
    (other,) = small_space.sample(1, seed=0)
    assert ask(executor, small_space.default, 1) == (1, False)
    assert ask(executor, small_space.default, 2) == (1, True)
    assert ask(executor, other, 1) == (1, False)
    assert not left


def test_a_failure_of_the_configuration_is_not_tried_again(executor_of, small_space):
    executor, left = executor_of((1, "failed"), (2, "paused"))
    assert ask(executor, small_space.default, 2) == (1, True)
    assert len(left) == 1


def test_a_process_that_never_lets_go_of_a_trial_is_named_in_the_end(executor_of, small_space, monkeypatch, capsys):
    executor, _ = executor_of()
    monkeypatch.setattr(suggested, "_PAUSE_S", 0.01)
    monkeypatch.setattr(suggested, "_LONGEST_S", 0.05)
    executor.submit(Suggestion(small_space.default, 1))
    folder = executor.plan(small_space.default).folder
    with exclusive(folder), pytest.raises(RuntimeError, match=rf"has held {folder}/lock for 0 s, .* End that process"):
        executor.wait()
    assert capsys.readouterr().err.count("waiting for it") == 1


class Done:
    """An executor whose worker took 90 seconds to start, and 7 to train."""

    capacity, n_ended = 1, 0

    def __init__(self, trial=None):
        self.trial = trial

    def close(self):
        pass

    def submit(self, asked):
        self.asked = asked

    def wait(self):
        return Result(self.asked, self.trial or self.asked.plan.blank, 97.0, 1, 7.0)


def test_the_start_of_a_worker_is_no_time_of_a_trial(setup, small_space, tmp_path):
    executor = SuggestedTrials(Done(), setup, small_space, tmp_path)
    plan = executor.plan(small_space.default)
    assert executor.train_plan(plan, 1) == (plan.blank, 7.0)
