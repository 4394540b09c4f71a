"""The same trials by each executor: the same scores, and what befalls workers."""

import os
import signal
import time
from contextlib import closing
from dataclasses import replace

import pytest

from lightning_quicktune.files.locks import exclusive
from lightning_quicktune.trials.executors.build import build_executor
from lightning_quicktune.trials.executors.orders import Order
from lightning_quicktune.trials.executors.settings import ExecutorSettings
from lightning_quicktune.trials.ranks import failure_over_ranks, forget_failures, note_failure, noted_failure
from lightning_quicktune.trials.runner import run_trial
from lightning_quicktune.trials.storage import read_trial

RATES = (0.01, 0.02, 0.005)


@pytest.fixture
def run(make_plan):
    """Trains trials to two slices by an executor: its records, in the order of the rates."""

    def train(settings, workers=1, name="", rates=RATES, fidelity=2, **told):
        plans = [make_plan(f"{name or settings.kind}-{rate}", lr=rate, test_each_slice=True) for rate in rates]
        with closing(build_executor(settings, workers, 1, plans[0].fit, **told)) as executor:
            for plan in plans:
                executor.submit(Order(plan, fidelity))
            assert {executor.wait().order.plan.key for _ in plans} == {plan.key for plan in plans}
        return [read_trial(plan.folder) for plan in plans]

    return train


def labels(trials):
    return [[(s.score, s.metrics, s.test_score, s.test_metrics, s.cost_tokens) for s in t.curve.slices] for t in trials]


def test_processes_give_the_scores_of_one_process(run, tmp_path):
    recorded, steps = [], []
    here = run(ExecutorSettings("in_process"))
    there = run(
        ExecutorSettings("processes"), 2, on_record=recorded.append, on_step=lambda *step: steps.append(step[1:])
    )
    assert labels(there) == labels(here)
    assert {trial.status for trial in there} == {"paused"}
    assert {t.device.threads for t in there} == {1}
    assert sorted(recorded) == sorted(f for f in [tmp_path / f"processes-{rate}" for rate in RATES] for _ in range(2))
    assert steps.count((4, 4)) == 6


@pytest.mark.slow  # four starts of Python, two of which train together
def test_a_process_for_each_trial_gives_the_same_and_two_devices_within_1e_4(run):
    here = run(ExecutorSettings("in_process"), rates=RATES[:1], fidelity=4)
    alone = run(ExecutorSettings("subprocess", threads=1), rates=RATES[:1], fidelity=4)
    assert labels(alone) == labels(here)
    two = ExecutorSettings("subprocess", threads=1, devices=2)
    run(two, name="two", rates=RATES[:1], fidelity=1)
    (paused,) = run(two, name="two", rates=RATES[:1], fidelity=3)
    assert paused.status == "paused"
    assert paused.device.count == 2
    assert paused.fit["data"]["init_args"]["batch_size"] == 4
    (together,) = run(ExecutorSettings("in_process"), name="two", rates=RATES[:1], fidelity=4)
    for a, b in zip(together.curve.slices, here[0].curve.slices, strict=True):
        assert a.score == pytest.approx(b.score, abs=1e-4)
        assert a.test_score == pytest.approx(b.test_score, abs=1e-4)
        assert a.cost_tokens == pytest.approx(b.cost_tokens)


def worker_of(executor):
    (worker,) = executor._orders
    return worker


@pytest.mark.slow  # two starts of Python
def test_a_killed_worker_is_replaced_and_its_trial_goes_on_from_the_last_slice(make_plan, caplog):
    plan, before, executor = make_plan("killed"), [], None

    def kill(folder):
        if not before:
            before.extend(read_trial(folder).curve.slices)
            os.killpg(worker_of(executor).process.pid, signal.SIGKILL)

    executor = build_executor(ExecutorSettings("processes"), 1, 1, plan.fit, on_record=kill)
    with closing(executor):
        executor.submit(Order(plan, 4))
        trial = executor.wait().trial
    assert trial.curve.slices[:1] == tuple(before)
    assert trial.status == "completed"
    assert trial.curve.scores == run_trial(make_plan("alone"), 4).curve.scores
    assert "ended by SIGKILL, as systems do where memory is short" in caplog.text


@pytest.mark.slow  # three starts of Python
def test_a_trial_that_kills_every_worker_is_given_up_with_what_it_has(make_plan):
    plan, executor = make_plan("fatal"), None

    def kill(config_id, step, of):
        if read_trial(plan.folder).curve.slices:
            os.killpg(worker_of(executor).process.pid, signal.SIGKILL)

    executor = build_executor(ExecutorSettings("processes"), 1, 1, plan.fit, on_step=kill)
    with closing(executor):
        executor.submit(Order(plan, 4))
        trial = executor.wait().trial
    assert trial.status == "interrupted"
    assert trial.failure.startswith(
        "error: WorkerLostError: it has lost 3 workers; the last one: its process was ended"
    )
    assert 1 <= trial.curve.fidelity <= 3
    assert read_trial(plan.folder) == trial


@pytest.mark.slow  # two starts of Python
def test_closed_in_the_middle_of_a_trial_it_pauses_it_and_starts_anew_for_the_next_order(make_plan):
    plan, recorded = make_plan("closed"), []
    executor = build_executor(ExecutorSettings("processes"), 1, 1, plan.fit, on_record=recorded.append)
    with closing(executor):
        executor.submit(Order(plan, 4))
        while not recorded:
            assert executor.n_ended == 0
            time.sleep(0.01)
        executor.close()
        paused = read_trial(plan.folder)
        assert paused.status in ("paused", "completed")
        executor.submit(Order(plan, 4))
        assert executor.wait().trial.curve.slices[: paused.curve.fidelity] == paused.curve.slices


def test_what_is_no_trials_own_is_raised_where_it_was_ordered(make_plan):
    run_trial(make_plan("other", lr=0.01), 1)
    (plan,) = [make_plan("other", lr=0.01, lora_rank=2)]
    with closing(build_executor(ExecutorSettings("processes"), 1, 1, plan.fit)) as executor:
        executor.submit(Order(plan, 2))
        with pytest.raises(ValueError, match=r"holds this trial with other settings: `model.init_args.lora.rank`"):
            executor.wait()


@pytest.mark.parametrize("kind", ["processes", "subprocess"])
def test_workers_that_cant_start_end_the_command(make_plan, monkeypatch, kind):
    plan = make_plan("never")
    monkeypatch.setenv("PYTHONHOME", "/nowhere")
    words = r"3 workers .*before they trained anything \(its process ended with status 1; .*No module named 'encodings'"
    with closing(build_executor(ExecutorSettings(kind), 1, 1, plan.fit)) as executor:
        executor.submit(Order(plan, 2))
        with pytest.raises(RuntimeError, match=words):
            executor.wait()
    assert not (plan.folder / "trial.json").exists()


def test_a_trial_that_another_process_runs_comes_back_untouched(make_plan):
    plan = make_plan("taken")
    with closing(build_executor(ExecutorSettings(), 1, 1, plan.fit)) as executor, exclusive(plan.folder):
        executor.submit(Order(plan, 2))
        assert executor.wait().trial is None
    assert not (plan.folder / "trial.json").exists()


def test_an_order_is_the_same_from_a_file(make_plan):
    order = Order(make_plan("there"), 3, alone=True)
    again = Order.from_dict(order.to_dict())
    assert (again.plan.resolved, again.plan.blank, again.key) == (order.plan.resolved, order.plan.blank, order.key)
    assert (again.fidelity, again.alone) == (3, True)


@pytest.mark.slow  # a start of Python, and one for the second device
def test_a_trial_that_diverges_on_two_devices_has_failed(make_plan):
    plan = make_plan("diverges")
    model = {**plan.fit["model"]["init_args"], "lora": {"rank": 4, "alpha_over_rank": 1e39}}
    plan = replace(plan, fit={**plan.fit, "model": {**plan.fit["model"], "init_args": model}})
    executor = build_executor(ExecutorSettings("subprocess", threads=1, devices=2), 1, 1, plan.fit)
    with closing(executor):
        executor.submit(Order(plan, 4))
        trial = executor.wait().trial
    assert (trial.status, trial.failure) == ("failed", "diverged")


def test_what_another_device_has_noted_is_the_reason_if_it_says_something(tmp_path):
    assert failure_over_ranks(tmp_path, "diverged") == "diverged"
    note_failure(tmp_path, 1, "error: RuntimeError: Connection closed by peer")
    assert noted_failure(tmp_path) is None
    note_failure(tmp_path, 2, "out_of_memory: batch of 4 records")
    assert failure_over_ranks(tmp_path, "error: RuntimeError: Connection closed") == "out_of_memory: batch of 4 records"
    forget_failures(tmp_path)
    assert noted_failure(tmp_path) is None
