"""Cohorts beside trials alone: their files, pauses, failures, and what can't be one."""

import copy
import json
import pickle
import signal
import subprocess
import sys
from dataclasses import asdict, replace

import pytest
import torch

from lightning_quicktune.compose import with_overrides
from lightning_quicktune.finetune.base_model import BaseModelSettings, load_base_model
from lightning_quicktune.finetune.cohort import module
from lightning_quicktune.trials.checkpoints import BEST, LAST
from lightning_quicktune.trials.cohort_runner import can_join, run_cohort
from lightning_quicktune.trials.runner import run_trial
from lightning_quicktune.trials.storage import read_trial

BY_CLOCK = ("cost_s", "cost_cpu_s", "cohort_size", "reference_step_s")


@pytest.fixture
def trio(make_plan):
    """Plans of three trials that differ in rank, rate and schedule, in folders of that name."""

    def make(name):
        values = [{"lr": 0.01}, {"lr": 0.03, "lora_rank": 2}, {"lr": 0.001, "schedule": "constant"}]
        return [make_plan(f"{name}/{n}", test_each_slice=True, **own) for n, own in enumerate(values)]

    return make


def checkpoint(plan, name=LAST):
    return torch.load(plan.folder / name, weights_only=True)


def without_clocks(content):
    """A checkpoint's parts that aren't weights, without what a clock has told."""
    content = copy.deepcopy({k: v for k, v in content.items() if k not in ("state_dict", "optimizer_states")})
    for result in content["callbacks"]["SliceRecorder"]["slices"]:
        for key in (*BY_CLOCK, "score", "test_score", "metrics", "test_metrics"):
            result.pop(key)
    return content


def assert_same(ours, theirs, tolerance=1e-4):
    """Two checkpoints of one trial: the same keys and counts, and nearly the same numbers."""
    assert list(ours) == list(theirs)
    assert without_clocks(ours) == without_clocks(theirs)
    assert list(ours["state_dict"]) == list(theirs["state_dict"])
    for name, weight in theirs["state_dict"].items():
        assert ours["state_dict"][name].is_contiguous()
        torch.testing.assert_close(ours["state_dict"][name], weight, atol=tolerance, rtol=1e-3)
    (mine,), (other,) = ours["optimizer_states"], theirs["optimizer_states"]
    assert mine["param_groups"] == other["param_groups"]
    assert mine["state"].keys() == other["state"].keys()
    for key, state in other["state"].items():
        assert mine["state"][key].keys() == state.keys()
        for name, value in state.items():
            torch.testing.assert_close(mine["state"][key][name], value, atol=tolerance, rtol=1e-2)


def losses(trial):
    """Validation and test losses of all slices: where scores are small, they tell more."""
    return [x["loss"] for s in trial.curve.slices for x in (s.metrics, s.test_metrics)]


def test_checkpoints_and_records_are_those_of_the_trials_alone_key_by_key(trio):
    together, alone = trio("together"), trio("alone")
    trials = run_cohort(together, [2, 2, 2])
    for plan, other, trial in zip(together, alone, trials, strict=True):
        reference = run_trial(other, 2)
        assert_same(checkpoint(plan), checkpoint(other))
        assert_same(checkpoint(plan, BEST), checkpoint(other, BEST))
        ours, theirs = (json.loads((p.folder / "trial.json").read_text()) for p in (plan, other))
        assert ours.keys() == theirs.keys()
        assert [s.keys() for s in ours["curve"]] == [s.keys() for s in theirs["curve"]]
        assert {k: ours[k] for k in ("status", "failure", "fit", "seed", "versions")} == {
            k: theirs[k] for k in ("status", "failure", "fit", "seed", "versions")
        }
        assert (plan.folder / "fit.yaml").read_text() == (other.folder / "fit.yaml").read_text()
        assert losses(trial) == pytest.approx(losses(reference), abs=1e-4)
        assert trial == read_trial(plan.folder)
        assert {s.cohort_size for s in trial.curve.slices} == {3}
        assert all(s.cost_s > 0 for s in trial.curve.slices)
        assert asdict(trial.overheads)["save_s"] > 0


@pytest.mark.parametrize("first", ["cohort", "alone"])
def test_a_trial_may_begin_in_a_cohort_and_end_alone_or_the_other_way_round(trio, first):
    mixed, alone = trio("mixed"), trio("alone")
    order = [lambda plans, n: run_cohort(plans, [n] * 3), lambda plans, n: [run_trial(p, n) for p in plans]]
    one, other = order if first == "cohort" else order[::-1]
    one(mixed, 2)
    trials = other(mixed, 3)
    for plan, reference, trial in zip(mixed, alone, trials, strict=True):
        assert losses(trial) == pytest.approx(losses(run_trial(reference, 3)), abs=1e-4)
        assert_same(checkpoint(plan), checkpoint(reference), tolerance=1e-3)


def test_members_begin_where_they_are_and_leave_when_they_have_come_far_enough(trio):
    plans, alone = trio("together"), trio("alone")
    run_trial(plans[1], 2)
    told = []
    trials = run_cohort(plans, [1, 4, 3], on_record=lambda folder: told.append(folder.name))
    assert [(t.curve.fidelity, t.status) for t in trials] == [(1, "paused"), (4, "completed"), (3, "paused")]
    assert [s.cohort_size for s in trials[1].curve.slices] == [1, 1, 3, 2]
    assert [s.cohort_size for s in trials[2].curve.slices] == [3, 2, 1]
    assert sorted(told) == ["0", "1", "1", "2", "2", "2"]
    for trial, other, fidelity in zip(trials, alone, (1, 4, 3), strict=True):
        assert losses(trial) == pytest.approx(losses(run_trial(other, fidelity)), abs=1e-4)
    again = run_cohort(plans, [1, 4, 3])
    assert again == trials


def test_each_member_is_told_of_its_steps(trio):
    plans, told = trio("together"), []
    run_cohort(plans, [1, 2, 3], on_step=lambda *step: told.append(step))
    for plan, n_slices in zip(plans, (1, 2, 3), strict=True):
        steps = [(step, of) for config_id, step, of in told if config_id == plan.configuration.id]
        assert [step for step, _ in steps].count(1) == n_slices
        assert all(steps[n + 1][0] == (step % of) + 1 for n, (step, of) in enumerate(steps[:-1]))
        assert steps[-1][0] == steps[-1][1] > 1


def test_who_the_neighbours_are_changes_nothing(trio, make_plan):
    many = [*trio("many"), *(make_plan(f"further/{n}", lr=0.05, lora_rank=2) for n in range(2))]
    few = trio("few")[:2]
    for ours, theirs in zip(run_cohort(many, [2] * 5), run_cohort(few, [2] * 2), strict=False):
        assert losses(ours) == pytest.approx(losses(theirs), abs=1e-5)


def with_model(plan, **settings):
    """The plan with other settings of the model than its configuration's."""
    fit = copy.deepcopy(dict(plan.fit))
    fit["model"]["init_args"] |= settings
    return replace(plan, fit=fit)


def test_a_member_that_diverges_is_cut_out_and_its_neighbours_go_on(trio, make_plan):
    plans, alone = trio("together"), trio("alone")
    plans[1] = with_model(plans[1], lora={"rank": 4, "alpha_over_rank": 1e39})
    trials = run_cohort(plans, [3, 3, 3])
    assert (trials[1].status, trials[1].failure, trials[1].curve.fidelity) == ("failed", "diverged", 0)
    assert [s.cohort_size for s in trials[0].curve.slices] == [3, 2, 2]
    for n in (0, 2):
        assert trials[n].status == "paused"
        assert losses(trials[n]) == pytest.approx(losses(run_trial(alone[n], 3)), abs=1e-4)
    assert run_trial(plans[1], 3) == trials[1]


def test_settings_that_no_adapter_can_have_interrupt_their_trial_alone(trio):
    plans = trio("together")
    plans[2] = with_model(plans[2], lora={"targets": ["nowhere"]})
    trials = run_cohort(plans, [1, 1, 1])
    assert [t.status for t in trials] == ["paused", "paused", "interrupted"]
    assert "The LoRA targets ['nowhere'] match no linear module" in trials[2].failure


@pytest.mark.parametrize("clip", ["norm", "value"])
@pytest.mark.parametrize("optimizer", ["NAdam", "Adagrad", "SGD"])
def test_optimizers_without_a_rule_step_by_themselves(trio, optimizer, clip):
    init = {"class_path": f"torch.optim.{optimizer}", "init_args": {"lr": 0.01}}
    init["init_args"] |= {"momentum": 0.9, "dampening": 0.5} if optimizer == "SGD" else {}

    def plans(name):
        changed = [with_model(plan, optimizer=init) for plan in trio(name)]
        for plan in changed:
            plan.fit["trainer"] |= {"gradient_clip_algorithm": clip, "gradient_clip_val": 0.05}
        return changed

    together, alone = plans("together"), plans("alone")
    for plan, other, trial in zip(together, alone, run_cohort(together, [2] * 3), strict=True):
        assert losses(trial) == pytest.approx(losses(run_trial(other, 2)), abs=1e-4)
        assert_same(checkpoint(plan), checkpoint(other), tolerance=1e-3)


def test_gradient_checkpointing_changes_nothing(trio):
    def plans(name):
        return [
            with_model(p, base_model={**p.fit["model"]["init_args"]["base_model"], "gradient_checkpointing": True})
            for p in trio(name)
        ]

    for ours, theirs in zip(run_cohort(plans("ours"), [1] * 3), run_cohort(trio("theirs"), [1] * 3), strict=True):
        assert losses(ours) == pytest.approx(losses(theirs), abs=1e-5)


def test_too_little_memory_halves_the_cohort_which_goes_on_from_its_last_slice(trio, make_plan, monkeypatch, caplog):
    plans = [*trio("together"), make_plan("together/3", lr=0.02)]
    take, most = module.target_logits, 2

    def scarce(model, batch):
        if len(batch["labels"]) > most * 4 and "noise_keys" in batch and sizes["slices"] >= 1:
            raise MemoryError
        return take(model, batch)

    sizes = {"slices": 0}
    monkeypatch.setattr(module, "target_logits", scarce)
    trials = run_cohort(plans, [3] * 4, on_record=lambda folder: sizes.update(slices=sizes["slices"] + 1))
    assert [t.status for t in trials] == ["paused"] * 4
    assert [[s.cohort_size for s in t.curve.slices] for t in trials] == [[4, 4, 2]] * 4 or [
        [s.cohort_size for s in t.curve.slices] for t in trials
    ] == [[4, 2, 2]] * 4
    assert caplog.text.count("Memory is too small for 4 trials side by side; they go on 2 at a time") == 1


def test_halves_are_those_of_low_and_of_high_ranks_which_are_padded_less(trio, make_plan, monkeypatch):
    plans = [*trio("together"), make_plan("together/3", lr=0.02, lora_rank=2)]  # ranks 4, 2, 4, 2
    take, seen = module.AdapterBank, []

    def scarce(model, rows, device):
        seen.append([row.lora.rank for row in rows])
        if len(rows) > 2:
            raise MemoryError
        return take(model, rows, device)

    monkeypatch.setattr(module, "AdapterBank", scarce)
    assert {t.status for t in run_cohort(plans, [1] * 4)} == {"paused"}
    assert sorted(seen[0]) == [2, 2, 4, 4]
    assert seen[1:] == [[2, 2], [4, 4]]


def test_memory_for_none_is_what_it_is_for_the_trial_alone(trio, monkeypatch):
    def exhausted(*arguments):
        raise MemoryError

    for target in ("cohort.module.target_logits", "finetuner.target_logits"):
        monkeypatch.setattr(f"lightning_quicktune.finetune.{target}", exhausted)
    trials = run_cohort(trio("together"), [1] * 3)
    assert {t.failure for t in trials} == {"out_of_memory: batch of 4 records of at most 2048 tokens"}


def test_ctrl_c_pauses_all_members_at_their_last_slice(trio, monkeypatch):
    plans, alone = trio("together"), trio("alone")
    take = module.target_logits
    passes, handler = {"n": 0}, signal.getsignal(signal.SIGINT)

    def stopped(model, batch):
        passes["n"] += "noise_keys" in batch
        if passes["n"] == 6:  # in the second slice, which like the first has four passes
            raise KeyboardInterrupt
        return take(model, batch)

    monkeypatch.setattr(module, "target_logits", stopped)
    with pytest.raises(KeyboardInterrupt):
        run_cohort(plans, [3] * 3)
    assert [(read_trial(p.folder).status, read_trial(p.folder).curve.fidelity) for p in plans] == [("paused", 1)] * 3
    assert signal.getsignal(signal.SIGINT) is handler
    monkeypatch.undo()
    for trial, other in zip(run_cohort(plans, [3] * 3), alone, strict=True):
        assert losses(trial) == pytest.approx(losses(run_trial(other, 3)), abs=1e-4)


KILLED = """
import os, pickle, sys
from lightning_quicktune.finetune.cohort import module
from lightning_quicktune.trials.cohort_runner import run_cohort

take, passes = module.target_logits, [0]
def killed(model, batch):
    passes[0] += "noise_keys" in batch
    if passes[0] == 11:  # in the third slice
        os.kill(os.getpid(), 9)
    return take(model, batch)
module.target_logits = killed
run_cohort(pickle.load(open(sys.argv[1], "rb")), [4] * 3)
"""


@pytest.mark.slow
def test_after_kill_9_every_member_goes_on_from_its_last_slice(trio, tmp_path):
    plans, alone = trio("together"), trio("alone")
    (tmp_path / "plans").write_bytes(pickle.dumps(plans))
    process = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path / "plans")], timeout=1200, check=False)
    assert process.returncode == -signal.SIGKILL
    reached = [len(checkpoint(plan)["callbacks"]["SliceRecorder"]["slices"]) for plan in plans]
    assert set(reached) <= {1, 2}
    assert {read_trial(plan.folder).status for plan in plans} == {"running"}
    for trial, other in zip(run_cohort(plans, [4] * 3), alone, strict=True):
        assert trial.status == "completed"
        assert losses(trial) == pytest.approx(losses(run_trial(other, 4)), abs=1e-4)


def changed(plan, key, value):
    """The plan with another value of a dotted key of its fit YAML."""
    return replace(plan, fit=with_overrides(dict(plan.fit), {key: value}))


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("data.init_args.path", "elsewhere", r"`data.init_args.path` was .* and is now 'elsewhere'"),
        ("data.init_args.records_per_slice", 8, r"`data.init_args.records_per_slice` was 16 and is now 8"),
        ("model.init_args.base_model.name", "nano", r"`model.init_args.base_model.name` was .* and is now 'nano'"),
        ("trainer.precision", "bf16-mixed", r"`trainer.precision` was 'not set' and is now 'bf16-mixed'"),
    ],
)
def test_members_of_different_tasks_base_models_or_slices_are_refused(trio, key, value, message):
    plans = trio("together")
    plans[1] = changed(plans[1], key, value)
    with pytest.raises(ValueError, match=rf"can't be one cohort: .*{message}.* Give trials of one task and recipe"):
        run_cohort(plans, [1] * 3)
    assert not any(plan.folder.exists() for plan in plans)


def test_so_are_those_of_a_task_of_another_name_twice_the_same_and_too_few_fidelities(trio):
    plans = trio("together")
    other = replace(plans[1], task=replace(plans[1].task, name="another"))
    with pytest.raises(ValueError, match=r"`task` was 'colours' and is now 'another'"):
        run_cohort([plans[0], other], [1, 1])
    with pytest.raises(ValueError, match=r"Two members of the cohort have the folder .* Give each trial once"):
        run_cohort([plans[0], plans[0]], [1, 1])
    with pytest.raises(ValueError, match=r"A cohort of 3 trials has 2 fidelities. Give one for each"):
        run_cohort(plans, [1, 1])
    with pytest.raises(ValueError, match="can't reach fidelity 5"):
        run_cohort(plans, [1, 1, 5])
    assert run_cohort([], []) == []


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        ("model.init_args.lora.initialization", "pissa", "the initialization `pissa` changes the base weights"),
        ("model.init_args.lora.initialization", "olora", "the initialization `olora` changes the base weights"),
        ("data.init_args.packing", True, "`data.init_args.packing` puts several records into a row"),
        ("trainer.precision", "16-mixed", "`trainer.precision: 16-mixed` scales the loss"),
        ("trainer.precision", "bf16-true", "`trainer.precision: bf16-true` would change the shared base model"),
        ("trainer.callbacks", [{"class_path": "lightning.pytorch.callbacks.LambdaCallback"}], "has LambdaCallback"),
        ("trainer.gradient_clip_val", 3, None),
        ("trainer.callbacks", [{"class_path": "lightning.pytorch.callbacks.ModelCheckpoint"}], None),
    ],
)
def test_what_cannot_share_a_pass(make_plan, key, value, reason):
    found = can_join(changed(make_plan("any"), key, value))
    assert found is None if reason is None else reason in found


def test_a_member_that_must_be_alone_is_trained_so_and_the_others_together(trio, caplog):
    plans = trio("together")
    plans[0] = with_model(plans[0], lora={"rank": 4, "initialization": "pissa"})
    trials = run_cohort(plans, [1] * 3)
    assert [t.status for t in trials] == ["paused"] * 3
    assert [t.curve.slices[0].cohort_size for t in trials] == [1, 2, 2]
    assert "can't share a pass and is trained alone: the initialization `pissa`" in caplog.text


def test_the_base_model_is_left_as_it_was(trio):
    plans = trio("together")
    base = load_base_model(BaseModelSettings(plans[0].fit["model"]["init_args"]["base_model"]["name"]))
    before = {name: weight.clone() for name, weight in base.model.state_dict().items()}
    run_cohort(plans, [1] * 3)
    assert not base.model.training
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in base.model.modules())
    after = base.model.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(after[name], weight) for name, weight in before.items())
