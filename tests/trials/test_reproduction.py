"""What a record of a trial is worth: the same weights and the same curve, from nothing else."""

import csv
import json
import signal
import subprocess
import sys
from dataclasses import replace

import pytest
import torch
import yaml
from lightning.pytorch import Callback, Trainer, seed_everything

from lightning_quicktune.compose import build
from lightning_quicktune.finetune.base_model import load_base_model, load_tokenizer
from lightning_quicktune.finetune.finetuner import CausalLMFinetuner
from lightning_quicktune.trials import checkpoints
from lightning_quicktune.trials.checkpoints import LAST
from lightning_quicktune.trials.runner import run_trial, stop_trial
from lightning_quicktune.trials.storage import read_trial, write_trial


@pytest.fixture
def recorded(make_plan):
    """The record of a trial that was paused and resumed after another one, as JSON, and its weights."""
    plan = make_plan("recorded")
    run_trial(make_plan("another", lr=0.1, lora_rank=2, schedule="constant"), 1)
    for fidelity in (1, 3, 4):
        run_trial(plan, fidelity)
    weights = torch.load(plan.folder / LAST, weights_only=True)["state_dict"]
    return json.loads((plan.folder / "trial.json").read_text()), weights


class Scores(Callback):
    def __init__(self):
        self.scores = []

    def on_train_epoch_end(self, trainer, pl_module):
        self.scores.append(float(trainer.callback_metrics["score"]))


def scores_of(record):
    return [s["score"] for s in record["curve"]]


def test_the_record_names_all_that_it_takes(recorded, setup):
    record, _ = recorded
    assert record["base_model_hash"] == setup.info.base_model.weight_hash
    assert record["content_digest"] == setup.info.facts["content_digest"]
    assert record["fit"]["seed_everything"] == record["seed"] == 7
    assert record["fit"]["trainer"]["max_epochs"] == 4
    assert record["versions"]["torch"] in torch.__version__
    assert {s["threads"] for s in record["curve"]} == {torch.get_num_threads()}


def test_fit_of_a_resumed_trials_record_gives_the_same_weights_and_curve_bit_for_bit(recorded, tmp_path):
    record, weights = recorded
    load_base_model.cache_clear()
    load_tokenizer.cache_clear()
    seed_everything(record["fit"]["seed_everything"], verbose=False)
    composed = build(record["fit"])
    scores = Scores()
    quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False, "callbacks": [scores]}
    trainer = Trainer(**{**composed.trainer, **quiet, "enable_checkpointing": False, "default_root_dir": tmp_path})
    trainer.fit(composed.model, composed.data)
    ours = composed.model.state_dict()
    assert scores.scores == scores_of(record)
    assert ours.keys() == weights.keys()
    assert all(torch.equal(ours[name], weights[name]) for name in weights)
    composed.model.release()


@pytest.mark.slow
def test_fit_in_a_fresh_process_gives_the_same_weights_and_curve_bit_for_bit(recorded, tmp_path):
    """A start of the command line."""
    record, weights = recorded
    record["fit"]["trainer"] |= {
        "callbacks": [
            {
                "class_path": "lightning.pytorch.callbacks.ModelCheckpoint",
                "init_args": {"dirpath": str(tmp_path / "again"), "save_last": True},
            }
        ],
        "logger": {"class_path": "lightning.pytorch.loggers.CSVLogger", "init_args": {"save_dir": str(tmp_path)}},
    }
    (tmp_path / "record.yaml").write_text(yaml.safe_dump(record["fit"]))
    command = [sys.executable, "-m", "lightning_quicktune", "fit", "--config", str(tmp_path / "record.yaml")]
    subprocess.run(command, cwd=tmp_path, check=True)
    again = torch.load(tmp_path / "again" / "last.ckpt", weights_only=True)["state_dict"]
    assert all(torch.equal(again[name], weights[name]) for name in weights)
    (table,) = tmp_path.glob("lightning_logs/*/metrics.csv")
    rows = csv.DictReader(table.read_text().splitlines())
    assert [float(row["score"]) for row in rows if row.get("score")] == scores_of(record)


class Killed(BaseException):
    """Stands for a kill: nothing of ours catches it."""


def die_in_step(monkeypatch, step):
    original = CausalLMFinetuner.training_step

    def training_step(self, batch, batch_idx):
        if self.global_step == step:
            raise Killed
        return original(self, batch, batch_idx)

    monkeypatch.setattr(CausalLMFinetuner, "training_step", training_step)


def die_between_checkpoint_and_record(monkeypatch, step):
    monkeypatch.setattr("lightning_quicktune.trials.runner._Attempt._on_slice", raises)


def die_between_best_and_last_checkpoint(monkeypatch, step):
    monkeypatch.setattr(checkpoints.os, "replace", replace_all_but(monkeypatch, LAST))


def die_while_the_tracker_is_told(monkeypatch, step):
    return raises


def raises(*args, **kwargs):
    raise Killed


def replace_all_but(monkeypatch, name):
    original = checkpoints.os.replace

    def replace(source, target):
        if str(target).endswith(name):
            raise Killed
        original(source, target)

    return replace


@pytest.mark.parametrize(
    "die",
    [
        die_in_step,
        die_between_checkpoint_and_record,
        die_between_best_and_last_checkpoint,
        die_while_the_tracker_is_told,
    ],
)
def test_a_kill_at_any_moment_costs_at_most_one_slice_and_changes_nothing(make_plan, monkeypatch, die):
    killed, whole = make_plan("killed"), make_plan("whole")
    run_trial(killed, 1)
    before = read_trial(killed.folder).curve.slices
    with monkeypatch.context() as patch:
        tell = die(patch, step=6)
        with pytest.raises(Killed):
            run_trial(killed, 4, tell)
    trial = run_trial(killed, 4)
    assert trial.status == "completed"
    assert trial.curve.slices[:1] == before
    assert trial.curve.scores == run_trial(whole, 4).curve.scores
    for name in ("last.ckpt", "best.ckpt"):
        ours, theirs = (torch.load(plan.folder / name, weights_only=True) for plan in (killed, whole))
        assert ours["epoch"] == theirs["epoch"]
        assert all(torch.equal(ours["state_dict"][key], value) for key, value in theirs["state_dict"].items())


def test_ctrl_c_pauses_the_trial_and_ends_as_an_interrupt(make_plan, monkeypatch):
    plan, whole = make_plan("stopped"), make_plan("whole")
    original = CausalLMFinetuner.training_step
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # background jobs of a shell ignore it

    def training_step(self, batch, batch_idx):
        if self.global_step == 5:
            signal.raise_signal(signal.SIGINT)
        return original(self, batch, batch_idx)

    with monkeypatch.context() as patch:
        patch.setattr(CausalLMFinetuner, "training_step", training_step)
        with pytest.raises(KeyboardInterrupt):
            run_trial(plan, 4)
    assert signal.signal(signal.SIGINT, before) is signal.default_int_handler
    left = read_trial(plan.folder)
    assert (left.status, left.curve.fidelity) == ("paused", 1)
    assert left.overheads.unfinished_s > 0
    assert run_trial(plan, 4).curve.scores == run_trial(whole, 4).curve.scores


def test_a_stopped_trial_goes_on_when_the_budget_is_raised(make_plan):
    plan, told = make_plan("trial"), []
    run_trial(plan, 2)
    stop_trial(plan.folder, told.append)
    assert read_trial(plan.folder).status == "stopped"
    assert told == [plan.folder]
    assert run_trial(plan, 4).status == "completed"
    stop_trial(plan.folder, told.append)
    assert read_trial(plan.folder).status == "completed"


def test_a_trial_that_goes_on_with_other_versions_is_said(make_plan, caplog):
    plan = make_plan("trial")
    trial = run_trial(plan, 1)
    write_trial(plan.folder, replace(trial, versions={**trial.versions, "torch": "1.0"}))
    run_trial(plan, 2)
    assert "began with other versions: `torch` was '1.0' and is now" in caplog.text
