import ctypes
import dataclasses
import gc
import os
import shutil
import threading
from pathlib import Path

import pytest
import torch

from lightning_quicktune.trials.attempts import memory_of_others
from lightning_quicktune.trials.checkpoints import LAST
from lightning_quicktune.trials.plan import TrialPlan
from lightning_quicktune.trials.recorder import SliceRecorder
from lightning_quicktune.trials.runner import run_trial
from lightning_quicktune.trials.storage import read_trial, write_trial
from lightning_quicktune.trials.task_setup import set_up_task


def adapter(plan):
    return torch.load(plan.folder / LAST, weights_only=True)["state_dict"]


def assert_bit_equal(plan, other):
    ours, theirs = adapter(plan), adapter(other)
    assert ours.keys() == theirs.keys()
    assert ours
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    assert read_trial(plan.folder).curve.scores == read_trial(other.folder).curve.scores


def test_paused_and_resumed_after_every_slice_is_bit_equal_to_uninterrupted(make_plan):
    whole, paused = make_plan("whole"), make_plan("paused")
    run_trial(whole, 4)
    for fidelity in (1, 2, 4):
        trial = run_trial(paused, fidelity)
        assert trial.curve.fidelity == fidelity
    assert trial.status == "completed"
    assert_bit_equal(whole, paused)


def test_asked_to_end_after_its_last_slice_a_trial_is_complete(make_plan, monkeypatch):
    end_slice = SliceRecorder.on_train_epoch_end

    def asked(self, trainer, module):
        end_slice(self, trainer, module)
        if len(self.slices) == 4:
            raise KeyboardInterrupt

    plan = make_plan("asked")
    monkeypatch.setattr(SliceRecorder, "on_train_epoch_end", asked)
    with pytest.raises(KeyboardInterrupt):
        run_trial(plan, 4)
    assert read_trial(plan.folder).status == "completed"
    write_trial(plan.folder, dataclasses.replace(read_trial(plan.folder), status="paused"))
    assert run_trial(plan, 4).status == "completed"
    assert read_trial(plan.folder).status == "completed"


def test_asked_to_pause_in_another_thread_than_the_main_one_a_trial_is_paused(make_plan):
    """As in an actor; Lightning can't handle the request there."""
    plan, raised = make_plan("thread"), []

    def stop(step, of):
        if read_trial(plan.folder).curve.fidelity == 1:
            raise KeyboardInterrupt

    def train():
        try:
            run_trial(plan, 4, on_step=stop)
        except BaseException as error:
            raised.append(type(error))

    thread = threading.Thread(target=train)
    thread.start()
    thread.join()
    trial = read_trial(plan.folder)
    assert (trial.status, trial.failure, trial.curve.fidelity) == ("paused", None, 1)
    assert raised == [KeyboardInterrupt]


def test_trial_b_after_trial_a_in_the_same_worker_is_bit_equal_to_b_alone(make_plan):
    alone, after = make_plan("alone"), make_plan("after")
    run_trial(alone, 2)
    run_trial(make_plan("a", lr=0.1, lora_rank=2, schedule="constant"), 3)
    run_trial(after, 2)
    assert_bit_equal(alone, after)


def test_testing_after_each_slice_changes_no_weight_and_no_cost(make_plan):
    plain, tested = make_plan("plain"), make_plan("tested", test_each_slice=True)
    run_trial(plain, 2)
    trial = run_trial(tested, 2)
    assert_bit_equal(plain, tested)
    assert all(s.test_score is not None for s in trial.curve.slices)
    assert trial.overheads.test_s > 0
    assert trial.curve.slices[0].cost_tokens == read_trial(plain.folder).curve.slices[0].cost_tokens


def test_training_learns_and_slices_have_costs(fit_config, colour_task, small_space, tmp_path):
    fit_config["model"]["init_args"]["base_model"]["name"] = "nano"
    setup = set_up_task(str(colour_task), fit_config, 4, tmp_path / "nano")
    plan = TrialPlan(setup.info, setup.fit, small_space, small_space.default, 0, tmp_path / "learns")
    trial = run_trial(plan, 4)
    assert trial.curve.scores[-1] > 3 * setup.info.zero_shot_score
    assert all(s.cost_s > 0 and s.cost_cpu_s > 0 and s.cost_tokens > 100 for s in trial.curve.slices)
    assert trial.device.reference_step_s > 0
    assert trial.overheads.start_s > 0


def test_the_curve_survives_a_record_that_is_behind_its_checkpoint(make_plan):
    plan = make_plan("behind")
    after_one = run_trial(plan, 1)
    run_trial(plan, 2)
    write_trial(plan.folder, after_one)  # killed between checkpoint and record
    trial = run_trial(plan, 3)
    whole = make_plan("whole")
    assert run_trial(whole, 3).curve.scores == trial.curve.scores


def test_a_kill_between_record_and_checkpoint_trains_the_slice_again_bit_equal(make_plan):
    killed, whole = make_plan("killed"), make_plan("whole")
    run_trial(killed, 1)
    before = {name: (killed.folder / name).read_bytes() for name in ("last.ckpt", "best.ckpt")}
    trial = run_trial(killed, 2)
    for name, content in before.items():
        (killed.folder / name).write_bytes(content)
    write_trial(killed.folder, dataclasses.replace(trial, status="running"))
    assert run_trial(killed, 2).status == "paused"
    run_trial(whole, 2)
    assert_bit_equal(whole, killed)


def test_a_kill_after_the_last_checkpoint_leaves_a_trial_that_ends_without_training(make_plan):
    plan = make_plan("killed")
    trial = run_trial(plan, 4)
    write_trial(plan.folder, dataclasses.replace(trial, status="running"))
    written = (plan.folder / "last.ckpt").stat().st_mtime_ns
    again = run_trial(plan, 4)
    assert (again.status, again.curve) == ("completed", trial.curve)
    assert (plan.folder / "last.ckpt").stat().st_mtime_ns == written


def test_out_of_memory_is_recorded_with_batch_size_and_length(make_plan, monkeypatch):
    def exhausted(*arguments):
        raise MemoryError

    monkeypatch.setattr("lightning_quicktune.finetune.finetuner.next_token_loss", exhausted)
    trial = run_trial(make_plan("memory"), 1)
    assert trial.failure == "out_of_memory: batch of 4 records of at most 2048 tokens"
    assert trial.status == "failed"


def test_memory_that_other_processes_hold_interrupts_a_trial_which_goes_on_when_it_is_free(make_plan, monkeypatch):
    def exhausted(*arguments):
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr("lightning_quicktune.finetune.finetuner.next_token_loss", exhausted)
        patch.setattr("lightning_quicktune.trials.attempts.memory_of_others", lambda: 96 * 2**30)
        trial = run_trial(make_plan("memory"), 1)
    assert trial.status == "interrupted"
    assert trial.failure == (
        "error: MemoryError: no room for a batch of 4 records of at most 2048 tokens beside 96.0 GiB of others"
    )
    assert run_trial(make_plan("memory"), 1).status == "paused"


def test_memory_of_others_is_what_neither_is_free_nor_ours_nor_a_context(monkeypatch):
    gib = 2**30
    assert memory_of_others() == 0 or torch.cuda.is_available()
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda: 30 * gib)
    for free, others in ((1, 108), (109, 0), (110, 0)):
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda free=free: (free * gib, 140 * gib))
        assert memory_of_others() == others * gib


def test_a_damaged_checkpoint_is_detected_and_the_trial_still_ends_bit_equal(make_plan, caplog):
    damaged, whole = make_plan("damaged"), make_plan("whole")
    run_trial(damaged, 2)
    path = damaged.folder / LAST
    path.write_bytes(path.read_bytes()[:1000])
    run_trial(damaged, 3)
    run_trial(whole, 3)
    assert "is damaged" in caplog.text
    assert_bit_equal(whole, damaged)


def test_a_diverged_trial_is_recorded_and_not_run_again(make_plan):
    plan = make_plan("diverged", lr=0.1)
    fit = {**plan.fit}
    fit["model"] = {**fit["model"], "init_args": {**fit["model"]["init_args"]}}
    fit["model"]["init_args"]["lora"] = {"rank": 4, "alpha_over_rank": 1e39}
    plan = dataclasses.replace(plan, fit=fit)
    trial = run_trial(plan, 4)
    assert (trial.status, trial.failure) == ("failed", "diverged")
    assert run_trial(plan, 4) == trial


def test_an_error_interrupts_a_trial_and_the_next_call_goes_on_from_its_last_slice(make_plan, monkeypatch):
    plan, whole = make_plan("plan"), make_plan("whole")
    run_trial(plan, 2)
    with monkeypatch.context() as patch:
        patch.setattr("lightning_quicktune.finetune.finetuner.next_token_loss", stumble)
        trial = run_trial(plan, 4)
    assert (trial.status, trial.failure, trial.curve.fidelity) == ("interrupted", "error: OSError: the cable", 2)
    assert (plan.folder / LAST).is_file()
    trial = run_trial(plan, 4)
    assert (trial.status, trial.failure) == ("completed", None)
    assert trial.overheads.unfinished_s > 0
    run_trial(whole, 4)
    assert_bit_equal(plan, whole)


def stumble(*arguments):
    raise OSError("the cable")


def test_wrong_lora_targets_interrupt_the_trial_with_the_modules_there_are(make_plan):
    plan = make_plan("targets")
    fit = {**plan.fit, "model": {**plan.fit["model"]}}
    fit["model"]["init_args"] = {**fit["model"]["init_args"], "lora": {"targets": ["q_proj"]}}
    trial = run_trial(dataclasses.replace(plan, fit=fit), 1)
    assert trial.status == "interrupted"
    assert "down_proj, gate_up_proj, o_proj, qkv_proj" in trial.failure


def test_a_fidelity_beyond_the_schedule_says_how_to_go_further(make_plan):
    with pytest.raises(ValueError, match=r"can't reach fidelity 5: its schedule has 4 slices. Raise `max_fidelity`"):
        run_trial(make_plan("far"), 5)


def test_several_devices_are_refused_with_the_key_to_set(make_plan):
    plan = make_plan("devices")
    plan = dataclasses.replace(plan, fit={**plan.fit, "trainer": {**plan.fit["trainer"], "devices": 2}})
    with pytest.raises(ValueError, match=r"`trainer.devices` is 2. Set `trainer.devices: 1`"):
        run_trial(plan, 1)


@pytest.mark.slow
def test_memory_does_not_grow_over_two_hundred_trials(make_plan):
    """A minute: each trial trains one slice. What is free goes back to the system before it is looked at."""
    heap = ctypes.CDLL("libc.so.6")

    def resident_mb():
        gc.collect()
        heap.malloc_trim(0)
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20

    sizes = []
    for number in range(200):
        plan = make_plan(f"trial{number}", lora_rank=2 + 2 * (number % 2))
        run_trial(plan, 1)
        shutil.rmtree(plan.folder)
        if number % 50 == 49:
            sizes.append(resident_mb())
    assert sizes[-1] - sizes[0] < 15, f"Megabytes after 50, 100, 150 and 200 trials: {sizes}"
