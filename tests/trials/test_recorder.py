import dataclasses
import json
from types import SimpleNamespace

import pytest
import torch

from lightning_quicktune.finetune import scoring
from lightning_quicktune.finetune.finetuner import CausalLMFinetuner, DivergedError
from lightning_quicktune.trials import recorder, runner, trainer
from lightning_quicktune.trials.plan import TrialPlan
from lightning_quicktune.trials.runner import run_trial
from lightning_quicktune.trials.task_setup import set_up_task
from lightning_quicktune.types import DeviceInfo


class Clock:
    """Stands still unless something is said to take time."""

    def __init__(self, monkeypatch):
        self.now = 0.0
        fake = SimpleNamespace(perf_counter=lambda: self.now, process_time=lambda: self.now)
        for module in (recorder, runner):
            monkeypatch.setattr(module, "time", fake)

    def takes(self, monkeypatch, place, name, seconds):
        original = getattr(place, name)

        def call(*args, **kwargs):
            self.now += seconds
            return original(*args, **kwargs)

        monkeypatch.setattr(place, name, call)


@pytest.fixture
def clock(monkeypatch):
    """Each part of a trial takes a power of two, so that every sum tells its parts."""
    clock = Clock(monkeypatch)
    clock.takes(monkeypatch, CausalLMFinetuner, "training_step", 1)  # four steps a slice
    clock.takes(monkeypatch, CausalLMFinetuner, "validation_step", 8)  # one batch
    clock.takes(monkeypatch, CausalLMFinetuner, "configure_model", 32)
    clock.takes(monkeypatch, recorder, "split_metrics", 128)
    clock.takes(monkeypatch, recorder, "save_slice", 1024)
    clock.takes(monkeypatch, runner, "write_text", 4096)
    clock.takes(monkeypatch, runner, "known_reference_step_s", 1 << 20)
    return clock


def test_costs_are_training_and_validation_alone_and_all_else_is_booked_once(make_plan, clock):
    trial = run_trial(make_plan("trial", test_each_slice=True), 2)
    assert [(s.cost_s, s.cost_cpu_s) for s in trial.curve.slices] == [(12, 12), (12, 12)]
    overheads = trial.overheads
    assert (overheads.test_s, overheads.save_s) == (2 * 128, 2 * 1024)
    assert overheads.start_s % 4096 % 1024 % 128 in (32, 64)  # the adapter is attached, once or twice asked for
    assert overheads.start_s < 4096 + 128
    assert (overheads.resume_s, overheads.unfinished_s) == (0, 0)


def test_testing_after_each_slice_changes_no_cost(make_plan, clock):
    plain = run_trial(make_plan("plain"), 2)
    tested = run_trial(make_plan("tested", test_each_slice=True), 2)
    costs = [[(s.cost_s, s.cost_cpu_s, s.cost_tokens) for s in t.curve.slices] for t in (plain, tested)]
    assert costs[0] == costs[1]
    assert dataclasses.replace(tested.overheads, test_s=0.0) == plain.overheads


def test_a_resumed_trial_books_its_second_beginning_as_resume(make_plan, clock):
    plan = make_plan("trial")
    before = run_trial(plan, 1).overheads
    after = run_trial(plan, 3).overheads
    assert after.start_s == before.start_s
    assert after.resume_s >= 4096
    assert after.save_s == 3 * 1024


def test_a_slice_that_does_not_end_is_booked_as_unfinished(make_plan, clock, monkeypatch):
    def diverges(self):
        raise DivergedError("The loss is nan")

    monkeypatch.setattr(CausalLMFinetuner, "on_validation_epoch_end", diverges)
    trial = run_trial(make_plan("trial"), 2)
    assert trial.failure == "diverged"
    assert trial.overheads.unfinished_s == 12


def test_each_slice_says_where_it_was_trained(make_plan, monkeypatch):
    plan = make_plan("trial")
    run_trial(plan, 1)
    monkeypatch.setattr(runner, "device_info", lambda *told: DeviceInfo("other", 1, 8, 0.0, 0.125))
    trial = run_trial(plan, 2)
    first, second = trial.curve.slices
    assert (second.device, second.threads, second.reference_step_s) == ("other", 8, 0.125)
    assert first.device != "other"
    assert first.threads == torch.get_num_threads()
    assert trial.device.name == "other"


def test_the_reference_step_is_timed_once_per_process_device_and_threads(make_plan, monkeypatch):
    timed = []
    monkeypatch.setattr(trainer, "_reference", {})
    monkeypatch.setattr(trainer, "reference_step_s", lambda base, device: timed.append(device) or 0.5)
    for name in ("a", "b"):
        assert run_trial(make_plan(name), 1).device.reference_step_s == 0.5
    assert len(timed) == 1
    monkeypatch.setattr(trainer.torch, "get_num_threads", lambda: 64)
    assert trainer.time_reference_step(make_plan("c").fit) == 0.5
    assert len(timed) == 2


def test_the_reference_step_is_timed_on_the_threads_of_the_workers_and_on_one(make_plan, monkeypatch):
    seen, before = [], torch.get_num_threads()

    def timed(base, device):
        seen.append(torch.get_num_threads())
        return 2.0 if seen[-1] == 1 else 0.5

    monkeypatch.setattr(trainer, "_reference", {})
    monkeypatch.setattr(trainer, "reference_step_s", timed)
    assert trainer.time_reference_step(make_plan("a").fit, before + 1) == 1.0  # the geometric mean
    assert (seen, torch.get_num_threads()) == ([before + 1, 1], before)
    assert trainer.time_reference_step(make_plan("a").fit, 1) == 2.0
    assert len(seen) == 2


def test_answers_are_generated_once_after_the_last_slice_on_sixteen_records(
    fit_config, write_colours, small_space, tmp_path, monkeypatch
):
    task = write_colours(tmp_path / "task")
    lines = [json.dumps({"question": f"What is a red hat {n} like?", "answer": "warm"}) for n in range(20)]
    (task / "test.jsonl").write_text("\n".join(lines))
    setup = set_up_task(str(task), fit_config, 3, tmp_path / "setup")
    totals, generate = [], scoring.answer_totals
    monkeypatch.setattr(scoring, "answer_totals", lambda *a: totals.append(generate(*a)) or totals[-1])
    plan = TrialPlan(setup.info, setup.fit, small_space, small_space.default, 0, tmp_path / "trial", True)
    run_trial(plan, 2)
    assert totals == []
    first, second, last = run_trial(plan, 3).curve.slices
    (generated,) = totals
    assert {n for _, n in generated.values()} == {16}
    assert set(first.test_metrics) == set(second.test_metrics) == {"loss", "answer_likelihood"}
    assert {n: last.test_metrics[n] for n in generated} == {n: total / 16 for n, (total, _) in generated.items()}
    assert set(generated) == {"exact_match", "token_f1", "rouge_l"}


def test_a_search_generates_no_answers_between_slices(make_plan, monkeypatch):
    monkeypatch.setattr(scoring, "answer_totals", None)
    assert run_trial(make_plan("searched"), 4).curve.slices[-1].test_metrics == {}
